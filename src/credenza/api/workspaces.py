"""Workspaces of an organization over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from credenza.actions import workspaces
from credenza.api.asked import Caller, OrganizationPath
from credenza.api.idempotency import Repeatable
from credenza.domain.model import AccountId, OrganizationId, WorkspaceId
from credenza.wire import tree as wire
from credenza.wire.shape import Uuid

WorkspacePath = Annotated[Uuid, Path(alias="workspace_id")]


def list_all(asked: Caller, organization_id: OrganizationPath) -> list[wire.Workspace]:
    """List the workspaces that are not archived, by name."""
    found = workspaces.list_all(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [wire.Workspace.model_validate(each) for each in found]


def create(
    asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.NewWorkspace
) -> wire.Workspace:
    made = workspaces.create(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        account_id=AccountId(new.account_id),
        name=new.name,
        now=asked.now,
        once=once,
    )
    return wire.Workspace.model_validate(made)


def rename(
    asked: Caller, organization_id: OrganizationPath, workspace_id: WorkspacePath, edit: wire.WorkspaceEdit
) -> wire.Workspace:
    place = (OrganizationId(organization_id), WorkspaceId(workspace_id))
    renamed = workspaces.rename(asked.platform, asked.actor, *place, name=edit.name, now=asked.now)
    return wire.Workspace.model_validate(renamed)


def move(
    asked: Caller, organization_id: OrganizationPath, workspace_id: WorkspacePath, move: wire.WorkspaceMove
) -> wire.Workspace:
    """Put a workspace into another account of the organization."""
    place = (OrganizationId(organization_id), WorkspaceId(workspace_id))
    moved = workspaces.move(asked.platform, asked.actor, *place, to=AccountId(move.account_id), now=asked.now)
    return wire.Workspace.model_validate(moved)


def archive(asked: Caller, organization_id: OrganizationPath, workspace_id: WorkspacePath) -> None:
    """Archive a workspace: nobody is let into it any more. There is no way back."""
    place = (OrganizationId(organization_id), WorkspaceId(workspace_id))
    workspaces.archive(asked.platform, asked.actor, *place, now=asked.now)
