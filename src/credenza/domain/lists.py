"""What is asked of a list: which rows, in which order, from where on. A list goes on behind a row that was shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from credenza.domain.model import CredentialKind, EnvironmentName, ProjectType, ServiceId, Status


class KeyState(StrEnum):
    """Which keys a list shows. CURRENT are those that are neither revoked nor expired."""

    CURRENT = "current"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ALL = "all"


class KeyOrder(StrEnum):
    EXPIRES = "expires"
    EXPIRES_LAST = "-expires"
    ALIAS = "alias"
    ALIAS_LAST = "-alias"


class EndingOrder(StrEnum):
    NEAREST = "ends"
    LATEST = "-ends"


class ProjectOrder(StrEnum):
    NAME = "name"
    NAME_LAST = "-name"
    OLDEST = "created"
    NEWEST = "-created"


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Keys of one environment whose alias or key id begins with `text`, or certificates whose subject has all of its
    parts; `after` is a key id."""

    environment: EnvironmentName
    state: KeyState = KeyState.CURRENT
    text: str = ""
    order: KeyOrder = KeyOrder.EXPIRES
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ProjectQuery:
    """Projects whose name contains `text`; `after` is a project's id."""

    text: str = ""
    type: ProjectType | None = None
    environment: EnvironmentName | None = None
    order: ProjectOrder = ProjectOrder.NAME
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ServiceKeyQuery:
    """Service credentials of a project, by id; `after` is one's id. None is any."""

    service_id: ServiceId | None = None
    environment: EnvironmentName | None = None
    kind: CredentialKind | None = None
    status: Status | None = None
    expiring: bool = False
    after: str | None = None
    limit: int = 50
