"""Personal access tokens. The secret is in one shape alone: the answer to its creation."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, StrictInt

from credenza.wire.shape import AnswerShape, Moment, Name, RequestShape

Scope: TypeAlias = Literal["read", "projects", "credentials", "people", "audit", "catalog"]


class NewAccessToken(RequestShape):
    """A token ends by itself after `days`."""

    name: Name
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=6)]
    days: Annotated[StrictInt, Field(ge=1, le=366)] = 30


class AccessToken(AnswerShape):
    """`prefix` is how the token begins: enough to recognise it, too little to use it."""

    id: str
    name: str
    prefix: str
    scopes: Annotated[tuple[str, ...], BeforeValidator(sorted)]
    created_at: Moment
    expires_at: Moment
    revoked_at: Moment | None


class IssuedAccessToken(AccessToken):
    """`token` is shown this once."""

    token: Annotated[str, Field(repr=False)]
