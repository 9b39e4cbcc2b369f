"""API credentials: a client id and its secrets, and what they may do with which APIs, where in the tree.

What may be asked for is checked in `api_access`. Not here: what a call is allowed (`catalog`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_network

from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Credential,
    CredentialId,
    EnvironmentName,
    ServiceId,
    Status,
)

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of a credential for which nobody has chosen one."""

SECRETS_AT_MOST = 2
NETWORKS_AT_MOST = 50
LONGEST_NOTE = 500
LONGEST_YEARS = 10
_SECRET_PREFIXES = {EnvironmentName.SANDBOX: "czs_sbx_", EnvironmentName.PRODUCTION: "czs_prd_"}


@dataclass(frozen=True, slots=True)
class ApiGrant:
    """Permissions of one API, and the ids of the accounts or workspaces they were chosen for: none where the API's
    scope is fixed."""

    service_id: ServiceId
    permissions: frozenset[str]
    places: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret without the secret. `prefix` is enough to recognise it. It ends when the credential does, or at
    `expires_at`."""

    id: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None

    def is_usable(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class ApiCredential:
    """`credential` is the row that every kind has; its alias is the name. `version` counts the edits. No `networks`
    means that it may be used from anywhere. Grants come in the order of their services, secrets in that of their
    ends."""

    credential: Credential
    version: int
    note: str
    networks: tuple[str, ...]
    updated_at: datetime
    grants: tuple[ApiGrant, ...]
    secrets: tuple[ClientSecret, ...]

    @property
    def id(self) -> CredentialId:
        return self.credential.id

    @property
    def name(self) -> str:
        return self.credential.alias

    @property
    def client_id(self) -> str:
        return self.credential.client_id

    @property
    def environment(self) -> EnvironmentName:
        assert self.credential.environment is not None, "an API credential belongs to an environment"
        return self.credential.environment

    @property
    def ends_at(self) -> datetime | None:
        """None: nobody has chosen an end."""
        return None if self.credential.not_after == FOREVER else self.credential.not_after

    def status_at(self, now: datetime) -> Status:
        return self.credential.status_at(now)

    def usable_secrets(self, now: datetime) -> tuple[ClientSecret, ...]:
        return tuple(each for each in self.secrets if each.is_usable(now))


class ApiCredentialState(StrEnum):
    """Which API credentials a list shows. EXPIRING are the active ones that end within 90 days."""

    ALL = "all"
    ACTIVE = "active"
    INACTIVE = "inactive"
    EXPIRING = "expiring"
    EXPIRED = "expired"


class ApiCredentialOrder(StrEnum):
    NAME = "name"
    NAME_LAST = "-name"
    ENDS = "ends"
    ENDS_LAST = "-ends"


@dataclass(frozen=True, slots=True)
class ApiCredentialQuery:
    """API credentials whose name contains `text`, or whose client id begins with it; `after` is the id of one."""

    state: ApiCredentialState = ApiCredentialState.ALL
    environment: EnvironmentName | None = None
    service_id: ServiceId | None = None
    text: str = ""
    order: ApiCredentialOrder = ApiCredentialOrder.NAME
    after: str = ""
    limit: int = 50


class OldSecret(StrEnum):
    """How long the secret that is there goes on beside a new one."""

    NOT_AT_ALL = "now"
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    UNTIL_DELETED = "until_deleted"


_LEFT = {
    OldSecret.NOT_AT_ALL: timedelta(0),
    OldSecret.HOUR: timedelta(hours=1),
    OldSecret.DAY: timedelta(hours=24),
    OldSecret.WEEK: timedelta(days=7),
    OldSecret.MONTH: timedelta(days=30),
}


def end_of_old(secret: ClientSecret, chosen: OldSecret, *, now: datetime) -> datetime | None:
    """Say when the old secret ends. What was to end sooner still does."""
    left = _LEFT.get(chosen)
    if left is None:
        return secret.expires_at
    return now + left if secret.expires_at is None else min(secret.expires_at, now + left)


def secret_prefix(environment: EnvironmentName) -> str:
    return _SECRET_PREFIXES[environment]


def admit_secret(found: ApiCredential, *, now: datetime) -> None:
    """Let a credential have one more secret, or refuse a third."""
    usable = found.usable_secrets(now)
    if len(usable) < SECRETS_AT_MOST:
        return
    first = usable[0]
    raise Refusal(
        Code.SECRET_LIMIT,
        f"The credential has {SECRETS_AT_MOST} secrets already. Delete the one that nobody uses any more, "
        f"{first.prefix}… of {first.created_at:%Y-%m-%d} for one, then issue the new one.",
    )


def release_secret(found: ApiCredential, secret: ClientSecret, *, keep_last: bool, now: datetime) -> None:
    """Let a secret be deleted; the last usable one only by a caller who did not ask to be held back."""
    if keep_last and found.usable_secrets(now) == (secret,):
        raise Refusal(
            Code.LAST_ACTIVE_CREDENTIAL,
            "This is the last secret of the credential: without it nobody gets a token with this client id any more. "
            "Issue a new one first, or repeat the request without the header Credenza-Keep-Last.",
        )


def check_end(ends_at: datetime | None, *, now: datetime) -> datetime:
    """Turn a chosen end into the one to store. Refuses what is past, and what is so far that none was meant."""
    if ends_at is None:
        return FOREVER
    if ends_at <= now:
        raise Refusal(Code.INVALID, "The end lies in the past. Choose a later moment, or none.", field="endsAt")
    if ends_at > now + timedelta(days=366 * LONGEST_YEARS):
        raise Refusal(
            Code.INVALID, f"The end is more than {LONGEST_YEARS} years away. Choose a nearer one.", field="endsAt"
        )
    return ends_at.astimezone(UTC)


def parse_networks(texts: Sequence[str]) -> tuple[str, ...]:
    """Spell address ranges as RFC 4632 and RFC 4291 do, each once. Refuses what is none, and more than 50."""
    if len(texts) > NETWORKS_AT_MOST:
        raise Refusal(Code.INVALID, f"At most {NETWORKS_AT_MOST} address ranges.", field="networks")
    return tuple(dict.fromkeys(_network(each.strip()) for each in texts))


def _network(text: str) -> str:
    try:
        # Strict: bits after the prefix are a slip of whoever meant one host, or another range.
        return str(ip_network(text))
    except ValueError as error:
        raise Refusal(
            Code.INVALID,
            f"{text[:60]!r} is no address range. Write 203.0.113.0/24, 2001:db8::/32, or one address; no bits may "
            "be set behind the prefix.",
            field="networks",
        ) from error


def check_note(note: str) -> str:
    usual = note.strip()
    if len(usual) > LONGEST_NOTE or not usual.isprintable():
        raise Refusal(
            Code.INVALID, f"A note has {LONGEST_NOTE} printable characters at most, in one line.", field="note"
        )
    return usual


def check_version(found: ApiCredential, seen: int) -> None:
    """Refuse an edit of what its editor has not seen: somebody else was faster."""
    if seen != found.version:
        raise Refusal(
            Code.EDITED_MEANWHILE,
            f"Somebody edited the credential at {found.updated_at:%Y-%m-%d %H:%M:%S} UTC, after you had opened it. "
            "Nothing of yours was saved: look at it as it is now, and edit that.",
            field="version",
        )


def switch(found: ApiCredential, to: Status, *, now: datetime) -> bool:
    """Allow a credential to be switched on or off, and say whether that changes anything."""
    status = found.status_at(now)
    if status is Status.EXPIRED:
        raise Refusal(
            Code.NOT_ACTIVE,
            f"The credential ended on {found.credential.not_after:%Y-%m-%d %H:%M} UTC. Give it a later end first.",
            field="credentialId",
        )
    if status is Status.INACTIVE and to is Status.ACTIVE and found.credential.inactive_since is None:
        raise Refusal(
            Code.NOT_ACTIVE,
            "The credential is held since the database was restored. An operator of the platform can release it.",
            field="credentialId",
        )
    return status is not to
