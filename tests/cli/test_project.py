"""`credenza project` against a real server, on the way of a project from OAuth 1.0a to 2.0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.cli import command
from tests.cli.command import Ran
from tests.forked import ForkedServer
from tests.installation import NOWHERE, Installation, furnish, now, settings

from credenza.actions import services
from credenza.actions.services import NewService
from credenza.cli import local
from credenza.domain.model import AuthenticationType, EnvironmentName, ProjectType, Service, ServiceEnvironment

Run: TypeAlias = Callable[..., Ran]
SCOPES = frozenset({"parcels:read", "parcels:write"})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ForkedServer, Installation, Path]]:
    directory = tmp_path_factory.mktemp("project")
    chosen = settings(directory)
    with ForkedServer(chosen) as server, furnish(chosen) as installation:
        yield server, installation, directory


@pytest.fixture
def installation(desk: tuple[ForkedServer, Installation, Path]) -> Installation:
    return desk[1]


@pytest.fixture
def run(desk: tuple[ForkedServer, Installation, Path]) -> Run:
    server, installation, directory = desk
    return partial(command.run, at=directory, CREDENZA_URL=server.manage_origin, CREDENZA_TOKEN=installation.token)


@pytest.fixture(scope="module")
def parcels(desk: tuple[ForkedServer, Installation, Path]) -> Service:
    places = tuple(ServiceEnvironment(each, "/parcels", NOWHERE, 13, None) for each in EnvironmentName)
    new = NewService("Parcels", AuthenticationType.DUAL_OAUTH, "By land and sea.", places, SCOPES)
    return services.create(desk[1].platform, local.OPERATOR, new, now=now())


def words(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_the_catalog_says_what_a_project_needs_to_know_of_a_service(run: Run, parcels: Service) -> None:
    table = run("project", "services").out

    head, *rows = words(table)
    (row,) = [each for each in rows if "Parcels" in each]
    assert head == ["SERVICE", "ID", "NAME", "AUTHENTICATION", "TYPE", "SCOPES", "DESCRIPTION"]
    assert row[:4] == [str(parcels.id), "Parcels", "DUAL_OAUTH", "parcels:read"]
    assert "parcels:write" in table


def test_an_upgraded_project_says_so_and_how_to_call(run: Run, installation: Installation, parcels: Service) -> None:
    project, _ = installation.add_project(ProjectType.OAUTH10A, parcels)
    before = run("project", "view", "--project", project.id)

    upgraded = run("project", "upgrade-oauth2", "--yes", "--project", project.id)

    after = run("project", "view", "--project", project.id)
    assert upgraded.code == 0
    assert "credenza call GET URL --auth oauth2" in upgraded.err
    assert ["OAuth 2.0" in each.out for each in (before, upgraded, after)] == [False, True, True]


def test_an_upgrade_that_cannot_be_names_what_is_in_its_way(run: Run, installation: Installation) -> None:
    project, _ = installation.add_project()

    refused = run("project", "upgrade-oauth2", "--yes", "--project", project.id)

    assert refused.code == 1
    assert f"do not take OAuth 2.0 yet: {installation.service.name}" in refused.err
