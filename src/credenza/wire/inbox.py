"""A person's inbox: notices of what expires."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from credenza.wire.credentials import Status
from credenza.wire.expiry import CredentialKind
from credenza.wire.shape import AnswerShape, EnvironmentName, Moment, RequestShape, Uuid


class InboxItem(AnswerShape):
    """A notice of expiry. `status` is what the credential is today; `notAfter` is the end that was told of, `days`
    before it."""

    id: str
    organization_id: str
    organization: str
    credential_id: str
    kind: CredentialKind
    alias: str
    status: Status
    project_id: str | None
    project: str
    environment: EnvironmentName | None
    not_after: Moment
    days: int
    created_at: Moment
    read_at: Moment | None


class InboxCount(AnswerShape):
    count: int


class ReadMark(RequestShape):
    """Which notices of the inbox have been read; without `ids` all of them."""

    ids: Annotated[tuple[Uuid, ...], Field(min_length=1, max_length=200)] | None = None
