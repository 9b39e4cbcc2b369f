"""Tests prove things on servers that a fork parent starts; `make proof` starts each by the real command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.forked import ForkedServer, parent_of_servers
from tests.installation import CredenzaServer

from credenza.settings import Settings
from proof import stage


def _server(settings: Settings, *, wrapper: Sequence[str] = (), **named: Any) -> CredenzaServer:
    """What is wrapped is a command."""
    return CredenzaServer(settings, wrapper=wrapper, **named) if wrapper else ForkedServer(settings, **named)


@pytest.fixture(autouse=True)
def forked_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    parent_of_servers()  # some claims start servers from threads that end
    monkeypatch.setattr(stage, "CredenzaServer", _server)
