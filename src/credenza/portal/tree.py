"""Settings: the organization's accounts and their workspaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from credenza.actions import accounts, permissions, workspaces
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Account, AccountId, OrganizationId, Workspace, WorkspaceId
from credenza.portal.rendering import render
from credenza.portal.visit import Visit


@dataclass(frozen=True, slots=True)
class Branch:
    """An account and what is in it."""

    account: Account
    workspaces: tuple[Workspace, ...]


def show(visit: Visit) -> Response:
    return _page(visit)


def create_account(visit: Visit) -> Response:
    try:
        accounts.create(visit.portal.platform, visit.actor, _organization(visit), name=_name(visit), now=visit.now)
    except Refusal as refusal:
        return _page(visit, refusal)
    return visit.go(_list(visit))


def ask_rename_account(visit: Visit) -> Response:
    return _account_form(visit)


def rename_account(visit: Visit) -> Response:
    place = (_organization(visit), AccountId(visit.path("account_id")))
    try:
        accounts.rename(visit.portal.platform, visit.actor, *place, name=_name(visit), now=visit.now)
    except Refusal as refusal:
        return _account_form(visit, refusal)
    return visit.go(_list(visit))


def ask_archive_account(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _render(visit, "account_archive.html", branch=_branch(visit))


def archive_account(visit: Visit) -> Response:
    place = (_organization(visit), AccountId(visit.path("account_id")))
    accounts.archive(visit.portal.platform, visit.actor, *place, now=visit.now)
    return visit.go(_list(visit))


def create_workspace(visit: Visit) -> Response:
    place = (visit.portal.platform, visit.actor, _organization(visit))
    account_id = AccountId(visit.fields.get("account", ""))
    try:
        workspaces.create(*place, account_id=account_id, name=_name(visit), now=visit.now)
    except Refusal as refusal:
        return _page(visit, refusal)
    return visit.go(_list(visit))


def ask_rename_workspace(visit: Visit) -> Response:
    return _workspace_form(visit, "workspace_rename.html")


def rename_workspace(visit: Visit) -> Response:
    place = (_organization(visit), WorkspaceId(visit.path("workspace_id")))
    try:
        workspaces.rename(visit.portal.platform, visit.actor, *place, name=_name(visit), now=visit.now)
    except Refusal as refusal:
        return _workspace_form(visit, "workspace_rename.html", refusal)
    return visit.go(_list(visit))


def ask_move_workspace(visit: Visit) -> Response:
    return _workspace_form(visit, "workspace_move.html")


def move_workspace(visit: Visit) -> Response:
    place = (_organization(visit), WorkspaceId(visit.path("workspace_id")))
    to = AccountId(visit.fields.get("account", ""))
    try:
        workspaces.move(visit.portal.platform, visit.actor, *place, to=to, now=visit.now)
    except Refusal as refusal:
        return _workspace_form(visit, "workspace_move.html", refusal)
    return visit.go(_list(visit))


def ask_archive_workspace(visit: Visit) -> Response:
    visit.ask_for_proof()
    return _workspace_form(visit, "workspace_archive.html")


def archive_workspace(visit: Visit) -> Response:
    place = (_organization(visit), WorkspaceId(visit.path("workspace_id")))
    workspaces.archive(visit.portal.platform, visit.actor, *place, now=visit.now)
    return visit.go(_list(visit))


def _page(visit: Visit, refusal: Refusal | None = None) -> Response:
    may = permissions.in_organization(visit.portal.platform, visit.actor, _organization(visit), now=visit.now)
    return _render(visit, "settings_tree.html", refusal=refusal, branches=_branches(visit), may=may, actions=Action)


def _account_form(visit: Visit, refusal: Refusal | None = None) -> Response:
    return _render(visit, "account_rename.html", refusal=refusal, account=_branch(visit).account)


def _workspace_form(visit: Visit, template: str, refusal: Refusal | None = None) -> Response:
    """Show a form about one workspace, with where it is and where it might be."""
    branches = _branches(visit)
    wanted = visit.path("workspace_id")
    found = next(((each, inside) for each in branches for inside in each.workspaces if inside.id == wanted), None)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "The organization has no such workspace.")
    home, workspace = found
    others = tuple(each.account for each in branches if each is not home)
    return _render(visit, template, refusal=refusal, workspace=workspace, home=home.account, others=others)


def _branches(visit: Visit) -> tuple[Branch, ...]:
    place = (visit.portal.platform, visit.actor, _organization(visit))
    inside = workspaces.list_all(*place, now=visit.now)
    return tuple(
        Branch(account, tuple(each for each in inside if each.account_id == account.id))
        for account in accounts.list_all(*place, now=visit.now)
    )


def _branch(visit: Visit) -> Branch:
    found = next((each for each in _branches(visit) if each.account.id == visit.path("account_id")), None)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "The organization has no such account.")
    return found


def _render(visit: Visit, template: str, *, refusal: Refusal | None = None, **context: Any) -> Response:
    return render(visit, template, section="settings", organization_id=_organization(visit), refusal=refusal, **context)


def _name(visit: Visit) -> str:
    return visit.fields.get("name", "")


def _organization(visit: Visit) -> OrganizationId:
    return OrganizationId(visit.path("organization_id"))


def _list(visit: Visit) -> str:
    return f"/organizations/{_organization(visit)}/settings/tree"
