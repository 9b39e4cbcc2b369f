"""SQLAlchemy's transactions, lent to what writes traces: those of gates on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import SQLAlchemyError

from credenza.store.engine import writing
from credenza.store.trace_writing import Unwritten


class EngineTraces:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def writing(self) -> Iterator[EngineTransaction]:
        try:
            with writing(self._engine) as connection:
                yield EngineTransaction(connection)
        except SQLAlchemyError as error:
            raise Unwritten("traces") from error


class EngineTransaction:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        return self._connection.execute(text(statement), values).all()

    def change(self, statement: str, values: Mapping[str, Any]) -> int:
        return self._connection.execute(text(statement), values).rowcount
