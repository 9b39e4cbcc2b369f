"""A full disk: writes are refused whole, reads go on, and when there is room again everything works as before.

The limit is of pages of the database file (settled 33): a file system of its own would need root.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError
from tests.actions import repeatable
from tests.actions.stage import Shop, Stage, new_platform
from tests.clock import Clock
from tests.databases import SqlitePlace

from credenza.actions import projects
from credenza.actions.context import Once
from credenza.domain.model import Status
from credenza.store.engine import Database, reading
from credenza.store.schema import certificates

ROOM_PAGES = 12
UNLIMITED = 2**30


@pytest.fixture
def own_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """With engines of its own, because a limit is the engine's."""
    place = SqlitePlace(tmp_path)
    yield place.put(sqlite_template)
    place.close()


@pytest.fixture
def small(own_database: Database, clock: Clock) -> Shop:
    return Shop(Stage(new_platform(own_database, now=clock.now()), clock))


def limit(engine: Engine, pages: int) -> None:
    """Pages are a matter of each connection: those open now are closed, and the new ones know the limit."""

    def set_limit(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}").close()

    engine.dispose()
    event.listen(engine, "connect", set_limit)


def pages(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(text("PRAGMA page_count")).scalar_one())


def fill(shop: Shop) -> None:
    """Add keys until the disk is full; see that the one that was refused has left nothing."""
    while True:
        facts, before = shop.stage.facts(), shop.stage.traces()
        try:
            shop.add()
        except OperationalError as error:
            message = str(error.orig)
            break
    after = shop.stage.facts()
    assert "full" in message
    assert {row.der for row in after.pop("certificates") - facts.pop("certificates")} <= {None}
    assert after == facts
    assert {trace[1] for trace in shop.stage.new_traces(before)} <= {"failed"}


def test_a_full_disk_refuses_writes_whole_and_reads_go_on(small: Shop) -> None:
    stage = small.stage
    engine = stage.platform.database.records
    limit(engine, pages(engine) + ROOM_PAGES)

    fill(small)

    assert small.look(small.key).status is Status.ACTIVE
    assert small.looked(projects.get).project == small.project
    assert stage.flaws() == []

    limit(engine, UNLIMITED)
    added = small.add()
    small.revoke(small.key)
    assert small.look(added).status is Status.ACTIVE
    assert small.look(small.key).status is Status.REVOKED
    assert stage.flaws() == []


def test_a_request_that_met_a_full_disk_is_done_once_when_repeated(small: Shop) -> None:
    stage, once = small.stage, Once("full", "a" * 64)
    engine = stage.platform.database.records
    request = repeatable.project_create(small)
    limit(engine, pages(engine) + ROOM_PAGES)
    fill(small)
    with pytest.raises(OperationalError, match="full"):
        request.ask(stage.platform, once)

    limit(engine, UNLIMITED)
    stage.clock.advance(repeatable.PATIENCE)
    answer = request.ask(stage.platform, once)

    assert request.ask(stage.platform, once) == answer
    assert [row.serial_hex for row in stage.rows(certificates) if row.credential_id == answer.credentials[0].id]
