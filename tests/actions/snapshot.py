"""Every row, as the database itself writes it: to see that nothing has changed.

Past SQLAlchemy, and on PostgreSQL with one question for all tables: to make objects of all rows took a quarter of what
the tests of actions take.
"""

from collections import Counter
from functools import cache

from sqlalchemy import Engine, Table

from credenza.store.engine import reading

Snapshot = dict[str, Counter[object]]


def rows_of(engine: Engine, tables: tuple[Table, ...]) -> Snapshot:
    with reading(engine) as connection:
        cursor = connection.connection.cursor()
        if engine.dialect.name == "sqlite":
            return {each.name: Counter(cursor.execute(f'SELECT * FROM "{each.name}"')) for each in tables}
        cursor.execute(_question(tables), prepare=True)
        found: Snapshot = {each.name: Counter() for each in tables}
        for name, row in cursor.fetchall():
            found[name][row] += 1
        return found


@cache
def _question(tables: tuple[Table, ...]) -> str:
    return " UNION ALL ".join(f"SELECT '{each.name}', rows::text FROM \"{each.name}\" AS rows" for each in tables)
