"""Workspaces of an organization, each in one of its accounts: the leaves of the tree."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from credenza.actions.accounts import find_account
from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import AccountId, Actor, OrganizationId, Workspace, WorkspaceId
from credenza.domain.names import usual_name
from credenza.store import changes, leases, tree


def list_all(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[Workspace, ...]:
    """List the workspaces that are not archived, by name."""
    with viewing(platform, Attempt(actor, Action.WORKSPACE_LIST, now, organization_id=organization_id)) as act:
        return tree.list_workspaces(act.connection, organization_id)


def create(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    account_id: AccountId,
    name: str,
    now: datetime,
    once: Once | None = None,
) -> Workspace:
    attempt = Attempt(actor, Action.WORKSPACE_CREATE, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, Workspace)
        if claimed.answer is not None:
            return claimed.answer
        find_account(act, account_id)
        identity = WorkspaceId(platform.new_id())
        workspace = Workspace(identity, organization_id, account_id, usual_name(name), now)
        tree.insert_workspace(act.connection, workspace)
        # Gates know an organization's tree as a whole: they must look at it anew.
        changes.record(act.connection, organization_id, changes.ChangeKind.ORGANIZATION, organization_id)
        act.note(workspace.id, workspace.name)
        return settle(act, workspace)


def rename(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    workspace_id: WorkspaceId,
    *,
    name: str,
    now: datetime,
) -> Workspace:
    with acting(platform, Attempt(actor, Action.WORKSPACE_RENAME, now, organization_id=organization_id)) as act:
        workspace = _find(act, workspace_id)
        renamed = replace(workspace, name=usual_name(name))
        tree.rename_workspace(act.connection, workspace_id, renamed.name)
        act.note(workspace_id, f"{workspace.name} is {renamed.name}")
        return renamed


def move(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    workspace_id: WorkspaceId,
    *,
    to: AccountId,
    now: datetime,
) -> Workspace:
    """Put a workspace into another account of its organization; returns when every gate decides by the new tree."""
    with acting(platform, Attempt(actor, Action.WORKSPACE_MOVE, now, organization_id=organization_id)) as act:
        workspace, account = _find(act, workspace_id), find_account(act, to)
        tree.move_workspace(act.connection, workspace, account.id)
        number = changes.record(act.connection, organization_id, changes.ChangeKind.ORGANIZATION, organization_id)
        act.note(workspace_id, f"{workspace.name} to {account.name}")
    leases.await_reach(platform.database.records, number, lease=platform.policy.lease)
    return replace(workspace, account_id=account.id)


def archive(
    platform: Platform, actor: Actor, organization_id: OrganizationId, workspace_id: WorkspaceId, *, now: datetime
) -> None:
    """Archive a workspace; returns when no gate lets anybody into it any more."""
    with acting(platform, Attempt(actor, Action.WORKSPACE_ARCHIVE, now, organization_id=organization_id)) as act:
        workspace = _find(act, workspace_id)
        tree.archive_workspace(act.connection, workspace_id, now=now)
        number = changes.record(act.connection, organization_id, changes.ChangeKind.ORGANIZATION, organization_id)
        act.note(workspace_id, workspace.name)
    leases.await_reach(platform.database.records, number, lease=platform.policy.lease)


def _find(act: Act, workspace_id: WorkspaceId) -> Workspace:
    workspace = tree.find_workspace(act.connection, act.organization_id, workspace_id)
    if workspace is None:
        raise Refusal(Code.NOT_FOUND, "The organization has no such workspace.", field="workspaceId")
    return workspace
