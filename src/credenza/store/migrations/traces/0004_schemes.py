"""Callers are told apart by what they call with. Until now that was OAuth 1.0a."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    scheme = sa.Column("scheme", sa.String(length=8), nullable=False, server_default=sa.text("'oauth1'"))
    with op.batch_alter_table("callers") as callers:
        callers.add_column(scheme)
        callers.drop_constraint("pk_callers", type_="primary")
        callers.create_primary_key("pk_callers", ["credential_id", "service_id", "address", "user_agent", "scheme"])
