"""FAPI 2.0 Security Profile (Final): each clause that binds an authorization server, a resource server or a client of
`client_credentials`, shown over TLS against `credenza serve`, in the four variants of `private_key_jwt` or
`tls_client_auth` with tokens that are bound by DPoP or to a certificate.

A test is named by its clause; what is about one way alone is shown in that one. Clauses on authorization codes, PAR and
end users (5.3.2.1-11 and -12, 5.3.2.2, 5.3.3.3) bind nobody here: there is no authorization endpoint, which 5.3.2.1-2
and -7 show.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
import ssl
import subprocess
import time
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from sqlalchemy import select
from tests.installation import SANDBOX
from tests.journeys.freehand import (
    USUAL,
    VARIANTS,
    Freehand,
    Variant,
    error_of,
    hmac_with,
    signed_by_hand,
)
from tests.journeys.oauth2_street import SCOPES, Partner, Street, now, open_street
from tests.protocol import forge
from tests.servers import HOST, find_program

from credenza.actions import oauth_keys, resource_servers
from credenza.actions.issuing import NewKey
from credenza.cli import local
from credenza.domain import token_keys
from credenza.domain.errors import Refusal
from credenza.domain.model import EnvironmentName
from credenza.protocol import access_token, client_assertion, dpop, jose
from credenza.protocol.jose import PrivateKey
from credenza.store import schema
from credenza.store.engine import reading

READ = "parcels:read"
FORBIDDEN_TLS = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}
BCP195_SUITES = {
    f"ECDHE-{key}-AES{bits}-GCM-SHA{sha}" for key in ("ECDSA", "RSA") for bits, sha in ((128, 256), (256, 384))
}


def new_rsa(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def new_ec(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with open_street(tmp_path_factory.mktemp("street")) as street:
        yield street


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """A street whose servers want nonces."""
    with open_street(tmp_path_factory.mktemp("strict"), require_dpop_nonce=True) as street:
        yield street


@pytest.fixture(scope="module")
def partner(street: Street) -> Partner:
    return street.certify(street.partner(new_ec()))


@pytest.fixture
def client(request: pytest.FixtureRequest, street: Street, partner: Partner) -> Freehand:
    return Freehand(street, partner, variant=getattr(request, "param", USUAL))


in_every_variant = pytest.mark.parametrize("client", VARIANTS, indirect=True, ids=str)
by_certificate = pytest.mark.parametrize(
    "client", [each for each in VARIANTS if each.binding == "certificate"], indirect=True, ids=str
)
variants = pytest.mark.parametrize("variant", VARIANTS, ids=str)


def somebody(street: Street, variant: Variant) -> Freehand:
    """A client of its own."""
    return Freehand(street, street.certify(street.partner(new_ec())), variant=variant)


def get(street: Street, path: str) -> httpx.Response:
    with street.client() as http:
        return http.get(f"{street.server.origin}{path}")


def metadata(street: Street) -> dict[str, Any]:
    found: dict[str, Any] = get(street, "/.well-known/oauth-authorization-server").json()
    return found


def handshake(street: Street, **chosen: Any) -> tuple[str, str]:
    """TLS version and cipher suite that the server agrees to, of what a client offers."""
    context = ssl.create_default_context(cafile=street.authority)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        for name, value in chosen.items():
            setattr(context, name, value)
    with (
        socket.create_connection((HOST, street.server.port), timeout=30) as bare,
        context.wrap_socket(bare, server_hostname=HOST) as connection,
    ):
        agreed = connection.cipher()
        assert connection.compression() is None
        assert agreed is not None
        return connection.version() or "", agreed[0]


# --------------------------------------------------------------------------------------------------------- 5.2 network


def test_5_2_1_1_only_tls_is_offered(street: Street) -> None:
    with socket.create_connection((HOST, street.server.port), timeout=30) as connection:
        connection.sendall(b"GET /oauth/jwks HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"HTTP/" not in connection.recv(100)
    endpoints = [value for name, value in metadata(street).items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 4
    assert all(value.startswith("https://") for value in endpoints)


@pytest.mark.parametrize("version", FORBIDDEN_TLS)
def test_5_2_1_2_tls_before_1_2_is_refused(street: Street, version: str) -> None:
    only = FORBIDDEN_TLS[version]

    with pytest.raises(ssl.SSLError, match=r"EOF|ALERT_PROTOCOL_VERSION"):
        handshake(street, minimum_version=only, maximum_version=only)


def test_5_2_1_2_tls_1_2_is_taken_and_1_3_preferred(street: Street) -> None:
    assert handshake(street, maximum_version=ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
    assert handshake(street)[0] == "TLSv1.3"


def test_5_2_1_3_a_client_cannot_renegotiate(street: Street) -> None:
    # RFC 9325 3.5: TLS 1.2 that renegotiates at the client's word is a lever for whoever has none. R asks for it.
    place = ["-connect", f"{HOST}:{street.server.port}", "-CAfile", str(street.authority)]
    command = [find_program("openssl", "openssl"), "s_client", "-tls1_2", *place]
    done = subprocess.run(command, input=b"R\n", capture_output=True, timeout=60, check=False)

    assert b"Secure Renegotiation IS supported" in done.stdout
    assert b"no renegotiation" in done.stderr


def test_5_2_2_1_with_tls_1_2_only_the_suites_of_bcp_195_are_agreed_to(street: Street) -> None:
    context = ssl.create_default_context()
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    offered = sorted({each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"})
    agreed = {each for each in offered if suite_is_agreed(street, each)}

    assert len(offered) > 50
    assert agreed == {each for each in BCP195_SUITES if "ECDSA" in each}  # the certificate of the street is EC


def suite_is_agreed(street: Street, suite: str) -> bool:
    context = ssl.create_default_context(cafile=street.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    try:
        with (
            socket.create_connection((HOST, street.server.port), timeout=30) as bare,
            context.wrap_socket(bare, server_hostname=HOST),
        ):
            return True
    except (ssl.SSLError, ConnectionResetError):
        return False


# ------------------------------------------------------------------------------------- 5.3.2.1 authorization server


def test_5_3_2_1_1_metadata_are_published_as_rfc_8414_says(street: Street) -> None:
    answer = get(street, "/.well-known/oauth-authorization-server")
    told = answer.json()

    assert answer.headers["content-type"] == "application/json"
    assert told["issuer"] == street.server.origin
    assert told["token_endpoint"].startswith(f"{street.server.origin}/")
    assert told["grant_types_supported"] == ["client_credentials"]
    assert told["token_endpoint_auth_signing_alg_values_supported"] == ["PS256", "ES256"]
    assert told["dpop_signing_alg_values_supported"] == ["PS256", "ES256"]
    assert {"jwks_uri", "introspection_endpoint", "revocation_endpoint"} <= set(told)
    assert [] not in told.values()
    assert not {"authorization_endpoint", "response_types_supported"} & set(told)


def test_5_3_2_1_1_each_endpoint_takes_the_methods_of_its_rfc_alone(street: Street) -> None:
    with street.client() as http:
        for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
            answer = http.get(f"{street.server.origin}{path}")
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        for path in ("/oauth/jwks", "/.well-known/oauth-authorization-server"):
            answer = http.post(f"{street.server.origin}{path}")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_5_3_2_1_1_a_request_is_one_form_with_each_parameter_once_and_none_in_the_query(client: Freehand) -> None:
    with client.street.client() as http:
        form = {"grant_type": "client_credentials", "client_assertion_type": client_assertion.ASSERTION_TYPE}
        in_query = http.post(f"{client.endpoint}?grant_type=client_credentials", data=form)
        twice = http.post(client.endpoint, data={**form, "scope": ["parcels:read", "parcels:write"]})
        as_json = http.post(client.endpoint, json=form)

    assert [error_of(each) for each in (in_query, twice, as_json)] == [(400, "invalid_request")] * 3
    assert client.ask(scope="", client_id="").status_code == 200  # without a value: as not sent


@in_every_variant
@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "implicit", "refresh_token"])
def test_5_3_2_1_2_the_password_grant_is_refused_and_so_is_every_other(client: Freehand, grant_type: str) -> None:
    answer = client.ask(grant_type=grant_type, username="ada", password="secret")

    assert error_of(answer) == (400, "unsupported_grant_type")


def test_5_3_2_1_3_clients_are_confidential(client: Freehand) -> None:
    answer = client.ask(client_assertion=None, client_assertion_type=None, client_id=client.partner.client_id)

    assert error_of(answer) == (401, "invalid_client")


def test_5_3_2_1_4_without_a_proof_there_is_no_token(client: Freehand) -> None:
    assert error_of(client.ask(proofs=[])) == (400, "invalid_dpop_proof")
    assert error_of(client.ask(proofs=[client.proof(), client.proof()])) == (400, "invalid_dpop_proof")
    joined = ", ".join([client.proof(), client.proof()])
    assert error_of(client.ask(proofs=[joined])) == (400, "invalid_dpop_proof")


@in_every_variant
def test_5_3_2_1_5_a_token_is_bound_to_the_key_of_the_proof_or_to_the_certificate(client: Freehand) -> None:
    answer = client.ask()
    members = json.loads(jose.parse(answer.json()["access_token"]).payload)
    jkt = {"jkt": jose.thumbprint(client.dpop_key.public_key())}
    x5t = {"x5t#S256": x5t_s256(client.partner)}

    bound = {"DPoP": ("DPoP", jkt), "certificate": ("Bearer", x5t)}[client.variant.binding]
    assert (answer.json()["token_type"], members["cnf"]) == bound


@pytest.mark.parametrize("client", [VARIANTS[1], VARIANTS[3]], indirect=True, ids=str)
def test_5_3_2_1_4_without_a_proof_or_a_certificate_there_is_no_token(client: Freehand) -> None:
    with client.street.client() as http:
        answer = http.post(client.endpoint, data={"grant_type": "client_credentials"} | client.authentication())

    assert error_of(answer) in {(400, "invalid_dpop_proof"), (401, "invalid_client")}


def x5t_s256(partner: Partner) -> str:
    assert partner.certificate is not None
    der = x509.load_pem_x509_certificate(partner.certificate.read_bytes()).public_bytes(Encoding.DER)
    return urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def test_5_3_2_1_6_clients_authenticate_by_private_key_jwt_or_mutual_tls_alone(
    street: Street, client: Freehand
) -> None:
    public = jose.jwk(client.partner.private_key.public_key())
    header = {"alg": "HS256", "typ": "JWT", "kid": client.partner.key_id}
    by_secret = signed_by_hand(header, client.assertion_claims(), hmac_with(json.dumps(public).encode()))
    nothing = {"client_assertion": None, "client_assertion_type": None}
    basic = httpx.BasicAuth(client.partner.client_id, "secret")._auth_header  # as `auth=` would send it

    assert metadata(street)["token_endpoint_auth_methods_supported"] == ["private_key_jwt", "tls_client_auth"]
    assert error_of(client.ask(client_assertion=by_secret)) == (401, "invalid_client")
    assert error_of(client.ask(**nothing, client_secret="secret")) == (401, "invalid_client")
    assert client.ask(**nothing, headers=[("Authorization", basic)]).status_code == 401
    assert error_of(client.ask(headers=[("Authorization", basic)])) == (400, "invalid_request")


def test_5_3_2_1_7_nothing_redirects(street: Street) -> None:
    away = "redirect_uri=https%3A%2F%2Fevil.example%2F&state=x"
    for path in ("/oauth/authorize", "/oauth/token", "/oauth/jwks", "//evil.example/", "/\\evil.example", "/parcels"):
        answer = get(street, f"{path}?{away}")
        assert not answer.is_redirect, path
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "audience",
    [
        lambda origin: [origin],
        lambda origin: [origin, "https://other.example"],
        lambda origin: f"{origin}/oauth/token",
        lambda origin: f"{origin}/",
        lambda origin: origin.upper(),
        lambda origin: origin.replace("https", "http"),
        lambda _: None,
    ],
    ids=["a list", "a list of two", "token endpoint", "slash", "upper case", "http", "none"],
)
def test_5_3_2_1_8_only_the_issuer_as_one_string_is_the_audience(
    client: Freehand, audience: Callable[[str], Any]
) -> None:
    assertion = client.assertion(aud=audience(client.street.server.origin))

    assert error_of(client.ask(client_assertion=assertion)) == (401, "invalid_client")
    assert client.ask(client_assertion=client.assertion(aud=client.street.server.origin)).status_code == 200


@in_every_variant
def test_5_3_2_1_9_there_are_no_refresh_tokens_to_rotate(client: Freehand) -> None:
    answer = client.ask()

    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.headers["cache-control"] == "no-store"
    assert "refresh_token" not in metadata(client.street)["grant_types_supported"]


def test_5_3_2_1_10_where_nonces_are_wanted_both_servers_hand_them_out(strict: Street) -> None:
    client = Freehand(strict, strict.partner(new_ec()))

    first = client.ask()
    nonce = first.headers["dpop-nonce"]
    second = client.ask(proofs=[client.proof(nonce=nonce)])
    token = second.json()["access_token"]
    third = client.call(token)
    fourth = client.call(
        token, proofs=[client.proof("GET", strict.parcel, token=token, nonce=third.headers["dpop-nonce"])]
    )
    fifth = client.call(
        token, proofs=[client.proof("GET", strict.parcel, token=token, nonce=second.headers["dpop-nonce"])]
    )

    assert error_of(first) == (400, "use_dpop_nonce")
    assert error_of(third) == (401, "use_dpop_nonce")
    assert [each.status_code for each in (second, fourth, fifth)] == [200, 200, 200]
    # contracts 3.4: successes bring the next one along, so that nobody who keeps calling is challenged again.
    assert all(each.headers["dpop-nonce"] for each in (second, fourth, fifth))
    # RFC 9449 8: NQCHAR, which is what may stand in a header without being quoted.
    assert nonce
    assert all(0x21 <= ord(each) <= 0x7E and each not in '"\\' for each in nonce)


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize("ahead_s", [0, 10])
def test_5_3_2_1_13_clocks_up_to_10_s_ahead_are_accepted(client: Freehand, name: str, ahead_s: int) -> None:
    assertion = client.assertion(**{name: int(time.time()) + ahead_s})

    assert client.ask(client_assertion=assertion).status_code == 200


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize("ahead_s", [61, 3600])
def test_5_3_2_1_13_clocks_more_than_60_s_ahead_are_refused(client: Freehand, name: str, ahead_s: int) -> None:
    ahead = int(time.time()) + ahead_s
    assertion = client.assertion(**{name: ahead}, exp=ahead + 90)

    assert error_of(client.ask(client_assertion=assertion)) == (401, "invalid_client")


@variants
def test_5_3_2_1_14_a_token_opens_no_more_than_was_asked_for(street: Street, variant: Variant) -> None:
    client = somebody(street, variant)
    street.add_letters(client.partner)
    narrow, wide = client.token(scope=READ), client.token()

    assert client.ask(scope=READ).json()["scope"] == READ
    assert [client.call(each).status_code for each in (narrow, wide)] == [200, 200]
    assert client.call(wide, url=street.letter).status_code == 200
    assert error_of(client.call(narrow, url=street.letter)) == (403, "insufficient_scope")
    assert error_of(client.ask(scope=f"{READ} invoices:write")) == (400, "invalid_scope")


@in_every_variant
def test_5_3_2_1_14_a_token_of_one_environment_is_none_in_the_other(street: Street, client: Freehand) -> None:
    elsewhere = f"https://{HOST}:{street.server.production_port}/parcels/7"

    token, bare = client.token(), replace(client, partner=replace(client.partner, certificate=None))

    assert error_of(bare.call(token, url=elsewhere)) == (401, "invalid_token")
    if client.variant.certificate:
        with pytest.raises(httpx.TransportError, match="unknown ca"):
            client.call(token, url=elsewhere)


@in_every_variant
def test_6_1_a_token_lives_for_15_minutes_at_most_and_says_so(client: Freehand) -> None:
    answer = client.ask()
    _, claims = access_token.parse(answer.json()["access_token"])

    assert 60 < answer.json()["expires_in"] == claims.exp - claims.iat <= 900


# -------------------------------------------------------------------------------------------------------- 5.3.3 client


def test_5_3_3_1_our_client_does_as_the_profile_asks(strict: Street) -> None:
    """1 and 2: DPoP and private_key_jwt; 3: the token in the header; 5: aud is the issuer; metadata; 8: nonces."""
    partner, sent = strict.partner(new_ec()), list[httpx.Request]()
    with strict.sdk(partner, scopes=[READ]) as http:
        http.event_hooks["request"].append(lambda each: sent.append(each) or each.read())
        answer = http.get(strict.parcel)

    found, *sent = sent
    asking = [each for each in sent if each.method == "POST"]
    form = httpx.QueryParams(asking[-1].content.decode())
    claims = json.loads(jose.parse(form["client_assertion"]).payload)
    assert answer.status_code == 200
    assert str(found.url) == f"{strict.server.origin}/.well-known/oauth-authorization-server"
    assert len(asking) == 2  # the first one was told the nonce
    assert [claims["aud"], claims["iss"], claims["sub"]] == [strict.server.origin, partner.client_id, partner.client_id]
    assert "client_secret" not in form
    for each in sent:
        assert each.url.query == b""
        assert dpop.parse(each.headers["dpop"]).claims.htm == each.method
    assert sent[-1].headers["authorization"].startswith("DPoP ")


# ------------------------------------------------------------------------------------------------ 5.3.4 resource server


@in_every_variant
@pytest.mark.parametrize("spell", [str, str.lower, str.upper], ids=["as it is", "lower case", "upper case"])
def test_5_3_4_1_a_token_comes_in_the_authorization_header(client: Freehand, spell: Callable[[str], str]) -> None:
    scheme = {"DPoP": "DPoP", "certificate": "Bearer"}[client.variant.binding]
    answer = client.call(client.token(), scheme=spell(scheme))

    assert answer.status_code == 200
    assert abs((parsedate_to_datetime(answer.headers["date"]) - now()).total_seconds()) < 300


@in_every_variant
def test_5_3_4_2_a_token_in_query_or_body_is_no_token(client: Freehand) -> None:
    token = client.token()
    url = f"{client.street.parcel}?access_token={token}"
    proof = {"DPoP": client.proof("GET", client.street.parcel, token=token)}
    with client.http() as http:
        in_query = http.get(url, headers=proof)
        in_body = http.post(client.street.parcel, data={"access_token": token}, headers=proof)

    for answer in (in_query, in_body):
        assert answer.status_code in (400, 401)
        assert "date" in answer.headers


@in_every_variant
def test_5_3_4_2_a_token_comes_in_one_way_alone(client: Freehand) -> None:
    token, url = client.token(), client.street.parcel
    in_both = client.call(token, url=f"{url}?page=2&access_token={token}")
    in_form = client.call(token, method="POST", data={"access_token": token})

    assert error_of(in_both) == (400, "invalid_request")
    assert error_of(in_form) == (400, "invalid_request")
    assert client.call(token, url=f"{url}?my_access_token=x&q=access_token").status_code == 200


def test_5_3_4_3_who_sends_no_token_is_not_told_of_an_error(street: Street) -> None:
    answer = get(street, "/parcels/7")

    assert answer.status_code in (400, 401)
    assert "error=" not in answer.headers.get("www-authenticate", "")


@in_every_variant
def test_5_3_4_3_a_token_that_was_changed_is_refused(client: Freehand) -> None:
    token = client.token()
    head, payload, signature = token.split(".")
    claims = json.loads(jose.decode(payload.encode(), "payload"))
    longer = jose.encode(json.dumps({**claims, "exp": claims["exp"] + 900}).encode()).decode()
    nobody = jose.sign({"typ": "at+jwt", "kid": jose.parse(token).header.kid}, claims, new_ec())

    for changed in (f"{head}.{longer}.{signature}", f"{head}.{payload}.{signature[:-8]}AAAAAAAA", nobody, f"{token}x"):
        assert error_of(client.call(changed)) == (401, "invalid_token")
    assert client.call(token).status_code == 200


@in_every_variant
def test_5_3_4_3_a_token_that_has_ended_is_refused(client: Freehand) -> None:
    ended, lasting = (issued_by_the_server(client, life_s) for life_s in (-1, 600))

    assert client.call(lasting).status_code == 200
    assert error_of(client.call(ended)) == (401, "invalid_token")


def issued_by_the_server(client: Freehand, left_s: int, **changed: Any) -> str:
    """A token as the server would have issued it a while ago: its own key signs, fetched with the platform's key."""
    platform, now_s = client.street.installation.platform, int(time.time())
    with reading(platform.database.records) as connection:
        keys = schema.token_keys.c
        first = keys.generation == 1, keys.environment == SANDBOX, keys.issuer == token_keys.IssuerKind.FAPI2
        kid, wrapped = connection.execute(select(keys.kid, keys.wrapped_private_key).where(*first)).one()
    key = load_der_private_key(platform.vault.unwrap(token_keys.purpose(kid), wrapped), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    members = json.loads(jose.parse(client.token()).payload)
    members |= {"iat": now_s + left_s - 900, "exp": now_s + left_s, "jti": secrets.token_hex(16)} | changed
    return jose.sign({"typ": access_token.TYPE, "kid": kid}, members, key)


@in_every_variant
@pytest.mark.parametrize(
    "changed", [{"iss": "https://other.example"}, {"aud": "https://other.example"}, {"client_id": "other"}], ids=str
)
def test_5_3_4_3_a_token_for_somebody_else_is_refused(client: Freehand, changed: dict[str, str]) -> None:
    assert error_of(client.call(issued_by_the_server(client, 600, **changed))) == (401, "invalid_token")


@in_every_variant
def test_5_3_4_3_a_token_that_was_revoked_is_refused(client: Freehand) -> None:
    kept, revoked = client.token(), client.token()
    with client.http() as http:
        place = f"{client.street.server.origin}/oauth/revoke"
        told = http.post(place, data={"token": revoked} | client.authentication())

    assert told.status_code == 200
    assert error_of(client.call(revoked)) == (401, "invalid_token")
    assert client.call(kept).status_code == 200


@variants
@pytest.mark.parametrize("lost", ["key", "certificate"])
def test_5_3_4_3_a_token_dies_with_the_key_or_certificate_that_it_was_fetched_with(
    street: Street, variant: Variant, lost: str
) -> None:
    client = somebody(street, variant)
    token = client.token()
    is_of_it = lost == "key" if variant.method == "private_key_jwt" else lost == "certificate"
    dies = is_of_it or (variant.binding == "certificate" and lost == "certificate")
    asker = resource_servers.add(
        street.installation.platform, local.OPERATOR, environment=SANDBOX, name=secrets.token_hex(4), now=now()
    )
    auth = (asker.server.id, asker.secret)
    with street.client() as http:
        place = f"{street.server.origin}/oauth/introspect"
        before = client.call(token).status_code, http.post(place, data={"token": token}, auth=auth).json()["active"]
        (street.revoke if lost == "key" else street.revoke_certificate)(client.partner)
        if not dies:
            assert client.call(token).status_code == 200
            return
        after = error_of(client.call(token)), http.post(place, data={"token": token}, auth=auth).json()

    assert before == (200, True)
    assert after == ((401, "invalid_token"), {"active": False})


@variants
def test_5_3_4_4_too_little_scope_is_answered_as_rfc_6750_says(street: Street, variant: Variant) -> None:
    client = somebody(street, variant)
    street.add_letters(client.partner)
    answer = client.call(client.token(scope="letters:read"))

    assert error_of(answer) == (403, "insufficient_scope")
    assert f'scope="{" ".join(sorted(SCOPES))}"' in answer.headers["www-authenticate"]


def test_5_3_4_5_a_token_is_taken_from_the_holder_of_its_key_alone(client: Freehand) -> None:
    token, url, thief = client.token(), client.street.parcel, new_ec()
    proofs = {
        "another key": client.proof("GET", url, token=token, key=thief),
        "no hash of the token": client.proof("GET", url),
        "the hash of another token": client.proof("GET", url, token=f"{token}x"),
        "another method": client.proof("POST", url, token=token),
        "another path": client.proof("GET", f"{url}8", token=token),
        "another host": client.proof("GET", url.replace(HOST, "localhost"), token=token),
        "no jwk": client.proof("GET", url, token=token, header={"jwk": None}),
    }

    for what, proof in proofs.items():
        answer = client.call(token, proofs=[proof])
        assert answer.status_code == 401, what
        assert 'algs="PS256 ES256"' in answer.headers["www-authenticate"]
    assert client.call(token, proofs=[]).status_code == 400
    assert client.call(token, proofs=[client.proof("GET", url, token=token)] * 2).status_code == 400


@by_certificate
def test_5_3_4_5_a_token_is_taken_from_the_holder_of_its_certificate_alone(client: Freehand) -> None:
    token = client.token()
    other = replace(client, partner=client.street.certify(client.partner))
    nobody = replace(client, partner=replace(client.partner, certificate=None))
    proof = client.proof("GET", client.street.parcel, token=token)

    for answer in (other.call(token), nobody.call(token), client.call(token, scheme="DPoP", proofs=[proof])):
        assert error_of(answer) == (401, "invalid_token")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token", DPoP algs="PS256 ES256"'
    assert [client.call(token).status_code for _ in range(3)] == [200, 200, 200]


def test_5_3_4_5_a_bound_token_is_no_bearer_token(client: Freehand) -> None:
    token = client.token()

    for proofs in ([], None):
        assert error_of(client.call(token, scheme="Bearer", proofs=proofs)) == (401, "invalid_token")


def test_5_3_4_5_a_proof_is_good_once_at_both_servers(client: Freehand) -> None:
    proof, token = client.proof(), client.token()
    first, again = client.ask(proofs=[proof]), client.ask(proofs=[proof])
    shown = [client.proof("GET", client.street.parcel, token=token)]
    called = [client.call(token, proofs=shown) for _ in range(2)]

    assert (first.status_code, error_of(again)) == (200, (400, "invalid_dpop_proof"))
    assert (called[0].status_code, error_of(called[1])) == (200, (401, "invalid_dpop_proof"))


@pytest.mark.parametrize(("ahead_s", "accepted"), [(10, True), (-100, True), (61, False), (-121, False)])
def test_5_3_4_5_a_proof_is_of_this_moment(client: Freehand, ahead_s: int, accepted: bool) -> None:
    token = client.token()

    asked = client.ask(proofs=[client.proof(ahead_s=ahead_s)])
    called = client.call(token, proofs=[client.proof("GET", client.street.parcel, token=token, ahead_s=ahead_s)])

    if accepted:
        assert (asked.status_code, called.status_code) == (200, 200)
    else:
        assert (error_of(asked), error_of(called)) == ((400, "invalid_dpop_proof"), (401, "invalid_dpop_proof"))


# -------------------------------------------------------------------------------------------------- 5.4 cryptography


def test_5_4_1_1_a_token_of_one_kind_is_none_of_another(client: Freehand) -> None:
    """RFC 8725 3.11 and 3.12: explicit types, rules that exclude one another."""
    token = client.token()
    for taken_for_an_assertion in (token, client.proof(), client.assertion(header={"typ": "at+jwt"})):
        assert error_of(client.ask(client_assertion=taken_for_an_assertion)) == (401, "invalid_client")
    for taken_for_a_proof in (token, client.assertion(), client.proof(header={"typ": "JWT"})):
        assert error_of(client.ask(proofs=[taken_for_a_proof])) == (400, "invalid_dpop_proof")
    for taken_for_a_token in (client.assertion(), client.proof()):
        assert error_of(client.call(taken_for_a_token)) == (401, "invalid_token")


@pytest.mark.parametrize("header", [{"crit": ["b64"], "b64": False}, {"b64": False}, {"crit": []}], ids=str)
def test_5_4_1_1_no_extension_is_followed(client: Freehand, header: dict[str, Any]) -> None:
    assert error_of(client.ask(client_assertion=client.assertion(header=header))) == (401, "invalid_client")
    assert error_of(client.ask(proofs=[client.proof(header=header)])) == (400, "invalid_dpop_proof")


def test_5_4_1_1_an_assertion_is_good_once(client: Freehand) -> None:
    assertion = client.assertion()

    assert client.ask(client_assertion=assertion).status_code == 200
    assert error_of(client.ask(client_assertion=assertion)) == (401, "invalid_client")


@pytest.mark.parametrize("key", [new_rsa, new_ec], ids=["PS256", "ES256"])
def test_5_4_1_2_ps256_and_es256_are_taken_of_clients_and_of_proofs(
    street: Street, key: Callable[[], PrivateKey]
) -> None:
    client = Freehand(street, street.partner(key()), dpop_key=key())

    assert client.call(client.token()).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "HS256", "none"])
