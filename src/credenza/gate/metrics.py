"""What a gate counts about itself, for Prometheus. Plain numbers while calls come, families when somebody scrapes."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from credenza.gate.decision import Code

_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)


class Metrics(Collector):
    """Counts on the event loop alone. A scrape may come from another thread: what it reads, it copies at once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._decisions: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._tokens: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._took = [0] * (len(_BUCKETS_S) + 1)
        self._seconds = 0.0
        registry.register(self)

    def admitted(self, environment: str, seconds: float) -> None:
        self._decisions[environment, "admitted"] += 1
        # Prometheus' buckets are inclusive: `le` is "less or equal".
        self._took[bisect_left(_BUCKETS_S, seconds)] += 1
        self._seconds += seconds

    def refused(self, environment: str, code: Code) -> None:
        self._decisions[environment, code.value] += 1

    def token(self, environment: str, outcome: str) -> None:
        self._tokens[environment, outcome] += 1

    def collect(self) -> Iterator[Metric]:
        decisions = CounterMetricFamily(
            "credenza_gate_decisions",
            "Calls admitted, and calls refused by code.",
            labels=("environment", "outcome"),
        )
        for labels, count in self._decisions.copy().items():
            decisions.add_metric(labels, count)
        yield decisions
        tokens = CounterMetricFamily(
            "credenza_token_requests",
            "Tokens granted, and requests refused by fault.",
            labels=("environment", "outcome"),
        )
        for labels, count in self._tokens.copy().items():
            tokens.add_metric(labels, count)
        yield tokens
        seconds = HistogramMetricFamily("credenza_gate_decision_seconds", "Time to decide a call.")
        bounds = [*map(str, _BUCKETS_S), "+Inf"]
        seconds.add_metric((), list(zip(bounds, accumulate(tuple(self._took)), strict=True)), self._seconds)
        yield seconds
