"""Tokens are read strictly, and proven by the key and the algorithm on record, never by what they say themselves."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import Algorithm

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = {Algorithm.ES256: EC_KEY, Algorithm.PS256: RSA_KEY}

# RFC 7515 appendix A.3
RFC7515_ES256 = (
    "eyJhbGciOiJFUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
RFC7515_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
# RFC 7638 section 3.1
RFC7638_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
    "oknj"
    "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5"
    "hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
# RFC 9449 section 4.2: the key of the example proof
RFC9449_KEY = {
    "kty": "EC",
    "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    "crv": "P-256",
}


def raw(members: dict[str, Any]) -> bytes:
    return json.dumps(members).encode()


def segment(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def forged(header: bytes, payload: bytes = b"{}", signature: bytes = b"\1" * 64) -> str:
    return ".".join(map(segment, (header, payload, signature)))


def test_the_signed_example_of_rfc_7515_is_proven() -> None:
    token = jose.parse(RFC7515_ES256)

    jose.check(token, jose.parse_jwk(raw(RFC7515_KEY)), Algorithm.ES256)

    assert token.payload == b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'


def test_the_thumbprints_of_rfc_7638_and_rfc_9449_come_out() -> None:
    without_algorithm = {name: value for name, value in RFC7638_KEY.items() if name != "alg"}

    assert jose.thumbprint(jose.parse_jwk(raw(without_algorithm))) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert jose.thumbprint(jose.parse_jwk(raw(RFC9449_KEY))) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@pytest.mark.parametrize("algorithm", Algorithm)
def test_what_was_signed_is_proven_and_read_back(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]

    token = jose.parse(jose.sign({"typ": "JWT", "kid": "a"}, {"sub": "b"}, key))
    jose.check(token, key.public_key(), algorithm)

    assert (algorithm, "JWT", "a") == (token.header.alg, token.header.typ, token.header.kid)
    assert json.loads(token.payload) == {"sub": "b"}


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_changed_in_one_character_proves_nothing(algorithm: Algorithm, part: int) -> None:
    parts = jose.sign({"typ": "JWT", "kid": "kid"}, {"sub": "client"}, KEYS[algorithm]).split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]

    with pytest.raises((Malformed, Refused)):
        jose.check(jose.parse(".".join(parts)), KEYS[algorithm].public_key(), algorithm)


def test_a_token_does_not_choose_its_algorithm() -> None:
    token = jose.parse(jose.sign({}, {}, EC_KEY))

    with pytest.raises(Refused, match="on record signs PS256") as refused:
        jose.check(token, RSA_KEY.public_key(), Algorithm.PS256)
    assert refused.value.reason == "algorithm"


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS256", "PS512", "ES384", "ES256K", "EdDSA", "", "es256"])
def test_no_other_algorithm_is_believed(alg: str) -> None:
    token = jose.parse(forged(raw({"alg": alg})))

    with pytest.raises(Refused) as refused:
        jose.check(token, EC_KEY.public_key(), Algorithm.ES256)
    assert refused.value.reason == "algorithm"


@pytest.mark.parametrize(
    "signature", [b"", b"\0" * 64, b"\1" * 63, b"\1" * 65, b"\xff" * 64, (1).to_bytes(32) + bytes(32)], ids=len
)
def test_a_signature_of_zeroes_or_of_another_length_is_none(signature: bytes) -> None:
    with pytest.raises(Refused) as refused:
        jose.check(jose.parse(forged(b'{"alg":"ES256"}', b"{}", signature)), EC_KEY.public_key(), Algorithm.ES256)
    assert refused.value.reason == "signature"


def test_an_ecdsa_signature_in_der_is_not_a_jws_signature() -> None:
    head = segment(b'{"alg":"ES256"}') + "." + segment(b"{}")
    der = EC_KEY.sign(head.encode(), ec.ECDSA(jose.SHA256()))

    with pytest.raises(Refused):
        jose.check(jose.parse(f"{head}.{segment(der)}"), EC_KEY.public_key(), Algorithm.ES256)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        RFC7515_ES256 + ".",
        RFC7515_ES256 + "=",
        RFC7515_ES256 + "\n",
        " " + RFC7515_ES256,
        RFC7515_ES256[:-4] + "/" + RFC7515_ES256[-3:],
        RFC7515_ES256.replace("-", "+"),
        RFC7515_ES256[:-1] + "R",  # the same bytes, spelt with a bit that nobody reads
        "é" + RFC7515_ES256,
        "a" * (jose.LONGEST_TOKEN + 1),
        forged(b""),
        forged(b"[]"),
        forged(b'"ES256"'),
        forged(b'{"alg":1}'),
        forged(b"{}"),
        forged(b'{"alg":"ES256","alg":"none"}'),
        forged(b'{"alg":"ES256"}}'),
        forged(b'{"alg":"ES256","x":NaN}'),
        forged(b'{"alg":"ES256","crit":["exp"]}'),
        forged(b'{"alg":"ES256","crit":[]}'),
        forged(b'{"alg":"ES256","b64":false}'),
        forged(b'{"alg":"ES256","x":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    ],
    ids=lambda token: token[:40],
)
def test_what_is_not_strictly_a_compact_token_is_malformed(token: str) -> None:
    with pytest.raises(Malformed):
        jose.parse(token)


def test_members_that_name_keys_elsewhere_are_not_followed() -> None:
    header = {"alg": "ES256", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5u", "x5c": ["AA"]}

    assert jose.parse(forged(raw(header))).header.alg == "ES256"


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_private_jwk_is_refused_without_repeating_it(name: str) -> None:
    with pytest.raises(Refused) as refused:
        jose.parse_jwk(raw({**RFC7515_KEY, name: "c2VjcmV0"}))

    assert refused.value.reason == "private_key"
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kty": "oct"}, "key_type"),
        ({"kty": "OKP", "crv": "Ed25519"}, "key_type"),
        ({"crv": "P-192"}, "key_type"),
        ({"crv": "secp256k1"}, "key_type"),
        ({"use": "enc"}, "key_type"),
        ({"key_ops": ["encrypt"]}, "key_type"),
        ({"key_ops": []}, "key_type"),
        ({"alg": "ES512"}, "key_type"),
    ],
)
def test_a_jwk_that_is_not_for_our_signatures_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        jose.parse_jwk(raw({**RFC7515_KEY, **changes}))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"x": RFC7515_KEY["y"]},
        {"x": ""},
        {"x": "AA" + RFC7515_KEY["x"]},
        {"x": RFC7515_KEY["x"] + "="},
        {"y": RFC7515_KEY["y"][:-2]},
    ],
    ids=["off the curve", "missing", "too long", "padded", "too short"],
)
def test_a_damaged_point_is_malformed(changes: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        jose.parse_jwk(raw({**RFC7515_KEY, **changes}))


@pytest.mark.parametrize(
    ("modulus_bits", "exponent", "reason"),
    [(1024, 65537, "key_size"), (16384, 65537, "key_size"), (2048, 3, "weak_key"), (2048, 2**64 + 1, "weak_key")],
)
def test_an_rsa_jwk_outside_the_policy_is_refused_before_it_is_used(
    modulus_bits: int, exponent: int, reason: str
) -> None:
    modulus = (1 << modulus_bits) - 1
    numbers = {
        name: segment(each.to_bytes(each.bit_length() // 8 + 1).lstrip(b"\0"))
        for name, each in {"n": modulus, "e": exponent}.items()
    }

    with pytest.raises(Refused) as refused:
        jose.parse_jwk(raw({"kty": "RSA", **numbers}))
    assert refused.value.reason == reason


def test_an_rsa_number_with_leading_zeroes_is_malformed() -> None:
    numbers = jose.jwk(RSA_KEY.public_key())

    with pytest.raises(Malformed):
        jose.parse_jwk(raw({**numbers, "e": segment(b"\0\1\0\1")}))


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_survives_being_written_as_jwk(key: jose.PrivateKey) -> None:
    public = key.public_key()

    assert public == jose.parse_jwk(raw(jose.jwk(public)))


@given(st.binary(max_size=200))
def test_base64url_reads_what_it_wrote_and_no_other_spelling(octets: bytes) -> None:
    written = jose.encode(octets)

    assert octets == jose.decode(written, "x")
    with pytest.raises(Malformed):
        jose.decode(written + b"=", "x")


@pytest.mark.parametrize("octet", sorted(set(range(256)) - set(b"-_") - {c for c in range(128) if chr(c).isalnum()}))
def test_nothing_else_is_base64url_whatever_it_means_to_json(octet: int) -> None:
    for text in (b"%cAAA", b"AAA%c", b"A%cAA", b"AAAA%c", b"%c", b"\\u0041%c", b'AAAA"%c'):
        with pytest.raises(Malformed):
            jose.decode(text % octet, "x")


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", max_size=12))
def test_two_spellings_never_mean_the_same_bytes(text: str) -> None:
    try:
        octets = jose.decode(text.encode(), "x")
    except Malformed:
        return

    assert text.encode() == jose.encode(octets)
