"""JWE: the examples of RFC 7516 and RFC 7520, two other implementations as peers, and no change that is not refused."""

import json
from os import urandom
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import RSAKey
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from credenza.protocol import jose, jwe
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import Algorithm

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ENCS = ("A256GCM", "A192GCM", "A128GCM", "A128CBC-HS256")
PLAINTEXT = '{"card":{"number":"4111111111111111","holder":"Zoë"}}'.encode()
OAEP_256 = OAEP(MGF1(SHA256()), SHA256(), None)


def examples(name: str) -> list[dict[str, Any]]:
    """The examples of an RFC, and of which."""
    found = json.loads((Path(__file__).parents[1] / "vectors" / f"{name}.json").read_text())["examples"]
    return [{**each, "id": f"{name} {each['section']}"} for each in found]


EXAMPLES = [*examples("rfc7516"), *examples("rfc7520")]
BY_RSA_OAEP = [each for each in EXAMPLES if "private_key" in each]
NESTED = EXAMPLES[-1]


def encrypted(plaintext: bytes = PLAINTEXT) -> bytes:
    return jwe.encrypt(plaintext, KEY.public_key(), kid="k1", content_key=urandom(32), iv=urandom(12))


def decrypted(token: bytes, key: RSAPrivateKey = KEY) -> bytes:
    return jwe.decrypt(jwe.parse(token), key, urandom)


def by_jwcrypto(enc: str) -> bytes:
    header = json.dumps({"alg": "RSA-OAEP-256", "enc": enc})
    token: str = JWE(PLAINTEXT, header, recipient=JWK.from_pyca(KEY.public_key())).serialize(compact=True)
    return token.encode()


def forged(
    header: dict[str, Any],
    *,
    content_key: bytes = b"k" * 32,
    wrapped: bytes | None = None,
    iv: bytes = b"i" * 12,
    tag_bytes: int = 16,
) -> bytes:
    segment = jose.encode(json.dumps(header).encode())
    sealed = AESGCM(content_key).encrypt(iv, PLAINTEXT, segment)
    key = KEY.public_key().encrypt(content_key, OAEP_256) if wrapped is None else wrapped
    return b".".join((segment, *map(jose.encode, (key, iv, sealed[:-16], sealed[-16:][:tag_bytes]))))


HEADER = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "k1"}


# ---------------------------------------------------------------------------------------------------- from outside


def content_of(example: dict[str, Any]) -> bytes:
    """Decrypt an example with the content key that the RFC prints: none wraps it as payloads here do."""
    segment, *rest = example["jwe"].encode().split(b".")
    header = msgspec.json.decode(jose.decode(segment, "header"), type=jwe.Header)
    parts = [jose.decode(part, "token") for part in rest]
    return jwe.decrypt_content(
        jwe.Compact(header, segment, *parts), jose.decode(example["content_key"].encode(), "key")
    )


@pytest.mark.parametrize(
    "example", [each for each in EXAMPLES[:-1] if "plaintext" in each], ids=lambda example: str(example["id"])
)
def test_the_contents_of_the_examples_come_out(example: dict[str, Any]) -> None:
    assert example["plaintext"] == content_of(example).decode()


def test_the_signature_inside_the_nested_example_is_proven() -> None:
    token = jose.parse(content_of(NESTED).decode())

    jose.check(token, jose.parse_jwk(json.dumps(NESTED["signed_by"]).encode()), Algorithm.PS256)

    assert NESTED["plaintext"] == token.payload.decode()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["id"]))
