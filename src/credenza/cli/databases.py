"""This machine's database, opened and brought up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from sqlalchemy.exc import OperationalError

from credenza.cli.failure import CommandFailed
from credenza.settings import Settings
from credenza.store import revision, wrapped_secrets
from credenza.store.engine import Database, open_database, reading


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """Open the database; the embedded one is made, and brought up to date, when it is first opened."""
    if not settings.database_url:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    opened = open_database(settings.database)
    try:
        if not revision.is_current(opened):
            _upgrade(opened)
        yield opened
    except OperationalError as error:
        # The driver's text names hosts and users, never a password.
        raise CommandFailed(f"The database does not answer: {str(error.orig).strip()}") from error
    finally:
        opened.close()


def _upgrade(opened: Database) -> None:
    migrate = import_module("credenza.store.migrate")
    if opened.embedded:
        migrate.upgrade(opened)
    elif migrate.pending(opened):
        raise CommandFailed("The database is of an older release, or empty. Run: credenza db upgrade")


def has_started(opened: Database) -> bool:
    """Tell an installation that has started before from a new one."""
    with reading(opened.records) as connection:
        return wrapped_secrets.any_secret(connection)
