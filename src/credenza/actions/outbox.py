"""What waits to be sent: put in together with what it tells of, looked at by those who answer for it.

Sending is `actions.delivery`. The content is wrapped by the vault, because letters carry links, and gone once sent.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from credenza.actions.context import Platform
from credenza.actions.letters import Letter
from credenza.domain.model import PLATFORM, OrganizationId
from credenza.domain.outbox import Channel, Delivery, Kind, State
from credenza.store import outbox


def enqueue_mail(
    platform: Platform, connection: Connection, *, kind: Kind, recipient: str, content: Letter, now: datetime
) -> None:
    """Have a letter sent to a mail address as soon as the transaction is committed."""
    enqueue(
        platform,
        connection,
        PLATFORM,
        Channel.MAIL,
        kind,
        identity=platform.new_id(),
        recipient=recipient,
        content=msgspec.json.encode(content),
        now=now,
    )


def enqueue(
    platform: Platform,
    connection: Connection,
    organization_id: OrganizationId,
    channel: Channel,
    kind: Kind,
    *,
    identity: str,
    recipient: str,
    content: bytes,
    now: datetime,
    notice_id: str | None = None,
) -> Delivery:
    """Put a delivery under an identity that goes out with it."""
    delivery = Delivery(
        id=identity,
        organization_id=organization_id,
        channel=channel,
        kind=kind,
        recipient=recipient,
        notice_id=notice_id,
        wrapped=platform.vault.wrap(purpose(identity), content),
        state=State.WAITING,
        attempts=0,
        due_at=now,
        created_at=now,
        sent_at=None,
        error="",
    )
    outbox.insert_delivery(connection, delivery)
    return delivery


def derived_id(*parts: str) -> str:
    """Make the UUID that belongs to these words and no others (RFC 9562 section 5.8: version 8)."""
    digest = bytearray(hashlib.sha256("\n".join(parts).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def purpose(delivery_id: str) -> str:
    return f"outbox {delivery_id}"
