"""Resource servers: who may ask whether a token is good (RFC 7662 2.1). Operators add and remove them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from credenza.actions.context import Attempt, Platform, acting, viewing
from credenza.domain import secret_text
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, Actor, EnvironmentName, Reach
from credenza.domain.names import usual_name
from credenza.domain.tokens import SECRET_PREFIXES, ResourceServer
from credenza.store import changes, leases, resource_servers
from credenza.store.changes import ChangeKind

_SHOWN = 14


@dataclass(frozen=True, slots=True)
class AddedServer:
    """A new resource server and, this once, its secret. It sends its id and the secret by HTTP Basic."""

    server: ResourceServer
    secret: str = field(repr=False)


def add(platform: Platform, actor: Actor, *, environment: EnvironmentName, name: str, now: datetime) -> AddedServer:
    """Let an API ask about the tokens of one environment."""
    with acting(platform, Attempt(actor, Action.RESOURCE_SERVER_ADD, now)) as act:
        secret = secret_text.write(SECRET_PREFIXES[environment], platform.random(secret_text.RANDOM_BYTES))
        server = ResourceServer(platform.new_id(), environment, usual_name(name), secret[:_SHOWN], now, None)
        secret_hash = secret_text.keyed_hash(platform.pepper, secret)
        resource_servers.insert_server(act.connection, server, secret_hash=secret_hash)
        changes.record(act.connection, PLATFORM, ChangeKind.ISSUER, server.id)
        act.note(server.id, f"{environment} {server.name}")
        return AddedServer(server, secret)


def list_all(platform: Platform, actor: Actor, *, now: datetime) -> tuple[ResourceServer, ...]:
    with viewing(platform, Attempt(actor, Action.RESOURCE_SERVER_LIST, now)) as act:
        return resource_servers.list_present(act.connection)


def remove(platform: Platform, actor: Actor, server_id: str, *, now: datetime) -> Reach:
    """Take the right to ask away; returns when no gate answers to it any more."""
    with acting(platform, Attempt(actor, Action.RESOURCE_SERVER_REMOVE, now)) as act:
        server = resource_servers.find(act.connection, server_id)
        if server is None or server.removed_at is not None:
            raise Refusal(
                Code.NOT_FOUND, "No such resource server. List them with: credenza resource-server list", field="id"
            )
        resource_servers.mark_removed(act.connection, server_id, now=now)
        number = changes.record(act.connection, PLATFORM, ChangeKind.ISSUER, server_id)
        act.note(server_id, f"{server.environment} {server.name}")
    return leases.await_reach(platform.database.records, number, lease=platform.policy.lease)
