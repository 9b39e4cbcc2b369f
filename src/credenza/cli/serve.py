"""What one process serves. The composition root: it builds everything, serves it, and takes it down."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

import uvicorn
import uvloop

from credenza.cli import (
    connection,
    enrolment_plane,
    importing,
    installation,
    listeners,
    payload_plane,
    proxies,
    token_plane,
)
from credenza.cli.failure import CommandFailed
from credenza.cli.installation import LateDatabase
from credenza.cli.listeners import Listener
from credenza.cli.plane import Plane, open_plane
from credenza.cli.roles import Role
from credenza.cli.tls import ClientTrust
from credenza.domain.model import EnvironmentName
from credenza.gate.app import GateApp, Limits, Origin
from credenza.gate.check import DecisionApp
from credenza.gate.desk import Desk
from credenza.gate.forward import Forwarder
from credenza.gate.metrics import Metrics
from credenza.settings import Settings

_GATES_OWN_ANSWER_S = 2.0
"""What a gate is given, once a body is late, to say so in its own envelope before the listener cuts the connection."""


@dataclass(frozen=True, slots=True)
class Started:
    """What the parent hands to whoever serves."""

    settings: Settings
    role: Role
    sockets: Mapping[str, socket.socket]


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


def bind(settings: Settings, role: Role) -> dict[str, socket.socket]:
    """The sockets of a role's listeners, by their names. Raises CommandFailed."""
    return {each.name: _bind(each) for each in listening(settings, role)}


def _bind(listener: Listener) -> socket.socket:
    try:
        return listeners.bind(listener)
    except OSError as error:
        raise CommandFailed(f"{error.strerror}. Stop what listens there, or choose another address.") from error


def _nobody_waits() -> None:
    """Tell nobody that this process serves."""


def serve_here(started: Started, serving: Callable[[], None] = _nobody_waits) -> None:
    """Serve in this process until it is told to stop. `serving` is called when nothing can be amiss any more."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_stopped(started, serving))


async def serve_until_stopped(started: Started, serving: Callable[[], None] = _nobody_waits) -> None:
    """Serve on this event loop until the process is told to stop."""
    settings = started.settings
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with LateDatabase(settings) as database:
        async with AsyncExitStack() as stack:
            vault = token_plane.open_vault(settings)
            plane = await stack.enter_async_context(open_plane(settings, database, vault))
            applications = await _applications(started, database, plane, stack, stopping)
            servers = [
                (_server(settings, listener, applications, plane), started.sockets[listener.name])
                for listener in listening(settings, started.role)
            ]
            serving()
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
    started: Started, database: LateDatabase, plane: Plane, stack: AsyncExitStack, stopping: asyncio.Event
) -> Mapping[str, Any]:
    """The application behind each listener, by its name."""
    settings = started.settings
    desk = Desk(
        plane.verifier,
        clock=installation.now,
        usage=plane.usage,
        refusals=plane.refusals,
        metrics=Metrics(),
        signer=token_plane.identity_signer(settings, plane),
    )
    applications: dict[str, Any] = {}
    if started.role is not Role.GATE:
        applications["management API"] = _management().application(
            settings, database.open(), plane, desk, stack, stopping
        )
    if started.role is not Role.MANAGE:
        applications |= await _gates(settings, database, plane, desk, stack)
    return applications


def _management() -> ModuleType:
    """The management plane, imported by those who serve it: a gate alone is smaller and starts sooner without."""
    with importing.lasting():
        return import_module("credenza.cli.management_plane")


async def _gates(
    settings: Settings, database: LateDatabase, plane: Plane, desk: Desk, stack: AsyncExitStack
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
    tokens = token_plane.token_servers(settings, database, plane, desk)
    payloads = payload_plane.open_payloads(settings, plane)
    payload_apps = payload_plane.corners(settings, database, payloads, plane, desk)
    enrolment = enrolment_plane.corners(settings, database, plane, desk)
    binds = {EnvironmentName.SANDBOX: settings.sandbox_bind, EnvironmentName.PRODUCTION: settings.production_bind}
    gates: dict[str, Any] = {
        f"{name.lower()} gate": GateApp(
            origin,
            desk,
            forwarder,
            limits=limits,
            trusted_proxies=settings.trusted_proxies,
            terminators=proxies.terminators(settings, binds[name]),
            tokens=tokens.fapi2.get(name),
            compat=tokens.compat.get(name),
            corners=[payload_apps[name], *([enrolment[name]] if name in enrolment else [])],
            payloads=payload_plane.exchange(payloads, plane, desk),
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
