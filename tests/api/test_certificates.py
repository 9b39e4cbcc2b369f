"""Certificates over HTTP, driven by our own SDK, on both databases: contracts 1.2 to 1.5 for MTLS projects."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import insert
from tests.api.desk import PRODUCTION, SANDBOX, Desk, request_for
from tests.protocol.authorities import CLIENT, Party

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.domain import subject_policy
from credenza.domain.model import PLATFORM, EnvironmentName
from credenza.protocol import csr
from credenza.protocol.certificate import x5t_s256_hex
from credenza.store.engine import writing
from credenza.store.schema import trusted_authorities
from credenza.wire.credentials import (
    AddMTLSCertificateCredential,
    AddMTLSCsrCredential,
    AddMTLSCsrCredentialAfter,
    AddSigningCredential,
    CsrCheck,
    MtlsCertificate,
    NewKey,
)
from credenza.wire.projects import NewEnvironment, NewProject, Project

pytestmark = pytest.mark.anyio

ROOT, CLIENT_PARTY = Party("Foreign Root"), Party("partner-1750000000")


def request(common_name: str) -> str:
    return csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=common_name).decode()


def by_request(common_name: str, **more: str) -> AddMTLSCsrCredential:
    shape = AddMTLSCsrCredentialAfter if "predecessorId" in more else AddMTLSCsrCredential
    return shape.model_validate({"type": "MTLS_CSR", "alias": "partner", "csr": request(common_name), **more})


def foreign_leaf() -> str:
    return ROOT.certify(CLIENT_PARTY, extensions=((CLIENT, False),)).public_bytes(Encoding.PEM).decode()


def brought(certificate: str, **more: str) -> AddMTLSCertificateCredential:
    return AddMTLSCertificateCredential.model_validate(
        {"type": "MTLS_CERT", "alias": "brought", "certificate": certificate, **more}
    )


def trust(desk: Desk, environment: EnvironmentName = SANDBOX) -> None:
    root = ROOT.root()
    row = {
        "organization_id": PLATFORM,
        "id": str(uuid4()),
        "environment": environment,
        "name": "Foreign Root",
        "certificate_der": root.public_bytes(Encoding.DER),
        "certificate_sha256": x5t_s256_hex(root),
        "is_anchor": True,
        "checks_revocation": False,
        "created_at": desk.clock.now(),
    }
    with writing(desk.database.records) as connection:
        connection.execute(insert(trusted_authorities).values(**row))


def new_project(desk: Desk, credential: Any, *, type_: str = "MTLS", service: int = 2) -> NewProject:
    return NewProject.model_validate(
        {
            "type": type_,
            "name": f"Project {uuid4()}",
            "service": {"serviceId": desk.services[service].id},
            "environment": "SANDBOX",
            "credential": credential,
        }
    )


async def project(desk: Desk, credential: Any = None) -> Project:
    first = credential or {"type": "MTLS_CSR", "description": "first", "csr": request(f"first-{uuid4()}")}
    async with desk.client("owner") as client:
        return await client.send(operations.create_project(new_project(desk, first)))


async def refused(desk: Desk, operation: operations.Operation[Any]) -> tuple[int, str, str | None]:
    async with desk.client("owner") as client:
        with pytest.raises(ApiError) as caught:
            await client.send(operation)
    return caught.value.status, caught.value.reason_code, caught.value.errors[0].details


async def test_a_project_of_type_mtls_is_made_with_a_request_and_gets_its_other_environment(any_desk: Desk) -> None:
    made = await project(any_desk)
    async with any_desk.client("owner") as client:
        new = NewEnvironment.model_validate(
            {"name": "PRODUCTION", "credential": {"type": "MTLS_CSR", "alias": "live", "csr": request("live")}}
        )
        live = await client.send(operations.add_environment_to_project(made.id, new))
        listed = await client.send(operations.list_projects())

    ((first,), (held,)) = (made.environments[0].credentials, live.credentials)
    assert isinstance(first, MtlsCertificate)
    assert isinstance(held, MtlsCertificate)
    assert (made.type, first.type, first.status, held.environment) == ("MTLS", "MTLS_CSR", "ACTIVE", "PRODUCTION")
    summary = next(each for each in listed.items if each.id == made.id)
    assert {key.type for place in summary.environments for key in place.credentials} == {"MTLS_CSR"}


async def test_a_certificate_comes_with_everything_its_owner_needs(any_desk: Desk) -> None:
    made = await project(any_desk)
    async with any_desk.client("owner") as client:
        added = await client.send(operations.add_certificate_to_project(made.id, by_request("partner-1")))
        read = await client.send(operations.get_certificate(made.id, added.id))

    certificate = x509.load_pem_x509_certificate(added.certificate.encode())
    issuing, root = [x509.load_pem_x509_certificate(each.encode()) for each in read.chain]
    certificate.verify_directly_issued_by(issuing)
    issuing.verify_directly_issued_by(root)
    assert added.model_dump() == read.model_dump(exclude={"chain"})
    assert (len(added.id), added.subject, added.serial_number) == (36, "CN=partner-1", f"{certificate.serial_number:x}")
    assert added.issuer == "O=Credenza, CN=Credenza Sandbox Issuing CA 1"
    assert added.certificate_fingerprint == x5t_s256_hex(certificate)
    assert (len(added.public_key_fingerprint), added.key_algorithm) == (64, "EC-P256")
    assert (added.not_after.year, added.not_after.month) == (2026, 2)


async def test_a_certificate_of_a_trusted_authority_is_brought_along(any_desk: Desk) -> None:
    trust(any_desk)
    made = await project(any_desk)
    async with any_desk.client("owner") as client:
        added = await client.send(operations.add_certificate(made.id, brought(foreign_leaf())))
        read = await client.send(operations.get_certificate(made.id, added.id))

    assert (added.type, added.subject) == ("MTLS_CERT", "O=Acme, CN=partner-1750000000")
    assert len(read.chain) == 1


async def test_a_project_begins_with_a_certificate_of_a_trusted_authority(desk: Desk) -> None:
    trust(desk)

    made = await project(desk, {"type": "MTLS_CERT", "alias": "first", "certificate": foreign_leaf()})

    assert [key.type for key in made.environments[0].credentials] == ["MTLS_CERT"]


async def test_the_same_dn_is_refused_with_the_seeds_words(any_desk: Desk) -> None:
    made = await project(any_desk)
    async with any_desk.client("owner") as client:
        await client.send(operations.add_certificate(made.id, by_request("example-1682563200")))
        with pytest.raises(ApiError) as caught:
            await client.send(operations.add_certificate(made.id, by_request("EXAMPLE-1682563200")))

    assert (caught.value.status, caught.value.reason_code) == (409, "DUPLICATE_CERTIFICATE")
    assert "from example-1682563200 to example-1682566800" in caught.value.errors[0].description


async def test_the_type_that_a_project_does_not_take_is_named(desk: Desk) -> None:
    made = await project(desk)
    signing = AddSigningCredential(type="SIGNING", alias="x", csr=request_for(1))

    assert await refused(desk, operations.add_credential(made.id, signing)) == (
        400,
        "INVALID_KEY_TYPE",
        "type (SIGNING)",
    )
    for new in (by_request("x"), brought(foreign_leaf())):
        seen = await refused(desk, operations.add_certificate(desk.project_id, new))
        if new.type == "MTLS_CSR":
            assert seen == (400, "INVALID_KEY_TYPE", "type (MTLS_CSR)")
        else:
            assert seen[:2] == (400, "BAD_REQUEST")  # nothing is said of a project before the certificate is proven
    first = {"type": "MTLS_CSR", "alias": "x", "csr": request("x")}
    oauth = new_project(desk, first, type_="OAUTH10A", service=0)
    assert await refused(desk, operations.create_project(oauth)) == (400, "INVALID_KEY_TYPE", "type (MTLS_CSR)")


async def test_a_certificate_that_is_not_trusted_is_refused_and_the_field_is_named(desk: Desk) -> None:
    made = await project(desk)

    assert await refused(desk, operations.add_certificate(made.id, brought(foreign_leaf()))) == (
        400,
        "BAD_REQUEST",
        "certificate",
    )


async def test_a_private_key_is_refused_and_not_repeated(desk: Desk) -> None:
    made = await project(desk)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for new in (brought(pem), brought(foreign_leaf() + pem), brought(foreign_leaf(), chain=pem)):
        async with desk.client("owner") as client:
            with pytest.raises(ApiError) as caught:
                await client.send(operations.add_certificate(made.id, new))
        said = caught.value.errors[0].description
        assert "This is a private key" in said
        assert pem.splitlines()[1] not in said


async def test_keys_and_certificates_share_one_list_which_can_be_told_apart(any_desk: Desk) -> None:
    made = await project(any_desk)
    async with any_desk.client("owner") as client:
        for number in range(3):
            await client.send(operations.add_certificate(made.id, by_request(f"client-{number}")))
        pages = partial(operations.list_credentials, made.id)
        first = await client.send(pages(limit=3))
        second = await client.send(pages(limit=3, cursor=first.next_cursor))
        held = await client.send(operations.list_certificates(made.id))
        keys = await client.send(operations.list_keys(made.id))
        of_other = await client.send(operations.list_keys(any_desk.project_id))

    ids = [each.id for page in (first, second) for each in page.items]
    assert (len(ids), ids, second.next_cursor) == (4, sorted(set(ids)), None)
    assert ([each.id for each in held.items], keys.items) == (ids, ())
    assert [each.id for each in of_other.items] == [any_desk.key_id]


async def test_certificates_are_found_by_a_part_of_their_subject(any_desk: Desk) -> None:
    made = await project(any_desk)
    async with any_desk.client("owner") as client:
        added = await client.send(operations.add_certificate(made.id, by_request("client-7")))
        found = await client.send(operations.list_certificates(made.id, text="CN=client-7"))
        of_all = await client.send(operations.list_credentials(made.id, text=added.id))
        none = await client.send(operations.list_credentials(made.id, text="CN=client-77"))

    assert ([each.id for each in found.items], [each.id for each in of_all.items]) == ([added.id], [added.id])
    assert none.items == ()


async def test_a_certificate_is_revoked_as_keys_are(any_desk: Desk) -> None:
    made = await project(any_desk)
    held = made.environments[0].credentials[0].id
    kept = await refused(any_desk, operations.revoke_credential(made.id, held, keep_last=True))
    async with any_desk.client("owner") as client:
        reach = await client.send(operations.revoke_project_credential(made.id, held))
        read = await client.send(operations.get_certificate(made.id, held))

    assert kept[:2] == (409, "LAST_ACTIVE_CREDENTIAL")
    assert (reach.gates, read.status) == (0, "REVOKED")


async def test_a_certificate_is_not_renewed_and_follows_another(desk: Desk) -> None:
    made = await project(desk)
    held = made.environments[0].credentials[0].id
    async with desk.client("owner") as client:
        added = await client.send(operations.add_certificate(made.id, by_request("next", predecessorId=held)))

    assert added.predecessor_id == held
    assert (await refused(desk, operations.renew_credential(made.id, held)))[1] == "CREDENTIAL_NOT_RENEWABLE"
    rotation = operations.rotate_credential(made.id, held, NewKey(alias="x", csr=request_for(1)))
    assert (await refused(desk, rotation))[1] == "CREDENTIAL_NOT_RENEWABLE"


async def test_the_subject_policy_of_the_environment_is_told_in_the_refusal(desk: Desk) -> None:
    made = await project(desk)
    app = desk.under(subject_policies={SANDBOX: subject_policy.parse("CN=<unique>-Client-<ENV>-<CID>")})
    async with desk.client("owner", app=app) as client:
        with pytest.raises(ApiError) as caught:
            await client.send(operations.add_certificate(made.id, by_request("billing")))

    assert (caught.value.status, caught.value.reason_code) == (400, "INVALID_CSR")
    assert "1682566800-Client-MTF-000000" in caught.value.errors[0].description


async def test_a_request_for_a_certificate_is_looked_at_before_it_is_sent(desk: Desk) -> None:
    p384 = csr.build(ec.generate_private_key(ec.SECP384R1()), common_name="x").decode()
    async with desk.client("owner") as client:
        mtls = await client.send(operations.check_csr(CsrCheck(csr=p384, projectType="MTLS")))
        oauth = await client.send(operations.check_csr(CsrCheck(csr=p384, projectType="OAUTH2_FAPI")))

    assert (mtls.acceptable, oauth.acceptable) == (True, False)


async def test_trust_is_the_environment_s_own(desk: Desk) -> None:
    trust(desk, PRODUCTION)
    made = await project(desk)

    seen = await refused(desk, operations.add_certificate(made.id, brought(foreign_leaf())))

    assert seen == (400, "BAD_REQUEST", "certificate")
