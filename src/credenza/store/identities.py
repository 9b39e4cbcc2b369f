"""Who is known at a single sign-on provider, by its issuer and the subject there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select

from credenza.domain.model import PLATFORM, UserId
from credenza.domain.single_sign_on import Identity, ProvenAccount
from credenza.store.schema import identities
from credenza.store.upsert import insert_if_absent


def insert_identity(connection: Connection, account: ProvenAccount, user_id: UserId, *, now: datetime) -> bool:
    """Link the account to the user, unless either has another link at this provider; say whether it was done."""
    row = {
        "organization_id": PLATFORM,
        "issuer": account.issuer,
        "subject": account.subject,
        "user_id": user_id,
        "created_at": now,
    }
    return insert_if_absent(connection, identities, row)


def delete_identity(connection: Connection, user_id: UserId, issuer: str) -> None:
    connection.execute(delete(identities).where(identities.c.user_id == user_id, identities.c.issuer == issuer))


def find_user_id(connection: Connection, account: ProvenAccount) -> UserId | None:
    query = select(identities.c.user_id).where(
        identities.c.issuer == account.issuer, identities.c.subject == account.subject
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else UserId(found)


def list_of_user(connection: Connection, user_id: UserId) -> tuple[Identity, ...]:
    query = select(identities.c.issuer, identities.c.subject, identities.c.created_at)
    rows = connection.execute(query.where(identities.c.user_id == user_id).order_by(identities.c.created_at))
    return tuple(Identity(row.issuer, row.subject, row.created_at) for row in rows)
