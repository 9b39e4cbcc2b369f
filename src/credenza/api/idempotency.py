"""The header Idempotency-Key: a POST repeated with the same key is done once and answered twice."""

from __future__ import annotations

import hashlib
from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Request
from starlette.types import Scope

from credenza.actions.context import Once
from credenza.api.arrival import Arrival, arrival_of
from credenza.domain.errors import Code, Refusal
from credenza.wire.shape import told

NAME = "Idempotency-Key"
_CHOSEN = Header(
    alias=NAME,
    min_length=1,
    max_length=255,
    pattern=told(r"^[!-~]+$", "visible ASCII characters, without blanks"),
    description="Chosen by the caller, new for every new request. A repetition with the same key, method, path and "
    "body is answered as the first one was; with another body it is refused.",
)

Key: TypeAlias = Annotated[str, _CHOSEN]


async def once(request: Request, key: Annotated[str | None, _CHOSEN] = None) -> Once | None:
    if key is None:
        return None
    if len(request.headers.getlist(NAME)) > 1:
        raise Refusal(Code.INVALID, "The header Idempotency-Key was sent more than once.", field=NAME)
    return chosen(key, request.scope, arrival_of(request))


def chosen(key: str, scope: Scope, arrival: Arrival) -> Once:
    return Once(key, request_hash(scope["method"], scope["path"], arrival.body))


def request_hash(method: str, path: str, body: bytes) -> str:
    """SHA-256, hex, of what must be the same for two requests to be one."""
    return hashlib.sha256(f"{method}\n{path}\n".encode() + body).hexdigest()


Repeatable: TypeAlias = Annotated[Once | None, Depends(once)]
