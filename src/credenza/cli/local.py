"""The operator's commands work on this machine's installation itself, through the same actions as everybody's."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from credenza import settings as configuration
from credenza.actions import organizations, start
from credenza.actions.context import Platform, Policy
from credenza.adapters import vault
from credenza.adapters.vault import LocalVault, WrongKey
from credenza.adapters.weak_keys import WeakKeys
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, Organization
from credenza.settings import Settings
from credenza.store import migrate, wrapped_secrets
from credenza.store.engine import Database, open_database, reading

OPERATOR = Actor(ActorKind.OPERATOR, "command line")

_NOT_FOUND = frozenset({Code.NOT_FOUND, Code.PROJECT_NOT_FOUND, Code.SERVICE_NOT_FOUND, Code.CREDENTIAL_NOT_FOUND})
_Result = TypeVar("_Result")


def now() -> datetime:
    return datetime.now(UTC)


def load_settings() -> Settings:
    """Read the settings, and say which one is wrong."""
    config = os.environ.get("CREDENZA_CONFIG")
    try:
        return configuration.load(Path(config) if config else None)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_url=False, include_input=False)
        )
        raise CommandFailed(f"The settings are not usable. {wrong}.", ExitCode.USAGE) from None


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """Open the database; the embedded one is made, and brought up to date, when it is first opened."""
    if not settings.database_url:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    opened = open_database(settings.database)
    try:
        if opened.embedded:
            migrate.upgrade(opened)
        elif migrate.pending(opened):
            raise CommandFailed("The database is of an older release, or empty. Run: credenza db upgrade")
        yield opened
    except OperationalError as error:
        # The driver's text names hosts and users, never a password.
        raise CommandFailed(f"The database does not answer: {str(error.orig).strip()}") from error
    finally:
        opened.close()


@contextmanager
def platform(settings: Settings) -> Iterator[Platform]:
    """Open everything an action needs."""
    with database(settings) as opened:
        yield prepare(settings, opened)


@contextmanager
def organization(name: str) -> Iterator[tuple[Platform, Organization]]:
    """Open everything, and find the organization that a command is about."""
    with platform(load_settings()) as opened:
        yield opened, attempt(lambda: organizations.get_by_name(opened, OPERATOR, name, now=now()))


def prepare(settings: Settings, opened: Database) -> Platform:
    try:
        return start.prepare(
            opened,
            open_vault(settings, opened),
            WeakKeys(),
            random=secrets.token_bytes,
            pki_url=f"{settings.manage_origin}/pki",
            now=now(),
            policy=Policy(
                oauth2_key_limit=settings.oauth2_key_limit,
                allow_sha1_requests=settings.allow_sha1_requests,
                commercial_countries=settings.commercial_countries,
                lease=timedelta(seconds=settings.lease_s),
            ),
        )
    except WrongKey as error:
        raise CommandFailed(
            f"{error} This database was made with another key-encryption key: give that one "
            f"(CREDENZA_KEY_ENCRYPTION_KEY or {settings.key_path}). Nothing was changed."
        ) from error


def has_started(opened: Database) -> bool:
    """Tell an installation that has started before from a new one."""
    with reading(opened.records) as connection:
        return wrapped_secrets.any_secret(connection)


def open_vault(settings: Settings, opened: Database) -> LocalVault:
    """Open the key-encryption key. It is made once, together with the installation, and never again."""
    if settings.key_encryption_key is not None:
        return vault.vault_from_text(settings.key_encryption_key.get_secret_value())
    if not settings.key_path.exists():
        if has_started(opened):
            raise WrongKey(f"The key file {settings.key_path} is missing.")
        vault.make_key_file(settings.key_path)
        print(f"Made the key-encryption key {settings.key_path}. Back it up apart from the database.", file=sys.stderr)
    return vault.vault_from_file(settings.key_path)


def attempt(action: Callable[[], _Result]) -> _Result:
    """Run an action and turn its refusal into a sentence and an exit code."""
    try:
        return action()
    except Refusal as refusal:
        raise CommandFailed(
            refusal.message, ExitCode.NOT_FOUND if refusal.code in _NOT_FOUND else ExitCode.ERROR
        ) from refusal
