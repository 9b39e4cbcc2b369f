"""Tests prove things on servers that a fork parent starts, and on one PostgreSQL; `make proof` starts each by the real
command line, and a PostgreSQL for each claim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.forked import ForkedServer, parent_of_servers
from tests.installation import CredenzaServer
from tests.servers import PostgreSQLServer

from credenza.settings import Settings
from proof import stage


def _server(settings: Settings, *, wrapper: Sequence[str] = (), **named: Any) -> CredenzaServer:
    """What is wrapped is a command."""
    return CredenzaServer(settings, wrapper=wrapper, **named) if wrapper else ForkedServer(settings, **named)


@dataclass(frozen=True, slots=True)
class _Migrated:
    """Makes databases that an upgrade finds to be of this release."""

    server: PostgreSQLServer
    template: str

    def create_database(self) -> str:
        return self.server.create_database(template=self.template)


@pytest.fixture(autouse=True)
def shared_postgresql(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def shared() -> Iterator[_Migrated]:
        yield _Migrated(request.getfixturevalue("postgresql"), request.getfixturevalue("postgresql_template"))

    monkeypatch.setattr(stage, "PostgreSQLServer", shared)


@pytest.fixture(autouse=True)
def forked_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    parent_of_servers()  # some claims start servers from threads that end
    monkeypatch.setattr(stage, "CredenzaServer", _server)
