"""Whether the server is well."""

from __future__ import annotations

from credenza.client.operations.answers import octets, one
from credenza.client.operations.operation import Operation
from credenza.wire.health import Health


def get_health() -> Operation[Health]:
    return Operation("GET", "/health", one(Health))


def get_metrics() -> Operation[bytes]:
    """Prometheus text."""
    return Operation("GET", "/metrics", octets)
