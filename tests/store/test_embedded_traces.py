"""The gate's own connection to SQLite's traces: all of a batch is written or nothing, and a failure has one name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.store.test_traces import CALLER, stored

from credenza.store import trace_writing
from credenza.store.embedded_traces import EmbeddedTraces
from credenza.store.engine import Database
from credenza.store.trace_writing import Caller, Unwritten


@pytest.fixture
def traces(sqlite_database: Database) -> Iterator[EmbeddedTraces]:
    opened = EmbeddedTraces(Path(str(sqlite_database.traces.url.database)))
    yield opened
    opened.close()


def write(traces: EmbeddedTraces, caller: Caller, *, then: str = "SELECT 1") -> None:
    with traces.writing() as transaction:
        trace_writing.add_callers(transaction, [caller])
        transaction.rows(then, {})


def test_what_was_written_before_a_failure_is_gone_and_the_next_batch_is_whole(
    traces: EmbeddedTraces, sqlite_database: Database
) -> None:
    with pytest.raises(Unwritten):
        write(traces, CALLER, then="SELECT * FROM nowhere")
    write(traces, replace(CALLER, admitted=5))

    assert stored(sqlite_database) == (replace(CALLER, admitted=5),)


def test_a_fault_of_ours_keeps_its_name_and_writes_nothing(traces: EmbeddedTraces, sqlite_database: Database) -> None:
    with pytest.raises(TypeError):
        write(traces, replace(CALLER, user_agent=None))  # type: ignore[arg-type] # the fault
    write(traces, CALLER)

    assert stored(sqlite_database) == (CALLER,)


def test_a_database_that_is_missing_is_not_made_anew(tmp_path: Path) -> None:
    missing = EmbeddedTraces(tmp_path / "traces.db")

    with pytest.raises(Unwritten), missing.writing():
        pass

    assert not (tmp_path / "traces.db").exists()


def test_it_may_be_closed_unused_and_is_opened_again_by_the_next_batch(
    traces: EmbeddedTraces, sqlite_database: Database
) -> None:
    traces.close()
    write(traces, CALLER)
    traces.close()
    write(traces, CALLER)

    assert stored(sqlite_database) == (replace(CALLER, admitted=4, refused=2),)
