"""OAuth 2.0 over mutual TLS (RFC 8705) end to end, on both databases: programs that exist get tokens by a certificate,
call an API with it, and lose both at once when it is revoked."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.gate.certificate_scene import issuing, leaf
from tests.installation import SANDBOX
from tests.journeys.freehand import VARIANTS, Freehand, Variant, error_of
from tests.journeys.oauth2_street import Partner, Street, now, open_street
from tests.servers import PostgreSQLServer, find_program

from credenza.actions import resource_servers, tls_client_names, traces
from credenza.cli import local
from credenza.cli.main import main
from credenza.client.auth import CertificateBoundAuth, TlsClientAuth
from credenza.client.errors import TokenRefused
from credenza.client.keys import ClientKey, GivenKey
from credenza.domain.model import ProjectId
from credenza.protocol import access_token, jose
from credenza.protocol.tls_client_name import NameKind

READ = "parcels:read"
BY_TLS = Variant("tls_client_auth", "certificate")


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def street(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQLServer
) -> Iterator[Street]:
    changed = {} if request.param == "SQLite" else {"database_url": postgresql.create_database()}
    with open_street(tmp_path_factory.mktemp("street"), **changed) as street:
        yield street


def somebody(street: Street, variant: Variant = BY_TLS) -> Freehand:
    partner = street.partner(ec.generate_private_key(ec.SECP256R1()))
    return Freehand(street, street.certify(partner), variant=variant)


def with_certificate(client: Freehand, path: Path | None) -> Freehand:
    return replace(client, partner=replace(client.partner, certificate=path))


@pytest.fixture(scope="module")
def asker(street: Street) -> tuple[str, str]:
    """A resource server that the gate knows: on PostgreSQL it learns of one a moment later."""
    platform = street.installation.platform
    added = resource_servers.add(platform, local.OPERATOR, environment=SANDBOX, name="ledger", now=now())
    who = added.server.id, added.secret
    while introspect(street, "token", who) != {"active": False}:
        time.sleep(0.1)
    return who


def introspect(street: Street, token: str, asker: tuple[str, str]) -> dict[str, Any]:
    with street.client() as http:
        answer = http.post(f"{street.server.origin}/oauth/introspect", data={"token": token}, auth=asker)
    told: dict[str, Any] = answer.json()
    return told


def register(client: Freehand, kind: NameKind, value: str) -> None:
    made = client.street.installation
    tls_client_names.register(made.platform, made.actor, client.partner.project.id, SANDBOX, kind, value, now=now())


# ------------------------------------------------------------------------------------------------ programs that exist


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_openid_client_of_npm_gets_one_token_and_calls_with_it_in_every_variant(
    street: Street, variant: Variant
) -> None:
    partner = somebody(street).partner
    with street.openid_client(partner, scopes=[READ], **variant._asdict()) as library:
        answers = [library.call(f"{street.parcel}?page=2", method) for method in ("GET", "POST", "GET")]

    assert [answer.get("status") for answer in answers] == [200, 200, 200], answers
    (token,) = answers[-1]["tokens"]
    assert (token["type"].lower(), token["scope"]) == ("dpop" if variant.binding == "DPoP" else "bearer", READ)


@pytest.mark.parametrize("variant", VARIANTS[2:], ids=str)
def test_openid_client_of_npm_loses_its_token_with_its_certificate(street: Street, variant: Variant) -> None:
    partner = somebody(street).partner
    with street.openid_client(partner, **variant._asdict()) as library:
        before = library.call(street.parcel)
        street.revoke_certificate(partner)
        after = library.call(street.parcel)
    with street.openid_client(partner, **variant._asdict()) as library:
        without_a_token = library.call(street.parcel)

    assert (before["status"], after["status"]) == (200, 401), after
    assert "invalid_token" in after["error"]
    assert "invalid_client" in without_a_token["error"]


def test_curl_alone_gets_a_token_whose_thumbprint_openssl_agrees_with(street: Street, tmp_path: Path) -> None:
    partner = somebody(street).partner
    curl = [find_program("curl", "curl"), "-sS", "--cacert", street.authority, "--cert", partner.certificate]
    form = ["-d", "grant_type=client_credentials", "-d", f"client_id={partner.client_id}"]
    answer = json.loads(_run([*curl, *form, f"{street.server.origin}/oauth/token"]))
    token = answer["access_token"]
    called = _run(
        [*curl, "-o", tmp_path / "body", "-w", "%{http_code}", "-H", f"Authorization: Bearer {token}", street.parcel]
    )

    openssl = find_program("openssl", "openssl")
    der = _run([openssl, "x509", "-in", partner.certificate, "-outform", "DER"])
    digest = _run([openssl, "dgst", "-sha256", "-binary"], der)
    x5t = urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (answer["token_type"], called) == ("Bearer", b"200")
    assert json.loads(jose.parse(token).payload)["cnf"] == {"x5t#S256": x5t}


def _run(command: list[Any], given: bytes = b"") -> bytes:
    return subprocess.run(command, input=given, capture_output=True, check=True, timeout=60).stdout


def test_our_own_client_gets_tokens_by_its_certificate(street: Street) -> None:
    partner = somebody(street).partner
    key = GivenKey(ClientKey(partner.private_key, partner.key_id))
    place = street.server.origin, partner.client_id
    auths = [
        TlsClientAuth(*place, scopes=[READ]),
        TlsClientAuth(*place, dpop_key=ec.generate_private_key(ec.SECP256R1())),
        CertificateBoundAuth(*place, key),
    ]

    for auth in auths:
        with street.client(auth, certificate=partner.certificate) as http:
            assert [http.get(street.parcel).status_code for _ in range(2)] == [200, 200]


def test_our_own_client_is_told_that_its_certificate_is_revoked(street: Street) -> None:
    partner = somebody(street).partner
    with street.client(TlsClientAuth(street.server.origin, partner.client_id), certificate=partner.certificate) as http:
        assert http.get(street.parcel).status_code == 200
        street.revoke_certificate(partner)
        with pytest.raises(TokenRefused, match="invalid_client"):
            http.get(street.parcel)


def test_the_command_line_gets_a_token_by_a_certificate(
    street: Street, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = somebody(street)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    options = ["--issuer", street.server.origin, "--ca", str(street.authority)]
    options += ["--consumer-key", client.partner.client_id, "--cert", str(client.partner.certificate)]

    got = main(["token", "get", "--scope", READ, "-o", "json", *options])

    told = json.loads(capsys.readouterr().out)
    assert got == 0
    assert (told["tokenType"], told["scope"]) == ("Bearer", READ)
    assert client.call(told["accessToken"]).status_code == 200


# ------------------------------------------------------------------------------- 2 mutual TLS for client authentication


def test_2_a_certificate_without_its_client_id_or_with_another_is_no_client(street: Street) -> None:
    client, other = somebody(street), somebody(street)

    for client_id in (None, other.partner.client_id, "nobody"):
        assert error_of(client.ask(client_id=client_id)) == (401, "invalid_client")
    assert error_of(with_certificate(client, None).ask()) == (401, "invalid_client")


def test_2_1_a_certificate_of_an_untrusted_authority_ends_in_the_handshake(street: Street, tmp_path: Path) -> None:
    client = somebody(street)
    assert client.partner.certificate is not None
    held = x509.load_pem_x509_certificate(client.partner.certificate.read_bytes())
    impostor = leaf(issuing("nobody's CA"), held.subject.rdns[0].rfc4514_string().removeprefix("CN="))
    path = tmp_path / "impostor.pem"
    path.write_bytes(impostor.pem + impostor.key_pem)

    assert impostor.certificate.subject == held.subject
    with pytest.raises(httpx.TransportError, match="unknown ca"):
        with_certificate(client, path).ask()


def test_2_1_1_the_method_is_in_the_metadata(street: Street) -> None:
    told = metadata(street)

    assert "tls_client_auth" in told["token_endpoint_auth_methods_supported"]
    assert "tls_client_auth" in told["revocation_endpoint_auth_methods_supported"]
    assert "self_signed_tls_client_auth" not in told["token_endpoint_auth_methods_supported"]


def test_2_1_2_only_the_registered_name_is_the_client(street: Street) -> None:
    client = somebody(street)
    assert client.partner.certificate is not None
    own = x509.load_pem_x509_certificate(client.partner.certificate.read_bytes()).subject.rfc4514_string()
    asked = []
    for kind, value in (
        (NameKind.SUBJECT_DN, own.upper()),
        (NameKind.SUBJECT_DN, own[:-1]),
        (NameKind.SUBJECT_DN, f"{own},O=Acme"),
        (NameKind.SAN_DNS, "client.example"),
        (NameKind.SUBJECT_DN, own),
    ):
        register(client, kind, value)
        asked.append(client.ask())

    assert [each.status_code for each in asked] == [200, 401, 401, 401, 200]
    assert {each.json()["error_description"] for each in asked if each.status_code == 401} == {
        "The client could not be authenticated."
    }
    explained = explanation(client, asked[1])
    failed = next(step for step in explained["steps"] if step["ok"] is False)
    assert failed["name"] == "name"
    assert own in failed["received"]


def explanation(client: Freehand, answer: httpx.Response) -> dict[str, Any]:
    """What the owner of the certificate reads of a refusal."""
    made, project_id = client.street.installation, ProjectId(client.partner.project.id)
    wanted = answer.headers["credenza-refusal-id"]
    for _ in range(600):
        for each in traces.refusals(made.platform, made.actor, project_id, limit=20, now=now()):
            if each.id == wanted:
                return dict(each.explanation)
        time.sleep(0.2)
    raise AssertionError("the refusal was not kept")


def test_rfc_6749_2_3_there_is_one_way_to_authenticate(street: Street) -> None:
    client = somebody(street)
    basic = httpx.BasicAuth(client.partner.client_id, "secret")._auth_header

    assert error_of(client.ask(client_secret="secret")) == (400, "invalid_request")
    assert error_of(client.ask(headers=[("Authorization", basic)])) == (400, "invalid_request")
    assert error_of(client.ask(client_assertion="x")) == (401, "invalid_client")


# ---------------------------------------------------------------------------------- 3 certificate-bound access tokens


@pytest.mark.parametrize("method", ["private_key_jwt", "tls_client_auth"])
def test_3_2_introspection_tells_the_thumbprint(street: Street, asker: tuple[str, str], method: str) -> None:
    client = somebody(street, Variant(method, "certificate"))
    token = client.token(scope=READ)
    told = introspect(street, token, asker)

    assert (told["active"], told["token_type"], told["scope"]) == (True, "Bearer", READ)
    assert told["cnf"] == {"x5t#S256": access_token.parse(token)[1].cnf.x5t_s256}


def test_3_3_and_3_4_tokens_are_bound_and_the_metadata_say_so(street: Street) -> None:
    told = metadata(street)

    assert told["tls_client_certificate_bound_access_tokens"] is True
    assert [] not in told.values()


@pytest.mark.parametrize("variant", VARIANTS[1:], ids=str)
def test_tokens_are_refused_at_gate_and_introspection_at_once_when_the_certificate_is_revoked(
    street: Street, asker: tuple[str, str], variant: Variant
) -> None:
    client = somebody(street, variant)
    token = client.token()
    before = client.call(token).status_code, introspect(street, token, asker)["active"]

    street.revoke_certificate(client.partner)

    assert before == (200, True)
    assert error_of(client.call(token)) == (401, "invalid_token")
    assert introspect(street, token, asker) == {"active": False}
    assert error_of(client.ask()) == REFUSED[variant.method]


REFUSED = {"private_key_jwt": (400, "invalid_request"), "tls_client_auth": (401, "invalid_client")}


def test_a_client_revokes_its_own_token_by_its_certificate(street: Street) -> None:
    client, other = somebody(street), somebody(street)
    token, place = client.token(), f"{street.server.origin}/oauth/revoke"

    answers = []
    for each in (other, client):
        with each.http() as http:
            answers.append(http.post(place, data={"token": token} | each.authentication()))

    assert error_of(answers[0]) == (400, "invalid_grant")
    assert answers[1].status_code == 200
    assert error_of(client.call(token)) == (401, "invalid_token")


# ------------------------------------------------------------------------------------------------- behind a proxy


def test_a_certificate_that_a_proven_proxy_names_authenticates_and_one_that_anybody_names_does_not(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    secret = secrets.token_hex(16)
    with open_street(tmp_path_factory.mktemp("proxied"), proxy_secret=secret) as proxied:
        client = somebody(proxied)
        bare, named = with_certificate(client, None), ("Client-Cert", f":{b64encode(der_of(client)).decode()}:")
        proven = [named, ("Credenza-Proxy-Secret", secret)]
        granted = bare.ask(headers=proven)
        assert granted.status_code == 200, granted.text
        token = granted.json()["access_token"]
        spoofed = [bare.ask(headers=each) for each in ([named], [named, ("Credenza-Proxy-Secret", "x" * 32)])]
        twice = bare.ask(headers=[named, *proven])
        called = bare.call(token, headers=proven)
        stolen = bare.call(token, headers=[named])

    assert (granted.status_code, granted.json()["token_type"], called.status_code) == (200, "Bearer", 200)
    assert [error_of(each) for each in spoofed] == [(401, "invalid_client")] * 2
    assert (twice.status_code, error_of(stolen)) == (400, (401, "invalid_token"))


def der_of(client: Freehand) -> bytes:
    assert client.partner.certificate is not None
    return x509.load_pem_x509_certificate(client.partner.certificate.read_bytes()).public_bytes(Encoding.DER)


# ------------------------------------------------------------------------------------------ 5 metadata for mutual TLS


def test_5_without_another_origin_there_are_no_aliases(street: Street) -> None:
    assert "mtls_endpoint_aliases" not in metadata(street)


def metadata(street: Street) -> dict[str, Any]:
    with street.client() as http:
        told: dict[str, Any] = http.get(f"{street.server.origin}/.well-known/oauth-authorization-server").json()
    return told


def test_5_another_origin_is_told_and_used_by_our_own_client(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("aliased")
    with open_street(directory, sandbox_mtls_origin="https://localhost:1") as aliased:
        told = metadata(aliased)
        partner: Partner = somebody(aliased).partner
        auth = TlsClientAuth(aliased.server.origin, partner.client_id)
        with aliased.client(auth, certificate=partner.certificate) as http, pytest.raises(httpx.ConnectError):
            http.get(aliased.parcel)

    assert told["issuer"] == told["token_endpoint"].removesuffix("/oauth/token") == aliased.server.origin
    assert told["mtls_endpoint_aliases"] == {
        "token_endpoint": "https://localhost:1/oauth/token",
        "revocation_endpoint": "https://localhost:1/oauth/revoke",
        "introspection_endpoint": "https://localhost:1/oauth/introspect",
    }
