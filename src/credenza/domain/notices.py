"""That a credential's end comes near, as it was said, and as it lies before somebody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from credenza.domain.model import (
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectId,
    Status,
)


@dataclass(frozen=True, slots=True)
class Notice:
    """`days` before `not_after`; 0 says that the end has come."""

    id: str
    organization_id: OrganizationId
    credential_id: CredentialId
    not_after: datetime
    days: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A notice as it lies before one person, and what the credential is today: a renewed one `ends_at` another time
    than the notice says."""

    notice: Notice
    organization: str
    kind: CredentialKind
    alias: str
    status: Status
    ends_at: datetime
    project_id: ProjectId | None
    project: str
    environment: EnvironmentName | None
    read_at: datetime | None

    def status_at(self, now: datetime) -> Status:
        """The credential's status as of `now`: what has ended is EXPIRED, unless it was revoked before."""
        ended = self.status is not Status.REVOKED and now > self.ends_at
        return Status.EXPIRED if ended else self.status
