"""JSON Web Signatures and public keys as JSON: RFC 7515, 7517, 7518 and 7638, read as RFC 8725 asks.

The one door to JOSE. Compact serialization, PS256 and ES256 and nothing else. What may have signed is known before a
signature is looked at: `check` is given a key and the one algorithm on record for it, and nothing in a token chooses.

Order of use: `parse` a token, judge its header and find the key, `check`, and only then believe the payload.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache, lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from credenza.protocol import ecdsa_signature, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.public_key import PublicKey

if TYPE_CHECKING:
    from typing_extensions import TypeIs

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

LONGEST_TOKEN: Final = 8192
_NO_JSON: Final = msgspec.Raw(b"")

_Typed = TypeVar("_Typed")


class Algorithm(StrEnum):
    """What may sign (RFC 7518 3.1). PKCS#1 v1.5, HMAC and `none` prove too little here."""

    PS256 = "PS256"  # RSASSA-PSS, SHA-256, MGF1 with SHA-256, salt of 32 bytes
    ES256 = "ES256"  # ECDSA on P-256 with SHA-256


_SHA256 = SHA256()
_PSS = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=32)
_ECDSA = ec.ECDSA(_SHA256)
_COORDINATE_BYTES = 32


class Header(msgspec.Struct, frozen=True):
    """A JOSE header (RFC 7515 4). `jwk` is as it came, or empty. Members that name keys elsewhere are not followed."""

    alg: str
    typ: str = ""
    kid: str | None = None
    jwk: msgspec.Raw = _NO_JSON
    crit: object = msgspec.UNSET
    b64: object = msgspec.UNSET


class Compact(msgspec.Struct, frozen=True):
    """A token in its parts. Nothing of it is proven before `check`. `header_segment` is the header as it came."""

    header: Header
    header_segment: bytes
    payload: bytes
    signing_input: bytes
    signature: bytes


# ------------------------------------------------------------------------------------------------------------- tokens


def parse(token: str) -> Compact:
    """Read a token of the compact serialization (RFC 7515 7.1). Raises Malformed("token" | "header")."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise Malformed("token", f"The token is longer than {LONGEST_TOKEN} characters, or not ASCII.")
    sent = token.encode()
    signing_input, _, signature = sent.rpartition(b".")
    header, dot, payload = signing_input.partition(b".")
    if not dot or b"." in payload:
        raise Malformed("token", "The token is not three parts with dots between them.")
    return Compact(
        header=parse_header(header),
        header_segment=header,
        payload=decode(payload, "payload"),
        signing_input=signing_input,
        signature=decode(signature, "signature"),
    )


# A client sends the same header with every token, and reading it again is a third of what a token costs to read.
@lru_cache(maxsize=1024)
def parse_header(segment: bytes) -> Header:
    """Read the first part of a token. Raises Malformed("header")."""
    header = read(decode(segment, "header"), Header, "header")
    # RFC 7515 4.1.11: an extension that must be understood and is not makes the token invalid; RFC 7797's b64 is one.
    if header.crit is not msgspec.UNSET or header.b64 is not msgspec.UNSET:
        raise Malformed("header", "The header asks for an extension (crit, b64) that is not used here.")
    return header


def check(token: Compact, key: PublicKey, algorithm: Algorithm) -> None:
    """Prove that the key signed the token with this algorithm. Raises Refused("algorithm" | "signature")."""
    if token.header.alg != algorithm:
        raise Refused("algorithm", f"The token says {token.header.alg[:20]!r}; the key on record signs {algorithm}.")
    try:
        if _is_rsa(key):
            key.verify(token.signature, token.signing_input, _PSS, _SHA256)
        else:
            key.verify(ecdsa_signature.to_der(token.signature), token.signing_input, _ECDSA)
    except InvalidSignature as error:
        raise Refused("signature", "The signature does not match: another key signed, or the token changed.") from error


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: PrivateKey) -> str:
    """Sign claims; `alg` is the key's own and is put in front of the header."""
    return sign_payload(write_header(header, algorithm_of(key)), msgspec.json.encode(claims), key)


def write_header(header: Mapping[str, Any], algorithm: Algorithm) -> bytes:
    """Write the first part of a token; whoever signs many of a kind keeps it."""
    return encode(msgspec.json.encode({"alg": algorithm, **header}))


def sign_payload(header_segment: bytes, payload: bytes, key: PrivateKey) -> str:
    """Sign a payload under a header that names the key's algorithm."""
    signing_input = header_segment + b"." + encode(payload)
    return (signing_input + b"." + encode(_signature(signing_input, key))).decode()


