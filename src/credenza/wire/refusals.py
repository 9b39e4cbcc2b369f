"""Why a call was refused, and who calls: what gates leave behind for the owner of a credential."""

from __future__ import annotations

from typing import Any

from credenza.wire.shape import AnswerShape, Moment


class CallRefusal(AnswerShape):
    """A refused call. `explanation` says step by step what was expected and what came, redacted."""

    id: str
    project_id: str | None
    credential_id: str
    at: Moment
    code: str
    explanation: dict[str, Any]


class Caller(AnswerShape):
    """Somebody who uses a credential: counted per service, address and user agent."""

    service_id: int
    address: str
    user_agent: str
    first_seen_at: Moment
    last_seen_at: Moment
    admitted: int
    refused: int
