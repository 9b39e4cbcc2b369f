"""Revocation lists of trusted authorities, where the operator wants them looked up: fetched, proven, and obeyed.

A list is the one of the authority that issued a certificate, whether that is the trusted one or one below it; and those
below it stand on lists themselves (RFC 5280 6.3). What is revoked there is revoked here as well, with all that it has
certified, and no gate admits it from then on. A list that cannot be had changes nothing: the doctor says so, and the
next look is minutes away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Protocol

import structlog
from anyio import to_thread
from cryptography import x509

from credenza.actions import revocation
from credenza.actions.context import Attempt, Platform, acting
from credenza.adapters.unfetched import NotFetched
from credenza.domain.access import Action
from credenza.domain.model import Actor, ActorKind
from credenza.protocol import crl
from credenza.protocol.crl import RevocationList
from credenza.protocol.errors import Malformed, Refused
from credenza.store import chores, credentials, trusted_authorities
from credenza.store.engine import reading, writing
from credenza.store.trusted_authorities import Brought, ForeignList, TrustedAuthority

log = structlog.get_logger()

LOOKED_EVERY: Final = timedelta(hours=1)
LOOKED_AGAIN: Final = timedelta(minutes=5)
"""After a look that found no list."""
_MOST_LISTS: Final = 20
"""Of one trusted authority: a certificate names its list itself, and must not make us read the whole web."""
_LONGEST_URL: Final = 500
_LONGEST_ERROR: Final = 300
_CHORE = "foreign revocation lists"
_SCHEDULER = Actor(ActorKind.OPERATOR, "scheduler")


class Fetcher(Protocol):
    """Reads what is at a URL that a stranger chose. Raises NotFetched."""

    async def fetch(self, url: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Listable:
    """A certificate (DER) that may stand on a list, and what was brought along that is it, or rests on it."""

    certificate_der: bytes
    brought: Brought


@dataclass(frozen=True, slots=True)
class Place:
    """Where an issuer's list is, and the certificates that may stand on it."""

    trusted: TrustedAuthority
    url: str
    issuer_der: bytes
    listable: tuple[Listable, ...]


def take_turn(platform: Platform, holder: str, *, term: timedelta, now: datetime) -> bool:
    """Say whether this node is the one that fetches, for `term` from now. It saves work; nothing rests on it."""
    with writing(platform.database.records) as connection:
        return chores.take(connection, _CHORE, holder, until=now + term, now=now)


async def look(platform: Platform, fetcher: Fetcher, *, now: datetime) -> int:
    """Fetch the lists that are due and revoke what stands on them; return how many certificates that were."""
    places = await to_thread.run_sync(lambda: _due(platform, now=now))
    revoked = 0
    for place in places:
        found = await _fetch(place, fetcher, now=now)
        revoked += await to_thread.run_sync(_keep, platform, place, found, now)
    return revoked


def _due(platform: Platform, *, now: datetime) -> tuple[Place, ...]:
    with reading(platform.database.records) as connection:
        looked_up = [
            each
            for each in trusted_authorities.list_all(connection)
            if each.checks_revocation and each.disabled_at is None
        ]
        due: list[Place] = []
        for trusted in looked_up:
            brought = trusted_authorities.list_brought(connection, trusted.id, now=now)
            for place in _places(trusted, brought):
                if _is_due(trusted_authorities.find_list(connection, trusted.id, place.url), now):
                    due.append(place)  # noqa: PERF401 - one line for each step of the search
    return tuple(due)


def _places(trusted: TrustedAuthority, brought: Iterable[Brought]) -> tuple[Place, ...]:
    """Group certificates by where their issuer's list is, those of authorities between included."""
    grouped: dict[tuple[str, bytes], list[Listable]] = {}
    for each in brought:
        path = (each.certificate_der, *(each.chain or (trusted.certificate_der,)))
        for certified, issuer in pairwise(path):
            url = trusted.crl_url if trusted.crl_url and issuer == trusted.certificate_der else _url(certified)
            if url:
                grouped.setdefault((url, issuer), []).append(Listable(certified, each))
    found = [Place(trusted, url, issuer, tuple(each)) for (url, issuer), each in sorted(grouped.items())]
    return tuple(found[:_MOST_LISTS])


def _url(certificate_der: bytes) -> str:
    """The first place that HTTP leads to; a list that is cut into parts by reason is not looked up."""
    try:
        points = (
            x509.load_der_x509_certificate(certificate_der)
            .extensions.get_extension_for_class(x509.CRLDistributionPoints)
            .value
        )
    except x509.ExtensionNotFound:
        return ""
    names = (name.value for point in points if not point.reasons for name in point.full_name or ())
    return next((str(each) for each in names if str(each).startswith(("http://", "https://"))), "")[:_LONGEST_URL]


def _is_due(known: ForeignList | None, now: datetime) -> bool:
    if known is None:
        return True
    # A look that lies ahead by so much was made by a clock that was wrong, and must not put off the next one.
    apart = abs(now - known.fetched_at)
    if known.error:
        return apart >= LOOKED_AGAIN
    ends = known.next_update is not None and now >= known.next_update
    return ends or apart >= LOOKED_EVERY


@dataclass(frozen=True, slots=True)
class _Found:
    der: bytes | None
    proven: RevocationList | None
    error: str = ""


async def _fetch(place: Place, fetcher: Fetcher, *, now: datetime) -> _Found:
    try:
        der = await fetcher.fetch(place.url)
        issuer = x509.load_der_x509_certificate(place.issuer_der)
        proven = await to_thread.run_sync(lambda: crl.read(der, issuer, now=now))
    except (NotFetched, Malformed, Refused) as error:
        log.warning("foreign_lists.none", authority=place.trusted.id, url=place.url, reason=str(error))
        return _Found(None, None, str(error))
    return _Found(der, proven)


def _keep(platform: Platform, place: Place, found: _Found, now: datetime) -> int:
    next_update = None if found.proven is None else found.proven.next_update
    kept = ForeignList(place.trusted.id, place.url, found.der, next_update, now, found.error[:_LONGEST_ERROR])
    with writing(platform.database.records) as connection:
        trusted_authorities.keep_list(connection, kept)
    return 0 if found.proven is None else _obey(platform, place.listable, found.proven, now)


def _obey(platform: Platform, listable: Sequence[Listable], proven: RevocationList, now: datetime) -> int:
    """Revoke what the authority has revoked, each in an action of its own."""
    count = 0
    for each in listable:
        certified = x509.load_der_x509_certificate(each.certificate_der)
        at = proven.revoked.get(certified.serial_number)
        if at is not None:
            what = "revoked" if each.certificate_der == each.brought.certificate_der else "its issuer was revoked"
            _revoke(platform, each.brought, f"{what} by its authority on {at:%Y-%m-%d}", now)
            count += 1
    return count


def _revoke(platform: Platform, brought: Brought, reason: str, now: datetime) -> None:
    attempt = Attempt(_SCHEDULER, Action.CERTIFICATE_REVOKE, now, project_id=brought.project_id)
    with acting(platform, attempt) as act:
        held = credentials.find(act.connection, brought.credential_id)
        assert held is not None, "credentials are never deleted"
        revocation.revoke(act, held, keep_last=False, reason=reason)
