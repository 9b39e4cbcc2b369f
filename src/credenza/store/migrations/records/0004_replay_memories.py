"""Gates say where they remember calls: those of one fleet have to share the memory."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("gates", sa.Column("memory", sa.String(length=64), nullable=False, server_default=sa.text("''")))
