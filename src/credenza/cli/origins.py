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


def mutual_tls(settings: Settings, environment: EnvironmentName) -> str | None:
    """Where clients of an environment prove themselves by certificate; None where nothing vouches for any: neither our
    own TLS nor a proxy that is believed."""
    named = {
        EnvironmentName.SANDBOX: settings.sandbox_mtls_origin,
        EnvironmentName.PRODUCTION: settings.production_mtls_origin,
    }[environment]
    believes = settings.tls_certificate or settings.proxy_secret or settings.proxy_certificates or settings.proxy_socket
    usual = next(each.origin for each in audiences(settings) if each.environment is environment)
    return named or (usual if believes else None)
