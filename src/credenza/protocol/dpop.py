"""DPoP proofs: RFC 9449. The holder of a key shows that it has the private half, for one request.

Order of use: `parse`, `check_claims`, then `check_signature`, and then remember `jti` for the window of `check_claims`.
Nonces are stateless: an HMAC of a slice of time, so that every node knows every other's.
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

import msgspec

from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import PrivateKey
from credenza.protocol.public_key import PublicKey

TYPE: Final = "dpop+jwt"
PAST: Final = timedelta(seconds=120)
FUTURE: Final = timedelta(seconds=10)
NONCE_LIFE: Final = timedelta(seconds=120)
"""A slice of time that shares a nonce; the one before it is still good, so that a client's one retry never fails."""

_PAST_S, _FUTURE_S = PAST.total_seconds(), FUTURE.total_seconds()
_LONGEST_ID = 128
_LONGEST_URI = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}


class _Claims(msgspec.Struct, frozen=True):
    jti: str
    htm: str
    htu: str
    iat: int | float
    exp: int | float | None = None
    nbf: int | float | None = None
    ath: str | None = None
    nonce: str | None = None


class Proof(msgspec.Struct, frozen=True):
    """What a proof says; nothing of it is proven before `check_signature`. `jkt` is its key's thumbprint."""

    token: jose.Compact
    key: PublicKey
    jkt: str
    claims: _Claims

    @property
    def jti(self) -> str:
        return self.claims.jti


def parse(proof: str) -> Proof:
    """Read a proof (RFC 9449 4.2). Raises Malformed or Refused with what is wrong with its key."""
    token = jose.parse(proof)
    key, jkt = _holder(token.header_segment)
    claims = jose.read(token.payload, _Claims, "dpop")
    if not 1 <= len(claims.jti) <= _LONGEST_ID or len(claims.htu) > _LONGEST_URI:
        raise Malformed("dpop", f"jti has 1 to {_LONGEST_ID} characters, htu at most {_LONGEST_URI}.")
    return Proof(token, key, jkt, claims)


def check_claims(proof: Proof, *, method: str, uri: str, now: datetime, ath: str | None = None) -> None:
    """Refuse a proof for another request or of another time.

    `uri` is the request's, by the public origin and without query; `ath` is the access token's hash where one is sent.
    Raises Refused("method" | "uri" | "stale" | "future" | "ath").
    """
    claims = proof.claims
    if claims.htm != method:
        raise Refused("method", f"htm is {claims.htm[:20]!r}, the request's method is {method}.")
    if claims.htu != uri and normalized_uri(claims.htu) != normalized_uri(uri):
        raise Refused("uri", f"htu is {claims.htu[:200]!r}, the request went to {uri!r}.")
    check_time(proof, now=now)
    if claims.ath != ath:
        raise Refused("ath", "ath is not the hash of the access token that came with the proof (RFC 9449 4.2).")


def check_time(proof: Proof, *, now: datetime) -> None:
    """Refuse a proof of another time. Raises Refused("stale" | "future")."""
    claims, now_s = proof.claims, now.timestamp()
    if now_s - claims.iat > _PAST_S:
        raise Refused("stale", f"iat is {now_s - claims.iat:.0f} s past {_clock(now)}; {_PAST_S:.0f} s are accepted.")
    if max(claims.iat, claims.nbf or 0) > now_s + _FUTURE_S:
        raise Refused("future", f"iat or nbf is ahead {_clock(now)}; {_FUTURE_S:.0f} s are accepted.")
    # RFC 9449 asks for no exp; a client that sends one means it.
    if claims.exp is not None and claims.exp <= now_s - _FUTURE_S:
        raise Refused("stale", f"exp is {now_s - claims.exp:.0f} s past {_clock(now)}.")


def check_signature(proof: Proof) -> None:
    """Prove that the key in the header signed. Raises Refused("algorithm" | "signature")."""
    jose.check(proof.token, proof.key, jose.algorithm_of(proof.key))


