"""What the manage plane counts about itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """Labels are looked up once: that takes longer than to count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "credenza_management_requests", "Answered requests.", ("operation", "status"), registry=registry
        )
        self._seconds = Histogram(
            "credenza_management_seconds", "Time from arrival to answer.", ("operation",), registry=registry
        )
        self._labelled: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def count(self, operation: str, status: int, seconds: float) -> None:
        requests, durations = self._labelled.get((operation, status)) or self._label(operation, status)
        requests.inc()
        durations.observe(seconds)

    def _label(self, operation: str, status: int) -> tuple[Counter, Histogram]:
        found = self._requests.labels(operation, str(status or "none")), self._seconds.labels(operation)
        self._labelled[operation, status] = found
        return found
