"""A request as it arrives at the gate: an ASGI scope, read once into what a decision and a forwarded request need.

Nothing is decoded or normalised on the way: the target is the bytes of the request line, as uvicorn hands them over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, TypeAlias

import msgspec

from credenza.gate.terminators import CLIENT_CERT, NOBODY, PRESENTED, PROXY_SECRET, Terminators, Unreadable
from credenza.wire.decisions import is_form

Headers: TypeAlias = list[tuple[bytes, bytes]]
Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]

REQUEST_TARGET = "credenza.request_target"
"""Where a scope has a target that is more than a path, as it was sent: our listeners put it there."""

MAX_TARGET_BYTES = 8192
MAX_HEADERS_BYTES = 65_536

_OWN_PORTS = {"http": ":80", "https": ":443"}
_AUTHORITY_END = re.compile(r"[/?#]")
_WANTED = frozenset(
    {b"host", b"authorization", b"content-length", b"content-type", b"transfer-encoding", b"user-agent"}
    | {b"x-forwarded-for", b"dpop", CLIENT_CERT, PROXY_SECRET}
)


class BadRequest(Exception):  # noqa: N818 - a verdict on the request, not an error of ours
    """HTTP does not allow the request, or two programs could read it in two ways. The message is for its sender."""


class Arrival(msgspec.Struct, frozen=True):
    """`content_length` is 0 when there is no body and None when it comes in chunks of unknown number. `origin` is the
    one that an absolute target names, spelt as `origin_of` does; empty for a path. `content_types` are all that were
    sent. `certificate` is the client's (DER) that TLS has proven, here or at a proxy that is believed."""

    method: str
    origin: str
    path: str
    query: str
    host: str
    authorization: tuple[str, ...]
    proofs: tuple[str, ...]
    content_length: int | None
    content_types: Sequence[bytes]
    user_agent: str
    address: str
    headers: Headers
    certificate: bytes = b""

    @property
    def has_body(self) -> bool:
        return self.content_length != 0

    @property
    def is_form(self) -> bool:
        return is_form(self.content_types)


def read(scope: Any, trusted_proxies: Networks = (), terminators: Terminators = NOBODY) -> Arrival:
    """Read an HTTP scope. Raises BadRequest."""
    found = _wanted(scope["headers"])
    path, query = scope["raw_path"], scope["query_string"]
    if len(path) + len(query) > MAX_TARGET_BYTES:
        raise BadRequest(f"The target is longer than {MAX_TARGET_BYTES} bytes.")
    # RFC 9110 9.3.6: to the upstream CONNECT would name a host in place of the path that was signed.
    if scope["method"] == "CONNECT" or not path.startswith(b"/"):
        raise BadRequest("The target is not a path.")
    # RFC 9110 9.3.8: an upstream would answer with what only it may know, the caller's identity as the gate tells it.
    if scope["method"] == "TRACE":
        raise BadRequest("TRACE is not served.")
    return Arrival(
        scope["method"],
        _named_origin(scope.get(REQUEST_TARGET, b"")),
        path.decode("ascii"),
        query.decode("ascii"),
        _host(found.get(b"host", ())),
        tuple([value.decode("latin-1") for value in found.get(b"authorization", ())]),
        tuple([value.decode("latin-1") for value in found.get(b"dpop", ())]),
        _content_length(found),
        found.get(b"content-type", ()),
        b" ".join(found.get(b"user-agent", ())).decode("latin-1"),
        client_address(scope["client"], found.get(b"x-forwarded-for", ()), trusted_proxies),
        # uvicorn appends trailers to its list of headers when they come (RFC 9110 6.5.1 wants them kept apart).
        list(scope["headers"]),
        certificate(found, scope.get(PRESENTED, b""), terminators),
    )


def origin_of(scheme: str, authority: str) -> str:
    """Spell an origin so that equal ones are equal: lower case, without the scheme's own port (RFC 3986 6.2.3)."""
    scheme, authority = scheme.lower(), authority.lower()
    return f"{scheme}://{authority.removesuffix(_OWN_PORTS.get(scheme, ''))}"


def certificate(found: Mapping[bytes, Sequence[bytes]], presented: bytes, terminators: Terminators) -> bytes:
    """Say which certificate a request was made with. Raises BadRequest."""
    if terminators is NOBODY:
        return presented
    try:
        return terminators.certificate(found.get(CLIENT_CERT, ()), found.get(PROXY_SECRET, ()), presented)
    except Unreadable as unreadable:
        raise BadRequest(str(unreadable)) from unreadable


def _named_origin(target: bytes) -> str:
    if not target:
        return ""
    scheme, separator, rest = target.decode("latin-1").partition("://")
    return origin_of(scheme, _AUTHORITY_END.split(rest, maxsplit=1)[0]) if separator else ""


def _wanted(headers: Headers) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    length = 0
    for name, value in headers:
        length += len(name) + len(value)
        if name in _WANTED:
            found.setdefault(name, []).append(value)
    if length > MAX_HEADERS_BYTES:
        raise BadRequest(f"The headers are longer than {MAX_HEADERS_BYTES} bytes.")
    return found


def _host(values: Sequence[bytes]) -> str:
    # RFC 9112 3.2: a server MUST answer 400 to a request that lacks Host or has more than one.
    if len(values) != 1:
        raise BadRequest("The request needs exactly one Host header.")
    return values[0].decode("latin-1")


def _content_length(found: dict[bytes, list[bytes]]) -> int | None:
    codings = found.get(b"transfer-encoding", ())
    if codings:
        # uvicorn takes the chunks apart; another coding would go on unnamed (RFC 9112 6.1).
        if [coding.strip().lower() for coding in codings] != [b"chunked"]:
            raise BadRequest("The only transfer coding taken is chunked.")
        return None
    lengths = found.get(b"content-length", (b"0",))
    if len(lengths) != 1 or not lengths[0].isdigit():
        raise BadRequest("The request needs at most one Content-Length, a number.")
    return int(lengths[0])


def client_address(peer: tuple[str, int] | None, forwarded_for: Sequence[bytes], trusted: Networks) -> str:
    """Say where a call comes from: the nearest address that is no trusted proxy's."""
    address = peer[0] if peer is not None else ""
    if not trusted:
        return address
    hops = b",".join(forwarded_for).decode("latin-1").split(",")
    # Every proxy appends whom it saw, so the list is to be read from its end, and only as far as it was written by us.
    while hops and _is_trusted(address, trusted):
        nearest = hops.pop().strip()
        if not _is_address(nearest):
            break
        address = nearest
    return address


def _is_trusted(address: str, trusted: Networks) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