def write(
    *, key: PrivateKey, method: str, uri: str, jti: str, now: datetime, access_token: str = "", nonce: str = ""
) -> str:
    """Sign a proof for one request. `uri` may have a query, which no proof names; `access_token` goes with it."""
    parts = urlsplit(uri)
    claims = {"jti": jti, "htm": method, "htu": f"{parts.scheme}://{parts.netloc}{parts.path}"}
    claims |= {"ath": access_token_hash(access_token)} if access_token else {}
    claims |= {"nonce": nonce} if nonce else {}
    header = {"typ": TYPE, "jwk": jose.jwk(key.public_key())}
    return jose.sign(header, claims | {"iat": int(now.timestamp())}, key)


def challenge(error: str = "", *, scope: str = "") -> str:
    """Write WWW-Authenticate of a resource in the words that clients look for (RFC 9449 7.1, RFC 6750 3). Without an
    error where no token was sent."""
    named = [("error", error), ("scope", scope), ("algs", " ".join(jose.Algorithm))]
    return "DPoP " + ", ".join(f'{name}="{value}"' for name, value in named if value)


def access_token_hash(access_token: str) -> str:
    """`ath` of RFC 9449 4.2."""
    return jose.encode(sha256(access_token.encode()).digest()).decode()


def normalized_uri(uri: str) -> str:
    """Bring an http(s) URI to the form that proofs are compared in (RFC 9449 4.3, RFC 3986 6.2.2 and 6.2.3).

    Without query and fragment, scheme and host in lower case, default port dropped, an empty path as `/`, escapes of
    unreserved characters undone, and what may not stand in a URI escaped: one client sends paths it has decoded.
    Raises Malformed.
    """
    try:
        parts = urlsplit(uri)
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise Malformed("htu", "The htu is not a URI.") from error
    if scheme not in _DEFAULT_PORTS or not host or parts.username is not None:
        raise Malformed("htu", "The htu is not an absolute http(s) URI.")
    authority = f"[{host}]" if ":" in host else host
    if port not in (None, _DEFAULT_PORTS[scheme]):
        authority += f":{port}"
    return f"{scheme}://{authority}{_normalized_path(parts.path) or '/'}"


def nonce(secret: bytes, *, now: datetime) -> str:
    """The nonce of this slice of time (RFC 9449 8): the same on every node that knows the secret."""
    return _nonce(secret, _slice(now))


def is_recent_nonce(sent: str, secret: bytes, *, now: datetime) -> bool:
    """Whether it is the nonce of this slice of time, the one before, or the next of a node whose clock is ahead."""
    current = _slice(now)
    known = (_nonce(secret, each) for each in (current, current - 1, current + 1))
    return any(hmac.compare_digest(sent.encode(), each.encode()) for each in known)


# A client's header is the same for every proof: its key is read, checked and hashed once.
@lru_cache(maxsize=1024)
def _holder(header_segment: bytes) -> tuple[PublicKey, str]:
    header = jose.parse_header(header_segment)
    if header.typ.lower() != TYPE:
        raise Malformed("dpop", f"The typ of a DPoP proof is {TYPE}.")
    if not bytes(header.jwk):
        raise Malformed("dpop", "A DPoP proof has its public key in the header, as jwk.")
    key = jose.parse_jwk(bytes(header.jwk))
    return key, jose.thumbprint(key)


_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@lru_cache(maxsize=1024)
def _normalized_path(path: str) -> str:
    escaped = _FORBIDDEN.sub(lambda found: "".join(f"%{octet:02X}" for octet in found[0].encode()), path)
    return _ESCAPE.sub(_normalized_escape, escaped)


def _normalized_escape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def _clock(now: datetime) -> str:
    return f"by the server's clock, {now:%FT%TZ}"


def _slice(now: datetime) -> int:
    return int(now.timestamp() // NONCE_LIFE.total_seconds())


# Where nonces are wanted, every call asks for that of the same few slices.
@lru_cache(maxsize=16)
def _nonce(secret: bytes, number: int) -> str:
    return jose.encode(hmac.digest(secret, number.to_bytes(8, signed=True), "sha256")[:16]).decode()
