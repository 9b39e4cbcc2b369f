"""What the ASGI middlewares have in common: what ends at them, and how they say no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from ssl import PEM_cert_to_DER_cert
from typing import Any, TypeAlias

from credenza.protocol import client_cert_header
from credenza.protocol.errors import Malformed, Refused
from credenza.wire.decisions import is_ours
from credenza.wire.errors import Error, Source, envelope

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Fields: TypeAlias = Iterable[tuple[str, str]]


def values(scope: Scope, name: bytes) -> list[bytes]:
    """Every value of a header; `name` in lower case."""
    return [value for each, value in scope["headers"] if each == name]


def certificate(scope: Scope) -> bytes:
    """The client certificate (DER) that the application's own server has proven (ASGI TLS extension 0.2); empty where
    there is none."""
    tls = scope.get("extensions", {}).get("tls") or {}
    chain = tls.get("client_cert_chain") or ()
    return b"" if tls.get("client_cert_error") or not chain else PEM_cert_to_DER_cert(chain[0])


def certificate_of_proxy(scope: Scope) -> bytes:
    """The client certificate (DER) that a proxy names in Client-Cert (RFC 9440); empty for none, and for two. Only for
    an application that nobody but its proxy can reach, and a proxy that takes away what clients send by that name."""
    named = values(scope, b"client-cert")
    try:
        return client_cert_header.parse(named[0].decode("latin-1")) if len(named) == 1 else b""
    except (Malformed, Refused):
        return b""


def admitted(scope: Scope, caller: object, told: Fields) -> Scope:
    """The scope as the application gets it: with who calls, without what proved it or pretended to be ours."""
    headers = [(name, value) for name, value in scope["headers"] if not _ends_here(name)]
    headers += [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in told]
    return {**scope, "headers": headers, "credenza": caller}


def _ends_here(name: bytes) -> bool:
    return name in (b"authorization", b"dpop", b"client-cert", b"client-cert-chain") or is_ours(name)


def adding(fields: Fields, send: Send) -> Send:
    """Add header fields to what the application answers, in place of its own of the same names."""
    added = _encoded(fields)
    names = {name for name, _ in added}

    async def to_caller(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
            message = {**message, "headers": [*kept, *added]}
        await send(message)

    return to_caller


def again(body: bytes, receive: Receive) -> Receive:
    """Give the application the body that was read, and after it what the connection says."""
    given = False

    async def again() -> dict[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def close_websocket(send: Send) -> None:
    """Refuse one: its messages come after the handshake, and nothing that is signed covers them."""
    await send({"type": "websocket.close", "code": 1008, "reason": "Calls have to be signed."})


async def send_refusal(send: Send, status: int, reason_code: str, description: str, headers: Fields = ()) -> None:
    """Answer with the gate's envelope."""
    error = Error(
        source=Source.GATEWAY, reason_code=reason_code, description=description, recoverable=status == 503, details=None
    )
    usual = (("content-type", "application/json"), ("cache-control", "no-store"))
    body = envelope(error).model_dump_json(by_alias=True).encode()
    await send_answer(send, status, (*usual, *headers), body)


async def send_answer(send: Send, status: int, headers: Fields, body: bytes) -> None:
    encoded = [*_encoded(headers), (b"content-length", str(len(body)).encode("ascii"))]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _encoded(fields: Fields) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in fields]
