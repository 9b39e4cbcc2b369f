"""The management plane's part in giving tokens. Imported when it is first needed: see `token_records`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from credenza.actions import tokens
from credenza.actions.context import Platform
from credenza.cli import installation, local
from credenza.cli.failure import CommandFailed
from credenza.cli.installation import LateDatabase
from credenza.domain.tokens import RevokedToken
from credenza.gate.keyring import GateClosed
from credenza.settings import Settings

log = structlog.get_logger()


def open_platform(settings: Settings, database: LateDatabase) -> Platform:
    """Raises GateClosed."""
    with _answering():
        return local.prepare(settings, database.open())


def revoke(platform: Platform, token: RevokedToken, *, client_id: str) -> None:
    """Raises GateClosed."""
    with _answering():
        tokens.revoke(platform, token, client_id=client_id, now=installation.now())


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, CommandFailed) as error:
        log.warning("token_records.failed", error=type(error).__name__)
        raise GateClosed("database") from error