def algorithm_of(key: object) -> Algorithm:
    """Name the one algorithm that a key is used with, by its public or its private half."""
    return _algorithm(type(key))  # type: ignore[arg-type]  # mypy takes the hash of instances for that of their type


def read(payload: bytes, shape: type[_Typed], field: str) -> _Typed:
    """Read JSON into a typed value. A member that comes twice is refused: two readers could see two things."""
    try:
        value = msgspec.json.decode(payload, type=shape)
        # Nearly every payload is what a plain writer makes of its members; written anew it would lack a second one of
        # the same name. Whoever writes otherwise, with spaces or escapes, is read once more by a reader that counts.
        if msgspec.json.encode(msgspec.json.decode(payload)) != payload:
            json.loads(payload, object_pairs_hook=_members_once)
    except (ValueError, RecursionError) as error:
        raise Malformed(field, f"The {field} is not what it should be: {_complaint(error)}.") from error
    return value


# --------------------------------------------------------------------------------------------------------------- keys


class _Jwk(msgspec.Struct, frozen=True):
    """RFC 7517 4 and RFC 7518 6. The members of private keys are listed to be refused."""

    kty: str
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    alg: str = ""
    d: object = msgspec.UNSET
    p: object = msgspec.UNSET
    q: object = msgspec.UNSET
    dp: object = msgspec.UNSET
    dq: object = msgspec.UNSET
    qi: object = msgspec.UNSET
    oth: object = msgspec.UNSET
    k: object = msgspec.UNSET


class _PrivateJwk(msgspec.Struct, frozen=True):
    kty: str
    d: str
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""
    p: str = ""
    q: str = ""
    dp: str = ""
    dq: str = ""
    qi: str = ""


_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


def parse_jwk(raw: bytes) -> PublicKey:
    """Read a public key: RSA of 2048 to 4096 bits, or EC on P-256.

    Raises Malformed("jwk") when it is damaged or its point is off the curve, Refused("private_key" | "key_type" |
    "key_size" | "weak_key") for the rest, before any arithmetic with it.
    """
    jwk = read(raw, _Jwk, "jwk")
    if any(getattr(jwk, name) is not msgspec.UNSET for name in _PRIVATE):
        raise Refused(
            "private_key", "The jwk holds a private or secret key. Send the public one, and replace this key."
        )
    key = _parse_key(jwk)
    if jwk.use != "sig" or "verify" not in jwk.key_ops or jwk.alg not in ("", algorithm_of(key)):
        raise Refused(
            "key_type", f"The jwk is for {jwk.use[:10]!r} {jwk.alg[:20]!r}, not for a signature of this kind."
        )
    return key


def parse_private_jwk(raw: bytes) -> PrivateKey:
    """Read a private key, for whoever signs with it: RSA with its primes (RFC 7518 6.3.2), or EC on P-256.

    Raises Malformed("jwk"), and what `parse_jwk` raises for its public half. No message repeats a member.
    """
    found = read(raw, _PrivateJwk, "jwk")
    public_key = _parse_key(_Jwk(found.kty, found.crv, found.x, found.y, found.n, found.e))
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            return _private_rsa(found, public_key.public_numbers())
        # The numbers' own check: d belongs to the point.
        private = ec.EllipticCurvePrivateNumbers(_number(found.d), public_key.public_numbers())
        return private.private_key()
    except ValueError:
        raise Malformed("jwk", "The private members of the jwk do not belong to its public ones.") from None


