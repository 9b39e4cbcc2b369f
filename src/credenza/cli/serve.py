"""`credenza serve`: the composition root. It builds everything, serves it, and takes it down.

The parent prepares the installation and binds the sockets; then it serves by itself, or has worker processes serve.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any

import structlog
import typer
import uvicorn
import uvloop
from prometheus_client import CollectorRegistry

from credenza.cli import connection, installation, listeners, logs, output, proxies, token_plane
from credenza.cli.failure import CommandFailed
from credenza.cli.listeners import Listener
from credenza.cli.plane import Plane, open_plane
from credenza.cli.tls import ClientTrust
from credenza.cli.workers import Pool
from credenza.domain.model import EnvironmentName
from credenza.gate.app import GateApp, Limits, Origin
from credenza.gate.check import DecisionApp
from credenza.gate.desk import Desk
from credenza.gate.forward import Forwarder
from credenza.gate.metrics import Metrics
from credenza.settings import Settings
from credenza.store import changes, enforced, quarantine
from credenza.store.enforced import OlderDatabase
from credenza.store.engine import Database, reading
from credenza.store.replay import LmdbReplay

log = structlog.get_logger()
app = typer.Typer()

_GATES_OWN_ANSWER_S = 2.0
"""What a gate is given, once a body is late, to say so in its own envelope before the listener cuts the connection."""

_OPEN_FILES = 65_536


class Role(StrEnum):
    """Which plane a process serves."""

    ALL = "all"
    MANAGE = "manage"
    GATE = "gate"


@dataclass(frozen=True, slots=True)
class Started:
    """What the parent hands to whoever serves."""

    settings: Settings
    role: Role
    sockets: Mapping[str, socket.socket]


@app.command()
def serve(
    context: typer.Context,
    role: Annotated[Role, typer.Option(help="Which plane: all, manage or gate.")] = Role.ALL,
    workers: Annotated[int, typer.Option(help="Worker processes on this machine.", min=1, max=64)] = 1,
) -> None:
    """Serve the management API and the gates of both environments."""
    run(context, installation.load_settings(), role, workers)


def run(context: typer.Context, settings: Settings, role: Role, workers: int) -> None:
    os.umask(0o077)  # what the server writes is for its own account alone
    _allow_open_files()
    logs.configure(settings.log_level)
    link = prepare(settings, role)
    sockets = {each.name: _bind(each) for each in listening(settings, role)}
    for each in listening(settings, role):
        output.note(context, f"{each.name} listens on {each.bind}")
    if link is not None:
        output.note(context, f"Make the first admin here, once, within 24 hours:\n  {link}")
    if workers == 1:
        serve_here(Started(settings, role, sockets))
    else:
        Pool(("--role", role), sockets, workers).run()


def _allow_open_files() -> None:
    """Every connection is an open file, and shells usually allow 1,024; what the machine allows is ours to use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def prepare(settings: Settings, role: Role) -> str | None:
    """Bring the installation to where it can be served; the link for the first admin when there is nobody yet."""
    with installation.database(settings) as database:
        fresh = not installation.has_started(database)
        _check_not_older(settings, database)
        _announce_quarantine(database)
        if not database.embedded:
            import_module("credenza.cli.postgresql_plane").check_memory(settings, database)
        if fresh:
            _establish_replay(settings)
        return None if role is Role.GATE else _management().prepare(settings, database)


def _management() -> ModuleType:
    """The management plane, imported by those who serve it: a gate alone is smaller and starts sooner without."""
    return import_module("credenza.cli.management_plane")


def listening(settings: Settings, role: Role) -> tuple[Listener, ...]:
    manage = Listener(
        "management API", settings.manage_bind, settings.manage_tls_certificate, settings.manage_tls_private_key
    )
    gates = (
        _gate(settings, EnvironmentName.SANDBOX, settings.sandbox_bind),
        _gate(settings, EnvironmentName.PRODUCTION, settings.production_bind),
        Listener("decisions", settings.decision_bind),
    )
    return {Role.ALL: (manage, *gates), Role.MANAGE: (manage,), Role.GATE: gates}[role]


def _gate(settings: Settings, name: EnvironmentName, bind: str) -> Listener:
    return Listener(f"{name.lower()} gate", bind, settings.tls_certificate, settings.tls_private_key, name)


