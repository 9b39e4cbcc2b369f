"""What tables are made of: times, names, and the columns and conditions that many of them share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ColumnElement, ForeignKey, MetaData, String, TypeDecorator
from sqlalchemy.engine import Dialect

from credenza.store.instants import at_micros, micros


class Instant(TypeDecorator[datetime]):
    """An aware UTC time as microseconds since the epoch: the same on both databases, and without a zone to lose."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else micros(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else at_micros(value)


NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

records = MetaData(naming_convention=NAMES)

traces = MetaData(naming_convention=NAMES)


def organization_id() -> Column[str]:
    """Every table has it, whether or not it can be any organization's."""
    return Column("organization_id", String(36), nullable=False)


def user_id() -> Column[str]:
    return Column("user_id", String(36), ForeignKey("users.id"), nullable=False)


def in_environment() -> CheckConstraint:
    return CheckConstraint("environment IN ('SANDBOX', 'PRODUCTION')", name="environment")


def only_where(condition: ColumnElement[bool]) -> dict[str, Any]:
    """Say to an `Index` that it holds the rows that meet the condition, and no others."""
    return {"sqlite_where": condition, "postgresql_where": condition}
