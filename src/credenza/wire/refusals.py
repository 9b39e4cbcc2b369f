"""Why a call was refused, and who calls: what gates leave behind for the owner of a credential."""

from __future__ import annotations

from typing import Literal

from credenza.wire.shape import AnswerShape, Moment


class Step(AnswerShape):
    """One check of the gate, in its order; `ok` is null for one that was not reached, or is not `asked` for here."""

    name: str
    ok: bool | None
    expected: str = ""
    received: str = ""
    hint: str = ""
    asked: bool = True


class BaseString(AnswerShape):
    """A text of which a signature would have been accepted, and the name of the reading that makes it."""

    reading: str
    text: str


class Explanation(AnswerShape):
    method: str
    target: str
    steps: tuple[Step, ...]
    base_strings: tuple[BaseString, ...] = ()


class CallRefusal(AnswerShape):
    """A refused call, redacted: no header, no body, a signature's first characters alone."""

    id: str
    project_id: str | None
    credential_id: str
    at: Moment
    code: str
    explanation: Explanation


class Caller(AnswerShape):
    """Somebody who uses a credential: counted per service, address and user agent."""

    service_id: int
    address: str
    user_agent: str
    first_seen_at: Moment
    last_seen_at: Moment
    admitted: int
    refused: int
    scheme: Literal["oauth1", "oauth2", "mtls", "secret"] = "oauth1"


class OAuth1Caller(AnswerShape):
    """Somebody who has called with OAuth 1.0a; `admitted` counts such calls since the meter's first day alone."""

    credential_id: str
    service_id: int
    address: str
    user_agent: str
    last_seen_at: Moment
    admitted: int


class OAuth1Use(AnswerShape):
    """How many of the calls that a project's usable keys made in the last seven days, today included, were signed with
    OAuth 1.0a. They are counted from `since` on. `callers` are all who ever made such calls, the latest first."""

    since: Moment
    admitted: int
    oauth1: int
    callers: tuple[OAuth1Caller, ...]
