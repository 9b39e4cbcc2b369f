"""A client assertion is for this issuer, made now, by the client itself. RFC 7523 section 3, FAPI 2.0 5.3.2.1."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.clock import NOON

from credenza.protocol import client_assertion, jose
from credenza.protocol.errors import Malformed, Refused

KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER = "https://api.example.com"
CLIENT = "c" * 48
NOW_S = int(NOON.timestamp())


def assertion(*, header: dict[str, Any] | None = None, **claims: Any) -> str:
    usual = {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "a-jti-of-16-char", "iat": NOW_S, "exp": NOW_S + 90}
    told = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jose.sign({"typ": "JWT", "kid": "k" * 48} | (header or {}), told, KEY)


def check(sent: str) -> None:
    read = client_assertion.parse(sent)
    client_assertion.check_claims(read, issuer=ISSUER, now=NOON)
    jose.check(read.token, KEY.public_key(), jose.Algorithm.ES256)


def refusal(sent: str) -> str:
    with pytest.raises(Refused) as refused:
        check(sent)
    return refused.value.reason


def test_an_assertion_of_the_usual_form_is_admitted_and_names_its_client_and_key() -> None:
    read = client_assertion.parse(assertion())

    check(assertion())
    assert (read.client_id, read.kid, read.jti) == (CLIENT, "k" * 48, "a-jti-of-16-char")


@pytest.mark.parametrize("skew_s", [0, 5, 10, 60])
def test_the_times_of_clients_that_allow_for_skew_are_admitted(skew_s: int) -> None:
    check(assertion(nbf=NOW_S - skew_s, exp=NOW_S + 90 + skew_s))


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "jti", "exp"])
def test_an_assertion_without_a_required_claim_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        client_assertion.parse(assertion(**{name: None}))


def test_an_issuer_that_is_not_the_subject_is_malformed() -> None:
    with pytest.raises(Malformed):
        client_assertion.parse(assertion(sub="d" * 48))


@pytest.mark.parametrize(
    "audience", [ISSUER + "/", ISSUER + "/oauth/token", "https://other.example.com", ISSUER.upper()]
)
def test_only_the_issuer_itself_is_the_audience(audience: str) -> None:
    assert refusal(assertion(aud=audience)) == "audience"


def test_an_audience_in_a_list_is_malformed() -> None:
    with pytest.raises(Malformed):
        client_assertion.parse(assertion(aud=[ISSUER]))


@pytest.mark.parametrize("exp", [NOW_S - 10, NOW_S - 300, -1, 0.5])
def test_an_assertion_that_has_ended_is_refused(exp: float) -> None:
    assert refusal(assertion(exp=exp)) == "expired"


def test_an_assertion_that_lives_more_than_300_seconds_is_refused() -> None:
    check(assertion(exp=NOW_S + 300))
    assert refusal(assertion(exp=NOW_S + 301)) == "too_long"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_clocks_10_seconds_ahead_are_accepted_and_61_refused(name: str) -> None:
    check(assertion(**{name: NOW_S + 10}))
    assert refusal(assertion(**{name: NOW_S + 61})) == "not_yet"


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "oauth-authz-req+jwt", "application/at+jwt"])
def test_a_token_of_another_type_is_no_assertion(typ: str) -> None:
    with pytest.raises(Malformed):
        client_assertion.parse(assertion(header={"typ": typ}))


@pytest.mark.parametrize("jti", ["", "j" * 129])
def test_a_jti_has_1_to_128_characters(jti: str) -> None:
    with pytest.raises(Malformed):
        client_assertion.parse(assertion(jti=jti))


def test_it_is_remembered_for_longer_than_it_can_be_admitted() -> None:
    read = client_assertion.parse(assertion(exp=NOW_S + 90))

    assert client_assertion.remembered_until(read) == NOW_S + 100


def test_a_written_assertion_is_admitted_and_is_good_for_90_seconds() -> None:
    written = client_assertion.write(client_id=CLIENT, kid="k" * 48, issuer=ISSUER, key=KEY, jti="j", now=NOON)

    check(written)
    read = client_assertion.parse(written)
    assert (read.client_id, read.kid, read.jti, read.expires_s) == (CLIENT, "k" * 48, "j", NOW_S + 90)


def test_an_assertion_without_a_kid_has_none() -> None:
    written = client_assertion.write(client_id=CLIENT, kid=None, issuer=ISSUER, key=KEY, jti="j", now=NOON)

    assert client_assertion.parse(written).kid is None
