"""Accounts of an organization: the middle of the tree organization, account, workspace.

What hangs on the tree (scopes of API credentials) is told of every change but a name's: whoever is answered knows that
no gate decides by the old tree any more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Account, AccountId, Actor, Organization, OrganizationId, Workspace, WorkspaceId
from credenza.domain.names import usual_name
from credenza.store import changes, leases, tree

_FIRST_WORKSPACE = "Default"


def list_all(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[Account, ...]:
    """List the accounts that are not archived, by name."""
    with viewing(platform, Attempt(actor, Action.ACCOUNT_LIST, now, organization_id=organization_id)) as act:
        return tree.list_accounts(act.connection, organization_id)


def create(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    name: str,
    now: datetime,
    once: Once | None = None,
) -> Account:
    attempt = Attempt(actor, Action.ACCOUNT_CREATE, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, Account)
        if claimed.answer is not None:
            return claimed.answer
        account = Account(AccountId(platform.new_id()), organization_id, usual_name(name), now)
        tree.insert_account(act.connection, account)
        changes.record(act.connection, organization_id, changes.ChangeKind.ORGANIZATION, organization_id)
        act.note(account.id, account.name)
        return settle(act, account)


def rename(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    account_id: AccountId,
    *,
    name: str,
    now: datetime,
) -> Account:
    with acting(platform, Attempt(actor, Action.ACCOUNT_RENAME, now, organization_id=organization_id)) as act:
        account = find_account(act, account_id)
        renamed = replace(account, name=usual_name(name))
        tree.rename_account(act.connection, account_id, renamed.name)
        act.note(account_id, f"{account.name} is {renamed.name}")
        return renamed


def archive(
    platform: Platform, actor: Actor, organization_id: OrganizationId, account_id: AccountId, *, now: datetime
) -> None:
    """Archive an account with its workspaces; returns when no gate lets anybody into them any more."""
    with acting(platform, Attempt(actor, Action.ACCOUNT_ARCHIVE, now, organization_id=organization_id)) as act:
        account = find_account(act, account_id)
        inside = tree.list_workspaces(act.connection, organization_id, account_id)
        tree.archive_account(act.connection, account_id, now=now)
        number = changes.record(act.connection, organization_id, changes.ChangeKind.ORGANIZATION, organization_id)
        act.note(account_id, f"{account.name}, workspaces: {len(inside)}")
    leases.await_reach(platform.database.records, number, lease=platform.policy.lease)


def begin_tree(platform: Platform, connection: Connection, organization: Organization, *, now: datetime) -> None:
    """Give a new organization an account of its own name, and one workspace."""
    account = Account(AccountId(platform.new_id()), organization.id, organization.name, now)
    tree.insert_account(connection, account)
    identity = WorkspaceId(platform.new_id())
    tree.insert_workspace(connection, Workspace(identity, organization.id, account.id, _FIRST_WORKSPACE, now))


def find_account(act: Act, account_id: AccountId) -> Account:
    account = tree.find_account(act.connection, act.organization_id, account_id)
    if account is None:
        raise Refusal(Code.NOT_FOUND, "The organization has no such account.", field="accountId")
    return account