def test_5_4_1_2_and_3_no_other_algorithm_is_taken_of_a_client(street: Street, algorithm: str) -> None:
    key = new_rsa()
    client = Freehand(street, street.partner(key))
    header = {"alg": algorithm, "typ": "JWT", "kid": client.partner.key_id}
    assertion = signed_by_hand(header, client.assertion_claims(), rsa_signers(key)[algorithm])

    assert error_of(client.ask(client_assertion=assertion)) == (401, "invalid_client")


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "HS256", "none"])
def test_5_4_1_2_and_3_no_other_algorithm_is_taken_of_a_proof(client: Freehand, algorithm: str) -> None:
    key, token = new_rsa(), client.token()
    header = {"alg": algorithm, "typ": dpop.TYPE, "jwk": jose.jwk(key.public_key())}
    claims = {"jti": secrets.token_hex(8), "htm": "POST", "htu": client.endpoint, "iat": int(time.time())}
    proof = signed_by_hand(header, claims, rsa_signers(key)[algorithm])

    assert error_of(client.ask(proofs=[proof])) == (400, "invalid_dpop_proof")
    shown = signed_by_hand(
        header,
        claims | {"htm": "GET", "htu": client.street.parcel, "ath": dpop.access_token_hash(token)},
        rsa_signers(key)[algorithm],
    )
    assert client.call(token, proofs=[shown]).status_code == 401


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_5_4_1_3_a_token_that_nobody_has_signed_is_refused(client: Freehand, algorithm: str) -> None:
    token = client.token()
    header = {"alg": algorithm, "typ": access_token.TYPE, "kid": jose.parse(token).header.kid}
    (key,) = [each for each in get(client.street, "/oauth/jwks").json()["keys"] if each["kid"] == header["kid"]]
    claims = json.loads(jose.parse(token).payload)
    forged = signed_by_hand(header, claims, rsa_signers(None, json.dumps(key).encode())[algorithm])

    assert error_of(client.call(forged)) == (401, "invalid_token")


