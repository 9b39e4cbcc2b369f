"""The provider that people may sign in through, when one is configured. Its library is an extra."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from credenza.actions.single_sign_on import Provider
from credenza.cli.failure import CommandFailed
from credenza.settings import Settings

_CURE = "oidc_issuer needs the extra sso: pip install 'credenza[sso]'"


def check_installed(settings: Settings) -> None:
    """Refuse the setting before anything is started when its library is not there."""
    if settings.oidc_issuer:
        _adapter()


def open_provider(settings: Settings) -> Provider | None:
    if not settings.oidc_issuer:
        return None
    openid, secret = _adapter(), settings.oidc_client_secret
    client = openid.Client(
        settings.oidc_issuer, settings.oidc_client_id, secret.get_secret_value() if secret is not None else ""
    )
    provider: Provider = openid.OpenIdProvider(
        client, name=settings.oidc_name, allowed_domains=frozenset(map(str.lower, settings.oidc_allowed_domains))
    )
    return provider


def _adapter() -> ModuleType:
    try:
        return import_module("credenza.adapters.openid")
    except ModuleNotFoundError as error:
        raise CommandFailed(_CURE) from error
