"""Payloads in one process: what opens and protects them, for the gates and for the payload API."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from credenza.cli import installation
from credenza.cli.installation import LateDatabase
from credenza.cli.plane import Plane
from credenza.cli.token_records import TokenRecords
from credenza.domain.model import EnvironmentName
from credenza.gate.desk import Desk
from credenza.gate.payload import Payloads
from credenza.gate.payload_app import PayloadApp
from credenza.gate.payload_exchange import PayloadExchange
from credenza.gate.resource_servers import ResourceServers
from credenza.settings import Settings


def open_payloads(settings: Settings, plane: Plane) -> Payloads:
    return Payloads(
        plane.payload_keys,
        plane.issuers,
        plane.freshness,
        random=secrets.token_bytes,
        limit_bytes=settings.payload_limit_bytes,
    )


def exchange(payloads: Payloads, plane: Plane, desk: Desk) -> PayloadExchange:
    """Make what stands between a gate and its upstreams."""
    return PayloadExchange(payloads, plane.keyring, desk, clock=installation.now)


def corners(
    settings: Settings, database: LateDatabase, payloads: Payloads, plane: Plane, desk: Desk
) -> Mapping[EnvironmentName, PayloadApp]:
    """Make the payload API of each environment."""
    servers = ResourceServers(plane.issuers, plane.freshness, TokenRecords(settings, database))
    return {
        name: PayloadApp(
            name, payloads, servers, plane.routes, plane.issuers, plane.keyring, desk, clock=installation.now
        )
        for name in EnvironmentName
    }
