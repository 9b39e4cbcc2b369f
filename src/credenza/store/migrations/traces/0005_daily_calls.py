"""Admitted calls by caller and day, so that a share of them can be told of a few days alone."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "daily_calls",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("credential_id", sa.String(length=48), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("service_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.Column("scheme", sa.String(length=8), nullable=False),
        sa.Column("admitted", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "credential_id", "day", "service_id", "address", "user_agent", "scheme", name="pk_daily_calls"
        ),
    )
    op.create_index("ix_daily_calls_day", "daily_calls", ["day"])
