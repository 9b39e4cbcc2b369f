"""A project's credentials over HTTP, signing keys and certificates alike: add, revoke, find.

The id tells them apart: a key id has 48 hexadecimal digits, a certificate has a UUID.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

from fastapi import Body, Header, Query, Request, Response

from credenza.actions import certificates, oauth_keys
from credenza.actions.context import Once
from credenza.api import answers, new_credentials, paging
from credenza.api.asked import Asked, Caller, CredentialPath, ProjectPath
from credenza.api.idempotency import Repeatable
from credenza.domain.model import Credential, CredentialId, CredentialKind, EnvironmentName, ProjectId, Status
from credenza.wire import credentials as wire
from credenza.wire import shape

_USUAL_PAGE = 50
_KEY_ID_DIGITS = 48
_LISTINGS: Mapping[CredentialKind, Callable[..., tuple[Credential, ...]]] = {
    CredentialKind.SIGNING_KEY: oauth_keys.list_page,
    CredentialKind.MTLS_CERTIFICATE: certificates.list_page,
}

KeepLast: TypeAlias = Annotated[
    Literal["true", "false"],
    Header(
        alias="Credenza-Keep-Last",
        description="`true` refuses to revoke the last active key or certificate of an environment "
        "(409 LAST_ACTIVE_CREDENTIAL).",
    ),
]
Reason: TypeAlias = Annotated[shape.Text, Query(description="Why; it stands in the audit log.")]


def add_to_project(
    asked: Caller, once: Repeatable, project_id: ProjectPath, new: Annotated[wire.AddCredential, Body()]
) -> wire.ProjectCredential:
    """Add a project credential: certify a new key, issue a certificate, or take one that was issued elsewhere."""
    return _add(asked, once, project_id, new)


def add(
    asked: Caller, once: Repeatable, project_id: ProjectPath, new: Annotated[wire.AddCredentialAfter, Body()]
) -> wire.ProjectCredential:
    """Add a project credential: certify a new key, issue a certificate, or take one that was issued elsewhere.
    `predecessorId` names the one that it is to replace; both work until the old one is revoked."""
    return _add(asked, once, project_id, new)


def _add(
    asked: Asked, once: Once | None, project_id: str, new: wire.AddCredential | wire.AddCredentialAfter
) -> wire.ProjectCredential:
    if isinstance(new, wire.UnsupportedCredential):
        raise new_credentials.unsupported()
    place = (asked.platform, asked.actor, ProjectId(project_id))
    where = None if new.environment is None else EnvironmentName(new.environment)
    with new_credentials.of_type(new.type):
        match new:
            case wire.AddSigningCredential():
                key = new_credentials.signing_key(new)
                after = new_credentials.predecessor(new)
                added = oauth_keys.add_by_csr(*place, key, where, predecessor_id=after, now=asked.now, once=once)
            case wire.AddMTLSCsrCredential():
                request = new_credentials.request(new)
                added = certificates.add_by_csr(*place, request, where, now=asked.now, once=once)
            case wire.AddMTLSCertificateCredential():
                held = new_credentials.certificate(new)
                added = certificates.add_issued_elsewhere(*place, held, where, now=asked.now, once=once)
    return answers.project_credential(added, now=asked.now)


def revoke(
    asked: Caller,
    project_id: ProjectPath,
    credential_id: CredentialPath,
    keep_last: KeepLast = "false",
    reason: Reason = "",
) -> Response:
    """Revoke a project credential; the answer comes when no gate admits it any more, and says how long that took."""
    action = oauth_keys.revoke if _is_key(credential_id) else certificates.revoke
    revoked = action(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        CredentialId(credential_id),
        keep_last=keep_last == "true",
        reason=reason,
        now=asked.now,
    )
    return answers.reach(revoked.reach)


def get(asked: Caller, project_id: ProjectPath, credential_id: CredentialPath) -> wire.ProjectCredentialDetails:
    """Show one credential; a certificate with its chain."""
    place = (asked.platform, asked.actor, ProjectId(project_id), CredentialId(credential_id))
    if _is_key(credential_id):
        return answers.credential(oauth_keys.get(*place, now=asked.now), now=asked.now)
    return answers.certificate_details(certificates.get_in_context(*place, now=asked.now), now=asked.now)


def list_page(
    asked: Caller,
    project_id: ProjectPath,
    request: Request,
    response: Response,
    kind: Annotated[
        wire.ListedKind | None, Query(description="Signing keys or certificates alone; both when it is left out.")
    ] = None,
    environment: Annotated[shape.EnvironmentName | None, Query()] = None,
    status: Annotated[wire.Status | None, Query()] = None,
    expiring: Annotated[bool, Query(description="Only those that end within 90 days.")] = False,
    text: Annotated[
        str,
        Query(
            max_length=500,
            description="The beginning of the alias or id; of certificates also a part of the subject, or several with "
            "commas between: `CN=till-7`.",
        ),
    ] = "",
    limit: paging.Limit = _USUAL_PAGE,
    cursor: paging.Cursor = None,
) -> Sequence[wire.ProjectCredential]:
    """List the project's credentials by id."""
    found = [
        each
        for listing in _listings(kind)
        for each in listing(
            asked.platform,
            asked.actor,
            ProjectId(project_id),
            environment=None if environment is None else EnvironmentName(environment),
            status=None if status is None else Status(status),
            expiring=expiring,
            text=text.strip(),
            after=cursor,
            limit=limit + 1,
            now=asked.now,
        )
    ]
    # Each listing is sorted and long enough by itself, so that the beginning of both together is complete.
    first = sorted(found, key=lambda each: each.id)[: limit + 1]
    shown = paging.page(request, response, first, limit, lambda each: each.id)
    return [answers.project_credential(each, now=asked.now) for each in shown]


def release_subject(asked: Caller, credential_id: CredentialPath) -> wire.ReleasedSubject:
    """Let the subject of a revoked or expired certificate be accepted again; operators only."""
    released = certificates.release_subject(asked.platform, asked.actor, CredentialId(credential_id), now=asked.now)
    return wire.ReleasedSubject(subject=released)


def _is_key(credential_id: str) -> bool:
    return len(credential_id) == _KEY_ID_DIGITS


def _listings(kind: wire.ListedKind | None) -> Sequence[Callable[..., tuple[Credential, ...]]]:
    return tuple(_LISTINGS.values()) if kind is None else (_LISTINGS[CredentialKind(kind)],)
