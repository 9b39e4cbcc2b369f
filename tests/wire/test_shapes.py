"""The shapes of contracts 1.4: exact names, nothing unknown, nothing silently changed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from credenza.wire.credentials import AddCredential, AddSigningCredential, Credential, UnsupportedCredential
from credenza.wire.errors import Envelope, Error, ReasonCode, Source, envelope
from credenza.wire.projects import NewProject, NewProjectService, ProjectEdit
from credenza.wire.services import NewServicePlace
from credenza.wire.shape import RequestShape

SIGNING = {"type": "SIGNING", "alias": "billing", "csr": "PEM"}
PROJECT = {
    "type": "OAUTH10A",
    "name": "Billing",
    "region": "EUROPE",
    "service": {"serviceId": 7},
    "environment": "SANDBOX",
    "credential": SIGNING,
    "company": {
        "name": "Example",
        "isGovernmentEntity": False,
        "address": {"addressLine1": "1 Main Street", "city": "Dublin", "postalCode": "D01", "countryCode": "IRL"},
    },
    "commercialCountries": ["IRL", "BEL"],
}


def refused(shape: Any, sent: object) -> list[tuple[str, tuple[str | int, ...]]]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(shape).validate_python(sent)
    return [(error["type"], error["loc"]) for error in caught.value.errors()]


def test_a_project_request_of_the_contract_is_read() -> None:
    project = NewProject.model_validate(PROJECT)

    assert project.company is not None
    assert project.company.address is not None
    assert (
        project.service.service_id,
        project.company.address.country_code,
        project.commercial_countries,
    ) == (7, "IRL", ("IRL", "BEL"))


@pytest.mark.parametrize("name", ["status", "ownerId", "environments", "service_id", "organizationId"])
def test_a_property_nobody_asked_for_is_refused_by_its_name(name: str) -> None:
    assert [("extra_forbidden", (name,))] == refused(NewProject, PROJECT | {name: "ACTIVE"})


@pytest.mark.parametrize("name", ["status", "id", "kid", "notAfter", "predecessorId"])
def test_a_new_credential_takes_no_facts_that_the_server_decides(name: str) -> None:
    assert [("extra_forbidden", ("SIGNING", name))] == refused(AddCredential, SIGNING | {name: "x"})


def test_python_names_are_not_names_of_the_wire() -> None:
    assert refused(ProjectEdit, {"commercial_countries": []}) == [("extra_forbidden", ("commercial_countries",))]


def test_the_description_of_a_credential_is_its_alias() -> None:
    described = {"type": "SIGNING", "description": "billing", "csr": "PEM"}

    assert AddSigningCredential.model_validate(SIGNING) == AddSigningCredential.model_validate(described)


def test_alias_and_description_together_are_refused() -> None:
    assert refused(AddCredential, SIGNING | {"description": "b"}) == [("extra_forbidden", ("SIGNING", "description"))]


def test_the_other_type_of_the_original_is_read_so_that_it_can_be_refused_by_name() -> None:
    read = TypeAdapter(AddCredential).validate_python({"type": "PARTNER", "description": "x", "certificate": "PEM"})

    assert isinstance(read, UnsupportedCredential)


@pytest.mark.parametrize(
    "name", ["", " billing", "billing ", "a\x00b", "a\nb", "a\u202eb", "a\u200bb", "\ud800", "x" * 121]
)
def test_a_name_that_deceives_or_is_too_long_is_refused_and_not_trimmed(name: str) -> None:
    assert [loc[1:] for _, loc in refused(AddCredential, SIGNING | {"alias": name})] == [("alias",)]


@pytest.mark.parametrize("name", ["billing", "Zahlungen für Kunden", "支払い", "a", "a  b", "<script>"])
def test_a_name_is_kept_as_it_came(name: str) -> None:
    assert name == AddSigningCredential.model_validate(SIGNING | {"alias": name}).alias


@pytest.mark.parametrize("number", [True, "7", 7.5, 0, -1, 2**31])
def test_a_service_id_is_a_positive_integer_and_nothing_that_resembles_one(number: object) -> None:
    assert [loc for _, loc in refused(NewProjectService, {"serviceId": number})] == [("serviceId",)]


def test_configuration_that_would_be_lost_is_refused() -> None:
    sent = {"serviceId": 7, "environment": {"name": "SANDBOX", "serviceDetails": {"config": {"a": 1}}}}

    assert refused(NewProjectService, sent) == [("too_long", ("environment", "serviceDetails", "config"))]


@pytest.mark.parametrize("prefix", ["payments", "/payments/", "/a//b", "/a/../b", "/a?b", "/a%2fb", "//"])
def test_a_path_prefix_is_plain(prefix: str) -> None:
    sent = {"name": "SANDBOX", "pathPrefix": prefix, "upstream": "http://127.0.0.1:9000"}

    assert [loc for _, loc in refused(NewServicePlace, sent)] == [("pathPrefix",)]


def test_a_credential_is_written_in_camel_case_and_in_zulu_time() -> None:
    noon = datetime(2025, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
    credential = Credential(
        id="ab" * 16 + "0" * 16,
        environment="SANDBOX",
        status="ACTIVE",
        alias="billing",
        consumer_key="c!k",
        client_id="c",
        kid="k",
        key_algorithm="RSA-2048",
        public_key_fingerprint="f",
        certificate_fingerprint="g",
        not_before=noon,
        not_after=noon,
        certificate="PEM",
        created_at=noon,
        predecessor_id=None,
        expiring=False,
    )
    written = credential.model_dump(mode="json", by_alias=True)

    assert written["notAfter"] == "2025-01-31T12:00:00Z"
    assert {
        "id", "type", "status", "alias", "consumerKey", "clientId", "kid", "environment", "keyAlgorithm",
        "publicKeyFingerprint", "certificateFingerprint", "notBefore", "notAfter", "certificate", "createdAt",
        "predecessorId", "expiring",
    } == set(written)  # fmt: skip
    assert credential.id == Credential.model_validate(written | {"newer": "property"}).id


def test_the_error_envelope_has_the_names_of_the_original() -> None:
    error = Error(
        source=Source.DEVELOPERS_API, reason_code=ReasonCode.BAD_REQUEST, description="No.", recoverable=False
    )
    written = {
        "Errors": {
            "Error": [
                {
                    "Source": "DEVELOPERS_API",
                    "ReasonCode": "BAD_REQUEST",
                    "Description": "No.",
                    "Recoverable": False,
                    "Details": None,
                }
            ]
        }
    }

    assert written == envelope(error).model_dump(mode="json", by_alias=True)
    assert envelope(error) == Envelope.model_validate(written)


def test_every_request_shape_bounds_its_text() -> None:
    unbounded = [
        f"{shape.__name__}.{name}"
        for shape in RequestShape.__subclasses__()
        for name, schema in shape.model_json_schema().get("properties", {}).items()
        if schema.get("type") == "string" and not {"maxLength", "enum", "const", "pattern"} & set(schema)
    ]

    assert unbounded == []