def test_no_example_is_a_payload_because_none_has_the_one_algorithm(example: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        jwe.parse(example["jwe"].encode())

    assert caught.value.reason == "algorithm"


@pytest.mark.parametrize("example", BY_RSA_OAEP, ids=lambda example: str(example["id"]))
def test_what_is_encrypted_with_the_key_and_vector_of_an_example_is_its_ciphertext(example: dict[str, Any]) -> None:
    key = jose.parse_private_jwk(json.dumps(example["private_key"]).encode())
    assert isinstance(key, RSAPrivateKey)
    iv, ciphertext = (jose.decode(part, "token") for part in example["jwe"].encode().split(b".")[2:4])
    content_key, plaintext = jose.decode(example["content_key"].encode(), "key"), example["plaintext"].encode()

    token = jwe.parse(jwe.encrypt(plaintext, key.public_key(), kid="k1", content_key=content_key, iv=iv))

    assert ciphertext == token.ciphertext  # of GCM's outcome only the tag depends on the header
    assert plaintext == jwe.decrypt(token, key, urandom)


def test_what_is_encrypted_is_as_asked() -> None:
    token = jwe.parse(encrypted())

    assert json.loads(jose.decode(token.header_segment, "header")) == {
        "alg": "RSA-OAEP-256",
        "enc": "A256GCM",
        "kid": "k1",
        "cty": "application/json",
    }
    assert (len(token.iv), len(token.tag)) == (12, 16)
    assert jwe.decrypt(token, KEY, urandom) == PLAINTEXT


@pytest.mark.parametrize("enc", ENCS)
def test_what_joserfc_encrypts_is_read(enc: str) -> None:
    header = {"alg": "RSA-OAEP-256", "enc": enc, "cty": "application/json"}

    token = joserfc_jwe.encrypt_compact(header, PLAINTEXT, RSAKey.import_key(KEY), algorithms=["RSA-OAEP-256", enc])

    assert decrypted(token.encode()) == PLAINTEXT


@pytest.mark.parametrize("enc", ENCS)
def test_what_jwcrypto_encrypts_is_read(enc: str) -> None:
    assert decrypted(by_jwcrypto(enc)) == PLAINTEXT


def test_both_read_what_is_encrypted() -> None:
    token = encrypted().decode()
    theirs = JWE()
    theirs.deserialize(token, key=JWK.from_pyca(KEY))

    assert theirs.payload == PLAINTEXT
    read = joserfc_jwe.decrypt_compact(token, RSAKey.import_key(KEY), algorithms=["RSA-OAEP-256", "A256GCM"])
    assert read.plaintext == PLAINTEXT


@pytest.mark.parametrize("iv_bytes", [12, 16])
@pytest.mark.parametrize(("enc", "key_bytes"), [("A256GCM", 32), ("A192GCM", 24), ("A128GCM", 16)])
def test_a_vector_of_12_and_one_of_16_bytes_are_read(enc: str, key_bytes: int, iv_bytes: int) -> None:
    token = forged(HEADER | {"enc": enc}, content_key=b"k" * key_bytes, iv=b"i" * iv_bytes)

    assert decrypted(token) == PLAINTEXT


# ------------------------------------------------------------------------------------------------------- refusals


def flipped(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("enc", ENCS)
@pytest.mark.parametrize("part", [1, 2, 3, 4], ids=["encrypted key", "vector", "ciphertext", "tag"])
def test_every_flipped_bit_is_refused_with_the_same_words(part: int, enc: str) -> None:
    segments = by_jwcrypto(enc).split(b".")
    octets = jose.decode(segments[part], "token")
    told = set()

    for bit in range(8 * len(octets)):
        segments[part] = jose.encode(flipped(octets, bit))
        with pytest.raises(Refused) as caught:
            decrypted(b".".join(segments))
        told.add((caught.value.reason, str(caught.value)))

    assert told == {("decryption", str(jwe.undecryptable()))}


def test_every_flipped_bit_of_the_header_is_refused() -> None:
    segments = encrypted().split(b".")
    octets = jose.decode(segments[0], "header")

    for bit in range(8 * len(octets)):
        changed = jose.encode(flipped(octets, bit))
        with pytest.raises((Refused, Malformed)):
            decrypted(b".".join((changed, *segments[1:])))


def test_a_header_written_anew_with_the_same_meaning_is_refused() -> None:
    header, *rest = encrypted().split(b".")
    respelt = jose.encode(json.dumps(json.loads(jose.decode(header, "header"))).encode())

    with pytest.raises(Refused, match="cannot be decrypted"):
        decrypted(b".".join((respelt, *rest)))


def wrapped(oaep: OAEP, key: RSAPrivateKey = KEY) -> dict[str, bytes]:
    return {"wrapped": key.public_key().encrypt(b"k" * 32, oaep)}


UNFIT: dict[str, dict[str, bytes]] = {
    "a key of 16 bytes": {"content_key": b"k" * 16},
    "a key of 24 bytes": {"content_key": b"k" * 24},
    "empty": {"wrapped": b""},
    "above the modulus": {"wrapped": b"\xff" * 256},
    "zero": {"wrapped": b"\0" * 256},
    "too short": {"wrapped": b"\1" * 255},
    "SHA-1": wrapped(OAEP(MGF1(SHA1()), SHA1(), None)),
    "MGF1 with SHA-1": wrapped(OAEP(MGF1(SHA1()), SHA256(), None)),
    "a label": wrapped(OAEP(MGF1(SHA256()), SHA256(), b"label")),
    "another key": wrapped(OAEP_256, rsa.generate_private_key(public_exponent=65537, key_size=2048)),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_wrapped_key_that_does_not_fit_fails_as_a_tag_does(name: str) -> None:
    with pytest.raises(Refused) as caught:
        decrypted(forged(HEADER, **UNFIT[name]))

    assert (caught.value.reason, str(caught.value)) == ("decryption", str(jwe.undecryptable()))


@pytest.mark.parametrize("enc", ENCS)
def test_who_cannot_unwrap_decrypts_with_a_random_key_of_the_right_size(enc: str) -> None:
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return urandom(count)

    whole = jwe.parse(by_jwcrypto(enc))
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    jwe.decrypt(whole, KEY, random)
    with pytest.raises(Refused):
        jwe.decrypt(whole, other, random)

    assert asked == [{"A192GCM": 24, "A128GCM": 16}.get(enc, 32)] * 2, "as much is drawn, whoever can unwrap"


@pytest.mark.parametrize("tag_bytes", [0, 4, 8, 12, 15])
def test_a_shortened_tag_is_refused(tag_bytes: int) -> None:
    with pytest.raises(Malformed, match="length"):
        decrypted(forged(HEADER, tag_bytes=tag_bytes))


@pytest.mark.parametrize("iv_bytes", [8, 11, 13, 15, 17, 32])
def test_a_vector_of_another_length_is_refused(iv_bytes: int) -> None:
    with pytest.raises(Malformed, match="length"):
        decrypted(forged(HEADER, iv=b"i" * iv_bytes))


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "RSA-OAEP"},
        {"alg": "RSA1_5"},
        {"alg": "dir"},
        {"alg": "A256KW"},
        {"alg": "PBES2-HS256+A128KW"},
        {"alg": "ECDH-ES"},
        {"alg": "none"},
        {"alg": "rsa-oaep-256"},
        {"enc": "A256CBC-HS512"},
        {"enc": "none"},
        {"zip": "DEF"},
        {"zip": None},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
    ],
    ids=str,
)
def test_other_algorithms_compression_and_extensions_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        decrypted(forged(HEADER | change))

    assert caught.value.reason == "algorithm"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b"[]",
        b'{"alg":"RSA-OAEP-256"}',
        b'{"alg":"RSA-OAEP-256","enc":"A256GCM","alg":"RSA-OAEP-256"}',
        b'{"alg":"RSA-OAEP-256","enc":["A256GCM"]}',
        b'{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":1}',
        b"\xff",
    ],
)
def test_a_header_that_is_no_header_is_refused(header: bytes) -> None:
    _, *rest = encrypted().split(b".")

    with pytest.raises(Malformed) as caught:
        jwe.parse(b".".join((jose.encode(header), *rest)))

    assert caught.value.field == "header"


@pytest.mark.parametrize("change", [b"=", b"\n", b" ", b"+", b"/", "é".encode()])
@pytest.mark.parametrize("part", range(5))
def test_other_spellings_of_base64url_are_refused(part: int, change: bytes) -> None:
    segments = encrypted().split(b".")
    segments[part] += change

    with pytest.raises(Malformed):
        jwe.parse(b".".join(segments))


@pytest.mark.parametrize("token", [b"", b"....", b"a.b.c", b"a.b.c.d", b"a.b.c.d.e.f", b"{}"])
def test_other_than_five_parts_is_refused(token: bytes) -> None:
    with pytest.raises(Malformed):
        jwe.parse(token)


def test_an_oversized_token_or_header_is_refused_before_it_is_read() -> None:
    header, *rest = encrypted().split(b".")

    for token in (b"a" * 5_000_000, b".".join((header + b"A" * 4000, *rest))):
        with pytest.raises(Refused) as caught:
            jwe.parse(token)
        assert caught.value.reason == "size"


@given(st.binary(max_size=200) | st.text(alphabet="ab._-", max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(token: bytes) -> None:
    with pytest.raises((Malformed, Refused)):
        jwe.parse(token)
