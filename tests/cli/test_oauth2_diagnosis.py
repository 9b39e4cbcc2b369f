"""Why a request of OAuth 2.0 is refused: one wrong thing is told as one failed step, and never a right one as wrong.

Each step agrees with the server's own rules, because it asks them; here the whole is held against them once more.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.clock import NOON

from credenza.cli import captured, oauth2_diagnosis
from credenza.cli.assertion_diagnosis import ClientKey
from credenza.cli.captured import Captured
from credenza.cli.oauth2_diagnosis import Known, Verdict
from credenza.protocol import client_assertion, dpop, jose
from credenza.protocol.errors import Malformed

ISSUER = "https://api.example.com"
TOKEN_ENDPOINT = f"{ISSUER}/oauth/token"
URL = f"{ISSUER}/parcels/7?full=yes"
CLIENT_ID, KEY_ID = "c" * 48, "0" * 47 + "1"
NOW_S = int(NOON.timestamp())
CLIENT = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HOLDER, OTHER, SERVER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
FORM = "application/x-www-form-urlencoded"

KNOWN = Known(
    NOON,
    issuer=ISSUER,
    consumer_key=f"{CLIENT_ID}!{KEY_ID}",
    client_key=ClientKey(CLIENT.public_key(), NOON - timedelta(days=1), NOON + timedelta(days=1)),
    issuer_keys={"k1": SERVER.public_key()},
)


def assertion(*, header: dict[str, Any] | None = None, key: Any = CLIENT, **claims: Any) -> str:
    usual = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": ISSUER, "jti": secrets.token_hex(8)}
    times = {"iat": NOW_S, "nbf": NOW_S - 5, "exp": NOW_S + 95}
    return jose.sign({"typ": "JWT", "kid": KEY_ID} | (header or {}), _sent({**usual, **times, **claims}), key)


def proof(*, header: dict[str, Any] | None = None, key: Any = HOLDER, **claims: Any) -> str:
    usual = {"jti": secrets.token_hex(8), "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": NOW_S}
    head = {"typ": dpop.TYPE, "jwk": jose.jwk(key.public_key())} | (header or {})
    return jose.sign(_sent(head), _sent({**usual, **claims}), key)


def token(*, header: dict[str, Any] | None = None, key: Any = SERVER, **claims: Any) -> str:
    usual = {"iss": ISSUER, "aud": ISSUER, "sub": CLIENT_ID, "client_id": CLIENT_ID, "jti": "t", "iat": NOW_S}
    bound = {"exp": NOW_S + 900, "cnf": {"jkt": jose.thumbprint(HOLDER.public_key())}}
    return jose.sign({"typ": "at+jwt", "kid": "k1"} | (header or {}), _sent({**usual, **bound, **claims}), key)


def holding(access_token: str, **changed: Any) -> str:
    usual = {"htm": "GET", "htu": f"{ISSUER}/parcels/7", "ath": dpop.access_token_hash(access_token)}
    return proof(**{**usual, **changed})


def _sent(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def token_request(*, proofs: tuple[str, ...] | None = None, url: str = TOKEN_ENDPOINT, **form: str | None) -> Captured:
    usual: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_assertion_type": client_assertion.ASSERTION_TYPE,
        "client_assertion": assertion(),
    }
    body = urlencode(_sent({**usual, **form})).encode()
    sent = tuple(("DPoP", each) for each in ((proof(),) if proofs is None else proofs))
    return Captured("POST", url, (("Content-Type", FORM), *sent), body)


def call(access_token: str, scheme: str = "DPoP", *, proofs: tuple[str, ...] | None = None, url: str = URL) -> Captured:
    shown = (holding(access_token),) if proofs is None else proofs
    headers = (("Authorization", f"{scheme} {access_token}"), *(("DPoP", each) for each in shown))
    return Captured("GET", url, headers, b"")


def failed(verdict: Verdict) -> list[str]:
    return [step.name for step in verdict.steps if step.ok is False]


def test_a_request_that_would_be_granted_has_no_failed_step() -> None:
    verdict = oauth2_diagnosis.explain_request(token_request(), replace(KNOWN, nonce=None))

    assert (verdict.subject, failed(verdict), verdict.ok) == ("token request", [], True)


def test_a_call_that_would_be_admitted_has_no_failed_step() -> None:
    verdict = oauth2_diagnosis.explain_request(call(token()), KNOWN)

    assert (verdict.subject, failed(verdict), verdict.ok) == ("call", [], True)


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ({"aud": TOKEN_ENDPOINT}, ["assertion_aud"]),
        ({"aud": [ISSUER]}, ["assertion_aud"]),
        ({"aud": None}, ["assertion_aud"]),
        ({"exp": NOW_S - 11}, ["assertion_exp"]),
        ({"exp": NOW_S + 301}, ["assertion_exp"]),
        ({"exp": None}, ["assertion_exp"]),
        ({"exp": "soon"}, ["assertion_exp"]),
        ({"iat": NOW_S + 61}, ["assertion_iat_nbf"]),
        ({"nbf": NOW_S + 61}, ["assertion_iat_nbf"]),
        ({"jti": None}, ["assertion_jti"]),
        ({"jti": "x" * 129}, ["assertion_jti"]),
        ({"sub": "d" * 48}, ["assertion_client_id"]),
        ({"iss": "d" * 48, "sub": "d" * 48}, ["assertion_client_id"]),
        ({"iss": "short", "sub": "short"}, ["assertion_client_id"]),
        ({"header": {"kid": None}}, ["assertion_kid"]),
        ({"header": {"kid": "f" * 48}}, ["assertion_kid"]),
        ({"header": {"typ": "at+jwt"}}, ["assertion_typ"]),
        ({"header": {"typ": "dpop+jwt"}}, ["assertion_typ"]),
        ({"key": HOLDER}, ["assertion_alg", "assertion_signature"]),
        ({"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}, ["assertion_signature"]),
        ({"header": {"crit": ["b64"]}}, ["assertion"]),
        ({"iat": "yesterday"}, ["assertion_reading"]),
    ],
)
def test_one_thing_that_is_wrong_with_an_assertion_is_named(changed: dict[str, Any], steps: list[str]) -> None:
    sent = assertion(**changed)

    assert failed(oauth2_diagnosis.explain_request(token_request(client_assertion=sent), KNOWN)) == steps


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ({"htm": "GET"}, ["proof_htm"]),
        ({"htm": "post"}, ["proof_htm"]),
        ({"htu": f"{ISSUER}/oauth/other"}, ["proof_htu"]),
        ({"htu": "no uri"}, ["proof_htu"]),
        ({"htu": None}, ["proof_htu"]),
        ({"iat": NOW_S - 121}, ["proof_iat"]),
        ({"iat": NOW_S + 11}, ["proof_iat"]),
        ({"exp": NOW_S - 11}, ["proof_iat"]),
        ({"iat": None}, ["proof_iat"]),
        ({"jti": None}, ["proof_jti"]),
        ({"ath": "x"}, ["proof_ath"]),
        ({"nonce": "n-2"}, ["proof_nonce"]),
        ({"nonce": None}, ["proof_nonce"]),
        ({"header": {"typ": "JWT"}}, ["proof_typ"]),
        ({"header": {"jwk": None}}, ["proof_jwk"]),
        ({"header": {"jwk": jose.jwk(OTHER.public_key())}}, ["proof_signature"]),
        ({"header": {"jwk": {**jose.jwk(HOLDER.public_key()), "d": "AA"}}}, ["proof_jwk"]),
    ],
)
def test_one_thing_that_is_wrong_with_a_proof_is_named(changed: dict[str, Any], steps: list[str]) -> None:
    sent = proof(**{"nonce": "n-1", **changed})

    assert failed(oauth2_diagnosis.explain_request(token_request(proofs=(sent,)), replace(KNOWN, nonce="n-1"))) == steps


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ({"iss": "https://other.example"}, ["token_iss"]),
        ({"aud": "https://other.example"}, ["token_aud"]),
        ({"exp": NOW_S}, ["token_exp"]),
        ({"exp": None}, ["token_exp"]),
        ({"cnf": {"jkt": jose.thumbprint(OTHER.public_key())}}, ["proof_jkt"]),
        ({"cnf": {}}, ["token_cnf"]),
        ({"header": {"kid": "k2"}}, ["token_kid"]),
        ({"header": {"typ": "JWT"}}, ["token_typ"]),
        ({"key": OTHER}, ["token_signature"]),
        ({"client_id": None}, ["token_reading"]),
    ],
)
def test_one_thing_that_is_wrong_with_a_token_is_named(changed: dict[str, Any], steps: list[str]) -> None:
    assert failed(oauth2_diagnosis.explain_request(call(token(**changed)), KNOWN)) == steps


@pytest.mark.parametrize(
    ("message", "steps"),
    [
        (lambda: call(token(), "Bearer"), ["header"]),
        (lambda: call("", "DPoP"), ["header"]),
        (lambda: Captured("GET", URL, (), b""), ["header"]),
        (lambda: call(token(), proofs=()), ["proof"]),
        (lambda: call(token(), proofs=("a", "b")), ["proof"]),
        (lambda: call(token(), proofs=("a.b.c",)), ["proof"]),
        (lambda: call("a.b", proofs=(holding("a.b"),)), ["token"]),
        (lambda: call(token(), url=f"{ISSUER}/parcels/8"), ["proof_htu"]),
        (lambda: token_request(grant_type="password"), ["grant_type"]),
        (lambda: token_request(client_assertion_type="x"), ["client_assertion_type"]),
        (lambda: token_request(client_secret="x"), ["client_secret"]),
        (lambda: token_request(client_id="d" * 48), ["assertion_client_id"]),
        (lambda: token_request(client_assertion="a.b"), ["assertion"]),
        (lambda: token_request(proofs=()), ["proof"]),
        (lambda: token_request(url=f"{TOKEN_ENDPOINT}?a=1"), ["form"]),
        (lambda: replace(token_request(), method="GET"), ["method", "proof_htm"]),
    ],
)
def test_one_thing_that_is_wrong_with_the_request_around_is_named(
    message: Callable[[], Captured], steps: list[str]
) -> None:
    assert failed(oauth2_diagnosis.explain_request(message(), KNOWN)) == steps


def test_a_certificate_that_has_ended_is_named() -> None:
    ended = ClientKey(CLIENT.public_key(), NOON - timedelta(days=2), NOON - timedelta(days=1))

    verdict = oauth2_diagnosis.explain_request(token_request(), replace(KNOWN, client_key=ended))

    assert failed(verdict) == ["assertion_certificate"]


@pytest.mark.parametrize(
    ("jwt", "subject"),
    [(assertion, "client assertion"), (proof, "proof"), (token, "access token")],
)
def test_a_token_alone_is_judged_by_what_it_says_it_is(jwt: Callable[[], str], subject: str) -> None:
    verdict = oauth2_diagnosis.explain_jwt(f"{jwt()}\n", KNOWN)

    assert (verdict.subject, failed(verdict)) == (subject, [])


def test_what_nobody_can_compare_is_not_called_right_or_wrong() -> None:
    known = Known(NOON)
    unknown = [
        step.name
        for jwt in (assertion(), proof(), token())
        for step in oauth2_diagnosis.explain_jwt(jwt, known).steps
        if step.ok is None
    ]

    assert {"assertion_aud", "assertion_signature", "proof_htm", "proof_htu", "proof_ath", "proof_nonce"} <= {*unknown}
    assert {"token_iss", "token_aud", "token_kid", "token_signature"} <= {*unknown}


def test_what_is_no_token_at_all_is_said_to_be_none() -> None:
    with pytest.raises(Malformed):
        oauth2_diagnosis.explain_jwt("hello", KNOWN)


def test_a_curl_command_is_read_as_the_request_that_it_sends() -> None:
    form = {"grant_type": "client_credentials", "client_assertion_type": client_assertion.ASSERTION_TYPE}
    body = urlencode(form | {"client_assertion": assertion()})
    command = f"curl -s -H 'DPoP: {proof()}' -d '{body}' {TOKEN_ENDPOINT}"

    message = captured.parse(command.encode(), origin=None, read_file=lambda path: b"")

    assert failed(oauth2_diagnosis.explain_request(message, KNOWN)) == []


def test_no_step_repeats_what_could_be_sent_again() -> None:
    held = token()
    told = str(oauth2_diagnosis.explain_request(call(held), KNOWN))

    assert held not in told
    assert held.rpartition(".")[2] not in told


X5T = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"


def by_certificate(**changed: Any) -> Captured:
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, **changed}
    return Captured("POST", TOKEN_ENDPOINT, (("content-type", FORM),), urlencode(_sent(form)).encode())


def test_a_token_request_by_certificate_has_no_failed_step() -> None:
    verdict = oauth2_diagnosis.explain_request(by_certificate(), replace(KNOWN, x5t_s256=X5T))

    assert (verdict.subject, failed(verdict)) == ("token request", [])
    assert {step.name: step.detail for step in verdict.steps}["certificate"] == f"x5t#S256 {X5T}"


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ({"client_id": None}, ["client_id"]),
        ({"client_id": "other"}, ["client_id"]),
        ({"client_secret": "s"}, ["client_secret"]),
        ({"grant_type": "password"}, ["grant_type"]),
    ],
)
def test_one_thing_that_is_wrong_with_a_token_request_by_certificate_is_named(
    changed: dict[str, Any], steps: list[str]
) -> None:
    assert failed(oauth2_diagnosis.explain_request(by_certificate(**changed), KNOWN)) == steps


@pytest.mark.parametrize(
    ("scheme", "x5t_s256", "steps"),
    [("Bearer", X5T, []), ("Bearer", None, []), ("Bearer", "other", ["certificate"]), ("DPoP", X5T, ["header"])],
)
def test_a_call_with_a_token_bound_to_a_certificate_is_compared_with_it(
    scheme: str, x5t_s256: str | None, steps: list[str]
) -> None:
    authorization = f"{scheme} {token(cnf={'x5t#S256': X5T})}"
    call = Captured("GET", URL, (("authorization", authorization),), b"")

    assert failed(oauth2_diagnosis.explain_request(call, replace(KNOWN, x5t_s256=x5t_s256))) == steps
