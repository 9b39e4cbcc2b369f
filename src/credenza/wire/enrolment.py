"""Enrolment secrets. The secret is in one shape alone: the answer to its creation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from credenza.wire.shape import AnswerShape, EnvironmentName, Moment, Name, RequestShape


class NewEnrolmentSecret(RequestShape):
    """A device's certificate will be known as `alias`. `environment` may be left out when the project has one only. A
    secret ends by itself after `hours`."""

    alias: Name
    environment: EnvironmentName | None = None
    hours: Annotated[StrictInt, Field(ge=1, le=168)] = 24


class EnrolmentSecret(AnswerShape):
    id: str
    alias: str
    environment: str
    created_at: Moment
    expires_at: Moment
    used_at: Moment | None
    revoked_at: Moment | None


class IssuedEnrolmentSecret(EnrolmentSecret):
    """`secret` is shown this once."""

    secret: Annotated[str, Field(repr=False)]
