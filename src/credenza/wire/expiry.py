"""What expires, and when."""

from __future__ import annotations

from typing import Literal, TypeAlias

from credenza.wire.credentials import Status
from credenza.wire.shape import AnswerShape, EnvironmentName, Moment

CredentialKind: TypeAlias = Literal[
    "SIGNING_KEY",
    "ACCOUNT_KEY",
    "MTLS_CERTIFICATE",
    "RESPONSE_ENCRYPTION",
    "REQUEST_ENCRYPTION",
    "REQUEST_SIGNATURE",
    "CLIENT_SECRET",
]


class Ending(AnswerShape):
    """A credential and its end. Account-level keys have no project. `daysLeft` counts whole days."""

    credential_id: str
    kind: CredentialKind
    alias: str
    status: Status
    environment: EnvironmentName | None
    project_id: str | None
    project: str
    not_after: Moment
    days_left: int


class MonthCount(AnswerShape):
    """How many end in a calendar month of UTC, as 2026-05."""

    month: str
    count: int


class CalendarFeed(AnswerShape):
    id: str
    user_id: str
    created_at: Moment


class MadeCalendarFeed(CalendarFeed):
    """`url` is shown this once. Whoever has it can read the calendar, until the feed is revoked."""

    url: str
