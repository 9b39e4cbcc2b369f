"""`x-jws-signature`: a signature over a message beside it, a compact JWS without its payload (RFC 7515 appendix F).

The payload is the body as it is sent, or the path and query of a call without one. The header is exactly `alg`, `kid`,
`iat` and `crit`, which says that `iat` must be understood.

Order of use: `parse` the header, find the key that its `kid` names, `check`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import Algorithm, PrivateKey
from credenza.protocol.payload_rules import SignatureAlgorithm
from credenza.protocol.public_key import PublicKey

HEADER: Final = "x-jws-signature"
LONGEST: Final = 4096

_CRIT = ("iat",)
_LARGEST_TIME_DIGITS = 12
_PKCS1_V15 = padding.PKCS1v15()
_SHA256 = SHA256()


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`iat` comes as a number, and from some clients as a string of digits."""

    alg: SignatureAlgorithm
    kid: str
    crit: tuple[str, ...]
    iat: int | str


class Detached(msgspec.Struct, frozen=True):
    """A signature in its parts. Nothing of it is proven before `check`."""

    header: Header
    header_segment: bytes
    signature: bytes
    issued_at_s: int


def payload(body: bytes, target: str) -> bytes:
    """Say what is signed; the target is the path and query of the request line."""
    return body or target.encode()


def parse(value: str) -> Detached:
    """Read a header field. Raises Malformed("x-jws-signature")."""
    header_segment, dots, signature = value.encode().partition(b"..")
    if not dots or len(value) > LONGEST:
        raise Malformed(
            HEADER, f"{HEADER} is not two parts with two dots between them, of {LONGEST} characters at most."
        )
    try:
        header = jose.read(jose.decode(header_segment, HEADER), Header, HEADER)
        issued_at_s = _seconds(header.iat)
    except ValueError as error:
        raise Malformed(HEADER, f'The header of {HEADER} must be exactly alg, kid, "crit":["iat"] and iat.') from error
    if header.crit != _CRIT:
        raise Malformed(HEADER, f'The header of {HEADER} must say "crit":["iat"].')
    return Detached(header, header_segment, jose.decode(signature, HEADER), issued_at_s)


def check(
    detached: Detached,
    payload: bytes,
    key: PublicKey,
    *,
    algorithms: Collection[SignatureAlgorithm],
    now: datetime,
    max_age: timedelta,
    skew: timedelta,
) -> None:
    """Prove that the key signed the payload not long ago. Raises Refused("algorithm" | "stale" | "signature")."""
    if detached.header.alg not in algorithms:
        raise Refused("algorithm", f"{detached.header.alg} is not accepted here; {' and '.join(algorithms)} are.")
    _check_age(detached.issued_at_s, now=now, max_age=max_age, skew=skew)
    _check_signature(detached, payload, key)


def sign(payload: bytes, key: PrivateKey, *, algorithm: SignatureAlgorithm, kid: str, now: datetime) -> str:
    """Sign a message; the answer is the header field. The algorithm must be one of the key's."""
    _check_fits(algorithm, key)
    header = Header(algorithm, kid, _CRIT, int(now.timestamp()))
    segment = jose.encode(msgspec.json.encode(header))
    if algorithm == "RS256" and isinstance(key, RSAPrivateKey):
        signed = key.sign(_signing_input(segment, payload), _PKCS1_V15, _SHA256)
        return f"{segment.decode()}..{jose.encode(signed).decode()}"
    _, _, signature = jose.sign_payload(segment, payload, key).rpartition(".")
    return f"{segment.decode()}..{signature}"


def _seconds(iat: int | str) -> int:
    if isinstance(iat, str) and not (iat.isascii() and iat.isdigit()):
        raise ValueError
    if len(str(iat)) > _LARGEST_TIME_DIGITS:
        raise ValueError
    return int(iat)


def _check_age(issued_at_s: int, *, now: datetime, max_age: timedelta, skew: timedelta) -> None:
    age = timedelta(seconds=now.timestamp() - issued_at_s)
    if not -skew <= age <= max_age + skew:
        raise Refused(
            "stale",
            f"The signature says iat {issued_at_s}, and it is {int(now.timestamp())}: sign at most {max_age} before.",
        )


def _check_signature(detached: Detached, payload: bytes, key: PublicKey) -> None:
    algorithm = detached.header.alg
    _check_fits(algorithm, key)
    signing_input = _signing_input(detached.header_segment, payload)
    if algorithm == "RS256" and isinstance(key, RSAPublicKey):
        try:
            key.verify(detached.signature, signing_input, _PKCS1_V15, _SHA256)
        except InvalidSignature as error:
            raise Refused(
                "signature", "The signature does not match: another key signed, or the message changed."
            ) from error
        return
    token = jose.Compact(jose.Header(algorithm), detached.header_segment, payload, signing_input, detached.signature)
    jose.check(token, key, Algorithm(algorithm))


def _check_fits(algorithm: SignatureAlgorithm, key: PublicKey | PrivateKey) -> None:
    if (algorithm == "ES256") != (jose.algorithm_of(key) == Algorithm.ES256):
        raise Refused("algorithm", f"{algorithm} is not an algorithm of this key.")


def _signing_input(header_segment: bytes, payload: bytes) -> bytes:
    return header_segment + b"." + jose.encode(payload)
