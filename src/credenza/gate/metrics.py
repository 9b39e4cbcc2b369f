"""What a gate counts about itself, for Prometheus."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

from credenza.gate.decision import Code

_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        decisions = Counter(
            "credenza_gate_decisions",
            "Calls admitted, and calls refused by code.",
            ("environment", "outcome"),
            registry=registry,
        )
        # The labels are few, and looking a child up costs more than counting with it.
        self._decisions = cache(decisions.labels)
        self._seconds = Histogram(
            "credenza_gate_decision_seconds", "Time to decide a call.", buckets=_BUCKETS_S, registry=registry
        )

    def admitted(self, environment: str, seconds: float) -> None:
        self._decisions(environment, "admitted").inc()
        self._seconds.observe(seconds)

    def refused(self, environment: str, code: Code) -> None:
        self._decisions(environment, code).inc()
