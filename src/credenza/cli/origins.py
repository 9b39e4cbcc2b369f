"""The public origins of the environments: where calls go, tokens are issued and signatures are for (settled 1)."""

from __future__ import annotations

from credenza.domain.model import EnvironmentName
from credenza.gate.bearer import Audience
from credenza.settings import Settings


def audiences(settings: Settings) -> tuple[Audience, ...]:
    return (
        Audience(EnvironmentName.SANDBOX, settings.sandbox_origin),
        Audience(EnvironmentName.PRODUCTION, settings.production_origin),
    )
