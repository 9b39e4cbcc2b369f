"""What tokens of the compat issuer can be for (RFC 9068 2.2 `aud`): an environment's origin, what the settings name
beside it, and what the catalog's entries name for themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from credenza.domain.model import EnvironmentName
from credenza.gate.keyring import RouteTable
from credenza.store.lookup import Route


class Audiences:
    """`usual` is for each environment what a token is for that nothing was asked for, and then what else may be asked
    for in its place."""

    def __init__(self, usual: Mapping[EnvironmentName, Sequence[str]]) -> None:
        self._usual = {environment: names[0] for environment, names in usual.items()}
        self._named = {environment: frozenset(names) for environment, names in usual.items()}

    def usual(self, environment: EnvironmentName) -> str:
        return self._usual[environment]

    def known(self, environment: EnvironmentName, routes: RouteTable) -> frozenset[str]:
        """List all that can be asked for."""
        own = {route.entry.audience for route in routes.by_secret(environment)} - {""}
        return self._named[environment] | own

    def fits(self, audience: str, route: Route) -> bool:
        """Whether a token for this audience is one for the service: its own audience, or the usual ones if it has
        none."""
        own = route.entry.audience
        return audience == own if own else audience in self._named[route.environment]
