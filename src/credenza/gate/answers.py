"""Refusals as HTTP answers. The server that runs the gate adds Date."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeAlias

import msgspec

from credenza.gate.decision import Refused, envelope
from credenza.wire.decisions import REFUSAL_ID

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

JSON = "application/json"
_ENDS_A_LINE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def headers_of(refused: Refused) -> Iterator[tuple[str, str]]:
    yield "Content-Type", JSON
    yield REFUSAL_ID, refused.id
    yield "Cache-Control", "no-store"
    if refused.headers:
        yield from refused.headers
    elif refused.status in (401, 403):
        yield "WWW-Authenticate", "OAuth"
    if refused.status == 503:
        yield "Retry-After", "1"


async def send_refusal(send: Send, refused: Refused, *, unread_body: bool = False) -> None:
    """Answer a call that goes nowhere. Whose body was not read must not use the connection again."""
    headers = [*headers_of(refused), *([("Connection", "close")] if unread_body else [])]
    await send_answer(send, refused.status, headers, envelope(refused))


async def send_answer(send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    await send_encoded(send, status, encoded(headers), body)


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(_on_the_wire(name), value.encode("latin-1")) for name, value in headers]


async def send_encoded(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers.append((b"content-length", str(len(body)).encode("ascii")))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Reply(msgspec.Struct, frozen=True):
    """A whole answer, its header fields as they go over the wire, for a connection that can send it at once."""

    status: int
    fields: bytes
    body: bytes


def reply(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Reply:
    return Reply(status, fields([*encoded(headers), (b"content-length", b"%d" % len(body))]), body)


def fields(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Spell header fields. Raises ValueError for a value that would end its line: nothing of ours has one."""
    if any(_ENDS_A_LINE.search(value) for _, value in headers):
        raise ValueError("a header value has control characters")
    return b"".join([b"%b: %b\r\n" % header for header in headers])


@cache
def _on_the_wire(name: str) -> bytes:
    """Spell a header name as ASGI wants it. All names are constants of ours, so the cache stays small."""
    return name.lower().encode("ascii")
