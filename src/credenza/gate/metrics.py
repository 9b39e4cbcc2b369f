"""What a gate counts about itself: plain numbers while calls come. `exposition` tells them to Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from importlib import import_module
from typing import TYPE_CHECKING

from credenza.gate.decision import Code

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)


class Metrics:
    """Counts on the event loop alone."""

    def __init__(self) -> None:
        self.decisions: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.tokens: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.enrolments: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.took = [0] * (len(BUCKETS_S) + 1)
        self.seconds = 0.0
        self._registry: CollectorRegistry | None = None

    def admitted(self, environment: str) -> None:
        self.decisions[environment, "admitted"] += 1

    def decided_in(self, seconds: float) -> None:
        """Count the time that an admission took; of a payload's the credential's part."""
        # Prometheus' buckets are inclusive: `le` is "less or equal".
        self.took[bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds += seconds

    def refused(self, environment: str, code: Code) -> None:
        self.decisions[environment, code.value] += 1

    def token(self, environment: str, outcome: str) -> None:
        self.tokens[environment, outcome] += 1

    def enrolment(self, environment: str, operation: str, outcome: str) -> None:
        self.enrolments[environment, operation, outcome] += 1

    @property
    def registry(self) -> CollectorRegistry:
        """What is scraped. Made, and Prometheus' library imported, for whoever wants it first: it takes 3 MB."""
        if self._registry is None:
            self._registry = import_module("credenza.gate.exposition").registry_of(self)
        return self._registry

    def exposed(self) -> bytes:
        """All that is in the registry, in Prometheus' words."""
        text: bytes = import_module("credenza.gate.exposition").exposed(self.registry)
        return text
