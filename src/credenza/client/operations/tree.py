"""Accounts, workspaces and the roles that an organization makes."""

from __future__ import annotations

from credenza.client.operations.answers import many, nothing, one
from credenza.client.operations.operation import Operation
from credenza.wire.roles import Role, RoleContent
from credenza.wire.tree import Account, AccountEdit, NewAccount, NewWorkspace, Workspace, WorkspaceEdit, WorkspaceMove


def list_accounts(organization_id: str) -> Operation[tuple[Account, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/accounts", many(Account))


def create_account(organization_id: str, new: NewAccount) -> Operation[Account]:
    return Operation("POST", f"/api/organizations/{organization_id}/accounts", one(Account), body=new)


def rename_account(organization_id: str, account_id: str, edit: AccountEdit) -> Operation[Account]:
    return Operation("PUT", f"/api/organizations/{organization_id}/accounts/{account_id}", one(Account), body=edit)


def archive_account(organization_id: str, account_id: str) -> Operation[None]:
    """With its workspaces. There is no way back."""
    return Operation("DELETE", f"/api/organizations/{organization_id}/accounts/{account_id}", nothing)


def list_workspaces(organization_id: str) -> Operation[tuple[Workspace, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/workspaces", many(Workspace))


def create_workspace(organization_id: str, new: NewWorkspace) -> Operation[Workspace]:
    return Operation("POST", f"/api/organizations/{organization_id}/workspaces", one(Workspace), body=new)


def rename_workspace(organization_id: str, workspace_id: str, edit: WorkspaceEdit) -> Operation[Workspace]:
    path = f"/api/organizations/{organization_id}/workspaces/{workspace_id}"
    return Operation("PUT", path, one(Workspace), body=edit)


def move_workspace(organization_id: str, workspace_id: str, move: WorkspaceMove) -> Operation[Workspace]:
    path = f"/api/organizations/{organization_id}/workspaces/{workspace_id}/account"
    return Operation("PUT", path, one(Workspace), body=move)


def archive_workspace(organization_id: str, workspace_id: str) -> Operation[None]:
    """There is no way back."""
    return Operation("DELETE", f"/api/organizations/{organization_id}/workspaces/{workspace_id}", nothing)


def list_roles(organization_id: str) -> Operation[tuple[Role, ...]]:
    """Those that the organization has made."""
    return Operation("GET", f"/api/organizations/{organization_id}/roles", many(Role))


def create_role(organization_id: str, new: RoleContent) -> Operation[Role]:
    return Operation("POST", f"/api/organizations/{organization_id}/roles", one(Role), body=new)


def edit_role(organization_id: str, role_id: str, new: RoleContent) -> Operation[Role]:
    return Operation("PUT", f"/api/organizations/{organization_id}/roles/{role_id}", one(Role), body=new)


def remove_role(organization_id: str, role_id: str) -> Operation[None]:
    """Nobody may hold it, and nobody be invited to it."""
    return Operation("DELETE", f"/api/organizations/{organization_id}/roles/{role_id}", nothing)