def serve_here(started: Started) -> None:
    """Serve in this process until it is told to stop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_stopped(started))


async def serve_until_stopped(started: Started) -> None:
    """Serve on this event loop until the process is told to stop."""
    settings = started.settings
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with installation.database(settings) as database:
        async with AsyncExitStack() as stack:
            vault = token_plane.open_vault(settings)
            plane = await stack.enter_async_context(open_plane(settings, database, vault))
            applications = await _applications(started, database, plane, stack, stopping)
            servers = [
                (_server(settings, listener, applications, plane), started.sockets[listener.name])
                for listener in listening(settings, started.role)
            ]
            await listeners.serve(servers, stopping)


def _server(settings: Settings, listener: Listener, applications: Mapping[str, Any], plane: Plane) -> uvicorn.Server:
    limits = connection.Limits(
        head_s=settings.head_deadline_s,
        body_s=settings.body_deadline_s + _GATES_OWN_ANSWER_S,
        idle_s=settings.idle_deadline_s,
        head_bytes=settings.head_limit_bytes,
        connections=settings.connection_limit,
    )
    clients = None if listener.environment is None else _clients(settings, plane, listener.environment)
    return listeners.make_server(listener, applications[listener.name], limits, clients)


def _clients(settings: Settings, plane: Plane, environment: EnvironmentName) -> ClientTrust:
    besides = proxies.certificates(settings)
    return ClientTrust(environment, plane.trust, plane.freshness, installation.now, besides)


async def _applications(
    started: Started, database: Database, plane: Plane, stack: AsyncExitStack, stopping: asyncio.Event
) -> Mapping[str, Any]:
    """The application behind each listener, by its name."""
    settings = started.settings
    desk = Desk(
        plane.verifier,
        clock=installation.now,
        usage=plane.usage,
        refusals=plane.refusals,
        metrics=Metrics(CollectorRegistry()),
        signer=token_plane.identity_signer(settings, plane),
    )
    applications: dict[str, Any] = {}
    if started.role is not Role.GATE:
        applications["management API"] = _management().application(settings, database, plane, desk, stack, stopping)
    if started.role is not Role.MANAGE:
        applications |= await _gates(settings, database, plane, desk, stack)
    return applications


async def _gates(
    settings: Settings, database: Database, plane: Plane, desk: Desk, stack: AsyncExitStack
) -> Mapping[str, Any]:
    forwarder = await stack.enter_async_context(Forwarder(timeout=timedelta(seconds=settings.upstream_timeout_s)))
    limits = Limits(
        body_bytes=settings.body_limit_bytes,
        body_memory_bytes=settings.body_memory_bytes,
        body_deadline_s=settings.body_deadline_s,
    )
    origins = {
        EnvironmentName.SANDBOX: Origin.parse(EnvironmentName.SANDBOX, settings.sandbox_origin),
        EnvironmentName.PRODUCTION: Origin.parse(EnvironmentName.PRODUCTION, settings.production_origin),
    }
    tokens = token_plane.token_apps(settings, database, plane, desk)
    binds = {EnvironmentName.SANDBOX: settings.sandbox_bind, EnvironmentName.PRODUCTION: settings.production_bind}
    gates: dict[str, Any] = {
        f"{name.lower()} gate": GateApp(
            origin,
            desk,
            forwarder,
            limits=limits,
            trusted_proxies=settings.trusted_proxies,
            terminators=proxies.terminators(settings, binds[name]),
            tokens=tokens.get(name),
        )
        for name, origin in origins.items()
    }
    secret = settings.decision_secret
    decisions = DecisionApp(
        origins,
        desk,
        secret=secret.get_secret_value() if secret else None,
        terminators=proxies.terminators(settings, settings.decision_bind),
    )
    return gates | {"decisions": decisions}


def _bind(listener: Listener) -> socket.socket:
    try:
        return listeners.bind(listener)
    except OSError as error:
        raise CommandFailed(f"{error.strerror}. Stop what listens there, or choose another address.") from error


def _check_not_older(settings: Settings, database: Database) -> None:
    with reading(database.records) as connection:
        number = changes.current(connection)
    try:
        enforced.check_not_older(settings.data_dir, number)
    except OlderDatabase as error:
        raise CommandFailed(str(error)) from error


def _announce_quarantine(database: Database) -> None:
    """Say at every start that restored credentials are refused: partners call, and the gate is right to say no."""
    with reading(database.records) as connection:
        held = quarantine.count(connection)
    if held == 0:
        return
    log.warning("installation.quarantined", held=held)
    print(
        f"IN QUARANTINE: {held} credentials were restored from a backup and are refused.\n"
        "See them with: credenza db quarantine; revoke what was revoked since; then: credenza db release",
        file=sys.stderr,
    )


def _establish_replay(settings: Settings) -> None:
    """A new installation's replay memory has nothing to forget: its very first call may be admitted."""
    if not settings.replay_url:
        LmdbReplay.establish(settings.data_dir / "replay")
        return
    window = timedelta(seconds=settings.max_skew_s)

    async def establish() -> None:
        redis = import_module("credenza.store.redis_replay")
        memory = redis.RedisReplay(settings.replay_url, remember=2 * window, ahead=window)
        try:
            await memory.establish()
        finally:
            await memory.close()

    asyncio.run(establish())
