"""An API that checks tokens itself, written with the lines of the guide: against a platform that serves, over TLS."""

from __future__ import annotations

import json
import re
import secrets
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from tests.gate.street import HOST, served_on
from tests.gate.test_terminator_recipes import SERVER, caddy, haproxy, nginx
from tests.installation import SANDBOX
from tests.journeys.oauth2_street import CLIENTS_PYTHON, PATIENCE_S, ROOT, Partner, Street, now, open_street
from tests.servers import Server

from credenza.actions import resource_servers, token_keys
from credenza.cli import demo_tls, local
from credenza.cli.listeners import Listener
from credenza.client import asgi
from credenza.client.auth import TlsClientAuth
from credenza.client.issuer_keys import AGAIN_S, FRESH_S, USABLE_S
from credenza.client.oauth2 import Token
from credenza.protocol import access_token, client_assertion, dpop
from credenza.protocol.jose import PrivateKey

GUIDE = (ROOT / "docs" / "guide" / "resource-server.md").read_text()
PARCELS, WITH_INTROSPECTION = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
READ = "parcels:read"
STALENESS = timedelta(seconds=10)

needs_library = pytest.mark.skipif(
    not CLIENTS_PYTHON.exists(),
    reason="the client libraries need Python 3.11 or 3.12 (make setup says which was found)",
)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with open_street(tmp_path_factory.mktemp("street")) as street:
        yield street


class Clock:
    def __init__(self) -> None:
        self.seconds = time.monotonic()

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Parcels:
    """The API of the guide. `clock` is what it measures the age of things with; it stands still until it is moved."""

    street: Street
    url: str
    clock: Clock

    @property
    def parcel(self) -> str:
        return f"{self.url}/parcels/7"

    def call(self, partner: Partner, token: Token, *, method: str = "GET", **changed: Any) -> httpx.Response:
        """Make a call whose proof is right, but for what is changed."""
        claims = {"method": method, "uri": self.parcel, "access_token": token.access_token, **changed.pop("proof", {})}
        key = changed.pop("key", partner.private_key)
        made = dpop.write(key=key, jti=secrets.token_hex(16), now=now(), **claims)
        headers = changed.pop("headers", [("Authorization", f"DPoP {token.access_token}"), ("DPoP", made)])
        with self.street.client() as http:
            return http.request(method, changed.pop("url", self.parcel), headers=headers)


@contextmanager
def opened(street: Street, block: str = "", **replaced: Any) -> Iterator[Parcels]:
    """Serve the guide's application; `block` is what takes the place of its `add_middleware`."""
    tls = demo_tls.files_in(street.authority.parent)
    clock = Clock()
    with socket.create_server((HOST, 0)) as bound:
        url = f"https://{HOST}:{bound.getsockname()[1]}"
        listener = Listener("parcels", HOST, tls.certificate, tls.private_key)
        with served_on(bound, application(street, url, block, ticks=clock, **replaced), listener=listener):
            yield Parcels(street, url, clock)


def application(street: Street, url: str, block: str = "", **replaced: Any) -> Any:
    """Make the guide's application, which clients reach at `url`."""
    made, _, added = PARCELS.partition("app.add_middleware(")
    added = "app.add_middleware(" + (block.partition("app.add_middleware(")[2] or added)
    extra = ", ".join(f"{name}={name}" for name in ("verify", *replaced))
    lines = made + block.partition("app.add_middleware(")[0] + added.replace("\n)", f"\n    {extra},\n)")
    lines = lines.replace("https://api.example.com", street.server.origin)
    named: dict[str, Any] = {"verify": ssl.create_default_context(cafile=street.authority), **replaced}
    exec(lines.replace("https://parcels.example.com", url), named)
    return named["app"]


@pytest.fixture
def parcels(street: Street) -> Iterator[Parcels]:
    """By published keys alone."""
    with opened(street) as parcels:
        yield parcels


@pytest.fixture
def asking(street: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parcels]:
    """With introspection."""
    made = resource_servers.add(
        street.installation.platform, local.OPERATOR, environment=SANDBOX, name=secrets.token_hex(4), now=now()
    )
    (tmp_path / "secret").write_text(made.secret + "\n")
    monkeypatch.chdir(tmp_path)
    with opened(street, WITH_INTROSPECTION.replace("5f0c2a9e-...", made.server.id)) as parcels:
        yield parcels


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def get_token(street: Street, partner: Partner, *scopes: str) -> Token:
    with street.client() as http:
        return street.auth(partner, scopes=scopes, dpop_key=partner.private_key).get_token(http)


@pytest.fixture
def partner(street: Street) -> Partner:
    return street.partner(ec_key())


