"""The key policy: bounded before used, refused for what can be broken (security.md threat 8)."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.protocol import forge
from tests.protocol.forge import BrokenRSAKey

from credenza.protocol import der, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.published_keys import PUBLISHED_KEYS

PUBLISHED = json.loads((Path(__file__).parents[1] / "vectors" / "published_public_keys.json").read_text())["keys"]
NAMED_P256 = forge.oid(forge.P256)


def rsa_public_key(modulus: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def from_jwk(jwk: dict[str, str]) -> public_key.PublicKey:
    number = {
        name: int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "==")) for name in ("n", "x", "y") if name in jwk
    }
    if jwk["kty"] == "RSA":
        return rsa_public_key(number["n"])
    curve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[jwk["crv"]]
    return ec.EllipticCurvePublicNumbers(number["x"], number["y"], curve).public_key()


def reason(spki: bytes) -> str:
    with pytest.raises(Refused) as caught:
        public_key.parse(spki)
    return caught.value.reason


def test_sound_keys_pass_the_whole_policy(rsa_key, ec_key, p384_key) -> None:
    for key in (rsa_key, ec_key, p384_key):
        parsed = public_key.parse(forge.spki(key.public_key()))

        public_key.check_key_policy(parsed, allow_ec=True, allow_p384=True)


@pytest.mark.parametrize(
    ("spki", "expected"),
    [
        pytest.param(forge.rsa_spki(1 << 1023 | 1), "key_size", id="RSA 1024"),
        pytest.param(forge.rsa_spki(1 << 2046 | 1), "key_size", id="RSA 2047"),
        pytest.param(forge.rsa_spki(1 << 2048 | 1), "key_size", id="RSA 2049, no multiple of 8"),
        pytest.param(forge.rsa_spki(1 << 4103 | 1), "key_size", id="RSA 4104"),
        pytest.param(forge.rsa_spki(1 << 16_383 | 1), "key_size", id="RSA 16384"),
        pytest.param(forge.rsa_spki(0), "key_size", id="RSA 0"),
        pytest.param(forge.rsa_spki(1 << 2047 | 1, 1), "weak_key", id="e = 1"),
        pytest.param(forge.rsa_spki(1 << 2047 | 1, 3), "weak_key", id="e = 3"),
        pytest.param(forge.rsa_spki(1 << 2047 | 1, 1 << 2000 | 1), "weak_key", id="huge e"),
        pytest.param(forge.rsa_spki(1 << 2047 | 2), "weak_key", id="even modulus"),
        pytest.param(forge.ec_spki(forge.oid("1.2.840.10045.3.1.1"), b"\4" + bytes(48)), "key_type", id="P-192"),
        pytest.param(forge.ec_spki(forge.oid("1.3.132.0.33"), b"\4" + bytes(56)), "key_type", id="P-224"),
        pytest.param(forge.ec_spki(forge.oid("1.3.132.0.35"), b"\4" + bytes(132)), "key_type", id="P-521"),
        pytest.param(forge.ec_spki(forge.oid("1.3.132.0.10"), b"\4" + bytes(64)), "key_type", id="secp256k1"),
        pytest.param(forge.ec_spki(forge.sequence(), b"\4" + bytes(64)), "key_type", id="explicit parameters"),
        pytest.param(forge.ec_spki(b"", b"\4" + bytes(64)), "key_type", id="no parameters"),
        pytest.param(
            forge.sequence(forge.sequence(forge.oid("1.2.840.10040.4.1")), forge.bit_string(b"")), "key_type", id="DSA"
        ),
        pytest.param(
            forge.sequence(forge.sequence(forge.oid("1.2.3.4")), forge.bit_string(b"")), "key_type", id="unknown"
        ),
    ],
)
def test_a_key_outside_the_policy_is_refused_before_it_is_loaded(spki: bytes, expected: str) -> None:
    assert reason(spki) == expected


@pytest.mark.parametrize(
    "spki",
    [
        pytest.param(forge.sequence(), id="empty"),
        pytest.param(der.encode_unsigned(1), id="a number"),
        pytest.param(forge.sequence(forge.sequence(), forge.bit_string(b"")), id="no algorithm"),
        pytest.param(
            forge.sequence(forge.sequence(NAMED_P256, NAMED_P256, NAMED_P256), forge.bit_string(b"")), id="three"
        ),
        pytest.param(
            forge.sequence(forge.sequence(forge.oid(forge.RSA_ENCRYPTION)), der.encode(der.BIT_STRING, b"\7\x80")),
            id="bits that are no octets",
        ),
        pytest.param(
            forge.sequence(forge.sequence(forge.oid(forge.RSA_ENCRYPTION)), forge.bit_string(forge.sequence())),
            id="RSA without numbers",
        ),
        pytest.param(forge.ec_spki(NAMED_P256, b"\4" + bytes(64)), id="point off the curve"),
        pytest.param(forge.ec_spki(NAMED_P256, b"\0"), id="point at infinity"),
        pytest.param(forge.ec_spki(NAMED_P256, b"\4\1\2"), id="point cut short"),
    ],
)
def test_a_damaged_key_is_malformed(spki: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        public_key.parse(spki)

    assert caught.value.field == "public_key"


def test_a_negative_modulus_is_refused() -> None:
    negative = der.encode(der.INTEGER, b"\xff" * 256)
    numbers = forge.sequence(negative, der.encode_unsigned(65537))
    spki = forge.sequence(forge.sequence(forge.oid(forge.RSA_ENCRYPTION), forge.NULL), forge.bit_string(numbers))

    with pytest.raises(Malformed):
        public_key.parse(spki)


def test_a_compressed_point_is_the_same_key(ec_key: ec.EllipticCurvePrivateKey) -> None:
    key = ec_key.public_key()
    compressed = forge.ec_spki(NAMED_P256, key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))

    assert public_key.spki_sha256(public_key.parse(compressed)) == public_key.spki_sha256(key)


def test_ec_is_refused_where_only_rsa_will_do(ec_key, p384_key) -> None:
    for key, terms in ((ec_key, {"allow_ec": False}), (p384_key, {"allow_ec": True})):
        with pytest.raises(Refused) as caught:
            public_key.check_key_policy(key.public_key(), **terms)

        assert caught.value.reason == "key_type"


def test_a_key_that_came_another_way_meets_the_same_bounds() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()

    for key, expected in ((small, "key_size"), (edwards, "key_type")):
        with pytest.raises(Refused) as caught:
            public_key.check_key_policy(key, allow_ec=True)

        assert caught.value.reason == expected


def test_a_key_that_can_be_factored_is_refused(factorable_key: BrokenRSAKey) -> None:
    with pytest.raises(Refused) as caught:
        public_key.check_key_policy(rsa_public_key(factorable_key.modulus), allow_ec=True)

    assert caught.value.reason == "weak_key"


def test_a_square_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    prime, _ = forge.primes_of(rsa_key)

    with pytest.raises(Refused, match="Fermat"):
        public_key.check_not_weak(rsa_public_key(prime * prime))


@pytest.mark.parametrize("jwk", PUBLISHED, ids=[jwk["source"] for jwk in PUBLISHED])
def test_a_key_printed_in_public_is_refused(jwk: dict[str, str]) -> None:
    with pytest.raises(Refused, match=jwk["source"].split("(")[0]) as caught:
        public_key.check_key_policy(from_jwk(jwk), allow_ec=True, allow_p384=True)

    assert caught.value.reason == "blocked_key"


def test_the_list_of_published_keys_is_what_their_public_halves_hash_to() -> None:
    assert {public_key.spki_sha256(from_jwk(jwk)): jwk["source"] for jwk in PUBLISHED} == dict(PUBLISHED_KEYS)


def test_a_key_on_the_callers_list_is_refused(ec_key: ec.EllipticCurvePrivateKey) -> None:
    key = ec_key.public_key()

    with pytest.raises(Refused) as caught:
        public_key.check_key_policy(key, allow_ec=True, blocked=frozenset({public_key.spki_sha256(key)}))

    assert caught.value.reason == "blocked_key"


def test_keys_are_named_for_people(rsa_key, ec_key, p384_key) -> None:
    keys = (
        rsa_key.public_key(),
        ec_key.public_key(),
        p384_key.public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    )

    assert [public_key.algorithm_name(key) for key in keys] == [
        "RSA-2048",
        "EC-P256",
        "EC-P384",
        "EC-secp256k1",
        "Ed25519",
    ]
