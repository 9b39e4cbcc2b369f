"""Who asks the gate about others: a resource server, by its id and secret (HTTP Basic, as RFC 6749 2.3.1 spells it)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from credenza.domain import secret_text
from credenza.domain.model import EnvironmentName
from credenza.domain.tokens import SECRET_PREFIXES
from credenza.gate import basic
from credenza.gate.freshness import Freshness
from credenza.gate.issuers import Issuers


class Secrets(Protocol):
    """What needs the platform's secrets. Raises GateClosed when that is not possible."""

    async def hash_secret(self, secret: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Asker:
    """A resource server that has shown its secret."""

    id: str
    environment: EnvironmentName
    secret_hash: str = field(repr=False)


def credentials(environment: EnvironmentName, authorization: tuple[str, ...]) -> tuple[str, str] | None:
    """Read id and secret. A secret that cannot be one of ours is refused before any look-up."""
    given = basic.read(authorization)
    if given is None or not secret_text.is_well_formed(SECRET_PREFIXES[environment], given[1]):
        return None
    return given


class ResourceServers:
    def __init__(self, issuers: Issuers, freshness: Freshness, records: Secrets) -> None:
        self._issuers = issuers
        self._freshness = freshness
        self._records = records

    async def find(self, environment: EnvironmentName, authorization: tuple[str, ...]) -> Asker | None:
        """Find who asks, as far as is known now. Raises GateClosed."""
        given = credentials(environment, authorization)
        if given is None:
            return None
        asker = Asker(given[0], environment, await self._records.hash_secret(given[1]))
        self._freshness.look()
        return asker if self.is_known(asker) else None

    def is_known(self, asker: Asker) -> bool:
        """Whether the resource server has not been removed, as far as the last look has shown."""
        found = self._issuers.introspector(asker.environment, asker.secret_hash)
        return found is not None and found.id == asker.id
