"""Accounts of an organization over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from credenza.actions import accounts
from credenza.api.asked import Caller, OrganizationPath
from credenza.api.idempotency import Repeatable
from credenza.domain.model import AccountId, OrganizationId
from credenza.wire import tree as wire
from credenza.wire.shape import Uuid

AccountPath = Annotated[Uuid, Path(alias="account_id")]


def list_all(asked: Caller, organization_id: OrganizationPath) -> list[wire.Account]:
    """List the accounts that are not archived, by name."""
    found = accounts.list_all(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [wire.Account.model_validate(each) for each in found]


def create(asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.NewAccount) -> wire.Account:
    made = accounts.create(
        asked.platform, asked.actor, OrganizationId(organization_id), name=new.name, now=asked.now, once=once
    )
    return wire.Account.model_validate(made)


def rename(
    asked: Caller, organization_id: OrganizationPath, account_id: AccountPath, edit: wire.AccountEdit
) -> wire.Account:
    place = (OrganizationId(organization_id), AccountId(account_id))
    renamed = accounts.rename(asked.platform, asked.actor, *place, name=edit.name, now=asked.now)
    return wire.Account.model_validate(renamed)


def archive(asked: Caller, organization_id: OrganizationPath, account_id: AccountPath) -> None:
    """Archive an account with its workspaces: nobody is let into them any more. There is no way back."""
    place = (OrganizationId(organization_id), AccountId(account_id))
    accounts.archive(asked.platform, asked.actor, *place, now=asked.now)
