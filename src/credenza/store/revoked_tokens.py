"""Tokens that were revoked one by one. Gates learn of each as of a change, and forget it at its end."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete

from credenza.domain.model import ChangeNumber
from credenza.domain.tokens import RevokedToken
from credenza.store import changes
from credenza.store.changes import ChangeKind
from credenza.store.schema import revoked_tokens
from credenza.store.upsert import insert_if_absent


def revoke(connection: Connection, token: RevokedToken, *, now: datetime) -> ChangeNumber | None:
    """Revoke a token; answer with the change that a gate must have applied before it admits nobody with it, or None
    when it was revoked before: a second revocation changes nothing."""
    row = {
        "organization_id": token.organization_id,
        "jti_hash": token.jti_hash,
        "environment": token.environment,
        "expires_at": token.expires_at,
        "revoked_at": now,
    }
    if not insert_if_absent(connection, revoked_tokens, row):
        return None
    return changes.record(connection, token.organization_id, ChangeKind.TOKEN, token.jti_hash)


def delete_ended(connection: Connection, *, before: datetime) -> int:
    """Forget tokens that have ended by themselves."""
    return connection.execute(delete(revoked_tokens).where(revoked_tokens.c.expires_at <= before)).rowcount
