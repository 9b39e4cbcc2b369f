"""The operator's commands work on this machine's installation itself, through the same actions as everybody's."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import TypeVar

from credenza.actions import organizations, start
from credenza.actions.context import Platform, Policy
from credenza.actions.issuers import KeyTokens
from credenza.adapters import vault
from credenza.adapters.key_token import KeyAway
from credenza.adapters.passwords import Argon2Passwords
from credenza.adapters.vault import LocalVault, WrongKey
from credenza.adapters.weak_keys import WeakKeys
from credenza.cli.databases import database, has_started
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.installation import load_settings, now
from credenza.domain import subject_policy
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, EnvironmentName, Organization
from credenza.domain.subject_policy import SubjectPolicy
from credenza.settings import Settings
from credenza.store.engine import Database

__all__ = ["OPERATOR", "attempt", "database", "existing_vault", "has_started", "load_settings", "now", "open_vault"]
__all__ += ["organization", "platform", "prepare"]

OPERATOR = Actor(ActorKind.OPERATOR, "command line")

_NOT_FOUND = frozenset({Code.NOT_FOUND, Code.PROJECT_NOT_FOUND, Code.SERVICE_NOT_FOUND, Code.CREDENTIAL_NOT_FOUND})
_Result = TypeVar("_Result")


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
            Argon2Passwords(),
            random=secrets.token_bytes,
            pki_url=f"{settings.manage_origin}/pki",
            public_url=settings.manage_origin,
            now=now(),
            tokens=tokens(settings),
            policy=Policy(
                oauth2_key_limit=settings.oauth2_key_limit,
                allow_sha1_requests=settings.allow_sha1_requests,
                commercial_countries=settings.commercial_countries,
                lease=timedelta(seconds=settings.lease_s),
                webhook_schemes=webhook_schemes(settings),
                token_key_rotation=timedelta(days=settings.token_key_days),
                subject_policies=subject_policies(settings),
                operators=settings.operator_mail,
            ),
        )
    except KeyAway as error:
        raise CommandFailed(f"{error} Nothing is certified without it; see docs/guide/authority.md") from error
    except WrongKey as error:
        raise CommandFailed(
            f"{error} This database was made with another key-encryption key: give that one "
            f"(CREDENZA_KEY_ENCRYPTION_KEY or {settings.key_path}). Nothing was changed."
        ) from error


def tokens(settings: Settings) -> KeyTokens | None:
    """Reach the PKCS#11 tokens of this machine, if it has any."""
    if settings.pkcs11_module is None:
        return None
    try:
        adapter = import_module("credenza.adapters.pkcs11")
    except ModuleNotFoundError as error:
        raise CommandFailed("pkcs11_module needs the extra: pip install 'credenza[pkcs11]'") from error
    found: KeyTokens = adapter.Pkcs11Tokens(settings.pkcs11_module, settings.pkcs11_pin_file)
    return found


def subject_policies(settings: Settings) -> dict[EnvironmentName, SubjectPolicy]:
    """Read what the operator asks of certificates' subjects, where anything is asked."""
    texts = {
        EnvironmentName.SANDBOX: settings.sandbox_subject_policy,
        EnvironmentName.PRODUCTION: settings.production_subject_policy,
    }
    try:
        return {name: subject_policy.parse(text) for name, text in texts.items() if text.strip()}
    except ValueError as error:
        raise CommandFailed(f"A subject policy in the settings cannot be read: {error}.") from error


def webhook_schemes(settings: Settings) -> frozenset[str]:
    return frozenset({"https", "http"} if settings.webhook_allow_http else {"https"})


def open_vault(settings: Settings, opened: Database) -> LocalVault:
    """Open the key-encryption key. It is made once, together with the installation, and never again."""
    if settings.key_encryption_key is None and not settings.key_path.exists() and not has_started(opened):
        vault.make_key_file(settings.key_path)
        print(f"Made the key-encryption key {settings.key_path}. Back it up apart from the database.", file=sys.stderr)
    return existing_vault(settings)


def existing_vault(settings: Settings) -> LocalVault:
    """Open the key-encryption key that must be there. Raises WrongKey when it is not."""
    if settings.key_encryption_key is not None:
        return vault.vault_from_text(settings.key_encryption_key.get_secret_value())
    if not settings.key_path.exists():
        raise WrongKey(f"The key file {settings.key_path} is missing.")
    return vault.vault_from_file(settings.key_path)


def attempt(action: Callable[[], _Result]) -> _Result:
    """Run an action and turn its refusal into a sentence and an exit code."""
    try:
        return action()
    except Refusal as refusal:
        raise CommandFailed(
            refusal.message, ExitCode.NOT_FOUND if refusal.code in _NOT_FOUND else ExitCode.ERROR
        ) from refusal
