"""Secrets of the platform, wrapped by the key-encryption key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from credenza.domain.model import PLATFORM
from credenza.store.schema import wrapped_secrets
from credenza.store.upsert import insert_if_absent


def find(connection: Connection, name: str) -> bytes | None:
    query = select(wrapped_secrets.c.wrapped).where(wrapped_secrets.c.name == name)
    return connection.execute(query).scalar_one_or_none()


def insert_secret(connection: Connection, name: str, wrapped: bytes, *, now: datetime) -> None:
    """Insert a wrapped secret unless another process was first."""
    row = {"organization_id": PLATFORM, "name": name, "wrapped": wrapped, "created_at": now}
    insert_if_absent(connection, wrapped_secrets, row)


def get(connection: Connection, name: str) -> bytes:
    query = select(wrapped_secrets.c.wrapped).where(wrapped_secrets.c.name == name)
    wrapped: bytes = connection.execute(query).scalar_one()
    return wrapped


def any_secret(connection: Connection) -> bool:
    """Tell an installation that has started before from a new one."""
    return connection.execute(select(wrapped_secrets.c.name).limit(1)).one_or_none() is not None
