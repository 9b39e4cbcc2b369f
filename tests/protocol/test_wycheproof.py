"""Every vector of Project Wycheproof for JWE, JWS and JWK: nothing invalid is accepted, and of what is valid only that
is refused which is listed here, by number and with the reason.

Most of those tokens are refused for what wraps their key, so that the vectors of the ciphers beneath are read as well.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from os import urandom
from typing import Any, TypeAlias

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from tests.protocol import wycheproof

from credenza.client import payload_keys
from credenza.protocol import detached_jws, jose, jwe
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import Compact
from credenza.protocol.public_key import PublicKey

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)

Run: TypeAlias = Callable[[dict[str, Any], dict[str, Any]], object]


def numbered(*spans: int | range) -> set[int]:
    return {number for span in spans for number in (span if isinstance(span, range) else (span,))}


# Payloads are wrapped with RSA-OAEP-256 alone (contracts 9, item 35).
JWE_OTHER_ALG = numbered(
    *(1, 23, range(28, 33)),  # A256KW
    *(range(33, 36), range(52, 63), range(66, 69), range(76, 82)),  # ECDH-ES, with and without a key wrapped
    *(69, 70, range(71, 76)),  # A128KW and A192KW, AES-GCM as a wrap
    *(range(82, 88), range(100, 106), 112),  # RSA-OAEP with SHA-1, RSA1_5
    *range(128, 136),  # the examples of RFC 7520, which test_jwe has
)
# A192CBC-HS384 and A256CBC-HS512 are sent by no client.
JWE_OTHER_ENC = numbered(92, 93)
# HMAC: nobody shares a secret with a signer here.
JWS_HMAC = numbered(1, 348, 352, range(357, 360), 372, 373, 376, 377)
# RS384, RS512, PS384, PS512 and ES512 are on no list of ours.
JWS_OTHER_ALG = numbered(range(264, 272), range(320, 324), range(325, 329), 346, 347, 350, 351)
JWK_HMAC = numbered(2, 13, 14, 15)


def outcomes(name: str, run: Run) -> dict[int, tuple[str, object]]:
    """What is to become of each vector, and what does: a value, or the reason why there is none."""
    return {
        test["tcId"]: (test["result"], tried(run, group, test))
        for group in wycheproof.groups(name)
        for test in group["tests"]
    }


def tried(run: Run, group: dict[str, Any], test: dict[str, Any]) -> object:
    try:
        return run(group, test)
    except Malformed:
        return "malformed"
    except Refused as refused:
        return refused.reason


def split(found: dict[int, tuple[str, object]], proven: object) -> tuple[set[int], dict[str, set[int]]]:
    """Which invalid ones got through, and which valid ones did not, by reason."""
    through = {number for number, (result, got) in found.items() if result != "valid" and got == proven}
    kept: dict[str, set[int]] = {}
    for number, (result, got) in found.items():
        if result == "valid" and got != proven:
            kept.setdefault(str(got), set()).add(number)
    return through, kept


# ------------------------------------------------------------------------------------------------------------------ JWE


def opened(group: dict[str, Any], test: dict[str, Any]) -> object:
    token = jwe.parse(test["jwe"].encode())
    members = {name: value for name, value in group["private"].items() if name not in ("alg", "use", "kid")}
    key = jose.parse_private_jwk(json.dumps(members).encode())
    assert isinstance(key, RSAPrivateKey)
    return jwe.decrypt(token, key, urandom) == bytes.fromhex(test["pt"])


def test_of_139_encrypted_tokens_none_that_is_invalid_is_opened() -> None:
    found = outcomes("json_web_encryption", opened)

    through, kept = split(found, proven=True)

    assert len(found) == 139
    assert set() == through
    assert kept == {"algorithm": JWE_OTHER_ALG | JWE_OTHER_ENC}


def ciphers(name: str, enc: str) -> Iterator[tuple[dict[str, Any], jwe.Compact]]:
    """The vectors of a cipher that have the sizes of a token, as what `parse` makes of one."""
    for group in wycheproof.groups(name):
        if group["ivSize"] in (96, 128) and group["tagSize"] == 128:
            for test in group["tests"]:
                iv, header, ciphertext, tag = (bytes.fromhex(test[each]) for each in ("iv", "aad", "ct", "tag"))
                algorithm = enc.format(group["keySize"])
                yield test, jwe.Compact(jwe.Header(jwe.ALGORITHM, algorithm), header, b"", iv, ciphertext, tag)


@pytest.mark.parametrize(
    ("name", "enc", "count"), [("aes_gcm", "A{}GCM", 255), ("a128cbc_hs256", "A128CBC-HS256", 94)], ids=["GCM", "CBC"]
)
def test_contents_come_out_of_the_ciphers_when_they_are_valid_and_never_else(name: str, enc: str, count: int) -> None:
    def read(test: dict[str, Any], token: jwe.Compact) -> object:
        return jwe.decrypt_content(token, bytes.fromhex(test["key"])).hex() == test["msg"]

    found = {test["tcId"]: (test["result"], tried(read, test, token)) for test, token in ciphers(name, enc)}

    assert count == len(found)
    assert (set(), {}) == split(found, proven=True)
    assert {"decryption"} == {got for result, got in found.values() if result == "invalid"}


# ------------------------------------------------------------------------------------------------------------------ JWS


def check(token: Compact, key: PublicKey, alg: str | None) -> bool:
    """Check a token with the algorithm on record. RS256 signs payloads, and nothing else here."""
    if alg != "RS256":
        jose.check(token, key, jose.algorithm_of(key))
        return True
    if token.header.alg != alg:
        raise Refused("algorithm", "The key on record signs RS256.")
    issued_at_s = int(NOW.timestamp())
    header = detached_jws.Header("RS256", "kid", ("iat",), issued_at_s)
    signed = detached_jws.Detached(header, token.header_segment, token.signature, issued_at_s)
    ages = {"max_age": timedelta(minutes=5), "skew": timedelta()}
    detached_jws.check(signed, token.payload, key, algorithms=("RS256",), now=NOW, **ages)
    return True


def for_record(jwk: dict[str, Any]) -> dict[str, Any]:
    """A key as we would be given it: JWKs of ours name RS256 nowhere."""
    return {name: value for name, value in jwk.items() if (name, value) != ("alg", "RS256")}


def proven(group: dict[str, Any], test: dict[str, Any]) -> object:
    jwk = group.get("public") or group["private"]
    key = jose.parse_jwk(json.dumps(for_record(jwk)).encode())
    return check(jose.parse(test["jws"]), key, jwk.get("alg"))


def test_of_401_signed_tokens_none_that_is_invalid_is_proven() -> None:
    found = outcomes("json_web_signature", proven)

    through, kept = split(found, proven=True)

    assert len(found) == 401
    assert set() == through
    assert kept.pop("private_key") == JWS_HMAC
    assert set().union(*kept.values()) == JWS_OTHER_ALG


# ------------------------------------------------------------------------------------------------------------------ JWK


def proven_by_set(group: dict[str, Any], test: dict[str, Any]) -> object:
    keys = (group.get("public") or group["private"])["keys"]
    known = payload_keys.read_key_set(json.dumps({"keys": [for_record(each) for each in keys]}).encode())
    token = jose.parse(test["jws"])
    (alg,) = (each.get("alg") for each in keys if each["kid"] == token.header.kid)
    return check(token, known[str(token.header.kid)], alg)


def test_of_26_sets_of_keys_none_that_is_invalid_proves_anything() -> None:
    found = outcomes("json_web_key", proven_by_set)

    through, kept = split(found, proven=True)

    assert len(found) == 26
    assert set() == through
    assert kept == {"private_key": JWK_HMAC}
