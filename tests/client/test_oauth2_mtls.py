"""OAuth 2.0 over mutual TLS in the SDK: what is left out when a certificate speaks, and where it is spoken to."""

from __future__ import annotations

from urllib.parse import parse_qsl

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.client.token_server import CLIENT_ID, ISSUER, KID, TokenServer, Wire
from tests.clock import Clock

from credenza.client.auth import CertificateBoundAuth, TlsClientAuth
from credenza.client.errors import TokenRefused
from credenza.client.keys import ClientKey, GivenKey
from credenza.client.oauth2 import Tokens

KEY = ec.generate_private_key(ec.SECP256R1())
URL = f"{ISSUER}/payments/1"
ALIAS = "https://mtls.api.test"


class CertificateServer(TokenServer):
    """Takes it that connections have the client's certificate, and binds tokens to it where no proof comes."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, {KID: KEY.public_key()})
        self.token_type = "Bearer"
        self.given = 0

    def _token(self, request: httpx.Request) -> httpx.Response:
        if "client_assertion" in self.form(request) and "DPoP" in request.headers:
            return super()._token(request)
        self.given += 1
        life_s = int(self.life.total_seconds())
        return httpx.Response(
            200, json={"access_token": f"t{self.given}", "token_type": self.token_type, "expires_in": life_s}
        )

    def _resource(self, request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] != f"{self.token_type} t{self.given}" or self.revoked:
            self.revoked.clear()
            challenge = 'Bearer error="invalid_token", DPoP algs="PS256 ES256"'
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})
        return httpx.Response(200, text="hello")

    @staticmethod
    def form(request: httpx.Request) -> dict[str, str]:
        return dict(parse_qsl(request.content.decode(), strict_parsing=True))


@pytest.fixture
def server(clock: Clock) -> CertificateServer:
    return CertificateServer(clock)


def client(server: TokenServer, auth: httpx.Auth) -> httpx.Client:
    return httpx.Client(transport=Wire(server), auth=auth)


def test_a_certificate_needs_no_assertion_and_no_proof(server: CertificateServer, clock: Clock) -> None:
    with client(server, TlsClientAuth(ISSUER, CLIENT_ID, scopes=["payments:read"], clock=clock.now)) as http:
        answers = [http.get(URL).text for _ in range(3)]

    (asked,) = server.token_requests
    assert answers == ["hello"] * 3
    assert server.form(asked) == {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "scope": "payments:read",
    }
    assert not [each for each in (asked, *server.calls) if "DPoP" in each.headers]
    assert {each.headers["Authorization"] for each in server.calls} == {"Bearer t1"}


def test_an_assertion_may_come_beside_the_certificate(server: CertificateServer, clock: Clock) -> None:
    key = GivenKey(ClientKey(KEY, KID))
    with client(server, CertificateBoundAuth(ISSUER, CLIENT_ID, key, clock=clock.now)) as http:
        assert http.get(URL).text == "hello"

    assert "client_assertion" in server.form(server.token_requests[0])
    assert "DPoP" not in server.calls[0].headers


def test_a_proof_may_come_beside_the_certificate(server: CertificateServer, clock: Clock) -> None:
    server.token_type = "DPoP"
    with client(server, TlsClientAuth(ISSUER, CLIENT_ID, dpop_key=KEY, clock=clock.now)) as http:
        assert http.get(URL).text == "hello"

    assert "client_assertion" not in server.form(server.token_requests[0])
    assert all("DPoP" in each.headers for each in (server.token_requests[0], server.calls[0]))


@pytest.mark.parametrize(("token_type", "dpop_key"), [("DPoP", None), ("Bearer", KEY), ("N_A", None)])
def test_a_token_of_another_type_than_was_asked_for_is_not_used(
    server: CertificateServer, clock: Clock, token_type: str, dpop_key: ec.EllipticCurvePrivateKey | None
) -> None:
    server.token_type = token_type
    auth = TlsClientAuth(ISSUER, CLIENT_ID, dpop_key=dpop_key, clock=clock.now)

    with client(server, auth) as http, pytest.raises(TokenRefused, match=token_type):
        http.get(URL)


def test_a_token_that_died_with_an_old_certificate_is_replaced_once(server: CertificateServer, clock: Clock) -> None:
    with client(server, TlsClientAuth(ISSUER, CLIENT_ID, clock=clock.now)) as http:
        http.get(URL)
        server.revoked.add("t1")
        assert http.get(URL).text == "hello"

    assert len(server.token_requests) == 2


def test_a_client_with_a_certificate_goes_where_the_metadata_say_that_one_is_asked_for(
    server: CertificateServer, clock: Clock
) -> None:
    """RFC 8705 5; whoever has none to show stays where it was."""
    told = {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/oauth/token"}
    aliases = {"token_endpoint": f"{ALIAS}/oauth/token"}
    server.metadata = httpx.Response(200, json={**told, "mtls_endpoint_aliases": aliases})
    key = GivenKey(ClientKey(KEY, KID))
    for auth in (
        TlsClientAuth(ISSUER, CLIENT_ID, clock=clock.now),
        CertificateBoundAuth(ISSUER, CLIENT_ID, key, clock=clock.now),
    ):
        with client(server, auth) as http:
            http.get(URL)

    assert [each.url.host for each in server.token_requests] == ["mtls.api.test"] * 2


def test_tokens_of_two_certificates_are_kept_apart_in_a_shared_memory(server: CertificateServer, clock: Clock) -> None:
    shared: Tokens = {}
    for _ in range(2):
        with client(server, TlsClientAuth(ISSUER, CLIENT_ID, tokens=shared, clock=clock.now)) as http:
            http.get(URL)

    assert len(server.token_requests) == len(shared) == 2
