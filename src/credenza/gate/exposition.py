"""What a gate has counted, in Prometheus' words. Imported when somebody scrapes, or adds counts of another plane."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from credenza.gate.metrics import BUCKETS_S, Metrics


def registry_of(metrics: Metrics) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Counted(metrics))
    return registry


def exposed(registry: CollectorRegistry) -> bytes:
    return generate_latest(registry)


class _Counted(Collector):
    """A scrape may come from another thread than the counts: what it reads, it copies at once."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        decisions = CounterMetricFamily(
            "credenza_gate_decisions",
            "Calls admitted, and calls refused by code.",
            labels=("environment", "outcome"),
        )
        for labels, count in self._metrics.decisions.copy().items():
            decisions.add_metric(labels, count)
        yield decisions
        tokens = CounterMetricFamily(
            "credenza_token_requests",
            "Tokens granted, and requests refused by fault.",
            labels=("environment", "outcome"),
        )
        for labels, count in self._metrics.tokens.copy().items():
            tokens.add_metric(labels, count)
        yield tokens
        enrolments = CounterMetricFamily(
            "credenza_est_requests",
            "Certificates that devices have got by EST, and requests refused by what they showed.",
            labels=("environment", "operation", "outcome"),
        )
        for asked, count in self._metrics.enrolments.copy().items():
            enrolments.add_metric(asked, count)
        yield enrolments
        seconds = HistogramMetricFamily("credenza_gate_decision_seconds", "Time to decide a call.")
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        counts = accumulate(tuple(self._metrics.took))
        seconds.add_metric((), list(zip(bounds, counts, strict=True)), self._metrics.seconds)
        yield seconds