def rsa_signers(key: rsa.RSAPrivateKey | None, secret: bytes = b"public") -> dict[str, Callable[[bytes], bytes]]:
    def pss_384(octets: bytes) -> bytes:
        assert key is not None
        return key.sign(octets, padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=48), SHA384())

    def pkcs1(octets: bytes) -> bytes:
        assert key is not None
        return key.sign(octets, padding.PKCS1v15(), SHA256())

    return {"none": lambda _: b"", "HS256": hmac_with(secret), "RS256": pkcs1, "PS384": pss_384}


def test_5_4_1_4_rsa_keys_have_2048_bits_at_least(client: Freehand) -> None:
    small = new_rsa(1024)

    assert error_of(client.ask(proofs=[client.proof(key=small)])) == (400, "invalid_dpop_proof")
    with pytest.raises(Refusal):
        add_key(client, forge.request(forge.rsa_signer(small), forge.spki(small.public_key())))


def test_5_4_1_5_ec_keys_have_224_bits_at_least(client: Freehand) -> None:
    small = new_ec(ec.SECP192R1())
    point = small.public_key().public_numbers()
    x, y = (jose.encode(each.to_bytes(24)).decode() for each in (point.x, point.y))
    header = {"alg": "ES256", "typ": dpop.TYPE, "jwk": {"kty": "EC", "crv": "P-192", "x": x, "y": y}}
    claims = {"jti": secrets.token_hex(8), "htm": "POST", "htu": client.endpoint, "iat": int(time.time())}

    def sign(octets: bytes) -> bytes:
        r, s = decode_dss_signature(small.sign(octets, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    assert error_of(client.ask(proofs=[signed_by_hand(header, claims, sign)])) == (400, "invalid_dpop_proof")
    with pytest.raises(Refusal):
        add_key(client, forge.ec_request(small))


def add_key(client: Freehand, request: bytes) -> None:
    made = client.street.installation
    new = NewKey("too small", request)
    oauth_keys.add_by_csr(made.platform, made.actor, client.partner.project.id, new, SANDBOX, now=now())


@in_every_variant
def test_5_4_1_6_tokens_and_secrets_cannot_be_guessed(street: Street, client: Freehand) -> None:
    ids = {access_token.parse(client.token())[1].jti for _ in range(8)}
    asker = resource_servers.add(
        street.installation.platform, local.OPERATOR, environment=SANDBOX, name=secrets.token_hex(4), now=now()
    )

    assert len(ids) == 8
    assert all(len(bytes.fromhex(each)) * 8 >= 128 for each in ids)
    assert len(asker.secret) > 43  # 256 bits in any alphabet of 64


def test_5_4_2_the_key_set_comes_over_tls_and_holds_public_keys_alone(street: Street, client: Freehand) -> None:
    place = metadata(street)["jwks_uri"]
    keys = get(street, place.removeprefix(street.server.origin)).json()["keys"]

    assert place.startswith("https://")
    assert len(keys) == 2  # the one that signs, and its successor long before it does
    for each in keys:
        assert set(each) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
        assert (each["alg"], each["use"]) == ("ES256", "sig")
    assert jose.parse(client.token()).header.kid in {each["kid"] for each in keys}


def test_5_4_3_every_kid_is_one_key(street: Street, client: Freehand) -> None:
    other = street.partner(new_ec())
    keys = get(street, "/oauth/jwks").json()["keys"]

    assert len({each["kid"] for each in keys}) == len(keys)
    assert all(each["kid"] == jose.thumbprint(jose.parse_jwk(json.dumps(each).encode())) for each in keys)
    for kid in (other.key_id, None, "", "../x", "'; --", "k" * 4000):
        assertion = client.assertion(header={"kid": kid})
        assert error_of(client.ask(client_assertion=assertion)) == (401, "invalid_client")


def test_5_4_3_a_key_named_elsewhere_is_not_fetched(client: Freehand) -> None:
    with socket.create_server((HOST, 0)) as trap:
        trap.settimeout(1)
        place = f"http://{HOST}:{trap.getsockname()[1]}/keys"
        thief = new_ec()
        for header in ({"jku": place}, {"x5u": place}, {"jwk": jose.jwk(thief.public_key())}):
            assertion = client.assertion(header=header, key=thief)
            assert error_of(client.ask(client_assertion=assertion)) == (401, "invalid_client")
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize("environment", EnvironmentName)
def test_each_environment_is_an_issuer_of_its_own(street: Street, environment: EnvironmentName) -> None:
    port = street.server.port if environment is SANDBOX else street.server.production_port
    with street.client() as http:
        told = http.get(f"https://{HOST}:{port}/.well-known/oauth-authorization-server").json()

    assert told["issuer"] == f"https://{HOST}:{port}"
