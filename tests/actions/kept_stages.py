"""Stages for tests, made once for a run on each kind of database: the others have their rows.

To start a platform and to open a shop takes longer than most of what is tested on them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tests.actions.stage import Shop, Stage, know_the_timeline, new_platform
from tests.clock import Clock
from tests.databases import RenewedDatabase, SqlitePlace
from tests.servers import PostgreSQLServer

from credenza.actions.issuers import NoTokens, OpenKeys
from credenza.domain.model import ProjectType
from credenza.store.engine import Database, open_database


class Room(Protocol):
    """Where databases of one kind are kept."""

    def first(self, name: str) -> Database:
        """An empty database, to be filled and closed."""
        ...

    def renewed(self, name: str) -> Database:
        """A database as the one of that name was when it was closed."""
        ...


class SqliteRoom:
    def __init__(self, directory: Path, template: Path) -> None:
        self._directory, self._template = directory, template
        self._in_use = directory / "in use"
        self._in_use.mkdir()
        self._place = SqlitePlace(self._in_use)

    def first(self, name: str) -> Database:
        place = self._directory / name
        place.mkdir()
        return SqlitePlace(place).put(self._template)

    def renewed(self, name: str) -> Database:
        return self._place.put(self._directory / name)

    def close(self) -> None:
        self._place.close()


class PostgreSQLRoom:
    def __init__(self, server: PostgreSQLServer, template: str) -> None:
        self._server, self._template = server, template
        self._urls: dict[str, str] = {}
        self._renewed: dict[str, RenewedDatabase] = {}

    def first(self, name: str) -> Database:
        self._urls[name] = self._server.create_database(template=self._template)
        return open_database(self._urls[name])

    def renewed(self, name: str) -> Database:
        if name not in self._renewed:
            self._renewed[name] = RenewedDatabase(self._server, self._urls[name].rpartition("/")[2])
        return self._renewed[name].renew()

    def close(self) -> None:
        for each in self._renewed.values():
            each.drop()


@dataclass(frozen=True, slots=True)
class _Kept:
    stage: Stage
    shop: Shop | None
    numbers: tuple[int, int]


class KeptStages:
    """`stage` and `shop` are as new ones are, on one kind of database."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._kept: dict[str, _Kept] = {}

    def stage(self, clock: Clock) -> Stage:
        return self._stage(self._made("stage", lambda _: None), "stage", clock)

    def shop(self, clock: Clock, project_type: ProjectType) -> Shop:
        kept = self._made(project_type, lambda stage: Shop(stage, project_type))
        assert kept.shop is not None
        shop = copy.copy(kept.shop)
        shop.stage = self._stage(kept, project_type, clock)
        return shop

    def _made(self, name: str, open_shop: Callable[[Stage], Shop | None]) -> _Kept:
        if name not in self._kept:
            database, clock = self._room.first(name), Clock()
            know_the_timeline(database.records)
            stage = Stage(new_platform(database, now=clock.now()), clock)
            shop = open_shop(stage)
            self._kept[name] = _Kept(stage, shop, stage.numbers())
            database.close()
        return self._kept[name]

    def _stage(self, kept: _Kept, name: str, clock: Clock) -> Stage:
        """With a platform that has not opened a key yet."""
        first = kept.stage.platform
        keys = OpenKeys(first.vault, NoTokens())
        platform = replace(first, database=self._room.renewed(name), issuer_keys=keys)
        return Stage(platform, clock, kept.numbers)
