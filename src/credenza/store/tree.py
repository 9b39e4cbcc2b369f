"""The tree of an organization: accounts, and the workspaces in them. What is archived is found by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Account, AccountId, OrganizationId, Workspace, WorkspaceId
from credenza.store.schema import accounts, workspaces
from credenza.store.upsert import violates

_ACCOUNT = (
    accounts.c.id,
    accounts.c.organization_id,
    accounts.c.name,
    accounts.c.created_at,
    accounts.c.archived_at,
)
_WORKSPACE = (
    workspaces.c.id,
    workspaces.c.organization_id,
    workspaces.c.account_id,
    workspaces.c.name,
    workspaces.c.created_at,
    workspaces.c.archived_at,
)
_LIVE_ACCOUNT = accounts.c.archived_at.is_(None)
_LIVE_WORKSPACE = workspaces.c.archived_at.is_(None)


def insert_account(connection: Connection, account: Account) -> None:
    """Insert an account. Refuses a taken name."""
    with _account_name_is_free(account.name):
        connection.execute(insert(accounts).values({each.name: getattr(account, each.name) for each in _ACCOUNT}))


def rename_account(connection: Connection, account_id: AccountId, name: str) -> None:
    """Give an account another name. Refuses a taken one."""
    with _account_name_is_free(name):
        connection.execute(update(accounts).where(accounts.c.id == account_id).values(name=name))


def archive_account(connection: Connection, account_id: AccountId, *, now: datetime) -> None:
    """Archive an account, and with it the workspaces that are still in it."""
    inside = workspaces.c.account_id == account_id
    connection.execute(update(workspaces).where(inside, _LIVE_WORKSPACE).values(archived_at=now))
    connection.execute(update(accounts).where(accounts.c.id == account_id, _LIVE_ACCOUNT).values(archived_at=now))


def find_account(connection: Connection, organization_id: OrganizationId, account_id: AccountId) -> Account | None:
    query = select(*_ACCOUNT).where(
        accounts.c.organization_id == organization_id, accounts.c.id == account_id, _LIVE_ACCOUNT
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _account(row)


def list_accounts(connection: Connection, organization_id: OrganizationId) -> tuple[Account, ...]:
    query = select(*_ACCOUNT).where(accounts.c.organization_id == organization_id, _LIVE_ACCOUNT)
    return tuple(map(_account, connection.execute(query.order_by(accounts.c.name, accounts.c.id))))


def insert_workspace(connection: Connection, workspace: Workspace) -> None:
    """Insert a workspace. Refuses a name that is taken in its account."""
    with _workspace_name_is_free(workspace.name):
        connection.execute(insert(workspaces).values({each.name: getattr(workspace, each.name) for each in _WORKSPACE}))


def rename_workspace(connection: Connection, workspace_id: WorkspaceId, name: str) -> None:
    """Give a workspace another name. Refuses one that is taken in its account."""
    with _workspace_name_is_free(name):
        connection.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(name=name))


def move_workspace(connection: Connection, workspace: Workspace, to: AccountId) -> None:
    """Put a workspace into another account. Refuses where its name is taken there."""
    with _workspace_name_is_free(workspace.name):
        connection.execute(update(workspaces).where(workspaces.c.id == workspace.id).values(account_id=to))


def archive_workspace(connection: Connection, workspace_id: WorkspaceId, *, now: datetime) -> None:
    connection.execute(
        update(workspaces).where(workspaces.c.id == workspace_id, _LIVE_WORKSPACE).values(archived_at=now)
    )


def find_workspace(
    connection: Connection, organization_id: OrganizationId, workspace_id: WorkspaceId
) -> Workspace | None:
    query = select(*_WORKSPACE).where(
        workspaces.c.organization_id == organization_id, workspaces.c.id == workspace_id, _LIVE_WORKSPACE
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _workspace(row)


def list_workspaces(
    connection: Connection, organization_id: OrganizationId, account_id: AccountId | None = None
) -> tuple[Workspace, ...]:
    """List the workspaces of an organization, or of one of its accounts, by name."""
    query = select(*_WORKSPACE).where(workspaces.c.organization_id == organization_id, _LIVE_WORKSPACE)
    if account_id is not None:
        query = query.where(workspaces.c.account_id == account_id)
    return tuple(map(_workspace, connection.execute(query.order_by(workspaces.c.name, workspaces.c.id))))


@contextmanager
def _account_name_is_free(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if violates(error, "uq_accounts_name", accounts.c.organization_id, accounts.c.name):
            raise Refusal(
                Code.DUPLICATE_NAME,
                f"The organization already has an account named {name!r}. Choose another name.",
                field="name",
            ) from error
        raise


@contextmanager
def _workspace_name_is_free(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if violates(error, "uq_workspaces_name", workspaces.c.account_id, workspaces.c.name):
            raise Refusal(
                Code.DUPLICATE_NAME,
                f"The account already has a workspace named {name!r}. Rename one of them, or choose another name.",
                field="name",
            ) from error
        raise


def _account(row: Row[*tuple[Any, ...]]) -> Account:
    return Account(AccountId(row.id), OrganizationId(row.organization_id), row.name, row.created_at, row.archived_at)


def _workspace(row: Row[*tuple[Any, ...]]) -> Workspace:
    return Workspace(
        WorkspaceId(row.id),
        OrganizationId(row.organization_id),
        AccountId(row.account_id),
        row.name,
        row.created_at,
        row.archived_at,
    )
