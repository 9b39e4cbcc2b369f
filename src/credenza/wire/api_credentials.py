"""API credentials: a client id, its secrets, and what they may do where. A secret is in one shape alone: the answer to
its making."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field, StrictInt, StringConstraints

from credenza.wire.catalog import Permission, PermissionName, ScopeLevel
from credenza.wire.services import ServiceNumber
from credenza.wire.shape import AnswerShape, EnvironmentName, Moment, Name, RequestShape, Uuid

ApiCredentialStatus: TypeAlias = Literal["ACTIVE", "INACTIVE", "EXPIRED"]
KeepOld: TypeAlias = Literal["now", "1h", "24h", "7d", "30d", "until_deleted"]

Network: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Note: TypeAlias = Annotated[str, StringConstraints(max_length=500)]


class Grant(RequestShape):
    """Permissions of one API. `places` are the ids of the accounts or workspaces that they are for, none where the
    API's scope is fixed."""

    service_id: ServiceNumber
    permissions: Annotated[tuple[PermissionName, ...], Field(max_length=50)]
    places: Annotated[tuple[Uuid, ...], Field(max_length=1000)] = ()


class _Asked(RequestShape):
    """`networks` are address ranges, such as 203.0.113.0/24: none means anywhere. Without `endsAt` a credential does
    not end by itself."""

    name: Name
    note: Note = ""
    networks: Annotated[tuple[Network, ...], Field(max_length=50)] = ()
    ends_at: AwareDatetime | None = None
    grants: Annotated[tuple[Grant, ...], Field(max_length=50)]


class NewApiCredential(_Asked):
    environment: EnvironmentName


class ApiCredentialEdit(_Asked):
    """Takes the place of everything that can be edited. `version` is that of the credential that the editor saw."""

    version: Annotated[StrictInt, Field(ge=1, le=2_147_483_647)]


class NewClientSecret(RequestShape):
    """`keepOld` is how long the secret that is there goes on beside the new one."""

    keep_old: KeepOld = "24h"


class Place(AnswerShape):
    """An account, or a workspace with the account that it is in."""

    id: str
    level: ScopeLevel
    name: str
    account_id: str
    account: str
    archived: bool


class GrantedApi(AnswerShape):
    """`fixed`: for all places of the level, present and future."""

    service_id: int
    api: str
    permissions: tuple[Permission, ...]
    level: ScopeLevel
    fixed: bool
    places: tuple[Place, ...]


class ClientSecret(AnswerShape):
    """A secret without the secret. Without `expiresAt` it lives as long as its credential."""

    id: str
    prefix: str
    created_at: Moment
    expires_at: Moment | None


class ApiCredential(AnswerShape):
    """`review` says in a sentence what it may do."""

    id: str
    name: str
    environment: EnvironmentName
    client_id: str
    status: ApiCredentialStatus
    expiring: bool
    review: str
    grants: tuple[GrantedApi, ...]
    networks: tuple[str, ...]
    note: str
    ends_at: Moment | None
    secrets: tuple[ClientSecret, ...]
    version: int
    owner_id: str | None
    created_at: Moment
    updated_at: Moment


class IssuedApiCredential(ApiCredential):
    """`clientSecret` is shown this once."""

    client_secret: Annotated[str, Field(repr=False)]


class OfferedApi(AnswerShape):
    """An API that takes API credentials, in these environments. `fixed`: no places are named for it."""

    service_id: int
    name: str
    level: ScopeLevel
    fixed: bool
    permissions: tuple[Permission, ...]
    environments: tuple[EnvironmentName, ...]


class ApiChoices(AnswerShape):
    """What an API credential of the organization can be granted now."""

    apis: tuple[OfferedApi, ...]
    places: tuple[Place, ...]
