"""Notices to the platform's operators that a certificate authority ends: our own that sign, those above them, and those
of others that are trusted.

Operators are no users: they are named in the settings, and hear by mail. Planned together with the notices of
credentials (`notices`), and sent as those are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

import msgspec
from cryptography import x509
from sqlalchemy import Connection

from credenza.actions.context import Platform
from credenza.actions.letters import AuthorityNotice
from credenza.actions.outbox import derived_id, enqueue
from credenza.domain import expiry
from credenza.domain.expiry import AUTHORITY_NOTICE_DAYS
from credenza.domain.model import PLATFORM, AuthorityId, EnvironmentName
from credenza.domain.outbox import Channel, Kind
from credenza.protocol import certificate
from credenza.protocol.certificate import CertificateDescription
from credenza.store import authorities, trusted_authorities
from credenza.store.authorities import Authority
from credenza.store.certificates import AuthorityRole
from credenza.store.engine import reading, writing


class Part(StrEnum):
    """What an authority is to the platform."""

    ISSUING = "issuing"
    ABOVE = "above"
    TRUSTED = "trusted"


@dataclass(frozen=True, slots=True)
class AuthorityEnd:
    """An authority whose end somebody has to act before; `since` is when it came."""

    authority_id: AuthorityId
    environment: EnvironmentName
    part: Part
    name: str
    not_after: datetime
    since: datetime


def ends(connection: Connection) -> tuple[AuthorityEnd, ...]:
    """List the authorities that sign, those above them, and those that are trusted. Retired ones end unlamented: what
    they have certified ends before."""
    return (*_own(connection), *_trusted(connection))


def plan(platform: Platform, *, since: datetime, now: datetime) -> int:
    """Put every notice that has come due after `since` where it will be sent from; say how many."""
    if not platform.policy.operators:
        return 0
    with reading(platform.database.records) as connection:
        due = [(each, days) for each in ends(connection) if (days := _due(each, since=since, now=now)) is not None]
    if due:
        with writing(platform.database.records) as connection:
            for ending, days in due:
                _tell(platform, connection, ending, days, now=now)
    return len(due)


def _own(connection: Connection) -> Iterator[AuthorityEnd]:
    known = {each.id: each for each in authorities.list_all(connection)}
    seen: set[AuthorityId] = set()
    for each in known.values():
        if each.role is AuthorityRole.ISSUING and each.signs:
            yield _end(each, Part.ISSUING)
            for above in _above(each, known):
                if above.id not in seen:
                    seen.add(above.id)
                    yield _end(above, Part.ABOVE)


def _above(authority: Authority, known: dict[AuthorityId, Authority]) -> Iterator[Authority]:
    while authority.parent_id is not None:
        authority = known[authority.parent_id]
        yield authority


def _end(authority: Authority, part: Part) -> AuthorityEnd:
    said = _described(authority.certificate_der)
    return AuthorityEnd(authority.id, authority.environment, part, said.subject, said.not_after, authority.created_at)


def _trusted(connection: Connection) -> Iterator[AuthorityEnd]:
    for each in trusted_authorities.list_all(connection):
        if each.disabled_at is None:
            ends_at = _described(each.certificate_der).not_after
            yield AuthorityEnd(each.id, each.environment, Part.TRUSTED, each.name, ends_at, each.created_at)


# Whoever reads the metrics asks for all of them several times a minute, and a certificate never says anything else.
@lru_cache(maxsize=1024)
def _described(certificate_der: bytes) -> CertificateDescription:
    return certificate.describe(x509.load_der_x509_certificate(certificate_der))


def _due(ending: AuthorityEnd, *, since: datetime, now: datetime) -> int | None:
    """The nearest notice alone, as of credentials; of others' authorities only those that credentials have."""
    days = expiry.NOTICE_DAYS if ending.part is Part.TRUSTED else AUTHORITY_NOTICE_DAYS
    due = expiry.notices_due(ending.not_after, since=max(since, ending.since), now=now, days=days)
    return due[-1] if due else None


def _tell(platform: Platform, connection: Connection, ending: AuthorityEnd, days: int, *, now: datetime) -> None:
    """The same notice of another look, or another node, has the same identity, and is there already."""
    letter = msgspec.json.encode(_letter(platform, ending, days))
    for address in platform.policy.operators:
        enqueue(
            platform,
            connection,
            PLATFORM,
            Channel.MAIL,
            Kind.AUTHORITY_EXPIRY,
            identity=derived_id(ending.authority_id, ending.not_after.isoformat(), str(days), address),
            recipient=address,
            content=letter,
            now=now,
        )


def _letter(platform: Platform, ending: AuthorityEnd, days: int) -> AuthorityNotice:
    return AuthorityNotice(
        authority_id=ending.authority_id,
        part=ending.part,
        name=ending.name,
        environment=ending.environment,
        not_after=ending.not_after,
        days=days,
        link=platform.public_url,
    )
