"""Accounts and workspaces as people name them: by name, or by id where a name is not enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from credenza.cli.failure import CommandFailed, ExitCode
from credenza.client import operations
from credenza.client.management import ManagementClient
from credenza.wire.roles import Role
from credenza.wire.tree import Account, Workspace


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


Thing = TypeVar("Thing", bound=_Named)


def account(client: ManagementClient, organization: str, given: str) -> Account:
    found = client.send(operations.list_accounts(organization))
    return the_one(found, given, "account")


def workspace(client: ManagementClient, organization: str, given: str) -> Workspace:
    found = client.send(operations.list_workspaces(organization))
    return the_one(found, given, "workspace")


def role(client: ManagementClient, organization: str, given: str) -> Role:
    found = client.send(operations.list_roles(organization))
    return the_one(found, given, "role")


def the_one(found: Sequence[Thing], given: str, kind: str) -> Thing:
    """Find what somebody calls by its name or its id."""
    named = [each for each in found if given in (each.id, each.name)]
    if not named:
        raise CommandFailed(f"There is no {kind} {given!r}. List them: credenza {kind} list", ExitCode.NOT_FOUND)
    if len(named) > 1:
        ids = ", ".join(each.id for each in named)
        raise CommandFailed(f"Several are named {given!r}. Name one by its id: {ids}", ExitCode.USAGE)
    return named[0]
