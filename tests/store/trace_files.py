"""Where traces are written, as a server chooses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credenza.store.embedded_traces import EmbeddedTraces
from credenza.store.engine import Database
from credenza.store.engine_traces import EngineTraces
from credenza.store.trace_writing import TraceFile


@contextmanager
def opened_traces(database: Database) -> Iterator[TraceFile]:
    if not database.embedded:
        yield EngineTraces(database.traces)
        return
    assert database.traces.url.database is not None
    traces = EmbeddedTraces(Path(database.traces.url.database))
    yield traces
    traces.close()
