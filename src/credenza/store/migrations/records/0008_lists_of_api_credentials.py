"""Indexes of an organization's API credentials by name and by end: their lists no longer read past all its keys."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_OF_API_CREDENTIALS = sa.text("kind = 'CLIENT_SECRET'")


def upgrade() -> None:
    for name, column in {
        "ix_credentials_api_by_name": "folded_alias",
        "ix_credentials_api_by_end": "not_after",
    }.items():
        op.create_index(
            name,
            "credentials",
            ["organization_id", column, "id"],
            sqlite_where=_OF_API_CREDENTIALS,
            postgresql_where=_OF_API_CREDENTIALS,
        )