@pytest.fixture
def token(street: Street, partner: Partner) -> Token:
    return get_token(street, partner, READ)


@needs_library
@pytest.mark.parametrize("through", ["requests", "httpx"])
@pytest.mark.parametrize("new_key", [ec_key, rsa_key], ids=["EC", "RSA"])
def test_mastercards_own_client_calls_the_api_of_the_guide(
    street: Street, parcels: Parcels, asking: Parcels, new_key: Callable[[], PrivateKey], through: str
) -> None:
    partner = street.partner(new_key())
    with street.library(partner, scopes=[READ], through=through) as library:
        answers = [library.call(f"{each.parcel}?page=2") for each in (parcels, asking, parcels)]

    assert [each.get("status") for each in answers] == [200, 200, 200], answers
    assert json.loads(answers[0]["body"]) == {"number": 7, "caller": partner.client_id}
    assert len(answers[-1]["tokens"]) == 1


@needs_library
def test_mastercards_own_client_is_refused_when_its_key_was_revoked(street: Street, asking: Parcels) -> None:
    partner = street.partner(ec_key())
    with street.library(partner, scopes=[READ]) as library:
        before = library.call(asking.parcel)
        street.revoke(partner)
        asking.clock.seconds += STALENESS.total_seconds()
        after = library.call(asking.parcel)

    assert (before["status"], after["status"]) == (200, 401)


# ------------------------------------------------------------------------------------------------------- what it takes


