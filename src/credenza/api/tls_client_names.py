"""The name that a project's TLS clients are known by, over HTTP."""

from __future__ import annotations

from fastapi import Response

from credenza.actions import tls_client_names
from credenza.api import answers
from credenza.api.asked import Caller, EnvironmentPath, ProjectPath
from credenza.domain.model import EnvironmentName, ProjectId
from credenza.protocol.tls_client_name import NameKind
from credenza.wire import projects as wire


def get(asked: Caller, project_id: ProjectPath, environment_name: EnvironmentPath) -> wire.TlsClientName:
    """Show the registered name; 404 where a certificate's own subject counts."""
    place = ProjectId(project_id), EnvironmentName(environment_name)
    name = tls_client_names.get(asked.platform, asked.actor, *place, now=asked.now)
    return wire.TlsClientName(kind=name.kind.value, value=name.value)


def register(
    asked: Caller, project_id: ProjectPath, environment_name: EnvironmentPath, new: wire.NewTlsClientName
) -> wire.TlsClientName:
    """Register the one name of a certificate that authenticates the client (RFC 8705 2.1.2), in place of any other."""
    place = ProjectId(project_id), EnvironmentName(environment_name)
    done = tls_client_names.register(asked.platform, asked.actor, *place, NameKind(new.kind), new.value, now=asked.now)
    return wire.TlsClientName(kind=done.name.kind.value, value=done.name.value)


def remove(asked: Caller, project_id: ProjectPath, environment_name: EnvironmentPath) -> Response:
    """Remove the name, so that a certificate's own subject counts; the answer comes when it does at all gates."""
    place = ProjectId(project_id), EnvironmentName(environment_name)
    return answers.reach(tls_client_names.remove(asked.platform, asked.actor, *place, now=asked.now))
