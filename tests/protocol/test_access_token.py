"""An access token says who fetched it, for what and until when, and nothing that another token could pass for."""

from dataclasses import dataclass
from datetime import timedelta
from ssl import PEM_cert_to_DER_cert

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.clock import NOON

from credenza.protocol import access_token, jose
from credenza.protocol.access_token import Claims, Confirmation
from credenza.protocol.errors import Malformed, Refused

KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER = "https://api.example.com"
NOW_S = int(NOON.timestamp())
CLAIMS = Claims(
    iss=ISSUER,
    exp=NOW_S + 900,
    aud=ISSUER,
    sub="client",
    client_id="client",
    iat=NOW_S,
    jti="jti",
    key_id="key",
    scope="payments:read",
    cnf=Confirmation(jkt="thumbprint"),
)


def test_a_token_comes_back_as_it_was_issued() -> None:
    token, claims = access_token.parse(access_token.issue(CLAIMS, KEY, kid="signing-key"))
    jose.check(token, KEY.public_key(), jose.Algorithm.ES256)

    assert claims == CLAIMS
    assert (token.header.typ, token.header.kid) == ("at+jwt", "signing-key")


def test_members_are_named_as_the_standards_name_them() -> None:
    bound = msgspec.structs.replace(CLAIMS, cnf=Confirmation(x5t_s256="certificate"), scope="")
    members = msgspec.json.decode(jose.parse(access_token.issue(bound, KEY, kid="k")).payload)

    assert members["cnf"] == {"x5t#S256": "certificate"}
    assert set(members) == {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "key_id", "cnf"}


@dataclass(frozen=True)
class Case:
    changes: dict[str, object]
    reason: str


@pytest.mark.parametrize(
    "case",
    [
        Case({"iss": ISSUER + "/sso"}, "issuer"),
        Case({"aud": "https://other.example.com"}, "audience"),
        Case({"exp": NOW_S}, "expired"),
        Case({"exp": NOW_S - 1}, "expired"),
    ],
    ids=lambda case: case.reason,
)
def test_a_token_of_another_issuer_resource_or_time_is_refused(case: Case) -> None:
    claims = msgspec.structs.replace(CLAIMS, **case.changes)

    with pytest.raises(Refused) as refused:
        access_token.check_claims(claims, issuer=ISSUER, audience=ISSUER, now=NOON)
    assert refused.value.reason == case.reason


# RFC 8705 appendix A, figures 5 and 6.
EXAMPLE = """-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----
"""


def test_the_thumbprint_of_rfc_8705s_example_is_the_one_printed_there() -> None:
    bound = access_token.bound_to_certificate(PEM_cert_to_DER_cert(EXAMPLE))

    assert msgspec.to_builtins(bound) == {"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}
    assert bound.token_type == "Bearer"


def test_a_token_is_good_to_its_last_moment() -> None:
    last = NOON + timedelta(seconds=899, milliseconds=999)

    access_token.check_claims(CLAIMS, issuer=ISSUER, audience=ISSUER, now=last)


@pytest.mark.parametrize("typ", ["JWT", "dpop+jwt", ""])
def test_a_token_of_another_type_is_no_access_token(typ: str) -> None:
    with pytest.raises(Malformed):
        access_token.parse(jose.sign({"typ": typ, "kid": "k"}, msgspec.to_builtins(CLAIMS), KEY))


def test_a_list_of_audiences_is_malformed() -> None:
    members = {**msgspec.to_builtins(CLAIMS), "aud": [ISSUER]}

    with pytest.raises(Malformed):
        access_token.parse(jose.sign({"typ": "at+jwt", "kid": "k"}, members, KEY))
