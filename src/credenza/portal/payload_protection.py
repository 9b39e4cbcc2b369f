"""What services say of payloads, by service and environment, as their pages show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from credenza.domain.model import EnvironmentName, Service, ServiceId
from credenza.protocol import payload_rules
from credenza.protocol.payload_rules import PayloadRules


@dataclass(frozen=True, slots=True)
class Protection:
    """`text` is the rules as they stand in the catalog, indented."""

    rules: PayloadRules
    text: str


def protections(services: Iterable[Service]) -> dict[tuple[ServiceId, EnvironmentName], Protection]:
    """Find what is protected, and where; what travels as it is has no entry."""
    return {
        (service.id, place.environment): _read(place.payload_rules)
        for service in services
        for place in service.environments
        if place.payload_rules is not None
    }


def _read(text: str) -> Protection:
    return Protection(payload_rules.parse(text), msgspec.json.format(text.encode(), indent=2).decode())
