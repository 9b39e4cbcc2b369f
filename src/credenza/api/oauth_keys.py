"""A project's OAuth signing keys over HTTP: add, rotate, renew, revoke, find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from fastapi import Body, Header, Query, Request, Response

from credenza.actions import oauth_keys
from credenza.actions.issuing import NewKey
from credenza.api import answers, paging
from credenza.api.asked import Caller, CredentialPath, ProjectPath
from credenza.api.idempotency import Repeatable
from credenza.api.projects import signing_key
from credenza.domain.model import CredentialId, EnvironmentName, ProjectId, Status
from credenza.wire import credentials as wire
from credenza.wire import shape

_USUAL_PAGE = 50

KeepLast: TypeAlias = Annotated[
    Literal["true", "false"],
    Header(
        alias="Credenza-Keep-Last",
        description="`true` refuses to revoke the last active key of an environment (409 LAST_ACTIVE_CREDENTIAL).",
    ),
]
Reason: TypeAlias = Annotated[shape.Text, Query(description="Why; it stands in the audit log.")]


def add(
    asked: Caller, once: Repeatable, project_id: ProjectPath, new: Annotated[wire.AddCredential, Body()]
) -> wire.Credential:
    """Add a project credential: certify a new key."""
    key = signing_key(new)
    environment = new.environment if isinstance(new, wire.AddSigningCredential) else None
    added = oauth_keys.add_by_csr(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        key,
        None if environment is None else EnvironmentName(environment),
        now=asked.now,
        once=once,
    )
    return answers.credential(added, now=asked.now)


def revoke(
    asked: Caller,
    project_id: ProjectPath,
    credential_id: CredentialPath,
    keep_last: KeepLast = "false",
    reason: Reason = "",
) -> Response:
    """Revoke a project credential; the answer comes when no gate admits it any more, and says how long that took."""
    revoked = oauth_keys.revoke(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        CredentialId(credential_id),
        keep_last=keep_last == "true",
        reason=reason,
        now=asked.now,
    )
    return answers.reach(revoked.reach)


def rotate(
    asked: Caller, once: Repeatable, project_id: ProjectPath, credential_id: CredentialPath, new: wire.NewKey
) -> wire.Credential:
    """Certify a successor: a new key id beside the old one, both valid until the old one is revoked (OAuth 1.0a)."""
    successor = oauth_keys.rotate(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        CredentialId(credential_id),
        NewKey(new.alias, new.csr.encode()),
        now=asked.now,
        once=once,
    )
    return answers.credential(successor, now=asked.now)


def renew(asked: Caller, once: Repeatable, project_id: ProjectPath, credential_id: CredentialPath) -> wire.Credential:
    """Certify the same key for longer, under the same key id (OAuth 1.0a). Less secure than a rotation."""
    renewed = oauth_keys.renew(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        CredentialId(credential_id),
        now=asked.now,
        once=once,
    )
    return answers.credential(renewed, now=asked.now)


def get(asked: Caller, project_id: ProjectPath, credential_id: CredentialPath) -> wire.Credential:
    found = oauth_keys.get(
        asked.platform, asked.actor, ProjectId(project_id), CredentialId(credential_id), now=asked.now
    )
    return answers.credential(found, now=asked.now)


def list_page(
    asked: Caller,
    project_id: ProjectPath,
    request: Request,
    response: Response,
    environment: Annotated[shape.EnvironmentName | None, Query()] = None,
    status: Annotated[wire.Status | None, Query()] = None,
    expiring: Annotated[bool, Query(description="Only those that end within 90 days.")] = False,
    limit: paging.Limit = _USUAL_PAGE,
    cursor: paging.Cursor = None,
) -> Sequence[wire.Credential]:
    """List the project's keys by key id."""
    found = oauth_keys.list_page(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        environment=None if environment is None else EnvironmentName(environment),
        status=None if status is None else Status(status),
        expiring=expiring,
        after=cursor,
        limit=limit + 1,
        now=asked.now,
    )
    shown = paging.page(request, response, found, limit, lambda key: key.id)
    return [answers.credential(each, now=asked.now) for each in shown]
