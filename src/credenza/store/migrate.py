"""Bring a database to the schema of this release: Alembic revisions, appended and never edited once released.

Records and traces have revisions of their own (`migrations/records`, `migrations/traces`), because on SQLite they are
two files. Nothing is upgraded unasked: who starts asks `pending` and refuses with the advice to run `upgrade`.
"""

from __future__ import annotations

from collections.abc import Iterator

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from credenza.store.engine import Database, reading, writing

_UPGRADE_LOCK = 0x63726564
"""Key of PostgreSQL's advisory lock: two machines that upgrade at once take turns. SQLite has one writer anyway."""


def upgrade(database: Database) -> None:
    """Apply the revisions that are pending, those of each set in one transaction."""
    for name, engine in _sets(database):
        with writing(engine) as connection:
            _wait_for_turn(connection)
            config = _config(name)
            if _is_pending(connection, config):
                config.attributes["connection"] = connection
                command.upgrade(config, "head")


def pending(database: Database) -> bool:
    """Say whether this release needs revisions that the database does not have; one of a newer release has them."""
    for name, engine in _sets(database):
        with reading(engine) as connection:
            if _is_pending(connection, _config(name)):
                return True
    return False


def revision(connection: Connection) -> str | None:
    """Read which revision the records have; None before the first."""
    return MigrationContext.configure(connection, opts=_config("records").attributes).get_current_revision()


def revisions() -> tuple[str, ...]:
    """The records' revisions that this release knows, the newest first."""
    script = ScriptDirectory.from_config(_config("records"))
    return tuple(each.revision for each in script.walk_revisions())


def _sets(database: Database) -> Iterator[tuple[str, Engine]]:
    yield "records", database.records
    yield "traces", database.traces


def _config(name: str) -> Config:
    """Places are named by package, not by path: the wheel may be installed anywhere."""
    config = Config(attributes={"version_table": f"alembic_version_{name}"})
    config.set_main_option("script_location", "credenza.store:migrations")
    config.set_main_option("version_locations", f"credenza.store:migrations/{name}")
    config.set_main_option("path_separator", "newline")
    return config


def _wait_for_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})


def _is_pending(connection: Connection, config: Config) -> bool:
    script = ScriptDirectory.from_config(config)
    found = MigrationContext.configure(connection, opts=config.attributes).get_current_revision()
    ours = [revision.revision for revision in script.walk_revisions()]
    return found is None or found in ours[1:]
