"""The token servers of one process: what they give tokens with, and the listeners' share of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from credenza.adapters import vault
from credenza.adapters.vault import LocalVault, WrongKey
from credenza.cli import installation, origins
from credenza.cli.failure import CommandFailed
from credenza.cli.installation import LateDatabase
from credenza.cli.plane import Plane
from credenza.cli.token_records import TokenRecords
from credenza.domain.model import EnvironmentName
from credenza.gate.compat_server import CompatServer
from credenza.gate.desk import Desk
from credenza.gate.ids import ids
from credenza.gate.signed_identity import IdentitySigner
from credenza.gate.token_app import COMPAT, TokenApp
from credenza.gate.token_desk import Server, TokenDesk
from credenza.gate.token_server import TokenServer
from credenza.gate.token_status import TokenStatus
from credenza.settings import Settings


def open_vault(settings: Settings) -> LocalVault | None:
    """Open the key-encryption key where this machine has one: a gate that only checks calls needs none."""
    try:
        if settings.key_encryption_key is not None:
            return vault.vault_from_text(settings.key_encryption_key.get_secret_value())
        return vault.vault_from_file(settings.key_path) if settings.key_path.exists() else None
    except WrongKey as error:
        raise CommandFailed(str(error)) from error


def identity_signer(settings: Settings, plane: Plane) -> IdentitySigner | None:
    """Make what signs who calls, where that is wanted. A gate without the key cannot, and so is not started."""
    if settings.identity_life_s == 0:
        return None
    if plane.vault is None:
        raise CommandFailed(
            f"identity_life_s needs the key-encryption key, and {settings.key_path} does not exist. Copy it from the "
            "machine that made it, or set CREDENZA_KEY_ENCRYPTION_KEY."
        )
    issuers = {each.environment: each.origin for each in origins.audiences(settings)}
    return IdentitySigner(plane.issuers, issuers, life=timedelta(seconds=settings.identity_life_s))


@dataclass(frozen=True, slots=True)
class TokenServers:
    """The two issuers of each environment; none of either without the key-encryption key."""

    fapi2: Mapping[EnvironmentName, TokenApp]
    compat: Mapping[EnvironmentName, TokenApp]


def token_servers(settings: Settings, database: LateDatabase, plane: Plane, desk: Desk) -> TokenServers:
    if plane.vault is None:
        return TokenServers({}, {})
    records = TokenRecords(settings, database)
    return TokenServers(
        _fapi2_apps(settings, plane, _fapi2_desk(settings, plane, desk, records)),
        _compat_apps(settings, plane, _compat_desk(plane, desk, records)),
    )


def _fapi2_desk(settings: Settings, plane: Plane, desk: Desk, records: TokenRecords) -> TokenDesk:
    server = TokenServer(
        keyring=plane.keyring,
        routes=plane.routes,
        issuers=plane.issuers,
        freshness=plane.freshness,
        replay=plane.replay,
        nonces=plane.nonces,
        ids=ids(),
        token_life=timedelta(seconds=settings.token_life_s),
    )
    return _desk(plane, desk, server, TokenStatus(server, plane.tokens, plane.issuers, records))


def _compat_desk(plane: Plane, desk: Desk, records: TokenRecords) -> TokenDesk:
    server = CompatServer(
        clients=plane.api_clients,
        routes=plane.routes,
        issuers=plane.issuers,
        freshness=plane.freshness,
        audiences=plane.audiences,
        hashes=records,
        ids=ids(),
        monotonic=time.monotonic,
    )
    return _desk(plane, desk, server, TokenStatus(server, plane.api_tokens, plane.issuers, records))


def _desk(plane: Plane, desk: Desk, server: Server, status: TokenStatus) -> TokenDesk:
    return TokenDesk(
        server,
        status,
        clock=installation.now,
        usage=plane.usage,
        refusals=plane.refusals,
        metrics=desk.metrics,
    )


def _fapi2_apps(settings: Settings, plane: Plane, tokens: TokenDesk) -> Mapping[EnvironmentName, TokenApp]:
    return {
        each.environment: TokenApp(
            each.environment,
            each.origin,
            tokens,
            plane.issuers,
            clock=installation.now,
            mutual_tls=origins.mutual_tls(settings, each.environment),
        )
        for each in origins.audiences(settings)
    }


def _compat_apps(settings: Settings, plane: Plane, tokens: TokenDesk) -> Mapping[EnvironmentName, TokenApp]:
    return {
        each.environment: TokenApp(
            each.environment, each.origin, tokens, plane.issuers, clock=installation.now, places=COMPAT
        )
        for each in origins.audiences(settings)
    }
