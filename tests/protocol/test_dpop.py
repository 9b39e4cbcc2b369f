"""A DPoP proof is for one request, made now, by the holder of the key it carries. RFC 9449 section 4.3."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.clock import NOON

from credenza.protocol import dpop, jose
from credenza.protocol.errors import Malformed, Refused

KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
URI = "https://api.example.com/payments/42"

# RFC 9449 section 4.2
EXAMPLE = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQy"
    "VVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
    ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ijox"
    "NTYyMjYyNjE2fQ"
    ".2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)


def proof(*, key: jose.PrivateKey = KEY, header: dict[str, Any] | None = None, **claims: Any) -> str:
    usual = {"jti": "a-jti-of-16-char", "htm": "GET", "htu": URI, "iat": int(NOON.timestamp())}
    told = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jose.sign({"typ": dpop.TYPE, "jwk": jose.jwk(key.public_key())} | (header or {}), told, key)


def check(sent: str, *, method: str = "GET", uri: str = URI, now: datetime = NOON, ath: str | None = None) -> None:
    read = dpop.parse(sent)
    dpop.check_claims(read, method=method, uri=uri, now=now, ath=ath)
    dpop.check_signature(read)


def refusal(sent: str, **changes: Any) -> str:
    with pytest.raises(Refused) as refused:
        check(sent, **changes)
    return refused.value.reason


def test_the_example_of_rfc_9449_is_proven() -> None:
    read = dpop.parse(EXAMPLE)

    check(EXAMPLE, method="POST", uri="https://server.example.com/token", now=datetime.fromtimestamp(1562262616, UTC))
    assert read.jkt == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_the_access_token_hash_of_rfc_9449_comes_out() -> None:
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"

    assert dpop.access_token_hash(token) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


@pytest.mark.parametrize("key", [KEY, RSA_KEY], ids=["ES256", "PS256"])
def test_a_proof_for_the_request_is_admitted(key: jose.PrivateKey) -> None:
    check(proof(key=key))


def test_unknown_claims_and_header_members_are_ignored() -> None:
    check(proof(header={"kid": "thumbprint", "x": 1}, exp=int(NOON.timestamp()) + 95, nbf=int(NOON.timestamp()), y=2))


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat"])
def test_a_proof_without_a_required_claim_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        dpop.parse(proof(**{name: None}))


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", ""])
def test_a_token_of_another_type_is_no_proof(typ: str) -> None:
    with pytest.raises(Malformed):
        dpop.parse(proof(header={"typ": typ}))


def test_a_proof_without_its_key_is_malformed() -> None:
    with pytest.raises(Malformed):
        dpop.parse(jose.sign({"typ": dpop.TYPE}, {"jti": "a", "htm": "GET", "htu": URI, "iat": 1}, KEY))


def test_a_proof_signed_by_another_key_than_it_carries_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1())

    assert refusal(proof(header={"jwk": jose.jwk(other.public_key())})) == "signature"


def test_the_method_is_compared_case_sensitively() -> None:
    assert refusal(proof(htm="get")) == "method"
    assert refusal(proof(htm="POST")) == "method"


@pytest.mark.parametrize(
    "htu",
    [
        URI,
        "HTTPS://API.Example.com/payments/42",
        "https://api.example.com:443/payments/42",
        URI + "?limit=1",
        URI + "#part",
        "https://api.example.com/%70ayments/42",
    ],
)
def test_a_spelling_that_means_the_same_uri_is_admitted(htu: str) -> None:
    check(proof(htu=htu))


@pytest.mark.parametrize(
    "htu",
    [
        "http://api.example.com/payments/42",
        "https://api.example.com:8443/payments/42",
        "https://api.example.com/payments/42/",
        "https://api.example.com/Payments/42",
        "https://api.example.com/payments%2F42",
        "https://other.example.com/payments/42",
        "https://api.example.com.evil.example/payments/42",
    ],
)
def test_a_proof_for_another_uri_is_refused(htu: str) -> None:
    assert refusal(proof(htu=htu)) == "uri"


@pytest.mark.parametrize(
    "htu",
    [
        "/payments/42",
        "ftp://api.example.com/",
        "https://",
        "https://u@api.example.com/",
        "https://[::1",
        "https://a:99999/",
    ],
)
def test_what_is_no_http_uri_is_malformed(htu: str) -> None:
    with pytest.raises(Malformed):
        check(proof(htu=htu))


def test_an_empty_path_is_the_root_and_a_decoded_path_is_encoded_again() -> None:
    assert dpop.normalized_uri("https://Host") == dpop.normalized_uri("https://host:443/")
    assert dpop.normalized_uri("https://host/a b/ü") == "https://host/a%20b/%C3%BC"
    assert dpop.normalized_uri("http://[::1]:8080/a%2fb") == "http://[::1]:8080/a%2Fb"


@pytest.mark.parametrize("age_s", [-10, 0, 120])
def test_a_proof_up_to_120_seconds_old_or_10_ahead_is_admitted(age_s: int) -> None:
    check(proof(iat=int(NOON.timestamp()) - age_s))


@pytest.mark.parametrize(("age_s", "reason"), [(121, "stale"), (3600, "stale"), (-11, "future"), (-3600, "future")])
def test_a_proof_of_another_time_is_refused_and_both_times_are_told(age_s: int, reason: str) -> None:
    with pytest.raises(Refused, match=r"2025-01-31T12:00:00Z") as refused:
        check(proof(iat=int(NOON.timestamp()) - age_s))
    assert refused.value.reason == reason


def test_exp_and_nbf_are_honoured_where_a_client_sends_them() -> None:
    assert refusal(proof(exp=int(NOON.timestamp()) - 60)) == "stale"
    assert refusal(proof(nbf=int(NOON.timestamp()) + 60)) == "future"


def test_with_an_access_token_the_proof_carries_its_hash() -> None:
    ath = dpop.access_token_hash("token")

    check(proof(ath=ath), ath=ath)
    assert refusal(proof(), ath=ath) == "ath"
    assert refusal(proof(ath=dpop.access_token_hash("other")), ath=ath) == "ath"


def test_a_nonce_is_good_in_its_slice_of_time_and_the_next() -> None:
    secret = b"s" * 32
    made = dpop.nonce(secret, now=NOON)

    assert dpop.is_recent_nonce(made, secret, now=NOON)
    assert dpop.is_recent_nonce(made, secret, now=NOON + dpop.NONCE_LIFE)
    assert not dpop.is_recent_nonce(made, secret, now=NOON + 2 * dpop.NONCE_LIFE)
    assert not dpop.is_recent_nonce(made, b"t" * 32, now=NOON)
    assert not dpop.is_recent_nonce("", secret, now=NOON)
    assert not dpop.is_recent_nonce("ü", secret, now=NOON)


def test_a_node_whose_clock_is_a_little_behind_knows_the_newer_nonce() -> None:
    secret = b"s" * 32

    assert dpop.is_recent_nonce(dpop.nonce(secret, now=NOON + timedelta(seconds=2)), secret, now=NOON)


@pytest.mark.parametrize("key", [KEY, RSA_KEY], ids=["ec", "rsa"])
def test_a_written_proof_is_admitted_for_its_request_alone(key: jose.PrivateKey) -> None:
    written = dpop.write(
        key=key, method="POST", uri=f"{URI}?full=yes", jti="j", now=NOON, access_token="token", nonce="n"
    )
    ath = dpop.access_token_hash("token")

    check(written, method="POST", ath=ath)
    assert dpop.parse(written).claims.nonce == "n"
    assert refusal(written, method="GET", ath=ath) == "method"
    assert refusal(written, method="POST") == "ath"
