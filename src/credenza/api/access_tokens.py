"""Personal access tokens over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from credenza.actions import access_tokens
from credenza.api.asked import Caller, OrganizationPath
from credenza.api.idempotency import Repeatable
from credenza.domain.access import Scope
from credenza.domain.model import OrganizationId
from credenza.wire import tokens as wire
from credenza.wire.shape import Uuid

TokenPath = Annotated[Uuid, Path(alias="token_id")]


def create(
    asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.NewAccessToken
) -> wire.IssuedAccessToken:
    """Issue a token to the caller. It is shown this once, and never wider than the caller's own."""
    issued = access_tokens.create(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        name=new.name,
        scopes=frozenset(Scope(each) for each in new.scopes),
        days=new.days,
        now=asked.now,
        once=once,
    )
    shown = wire.AccessToken.model_validate(issued.token)
    return wire.IssuedAccessToken(**shown.model_dump(), token=issued.secret)


def list_own(asked: Caller, organization_id: OrganizationPath) -> list[wire.AccessToken]:
    """List the caller's tokens; an organization's admin sees everybody's."""
    found = access_tokens.list_own(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [wire.AccessToken.model_validate(each) for each in found]


def revoke(asked: Caller, organization_id: OrganizationPath, token_id: TokenPath) -> None:
    access_tokens.revoke(asked.platform, asked.actor, OrganizationId(organization_id), token_id, now=asked.now)
