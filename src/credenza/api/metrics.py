"""What the manage plane counts about itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "credenza_management_requests", "Answered requests.", ("operation", "status"), registry=registry
        )
        self._seconds = Histogram(
            "credenza_management_seconds", "Time from arrival to answer.", ("operation",), registry=registry
        )

    def count(self, operation: str, status: int, seconds: float) -> None:
        self._requests.labels(operation, str(status or "none")).inc()
        self._seconds.labels(operation).observe(seconds)
