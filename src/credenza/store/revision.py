"""Whether a database has the schema of this release, told without Alembic: loading that takes longer than all else a
start does, and nearly every start finds nothing to upgrade. `migrate` does the rest.
"""

from __future__ import annotations

from importlib.resources import files

from sqlalchemy import Engine, inspect, text

from credenza.store.engine import Database, reading


def is_current(database: Database) -> bool:
    """Say whether both sets of tables are at the newest revision of this release; of no other is anything said."""
    return _stands_at(database.records, "records") and _stands_at(database.traces, "traces")


def newest(name: str) -> str:
    """The newest revision of a set, which the names of the files begin with."""
    scripts = files("credenza.store").joinpath("migrations", name).iterdir()
    return max(script.name.partition("_")[0] for script in scripts if script.name[:1].isdigit())


def _stands_at(engine: Engine, name: str) -> bool:
    table = f"alembic_version_{name}"
    with reading(engine) as connection:
        if not inspect(connection).has_table(table):
            return False
        found = connection.execute(text(f"SELECT version_num FROM {table}")).scalars().all()  # noqa: S608 - our own name
    return found == [newest(name)]
