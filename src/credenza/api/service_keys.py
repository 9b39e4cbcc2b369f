"""Service credentials over HTTP: the four paths of contracts 1.2, and lists of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from fastapi import Body, Query, Request, Response

from credenza.actions import service_keys
from credenza.actions.context import Platform
from credenza.actions.service_key_admission import ByPublicKey, ByRequest, MadeHere, NewServiceKey
from credenza.api import answers, paging
from credenza.api.asked import Asked, Caller, CredentialPath, ProjectPath
from credenza.api.credentials import Reason
from credenza.api.idempotency import Repeatable
from credenza.api.services import ServicePath
from credenza.domain.errors import Code, Refusal
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import Actor, CredentialId, EnvironmentName, ProjectId, ServiceId, Status
from credenza.domain.service_keys import KINDS
from credenza.wire import credentials as wire_credentials
from credenza.wire import service_keys as wire
from credenza.wire import shape

_USUAL_PAGE = 50

Type: TypeAlias = Annotated[wire.ServiceCredentialType | None, Query()]
Environment: TypeAlias = Annotated[shape.EnvironmentName | None, Query()]
AnyStatus: TypeAlias = Annotated[wire_credentials.Status | None, Query()]
Expiring: TypeAlias = Annotated[bool, Query(description="Only active ones that end within 90 days.")]


def add(
    asked: Caller,
    once: Repeatable,
    project_id: ProjectPath,
    service_id: ServicePath,
    new: Annotated[wire.AddServiceCredential, Body()],
) -> wire.ServiceCredential:
    """Add a service credential: certify a key of the client's, or make one here that requests are encrypted with. It is
    active when no other of its type is; a CLIENT_ENCRYPTION key always is."""
    added = service_keys.add(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        ServiceId(service_id),
        of_shape(new),
        None if new.environment is None else EnvironmentName(new.environment),
        now=asked.now,
        once=once,
    )
    return answers.service_credential(added, now=asked.now)


def get(
    asked: Caller, project_id: ProjectPath, service_id: ServicePath, credential_id: CredentialPath
) -> wire.ServiceCredential:
    found = service_keys.get(*_place(asked, project_id, service_id), CredentialId(credential_id), now=asked.now)
    return answers.service_credential(found, now=asked.now)


def set_status(
    asked: Caller,
    project_id: ProjectPath,
    service_id: ServicePath,
    credential_id: CredentialPath,
    wanted: wire.ServiceCredentialStatus,
    response: Response,
) -> wire.ServiceCredential:
    """Activate an encryption key or a client signature verification key; the one that was active becomes INACTIVE. The
    answer comes when every gate has changed over."""
    if wanted.status != Status.ACTIVE:
        raise Refusal(
            Code.STATUS,
            "ACTIVE is the only status that can be set: the key that was active becomes INACTIVE by that.",
            field="status",
        )
    activated = service_keys.activate(
        *_place(asked, project_id, service_id), CredentialId(credential_id), now=asked.now
    )
    response.headers.update(answers.reach_headers(activated.reach))
    return answers.service_credential(activated.credential, now=asked.now)


def revoke(
    asked: Caller,
    project_id: ProjectPath,
    service_id: ServicePath,
    credential_id: CredentialPath,
    reason: Reason = "",
) -> Response:
    """Revoke a service credential; the answer comes when no gate uses it any more, and says how long that took."""
    revoked = service_keys.revoke(
        *_place(asked, project_id, service_id), CredentialId(credential_id), reason=reason, now=asked.now
    )
    return answers.reach(revoked.reach)


def list_of_service(
    asked: Caller,
    project_id: ProjectPath,
    service_id: ServicePath,
    request: Request,
    response: Response,
    type: Type = None,  # noqa: A002 - its name on the wire
    environment: Environment = None,
    status: AnyStatus = None,
    expiring: Expiring = False,
    limit: paging.Limit = _USUAL_PAGE,
    cursor: paging.Cursor = None,
) -> Sequence[wire.ServiceCredential]:
    """List the service credentials of the project for one service, by id."""
    wanted = _query(service_id, type, environment, status, cursor, limit, expiring=expiring)
    return _list(asked, project_id, request, response, wanted)


def list_of_project(
    asked: Caller,
    project_id: ProjectPath,
    request: Request,
    response: Response,
    type: Type = None,  # noqa: A002 - its name on the wire
    environment: Environment = None,
    status: AnyStatus = None,
    expiring: Expiring = False,
    limit: paging.Limit = _USUAL_PAGE,
    cursor: paging.Cursor = None,
) -> Sequence[wire.ServiceCredential]:
    """List the service credentials of the project for all of its services, by id."""
    wanted = _query(None, type, environment, status, cursor, limit, expiring=expiring)
    return _list(asked, project_id, request, response, wanted)


def of_shape(new: wire.NewClientOwnedKey | wire.NewClientEncryptionKey) -> NewServiceKey:
    """Read a new service credential as the actions take it."""
    if isinstance(new, wire.NewClientEncryptionKey):
        return MadeHere(new.alias)
    kind = KINDS[new.type]
    if new.csr is not None and new.public_key is not None:
        raise Refusal(Code.INVALID, "Send csr or publicKey, one of the two.", field="publicKey")
    if new.public_key is not None:
        return ByPublicKey(kind, new.alias, new.public_key.encode())
    return ByRequest(kind, new.alias, (new.csr or "").encode())


def _query(
    service_id: int | None,
    kind: wire.ServiceCredentialType | None,
    environment: shape.EnvironmentName | None,
    status: wire_credentials.Status | None,
    cursor: str | None,
    limit: int,
    *,
    expiring: bool,
) -> ServiceKeyQuery:
    return ServiceKeyQuery(
        service_id=None if service_id is None else ServiceId(service_id),
        environment=None if environment is None else EnvironmentName(environment),
        kind=None if kind is None else KINDS[kind],
        status=None if status is None else Status(status),
        expiring=expiring,
        after=cursor,
        limit=limit + 1,
    )


def _list(
    asked: Asked, project_id: str, request: Request, response: Response, wanted: ServiceKeyQuery
) -> Sequence[wire.ServiceCredential]:
    found = service_keys.list_page(asked.platform, asked.actor, ProjectId(project_id), wanted, now=asked.now)
    shown = paging.page(request, response, found, wanted.limit - 1, lambda each: each.id)
    return [answers.service_credential(each, now=asked.now) for each in shown]


def _place(asked: Asked, project_id: str, service_id: int) -> tuple[Platform, Actor, ProjectId, ServiceId]:
    return asked.platform, asked.actor, ProjectId(project_id), ServiceId(service_id)
