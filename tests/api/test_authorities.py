"""What authorities publish, over HTTP: certificates, lists and status, public and cacheable."""

from __future__ import annotations

import base64

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID
from tests.api.desk import Desk

from credenza.actions import authorities
from credenza.api.rate_limits import Rates
from credenza.domain.model import EnvironmentName

pytestmark = pytest.mark.anyio

UNKNOWN = "00000000-0000-4000-8000-000000000000"
OCSP = {"Content-Type": "application/ocsp-request"}


def leaf_of(desk: Desk) -> x509.Certificate:
    return x509.load_der_x509_certificate(desk.view.credentials[0].certificate_der)


def issuer_of(desk: Desk) -> x509.Certificate:
    der = authorities.certificate_of(desk.platform, EnvironmentName.SANDBOX, authorities.Role.ISSUING)
    return x509.load_der_x509_certificate(der)


def request_for(desk: Desk, nonce: bytes | None = None) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf_of(desk), issuer_of(desk), SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def in_path(encoded: bytes) -> str:
    text = base64.b64encode(encoded).decode()
    return "/pki/ocsp/" + text.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D")


def status_of(response: httpx.Response) -> str:
    assert response.headers["Content-Type"] == "application/ocsp-response"
    return ocsp.load_der_ocsp_response(response.content).certificate_status.name


async def test_a_certificate_names_its_issuer_its_list_and_who_answers_for_it(desk: Desk) -> None:
    access = leaf_of(desk).extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    said = {each.access_method: httpx.URL(each.access_location.value).path for each in access}
    (point,) = leaf_of(desk).extensions.get_extension_for_class(x509.CRLDistributionPoints).value

    async with desk.http() as http:
        issuer = await http.get(said[AuthorityInformationAccessOID.CA_ISSUERS])
        found = await http.get(httpx.URL(point.full_name[0].value).path)

    assert x509.load_der_x509_certificate(issuer.content) == issuer_of(desk)
    assert x509.load_der_x509_crl(found.content).is_signature_valid(issuer_of(desk).public_key())
    assert found.headers["Content-Type"] == "application/pkix-crl"
    assert found.headers["Cache-Control"] == "public, max-age=60"
    assert said[AuthorityInformationAccessOID.OCSP] == "/pki/ocsp"


async def test_the_chain_holds_every_authority_of_an_environment(desk: Desk) -> None:
    async with desk.http() as http:
        chain = x509.load_pem_x509_certificates((await http.get("/pki/sandbox/chain.pem")).content)

    assert issuer_of(desk) in chain
    assert len(chain) == 2


@pytest.mark.parametrize("form", ["cer", "pem", "crl"])
async def test_there_is_nothing_of_an_unknown_authority(desk: Desk, form: str) -> None:
    async with desk.http() as http:
        response = await http.get(f"/pki/authorities/{UNKNOWN}.{form}")

    assert response.status_code == 404


async def test_status_is_asked_for_by_post_and_by_get(desk: Desk) -> None:
    async with desk.http() as http:
        for _ in range(2):  # the second time it is remembered
            posted = await http.post("/pki/ocsp", content=request_for(desk), headers=OCSP)
            got = await http.get(in_path(request_for(desk)))

            assert (status_of(posted), status_of(got)) == ("GOOD", "GOOD")
            assert got.headers["Cache-Control"] == "public, max-age=60"
            assert posted.headers["Cache-Control"] == "no-store"


async def test_an_answer_with_a_nonce_is_not_cached(desk: Desk) -> None:
    async with desk.http() as http:
        got = await http.get(in_path(request_for(desk, nonce=b"n" * 16)))

    assert (status_of(got), got.headers["Cache-Control"]) == ("GOOD", "no-store")


async def test_a_revocation_turns_the_answer_that_was_remembered(desk: Desk) -> None:
    async with desk.http("owner") as http:
        assert status_of(await http.get(in_path(request_for(desk)))) == "GOOD"
        revoked = await http.delete(f"/api/projects/{desk.project_id}/credentials/{desk.key_id}")

        assert revoked.status_code == 204
        assert status_of(await http.get(in_path(request_for(desk)))) == "REVOKED"


@pytest.mark.parametrize("path", ["/pki/ocsp/nonsense!", "/pki/ocsp/" + "A" * 300, "/pki/ocsp/AAAA"])
async def test_what_is_no_request_is_answered_as_malformed(desk: Desk, path: str) -> None:
    async with desk.http() as http:
        answers = [await http.get(path), await http.post("/pki/ocsp", content=b"nonsense", headers=OCSP)]

    for each in answers:
        assert each.status_code == 200
        assert ocsp.load_der_ocsp_response(each.content).response_status.name == "MALFORMED_REQUEST"
        assert each.headers["Cache-Control"] == "no-store"


async def test_whoever_asks_proves_nothing_and_is_limited_like_a_reader(desk: Desk) -> None:
    app = desk.build(rates=Rates(requests_per_minute=5, attempts_per_minute=1), seconds=lambda: 0.0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as http:
        statuses = [
            (await http.post("/pki/ocsp", content=request_for(desk), headers=OCSP)).status_code for _ in range(6)
        ]

    assert statuses == [200] * 5 + [429]


async def test_metrics_name_what_was_remembered_like_what_was_not(desk: Desk) -> None:
    async with desk.http() as http:
        for _ in range(2):
            await http.get(in_path(request_for(desk)))
        text = (await http.get("/metrics")).text

    assert 'operation="getCertificateStatus",status="200"} 2.0' in text
