"""What is told to people and machines, and whether it got there."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, UniqueConstraint

from credenza.store.schema.columns import Instant, organization_id, records, user_id

# That a credential's end comes near, said once per day of the list: the constraint is what makes two nodes agree.
notices = Table(
    "notices",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("credential_id", String(48), ForeignKey("credentials.id"), nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("days", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("credential_id", "not_after", "days"),
    CheckConstraint("days IN (90, 60, 30, 15, 7, 1, 0)", name="days"),
)

inbox = Table(
    "inbox",
    records,
    organization_id(),
    Column("user_id", String(36), ForeignKey("users.id"), primary_key=True),
    Column("notice_id", String(36), ForeignKey("notices.id"), primary_key=True),
    Column("read_at", Instant),
)

webhooks = Table(
    "webhooks",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    Column("url", String(500), nullable=False),
    Column("description", String(120), nullable=False),
    Column("wrapped_secret", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("removed_at", Instant),
)
Index("ix_webhooks_organization_id", webhooks.c.organization_id)

# What is to be sent. `id` is the Message-ID's left half, or the webhook id: a repeat carries the same one.
# `wrapped` is the content under the key-encryption key, because invitations and resets carry links; gone once sent.
outbox = Table(
    "outbox",
    records,
    organization_id(),
    Column("id", String(36), primary_key=True),
    Column("channel", String(8), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("recipient", String(254), nullable=False),
    Column("notice_id", String(36), ForeignKey("notices.id")),
    Column("wrapped", LargeBinary),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("error", String(300), nullable=False),
    UniqueConstraint("notice_id", "channel", "recipient"),
    CheckConstraint("channel IN ('mail', 'webhook')", name="channel"),
    CheckConstraint("state IN ('waiting', 'sent', 'failed', 'dropped')", name="state"),
)
Index("ix_outbox_due", outbox.c.state, outbox.c.due_at)
Index("ix_outbox_organization", outbox.c.organization_id, outbox.c.created_at)

# Receivers that are away: nobody tries them before `until`. A lane is the mail server, or one webhook.
outages = Table(
    "outages",
    records,
    organization_id(),
    Column("lane", String(64), primary_key=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
)

calendar_feeds = Table(
    "calendar_feeds",
    records,
    Column("organization_id", String(36), ForeignKey("organizations.organization_id"), nullable=False),
    Column("id", String(36), primary_key=True),
    user_id(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
Index("ix_calendar_feeds_owner", calendar_feeds.c.organization_id, calendar_feeds.c.user_id)
