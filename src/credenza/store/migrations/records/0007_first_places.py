"""An account and a workspace for organizations that were made before there were any: as every new one begins."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ORGANIZATIONS = sa.table(
    "organizations", sa.column("organization_id"), sa.column("name"), sa.column("created_at", sa.BigInteger)
)
_ACCOUNTS = sa.table(
    "accounts",
    sa.column("organization_id"),
    sa.column("id"),
    sa.column("name"),
    sa.column("created_at", sa.BigInteger),
)
_WORKSPACES = sa.table(
    "workspaces",
    sa.column("organization_id"),
    sa.column("id"),
    sa.column("account_id"),
    sa.column("name"),
    sa.column("created_at", sa.BigInteger),
)


def upgrade() -> None:
    """One that has archived all its accounts has had some, and gets none."""
    has_some = sa.exists().where(_ACCOUNTS.c.organization_id == _ORGANIZATIONS.c.organization_id)
    for bare in op.get_bind().execute(sa.select(_ORGANIZATIONS).where(~has_some)).all():
        place = {"organization_id": bare.organization_id, "created_at": bare.created_at}
        account_id = str(uuid4())
        op.execute(sa.insert(_ACCOUNTS).values(id=account_id, name=bare.name, **place))
        op.execute(sa.insert(_WORKSPACES).values(id=str(uuid4()), account_id=account_id, name="Default", **place))