def jwk(key: PublicKey) -> dict[str, str]:
    """Write a public key as the members that RFC 7638 3.2 takes, in its order."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"e": _integer(numbers.e), "kty": "RSA", "n": _integer(numbers.n)}
    point = key.public_numbers()
    x, y = (encode(each.to_bytes(_COORDINATE_BYTES)).decode() for each in (point.x, point.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def thumbprint(key: PublicKey) -> str:
    """The SHA-256 thumbprint of RFC 7638, base64url: `jkt`, and a good `kid`."""
    return encode(sha256(msgspec.json.encode(jwk(key))).digest()).decode()


# ---------------------------------------------------------------------------------------------------------- base64url

# RFC 7515 2: no padding, no white space, no other alphabet. What is not base64url becomes a character that no decoder
# takes. The last character of a group that is not full must not carry bits that nobody reads (RFC 4648 3.5).
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_BASE64 = bytes(octet if octet in _ALPHABET else ord("!") for octet in range(256)).translate(
    bytes.maketrans(b"-_", b"+/")
)
_PADDING = (b'"', b"", b'=="', b'="')
_LAST = (None, b"", b"AQgw", b"AEIMQUYcgkosw048")

# As JSON strings msgspec reads and writes bytes in base64, in two thirds of the time that binascii takes.
_BASE64 = msgspec.json.Decoder(bytes)


def decode(text: bytes, field: str) -> bytes:
    """Decode base64url. Raises Malformed(field)."""
    rest = len(text) % 4
    allowed = _LAST[rest]
    if allowed is not None and text[-1] not in allowed:
        raise _not_base64url(field)
    try:
        return _BASE64.decode(b'"' + text.translate(_TO_BASE64) + _PADDING[rest])
    except msgspec.DecodeError as error:
        raise _not_base64url(field) from error


def encode(octets: bytes) -> bytes:
    return msgspec.json.encode(octets).strip(b'"=').replace(b"+", b"-").replace(b"/", b"_")


def _not_base64url(field: str) -> Malformed:
    return Malformed(field, f"The {field} is not base64url without padding (RFC 7515 section 2).")


# ------------------------------------------------------------------------------------------------------------ private


# To ask an abstract class takes as long as to read a payload.
@cache
def _algorithm(kind: type) -> Algorithm:
    return Algorithm.PS256 if issubclass(kind, (rsa.RSAPublicKey, rsa.RSAPrivateKey)) else Algorithm.ES256


def _is_rsa(key: PublicKey) -> TypeIs[rsa.RSAPublicKey]:
    return algorithm_of(key) is Algorithm.PS256


def _is_private_rsa(key: PrivateKey) -> TypeIs[rsa.RSAPrivateKey]:
    return algorithm_of(key) is Algorithm.PS256


def _parse_key(found: _Jwk) -> PublicKey:
    if found.kty == "EC":
        return _parse_ec(found)
    if found.kty == "RSA":
        return _parse_rsa(found)
    raise Refused("key_type", f"The jwk has the type {found.kty[:10]!r}; RSA and EC are accepted.")


def _parse_ec(found: _Jwk) -> ec.EllipticCurvePublicKey:
    if found.crv != "P-256":
        raise Refused("key_type", f"The jwk lies on the curve {found.crv[:10]!r}; P-256 is accepted.")
    x, y = decode(found.x.encode(), "jwk"), decode(found.y.encode(), "jwk")
    if len(x) != _COORDINATE_BYTES or len(y) != _COORDINATE_BYTES:
        raise Malformed("jwk", "The coordinates of a P-256 key have 32 bytes each (RFC 7518 6.2.1.2).")
    try:
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1())
        return numbers.public_key()
    except ValueError as error:
        raise Malformed("jwk", "The point does not lie on P-256.") from error


def _parse_rsa(found: _Jwk) -> rsa.RSAPublicKey:
    modulus, exponent = decode(found.n.encode(), "jwk"), decode(found.e.encode(), "jwk")
    if modulus[:1] == b"\0" or exponent[:1] == b"\0":
        raise Malformed("jwk", "The numbers of an RSA key are written in as few bytes as they need (RFC 7518 2).")
    public_key.check_rsa_numbers(int.from_bytes(modulus), int.from_bytes(exponent))
    return rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()


def _private_rsa(found: _PrivateJwk, public: rsa.RSAPublicNumbers) -> rsa.RSAPrivateKey:
    if not (found.p and found.q and found.dp and found.dq and found.qi):
        raise Malformed("jwk", "A private RSA key needs its primes as well: p, q, dp, dq and qi.")
    p, q, d, dp, dq, qi = map(_number, (found.p, found.q, found.d, found.dp, found.dq, found.qi))
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


def _number(text: str) -> int:
    return int.from_bytes(decode(text.encode(), "jwk"))


def _signature(signing_input: bytes, key: PrivateKey) -> bytes:
    if _is_private_rsa(key):
        return key.sign(signing_input, _PSS, _SHA256)
    return ecdsa_signature.of_der(key.sign(signing_input, _ECDSA))


def _integer(number: int) -> str:
    return encode(number.to_bytes((number.bit_length() + 7) // 8)).decode()


def _members_once(members: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in members]
    if len(set(names)) != len(names):
        raise ValueError("a member comes twice")


def _complaint(error: Exception) -> str:
    """Say what is wrong without the value, which may be a secret in the wrong place."""
    return str(error).splitlines()[0][:120] if isinstance(error, msgspec.ValidationError) else "it is not plain JSON"
