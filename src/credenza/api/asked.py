"""What every endpoint is given: the platform, who asks, and the one moment that counts for the request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import Depends, Path, Request

from credenza.actions.context import Platform
from credenza.api.arrival import arrival_of
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor
from credenza.wire.shape import CredentialId, EnvironmentName, Uuid


@dataclass(frozen=True, slots=True)
class Asked:
    platform: Platform
    actor: Actor
    now: datetime


async def asked(request: Request) -> Asked:
    arrival = arrival_of(request)
    if arrival.actor is None:  # the door proves who asks below /api and /developer; anything else asks for nobody
        raise Refusal(Code.UNAUTHENTICATED, "Nobody is known to ask.")
    return Asked(request.app.state.platform, arrival.actor, arrival.now)


Caller: TypeAlias = Annotated[Asked, Depends(asked)]

OrganizationPath: TypeAlias = Annotated[Uuid, Path(alias="organization_id")]
ProjectPath: TypeAlias = Annotated[Uuid, Path(alias="project_id")]
CredentialPath: TypeAlias = Annotated[CredentialId, Path(alias="credential_id")]
UserPath: TypeAlias = Annotated[Uuid, Path(alias="user_id")]
InvitationPath: TypeAlias = Annotated[Uuid, Path(alias="invitation_id")]
EnvironmentPath: TypeAlias = Annotated[EnvironmentName, Path(alias="environment_name")]
