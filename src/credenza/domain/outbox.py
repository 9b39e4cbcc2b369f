"""What is to be sent: by which channel, what became of it, and when to try again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from credenza.domain.model import OrganizationId

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
LONGEST_PAUSE = timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(days=3)
KEPT = timedelta(days=90)
"""So long the outbox tells what became of a delivery."""


class Channel(StrEnum):
    MAIL = "mail"
    WEBHOOK = "webhook"


class Kind(StrEnum):
    """What a delivery says."""

    EXPIRY = "expiry"
    AUTHORITY_EXPIRY = "authority_expiry"
    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"
    SIGN_IN_CHANGE = "sign_in_change"
    TEST = "test"


class State(StrEnum):
    """DROPPED is what nobody has to hear any more: the credential was revoked or renewed meanwhile."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to be sent. Its id goes out with it, the same at every attempt: as Message-ID, or as webhook-id.

    `recipient` is a mail address, or the id of a webhook. `wrapped` is the content; None once it is sent or given up.
    """

    id: str
    organization_id: OrganizationId
    channel: Channel
    kind: Kind
    recipient: str
    notice_id: str | None
    wrapped: bytes | None = field(repr=False)
    state: State
    attempts: int
    due_at: datetime
    created_at: datetime
    sent_at: datetime | None
    error: str

    @property
    def lane(self) -> str:
        """What fails together: all mail goes by one server, every webhook has its own receiver."""
        return self.channel.value if self.channel is Channel.MAIL else f"{self.channel} {self.recipient}"


def wait_after(attempts: int) -> timedelta:
    """Say how long what was refused `attempts` times rests: 1, 2, 4, 8 … minutes, at most 6 hours."""
    return min(FIRST_WAIT * (1 << min(attempts - 1, 10)), LONGEST_WAIT)


def pause_after(away: timedelta) -> timedelta:
    """Say how long nobody knocks at a receiver that has been away for so long: the time it is away doubles."""
    return max(FIRST_WAIT, min(away, LONGEST_PAUSE))


def is_given_up(delivery: Delivery, *, now: datetime) -> bool:
    """A test tells about now: it is tried once."""
    return delivery.kind is Kind.TEST or now - delivery.created_at >= GIVE_UP_AFTER
