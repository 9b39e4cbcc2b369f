"""Statements that are compiled once and run by the driver itself.

SQLAlchemy Core says what a statement is, on both databases; finding out at each execution what it compiles to, and
wrapping what comes back, takes it ten times as long as SQLite takes to answer. What goes wrong is raised as SQLAlchemy
raises it, and whoever listens to what is executed hears of it. Inserts set what they are given: no column is filled in.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.selectable import Select
from sqlalchemy.sql.visitors import replacement_traverse
from sqlalchemy.types import TypeEngine

Row: TypeAlias = Any
"""A named tuple of the statement's columns."""
Statement: TypeAlias = Select[*tuple[Any, ...]] | UpdateBase
Values: TypeAlias = Mapping[str, Any]
_Change: TypeAlias = Callable[[Any], Any]

_NONE: Final[Values] = {}
_CURSOR: Final = "credenza_cursor"


class Prepared:
    """`sets` are the columns that an INSERT or UPDATE gives the values of the same names; `lists` are the parameters
    that stand for any number of values."""

    def __init__(self, statement: Statement, *, sets: Sequence[str] | None = None, lists: Sequence[str] = ()) -> None:
        self._statement = statement
        self._sets = sets
        self._lists = lists
        self._texts: dict[object, _Text] = {}

    def run(self, connection: Connection, values: Values = _NONE) -> int:
        """Execute it; returns how many rows it has touched."""
        touched: int = self._text_for(connection, values).execute(connection, values).rowcount
        return touched

    def first(self, connection: Connection, values: Values = _NONE) -> Row | None:
        text = self._text_for(connection, values)
        row = text.execute(connection, values).fetchone()
        return None if row is None else text.read(row)

    def one(self, connection: Connection, values: Values = _NONE) -> Row:
        """The row that there is in any case."""
        row = self.first(connection, values)
        assert row is not None, "a row that is always there"
        return row

    def all(self, connection: Connection, values: Values = _NONE) -> list[Row]:
        text = self._text_for(connection, values)
        return [text.read(row) for row in text.execute(connection, values).fetchall()]

    def _text_for(self, connection: Connection, values: Values) -> _Text:
        """It differs by database, and by how many values the lists have."""
        dialect = connection.dialect
        form = (dialect.name, *[len(values[name]) for name in self._lists]) if self._lists else dialect.name
        text = self._texts.get(form)
        if text is None:
            lists = {name: values[name] for name in self._lists}
            text = self._texts[form] = _Text(self._statement, dialect, self._sets, lists)
        return text


class _Text:
    """What a statement is on one database, and what becomes of values on the way there and back."""

    def __init__(
        self, statement: Statement, dialect: Dialect, sets: Sequence[str] | None, lists: Mapping[str, Sequence[Any]]
    ) -> None:
        self._keeps_cursor = dialect.name != "sqlite"
        compiled: Any = _spelled_out(statement).compile(dialect=dialect, column_keys=sets)
        assert isinstance(statement, Select) or not (compiled.insert_prefetch or compiled.update_prefetch), (
            "no column is filled in"
        )
        given = {name: None for name, bind in compiled.binds.items() if bind.required}
        spelled = compiled.construct_expanded_state({**given, **lists})
        self._sql: str = spelled.statement
        self._names: Sequence[str] | None = spelled.positiontup
        self._lists = tuple((name, tuple(spelled.parameter_expansion[name])) for name in lists)
        writes = {name: write for name, bind in compiled.binds.items() if (write := _writer(bind.type, dialect))}
        self._writes = tuple((name, write) for name, write in writes.items() if name in given)
        constants = {name: value for name, value in spelled.parameters.items() if name not in given}
        self._constants = {n: writes[n](value) if n in writes else value for n, value in constants.items()}
        columns = list(statement.exported_columns)
        reads = [_reader(column.type, dialect) for column in columns]
        self._reads = tuple((place, read) for place, read in enumerate(reads) if read)
        names = [str(column.key) for column in columns]
        # As its own `_make`, without a call of Python for every row.
        self._make: Callable[[Iterable[Any]], Row] = partial(tuple.__new__, _row_type(names))

    def execute(self, connection: Connection, values: Values) -> Any:
        """Run it in the connection's transaction; returns the driver's cursor."""
        sent = self._sent(values)
        try:
            cursor = self._runner(connection).execute(self._sql, sent)
        except connection.dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemy(connection, self._sql, error) from error
        if listeners := connection.engine.dispatch.after_cursor_execute:
            listeners(connection, cursor, self._sql, sent, None, False)
        return cursor

    def _runner(self, connection: Connection) -> Any:
        """What runs statements of the driver, and gives the cursor of each. psycopg takes as long to make a cursor as
        to run a statement by it, so that a connection keeps one: what came of a statement is read before the next."""
        pooled = connection.connection
        if not self._keeps_cursor:
            return pooled.dbapi_connection
        kept = pooled.info.get(_CURSOR)
        if kept is None:
            kept = pooled.info[_CURSOR] = pooled.cursor()
        return kept

    def read(self, row: Sequence[Any]) -> Row:
        if not self._reads:
            return self._make(row)
        found = list(row)
        for place, change in self._reads:
            found[place] = change(found[place])
        return self._make(found)

    def _sent(self, values: Values) -> Any:
        sent = {**self._constants, **values}
        for name, change in self._writes:
            sent[name] = change(sent[name])
        for name, singles in self._lists:
            sent.update(zip(singles, sent.pop(name), strict=True))
        return sent if self._names is None else [sent[name] for name in self._names]


def _spelled_out(statement: Statement) -> Any:
    """Have the text name the values that never change. SQLite plans a statement anew at each run when a parameter
    decides whether an index of some rows will do, and no database uses such an index without looking."""

    def spell(element: object, **_: object) -> BindParameter[Any] | None:
        if isinstance(element, BindParameter) and not element.required:
            return element.render_literal_execute()
        return None

    return replacement_traverse(statement, {}, spell)


def _writer(kind: TypeEngine[Any], dialect: Dialect) -> _Change | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> _Change | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def run_sql(connection: Connection, sql: str) -> None:
    """Run what begins, parts and ends transactions, which takes no values and answers nothing."""
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute(sql)
    except connection.dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemy(connection, sql, error) from error


def as_sqlalchemy(connection: Connection, sql: str, error: Any) -> Exception:
    """What SQLAlchemy raises in the place of the driver's error. A connection that is lost goes back to no pool."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    if lost:
        connection.invalidate(error)
    # What is stored must not stand in logs.
    raised: Exception = DBAPIError.instance(
        sql, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=lost, dialect=dialect
    )
    return raised


def _row_type(names: Sequence[str]) -> Any:
    make: Any = namedtuple  # noqa: PYI024 - its fields are known to the statement alone
    return make("Row", names, rename=True)