def challenged(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.headers["WWW-Authenticate"]


def algs(error: str) -> str:
    return f'DPoP error="{error}", algs="PS256 ES256"'


def test_a_call_without_a_token_is_challenged_without_an_error(
    parcels: Parcels, partner: Partner, token: Token
) -> None:
    assert challenged(parcels.call(partner, token, headers=[])) == (401, 'DPoP algs="PS256 ES256"')


def test_a_bound_token_is_not_taken_as_bearer(parcels: Parcels, partner: Partner, token: Token) -> None:
    headers = [("Authorization", f"Bearer {token.access_token}")]

    assert challenged(parcels.call(partner, token, headers=headers)) == (401, algs("invalid_token"))


def test_a_token_that_comes_in_two_ways_is_refused(parcels: Parcels, partner: Partner, token: Token) -> None:
    url = f"{parcels.parcel}?access_token={token.access_token}"

    assert challenged(parcels.call(partner, token, url=url)) == (400, algs("invalid_request"))


def test_a_token_without_a_proof_is_refused(parcels: Parcels, partner: Partner, token: Token) -> None:
    headers = [("Authorization", f"DPoP {token.access_token}")]

    assert challenged(parcels.call(partner, token, headers=headers)) == (400, algs("invalid_dpop_proof"))


@pytest.mark.parametrize(
    "proof",
    [
        {"method": "POST"},
        {"uri": "https://other.example/parcels/7"},
        {"access_token": "another"},
        {"access_token": ""},
        {"now": now() - timedelta(seconds=200)},
    ],
    ids=["htm", "htu", "ath", "no ath", "iat"],
)
def test_a_proof_for_anything_else_is_refused(
    parcels: Parcels, partner: Partner, token: Token, proof: dict[str, Any]
) -> None:
    claims = {"method": "GET", "uri": parcels.parcel, "access_token": token.access_token, "now": now(), **proof}
    made = dpop.write(key=partner.private_key, jti=secrets.token_hex(16), **claims)
    headers = [("Authorization", f"DPoP {token.access_token}"), ("DPoP", made)]

    assert challenged(parcels.call(partner, token, headers=headers)) == (401, algs("invalid_dpop_proof"))


def test_a_proof_by_another_key_is_refused(parcels: Parcels, partner: Partner, token: Token) -> None:
    assert challenged(parcels.call(partner, token, key=ec_key())) == (401, algs("invalid_token"))


def test_a_proof_is_taken_once(parcels: Parcels, partner: Partner, token: Token) -> None:
    made = dpop.write(
        key=partner.private_key,
        method="GET",
        uri=parcels.parcel,
        jti="once",
        now=now(),
        access_token=token.access_token,
    )
    headers = [("Authorization", f"DPoP {token.access_token}"), ("DPoP", made)]

    assert parcels.call(partner, token, headers=headers).status_code == 200
    assert challenged(parcels.call(partner, token, headers=headers)) == (401, algs("invalid_dpop_proof"))


def test_what_nobody_can_tell_from_a_used_proof_is_refused(street: Street, partner: Partner, token: Token) -> None:
    with opened(street, proofs_remembered=1) as small:
        answers = [small.call(partner, token) for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 503]
    assert answers[1].headers["Retry-After"] == "1"


def test_a_token_signed_by_anybody_else_is_refused(parcels: Parcels, partner: Partner, token: Token) -> None:
    head, payload, _ = token.access_token.split(".")
    forged = Token(f"{head}.{payload}.{'A' * 86}", token.expires_at, token.scope)

    assert challenged(parcels.call(partner, forged)) == (401, algs("invalid_token"))


def test_a_token_of_another_scope_is_refused_and_told_which_is_needed(
    street: Street, parcels: Parcels, asking: Parcels, partner: Partner
) -> None:
    other = get_token(street, partner, "parcels:write")

    for api in (parcels, asking):
        status, challenge = challenged(api.call(partner, other))
        assert (status, challenge) == (403, 'DPoP error="insufficient_scope", scope="parcels:read", algs="PS256 ES256"')


# ------------------------------------------------------------------------------------------------- how long it is wrong


def revoke_key(street: Street, partner: Partner, token: Token) -> None:
    street.revoke(partner)


def give_up_token(street: Street, partner: Partner, token: Token) -> None:
    assertion = client_assertion.write(
        client_id=partner.client_id,
        kid=partner.key_id,
        issuer=street.server.origin,
        key=partner.private_key,
        jti=secrets.token_hex(16),
        now=now(),
    )
    form = {"client_assertion_type": client_assertion.ASSERTION_TYPE, "client_assertion": assertion}
    with street.client() as http:
        answer = http.post(f"{street.server.origin}/oauth/revoke", data={**form, "token": token.access_token})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("revoke", [revoke_key, give_up_token], ids=["key", "token"])
def test_what_was_revoked_is_refused_within_the_stated_time(
    street: Street, asking: Parcels, partner: Partner, token: Token, revoke: Callable[..., None]
) -> None:
    assert asking.call(partner, token).status_code == 200
    revoke(street, partner, token)

    asking.clock.seconds += STALENESS.total_seconds()
    assert challenged(asking.call(partner, token)) == (401, algs("invalid_token"))


def test_until_then_an_answer_is_used_again(street: Street, asking: Parcels, partner: Partner, token: Token) -> None:
    assert asking.call(partner, token).status_code == 200
    street.revoke(partner)

    asking.clock.seconds += STALENESS.total_seconds() - 0.1
    assert asking.call(partner, token).status_code == 200


def test_keys_alone_do_not_tell_what_was_revoked(
    street: Street, parcels: Parcels, partner: Partner, token: Token
) -> None:
    street.revoke(partner)
    parcels.clock.seconds += FRESH_S

    assert parcels.call(partner, token).status_code == 200


def test_a_token_that_was_not_narrowed_says_nothing_of_an_api_that_does_not_ask(
    street: Street, parcels: Parcels, asking: Parcels, partner: Partner
) -> None:
    whole = get_token(street, partner)

    assert (parcels.call(partner, whole).status_code, asking.call(partner, whole).status_code) == (403, 200)


def test_the_tokens_of_a_retired_key_are_refused_when_the_keys_are_fetched_again(tmp_path: Path) -> None:
    with open_street(tmp_path) as street, opened(street) as parcels:
        partner = street.partner(ec_key())
        token = get_token(street, partner, READ)
        before = parcels.call(partner, token)
        signed, _ = access_token.parse(token.access_token)
        token_keys.retire(
            street.installation.platform, local.OPERATOR, signed.header.kid or "", reason="lost", now=now()
        )
        parcels.clock.seconds += FRESH_S
        after = parcels.call(partner, token)

    assert before.status_code == 200
    assert challenged(after) == (401, algs("invalid_token"))


def test_while_the_issuer_is_away_nobody_is_admitted_on_old_knowledge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_street(tmp_path) as street:
        made = resource_servers.add(
            street.installation.platform, local.OPERATOR, environment=SANDBOX, name="ledger", now=now()
        )
        (tmp_path / "secret").write_text(made.secret)
        monkeypatch.chdir(tmp_path)
        block = WITH_INTROSPECTION.replace("5f0c2a9e-...", made.server.id)
        with opened(street) as parcels, opened(street, block) as asking:
            partner = street.partner(ec_key())
            token = get_token(street, partner, READ)
            statuses = [each.call(partner, token).status_code for each in (parcels, asking)]
            street.server.kill()
            statuses += [each.call(partner, token).status_code for each in (parcels, asking)]
            asking.clock.seconds += STALENESS.total_seconds()
            parcels.clock.seconds += USABLE_S - AGAIN_S
            statuses += [each.call(partner, token).status_code for each in (parcels, asking)]
            parcels.clock.seconds += AGAIN_S
            statuses.append(parcels.call(partner, token).status_code)

    assert statuses == [200, 200, 200, 200, 200, 503, 503]


# ------------------------------------------------------------------------------------- tokens bound to a certificate


@pytest.fixture(params=[asgi.certificate_of_proxy, asgi.certificate], ids=["behind a proxy", "by the server"])
def mutual(street: Street, request: pytest.FixtureRequest) -> Iterator[Callable[..., httpx.Response]]:
    """Call the API of the guide with a token and a certificate, which a proxy names or its own server has proven."""

    def find(scope: dict[str, Any]) -> bytes:
        if request.param is asgi.certificate_of_proxy:
            return asgi.certificate_of_proxy(scope)
        # A server that knows the ASGI TLS extension, played by the header: ours do not tell an application.
        chain = [DER_cert_to_PEM_cert(named)] if (named := asgi.certificate_of_proxy(scope)) else []
        return asgi.certificate({**scope, "extensions": {"tls": {"client_cert_chain": chain}}})

    with opened(street, certificate=find) as parcels:

        def call(token: Token, *ders: bytes, scheme: str = "Bearer") -> httpx.Response:
            headers = [("Authorization", f"{scheme} {token.access_token}")]
            headers += [("Client-Cert", f":{b64encode(each).decode()}:") for each in ders]
            with street.client() as http:
                return http.get(parcels.parcel, headers=headers)

        yield call


def der_of(partner: Partner) -> bytes:
    assert partner.certificate is not None
    return x509.load_pem_x509_certificate(partner.certificate.read_bytes()).public_bytes(Encoding.DER)


def test_rfc_8705_3_a_token_is_taken_from_the_holder_of_its_certificate_alone(
    street: Street, mutual: Callable[..., httpx.Response]
) -> None:
    partner, other = (street.certify(street.partner(ec_key())) for _ in range(2))
    with street.client(certificate=partner.certificate) as http:
        token = TlsClientAuth(street.server.origin, partner.client_id, scopes=[READ]).get_token(http)

    own = der_of(partner)
    assert [mutual(token, own, scheme=each).status_code for each in ("Bearer", "bearer", "Bearer")] == [200] * 3
    for refused in (
        mutual(token),
        mutual(token, der_of(other)),
        mutual(token, own, own),
        mutual(token, own, scheme="DPoP"),
    ):
        assert challenged(refused) == (401, 'Bearer error="invalid_token", DPoP algs="PS256 ES256"')


def test_rfc_8705_3_a_token_bound_to_a_key_is_not_opened_by_a_certificate(
    street: Street, mutual: Callable[..., httpx.Response], token: Token
) -> None:
    der = der_of(street.certify(street.partner(ec_key())))

    assert challenged(mutual(token, der)) == (401, algs("invalid_token"))


@pytest.mark.parametrize("terminator", [nginx, haproxy, caddy], ids=lambda make: make.__name__)
def test_rfc_8705_3_behind_a_terminator_the_holder_alone_is_served_whatever_a_client_says(
    street: Street, terminator: Callable[[Path, int], Server], tmp_path: Path
) -> None:
    partner, other = (street.certify(street.partner(ec_key())) for _ in range(2))
    with street.client(certificate=partner.certificate) as http:
        token = TlsClientAuth(street.server.origin, partner.client_id, scopes=[READ]).get_token(http)
    spoofed = {"Client-Cert": f":{b64encode(der_of(partner)).decode()}:"}

    with behind(street, terminator, tmp_path) as call:
        assert [call(partner, token, {}), call(partner, token, {"Client-Cert": "x"})] == [200, 200]
        assert [call(who, token, said) for who in (other, None) for said in ({}, spoofed)] == [401] * 4


@contextmanager
def behind(
    street: Street, terminator: Callable[[Path, int], Server], directory: Path
) -> Iterator[Callable[[Partner | None, Token, dict[str, str]], int]]:
    """Serve the guide's application in plain HTTP behind a real proxy, configured as docs/guide/mtls.md says."""
    with socket.create_server((HOST, 0)) as bound:
        proxy = terminator(directory, bound.getsockname()[1])
        url = f"https://localhost:{proxy.port}"
        app = application(street, url, certificate=asgi.certificate_of_proxy)

        def call(who: Partner | None, token: Token, said: dict[str, str]) -> int:
            context = ssl.create_default_context(cadata=SERVER.chain[0].public_bytes(Encoding.DER))
            if who is not None and who.certificate is not None:
                context.load_cert_chain(who.certificate)
            with httpx.Client(verify=context, timeout=PATIENCE_S, trust_env=False) as http:
                headers = {"Authorization": f"Bearer {token.access_token}", **said}
                return http.get(f"{url}/parcels/7", headers=headers).status_code

        with served_on(bound, app), proxy:
            yield call
