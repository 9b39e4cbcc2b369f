"""The one name that TLS clients of a project are known by in an environment: RFC 8705 2.1.2."""

from __future__ import annotations

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from tests.actions.stage import PRODUCTION, SANDBOX, Shop, Stage

from credenza.actions import certificates, project_members, tls_client_names
from credenza.domain.errors import Code
from credenza.domain.model import OrganizationRole, ProjectRole, ProjectType
from credenza.protocol.tls_client_name import NameKind, TlsClientName
from credenza.store import schema
from credenza.store.engine import writing

DN = (SANDBOX, NameKind.SUBJECT_DN, "CN=till 7,O=Acme,C=DE")
DNS = (SANDBOX, NameKind.SAN_DNS, "till7.acme.example")


@pytest.fixture
def fapi_shop(stage: Stage) -> Shop:
    return Shop(stage, ProjectType.OAUTH2_FAPI)


def register(shop: Shop, *name: object) -> tls_client_names.Registered:
    return shop.done("tls_client_name.register", tls_client_names.register, *name)


def last_change(shop: Shop) -> tuple[str, str]:
    row = max(shop.stage.rows(schema.changes), key=lambda each: each.number)
    return row.kind, row.subject


def test_a_name_is_registered_and_told_to_the_gates(fapi_shop: Shop) -> None:
    done = register(fapi_shop, *DN)

    assert done.name == TlsClientName(*DN[1:])
    assert fapi_shop.looked(tls_client_names.get, SANDBOX) == done.name
    assert last_change(fapi_shop) == ("project", fapi_shop.project.id)


def test_there_is_one_name_and_a_second_takes_its_place(fapi_shop: Shop) -> None:
    register(fapi_shop, *DN)
    register(fapi_shop, *DNS)

    assert fapi_shop.looked(tls_client_names.get, SANDBOX) == TlsClientName(*DNS[1:])
    assert len(fapi_shop.stage.rows(schema.tls_client_names)) == 1


def test_the_database_takes_no_second_name(fapi_shop: Shop) -> None:
    register(fapi_shop, *DN)
    row = {"organization_id": fapi_shop.organization.id, "project_id": fapi_shop.project.id, "environment": SANDBOX}

    with (
        pytest.raises(IntegrityError),
        writing(fapi_shop.stage.platform.database.records) as connection,
    ):
        connection.execute(insert(schema.tls_client_names).values(**row, kind="san_dns", value="b.example"))


def test_a_name_that_is_removed_leaves_the_own_subject(fapi_shop: Shop) -> None:
    register(fapi_shop, *DN)

    fapi_shop.done("tls_client_name.remove", tls_client_names.remove, SANDBOX)

    assert last_change(fapi_shop) == ("project", fapi_shop.project.id)
    fapi_shop.refused("tls_client_name.view", Code.NOT_FOUND, tls_client_names.get, SANDBOX)
    fapi_shop.refused("tls_client_name.remove", Code.NOT_FOUND, tls_client_names.remove, SANDBOX)


@pytest.mark.parametrize(
    "name", [(NameKind.SUBJECT_DN, "till 7"), (NameKind.SAN_IP, "host.example"), (NameKind.SAN_DNS, " ")]
)
def test_what_is_no_name_is_refused(fapi_shop: Shop, name: tuple[NameKind, str]) -> None:
    refusal = fapi_shop.refused("tls_client_name.register", Code.INVALID, tls_client_names.register, SANDBOX, *name)

    assert refusal.field == "value"


def test_an_environment_has_a_name_once_the_project_has_the_environment(fapi_shop: Shop) -> None:
    name = (PRODUCTION, *DN[1:])

    fapi_shop.refused("tls_client_name.register", Code.PROJECT_STATUS, tls_client_names.register, *name)
    register(fapi_shop, *DN)
    fapi_shop.add_production()
    register(fapi_shop, *name)

    assert len(fapi_shop.stage.rows(schema.tls_client_names)) == 2


@pytest.mark.parametrize("project_type", [ProjectType.MTLS, ProjectType.OAUTH10A])
def test_only_projects_of_oauth2_get_tokens_by_tls(stage: Stage, project_type: ProjectType) -> None:
    shop = Shop(stage, project_type)

    shop.refused("tls_client_name.register", Code.PROJECT_TYPE, tls_client_names.register, *DN)


def test_who_may_only_look_at_a_project_registers_nothing(fapi_shop: Shop) -> None:
    stage, project_id = fapi_shop.stage, fapi_shop.project.id
    reader = stage.member(fapi_shop.organization, OrganizationRole.READ_ONLY)
    fapi_shop.done("project.member.set", project_members.set_role, email=reader.user.email, role=ProjectRole.READ_ONLY)
    register(fapi_shop, *DN)

    assert stage.looked(tls_client_names.get, reader.actor, project_id, SANDBOX) == TlsClientName(*DN[1:])
    for action, call, rest in (
        ("tls_client_name.register", tls_client_names.register, DNS),
        ("tls_client_name.remove", tls_client_names.remove, (SANDBOX,)),
    ):
        stage.refused(action, Code.PROJECT_FORBIDDEN, call, reader.actor, project_id, *rest)


def test_projects_of_oauth2_hold_certificates_too(fapi_shop: Shop) -> None:
    held = fapi_shop.done("certificate.add", certificates.add_by_csr, fapi_shop.stage.new_request(), None)

    assert held.client_id == fapi_shop.key.client_id
