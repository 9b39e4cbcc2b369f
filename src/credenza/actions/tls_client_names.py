"""The name that a project's TLS clients are known by at the token endpoint: RFC 8705 2.1.2, one per environment.

Without one a certificate's own subject counts, which no other certificate of the environment has. With one, of all the
project's certificates only those that bear it authenticate the client. Tokens that were given stay good: whoever wants
them gone revokes the certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from credenza.actions import revocation
from credenza.actions.context import Act, Attempt, Platform, acting, viewing
from credenza.actions.places import place_in
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, EnvironmentName, ProjectId, ProjectType, Reach
from credenza.protocol import tls_client_name
from credenza.protocol.errors import Malformed
from credenza.protocol.tls_client_name import NameKind, TlsClientName
from credenza.store import changes, tls_client_names
from credenza.store.changes import ChangeKind


@dataclass(frozen=True, slots=True)
class Registered:
    """A name, and how far the gates had got with it when this was answered."""

    name: TlsClientName
    reach: Reach


def register(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    environment: EnvironmentName,
    kind: NameKind,
    value: str,
    *,
    now: datetime,
) -> Registered:
    """Have the project known by this name alone; returns when no gate goes by what was before."""
    attempt = Attempt(actor, Action.TLS_CLIENT_NAME_REGISTER, now, project_id=project_id)
    with acting(platform, attempt) as act:
        _check_oauth2(act)
        place_in(act.the_project, environment)
        try:
            name = tls_client_name.parse(kind, value.strip())
        except Malformed as malformed:
            raise Refusal(Code.INVALID, str(malformed), field="value") from malformed
        tls_client_names.put(act.connection, act.organization_id, project_id, environment, name)
        number = changes.record(act.connection, act.organization_id, ChangeKind.PROJECT, project_id)
        act.note(project_id, f"{environment} {kind} {name.value}")
    return Registered(name, revocation.await_reach(platform, number))


def get(
    platform: Platform, actor: Actor, project_id: ProjectId, environment: EnvironmentName, *, now: datetime
) -> TlsClientName:
    """Refuses with NOT_FOUND where none is registered."""
    with viewing(platform, Attempt(actor, Action.TLS_CLIENT_NAME_VIEW, now, project_id=project_id)) as act:
        return _registered(act, project_id, environment)


def remove(
    platform: Platform, actor: Actor, project_id: ProjectId, environment: EnvironmentName, *, now: datetime
) -> Reach:
    """Let each certificate's own subject count again; returns when all gates do."""
    attempt = Attempt(actor, Action.TLS_CLIENT_NAME_REMOVE, now, project_id=project_id)
    with acting(platform, attempt) as act:
        name = _registered(act, project_id, environment)
        tls_client_names.remove(act.connection, project_id, environment)
        number = changes.record(act.connection, act.organization_id, ChangeKind.PROJECT, project_id)
        act.note(project_id, f"{environment} {name.kind} {name.value}")
    return revocation.await_reach(platform, number)


def _check_oauth2(act: Act) -> None:
    found = act.the_project.type
    if found is not ProjectType.OAUTH2_FAPI:
        raise Refusal(
            Code.PROJECT_TYPE,
            f"Clients get tokens by TLS in projects of the type OAUTH2_FAPI; this one is {found}.",
            field="type",
        )


def _registered(act: Act, project_id: ProjectId, environment: EnvironmentName) -> TlsClientName:
    name = tls_client_names.find(act.connection, project_id, environment)
    if name is None:
        raise Refusal(
            Code.NOT_FOUND,
            f"No name is registered for {environment}: a certificate's own subject counts.",
            field="environment",
        )
    return name
