"""What every page of the portal works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from credenza.actions.context import Platform
from credenza.actions.single_sign_on import Provider
from credenza.domain.model import EnvironmentName
from credenza.portal.streams import Streams


@dataclass(frozen=True, slots=True)
class Portal:
    """`gates` is where calls go, by environment; `platform_name` what the API platform calls itself; `provider` where
    people may sign in instead of here."""

    platform: Platform
    clock: Callable[[], datetime]
    platform_name: str = "Credenza"
    gates: dict[EnvironmentName, str] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)
    provider: Provider | None = None

    @property
    def secure(self) -> bool:
        """Whether browsers come by TLS; without it, only on this machine, cookies cannot be marked Secure."""
        return urlsplit(self.platform.public_url).scheme == "https"
