"""The cipher of the field-level format: what fits comes out, and what does not is told in one way."""

from os import urandom

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from credenza.protocol import cbc, field_encryption, jwe
from credenza.protocol.errors import Refused
from credenza.protocol.payload_rules import OaepDigest

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
DIGESTS: tuple[OaepDigest, ...] = ("SHA-256", "SHA-512", "SHA-1")


def decrypted(ciphertext: bytes, encrypted_key: bytes, iv: bytes, digest: OaepDigest = "SHA-256") -> bytes:
    return field_encryption.decrypt(
        ciphertext, encrypted_key=encrypted_key, iv=iv, key=KEY, digest=digest, random=urandom
    )


@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("key_bytes", [16, 24, 32])
def test_what_was_encrypted_comes_out(key_bytes: int, digest: OaepDigest) -> None:
    content_key, iv = urandom(key_bytes), urandom(16)
    wrapped = field_encryption.wrap(content_key, KEY.public_key(), digest)

    for length in (0, 1, 15, 16, 17, 2000):
        ciphertext = field_encryption.encrypt(b"x" * length, content_key=content_key, iv=iv)
        assert decrypted(ciphertext, wrapped, iv, digest) == b"x" * length


def test_the_first_vector_of_nist_for_aes_128_in_cbc_comes_out() -> None:
    """NIST SP 800-38A F.2.1, its first block; the padding is one more."""
    key, iv = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), bytes(range(16))
    plaintext = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")

    assert cbc.encrypt(plaintext, key, iv)[:16].hex() == "7649abac8119b246cee98e9b12e9197d"


@pytest.mark.parametrize("sent", DIGESTS)
@pytest.mark.parametrize("read", DIGESTS)
def test_a_key_wrapped_with_another_digest_is_refused(sent: OaepDigest, read: OaepDigest) -> None:
    if sent == read:
        return
    ciphertext = field_encryption.encrypt(b"{}", content_key=b"k" * 16, iv=b"i" * 16)

    with pytest.raises(Refused) as caught:
        decrypted(ciphertext, field_encryption.wrap(b"k" * 16, KEY.public_key(), sent), b"i" * 16, read)

    assert str(caught.value) == str(jwe.undecryptable())


def test_every_flipped_bit_of_the_wrapped_key_is_refused_with_the_same_words() -> None:
    wrapped = field_encryption.wrap(b"k" * 16, KEY.public_key(), "SHA-256")
    ciphertext = field_encryption.encrypt(b"{}", content_key=b"k" * 16, iv=b"i" * 16)
    told = set()

    for bit in range(8 * len(wrapped)):
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refused) as caught:
            decrypted(ciphertext, bytes(changed), b"i" * 16)
        told.add((caught.value.reason, str(caught.value)))

    assert told == {("decryption", str(jwe.undecryptable()))}


@pytest.mark.parametrize("size", [0, 1, 15, 17, 20, 31, 33, 64])
def test_a_content_key_of_another_size_is_refused(size: int) -> None:
    ciphertext = field_encryption.encrypt(b"{}", content_key=b"k" * 16, iv=b"i" * 16)

    with pytest.raises(Refused):
        decrypted(ciphertext, field_encryption.wrap(b"k" * size, KEY.public_key(), "SHA-256"), b"i" * 16)


WRAPPED = field_encryption.wrap(b"k" * 16, KEY.public_key(), "SHA-256")


@given(st.binary(max_size=70), st.binary(max_size=20))
def test_any_ciphertext_and_vector_are_decrypted_or_refused_in_the_same_words(ciphertext: bytes, iv: bytes) -> None:
    told = str(jwe.undecryptable())
    try:
        decrypted(ciphertext, WRAPPED, iv)
    except Refused as error:
        told = str(error)

    assert told == str(jwe.undecryptable())


@given(st.binary(max_size=40), st.sampled_from(["hex", "base64"]))
def test_encodings_come_back(octets: bytes, encoding: field_encryption.Encoding) -> None:
    if not octets:
        return
    assert field_encryption.decode(field_encryption.encode(octets, encoding), encoding) == octets


@pytest.mark.parametrize("text", ["0", "0g", "00 11", "00\n", "é0", "", "0x00"])
def test_what_is_no_hex_is_malformed(text: str) -> None:
    with pytest.raises(ValueError):
        field_encryption.decode(text, "hex")


@pytest.mark.parametrize("text", ["a", "YQ", "YQ=", "Y Q==", "YQ==\n", "-_8=", "é"])
def test_what_is_no_strict_base64_is_malformed(text: str) -> None:
    with pytest.raises(ValueError):
        field_encryption.decode(text, "base64")
