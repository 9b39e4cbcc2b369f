"""Alembic's entry: apply revisions in the transaction that `store/migrate.py` hands over."""

from alembic import context

context.configure(**context.config.attributes)
context.run_migrations()
