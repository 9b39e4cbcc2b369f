"""Revocation lists of our own authorities (RFC 5280 5): signed again soon after a revocation, and before they run out.

A number is taken and committed, then the list is read and signed outside any transaction, then stored unless another
node has taken a later number meanwhile. A crash in between leaves a number unused and the list before in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from cryptography import x509
from sqlalchemy import Connection

from credenza.actions import issuers
from credenza.actions.context import Platform
from credenza.actions.issuers import Issuer
from credenza.actions.revocation_reasons import reason_of
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import ChangeNumber
from credenza.protocol import crl
from credenza.protocol.crl import Entry, Reason
from credenza.protocol.issuance import BACKDATING
from credenza.store import authorities, changes, chores, revocation_lists
from credenza.store.authorities import Authority
from credenza.store.engine import reading, writing
from credenza.store.revocation_lists import PublishedList, Withdrawn

log = structlog.get_logger()

LIFE: Final = timedelta(hours=24)
RENEWED_AFTER: Final = timedelta(hours=12)
# RFC 5280 3.3: an entry stays until it was on one list after the certificate's end. Lists come every 12 hours.
KEPT_AFTER_END: Final = timedelta(hours=48)
_CHORE = "revocation lists"


def take_turn(platform: Platform, holder: str, *, term: timedelta, now: datetime) -> bool:
    """Say whether this node is the one that signs lists, for `term` from now. It saves work; nothing rests on it."""
    with writing(platform.database.records) as connection:
        return chores.take(connection, _CHORE, holder, until=now + term, now=now)


def sign_due(platform: Platform, *, now: datetime) -> tuple[PublishedList, ...]:
    """Sign the lists that a revocation has changed, or that run out before long; return those."""
    with reading(platform.database.records) as connection:
        found = [each for each in authorities.list_all(connection) if each.has_key and not _has_ended(each, now)]
    signed: list[PublishedList] = []
    for authority in found:
        try:
            made = _sign_if_due(platform, authority, now)
        except Refusal:  # its key is away, which is logged: the others go on
            continue
        if made is not None:
            signed.append(made)
    return tuple(signed)


def get(platform: Platform, authority_id: str, *, now: datetime) -> PublishedList:
    """Read an authority's newest list, signed first when there is none yet or it has run out. Public."""
    published, authority = _find(platform, authority_id)
    is_current = published is not None and published.this_update <= now < published.next_update
    if not is_current and authority is not None and authority.has_key and not _has_ended(authority, now):
        sign(platform, authority, now=now)
        published, _ = _find(platform, authority_id)
    if published is None:
        raise Refusal(Code.NOT_FOUND, "No such authority, or it signs no lists here.", field="authorityId")
    return published


def _find(platform: Platform, authority_id: str) -> tuple[PublishedList | None, Authority | None]:
    with reading(platform.database.records) as connection:
        return revocation_lists.find(connection, authority_id), authorities.find(connection, authority_id)


def sign(platform: Platform, authority: Authority, *, now: datetime) -> PublishedList | None:
    """Sign an authority's list as things are now; None when another node was faster."""
    issuer = issuers.opened(platform, authority)
    with writing(platform.database.records) as connection:
        number = revocation_lists.take_number(connection, authority.id, now=now)
    platform.failpoint("list_number_taken")
    with reading(platform.database.records) as connection:
        change_number, entries = _entries(connection, authority, now)
    with issuers.reaching(platform, issuer):
        made = _signed(issuer, number, change_number, entries, now)
    platform.failpoint("list_signed")
    with writing(platform.database.records) as connection:
        stored = revocation_lists.publish(connection, made)
        platform.failpoint("before_list_commit")
    platform.failpoint("after_list_commit")
    return made if stored else None


def _sign_if_due(platform: Platform, authority: Authority, now: datetime) -> PublishedList | None:
    with reading(platform.database.records) as connection:
        published = revocation_lists.find(connection, authority.id)
        if published is None or not published.this_update <= now < published.this_update + RENEWED_AFTER:
            change_number, entries = None, None
        elif changes.current(connection) == published.change_number:
            return None
        else:
            change_number, entries = _entries(connection, authority, now)
    if published is None or entries is None or change_number is None:
        return sign(platform, authority, now=now)
    if _digest(entries) != published.entries_sha256:
        return sign(platform, authority, now=now)
    with writing(platform.database.records) as connection:
        revocation_lists.note_unchanged(connection, authority.id, change_number)
    return None


def _signed(
    issuer: Issuer, number: int, change_number: ChangeNumber, entries: Sequence[Entry], now: datetime
) -> PublishedList:
    # As certificates are: whoever reads a list by a clock that is behind would refuse everybody until then.
    this_update = now.replace(microsecond=0) - BACKDATING
    next_update = min(this_update + LIFE, issuer.certificate.not_valid_after_utc + timedelta(seconds=1))
    encoded = crl.build(
        issuer.private_key,
        issuer.certificate,
        entries,
        number=number,
        this_update=this_update,
        next_update=next_update,
    )
    return PublishedList(
        authority_id=issuer.id,
        number=number,
        change_number=change_number,
        entries_sha256=_digest(entries),
        der=encoded,
        this_update=this_update,
        next_update=next_update,
    )


def _entries(connection: Connection, authority: Authority, now: datetime) -> tuple[ChangeNumber, tuple[Entry, ...]]:
    """What stands on the list, and the last change that it knows of: one snapshot."""
    published = revocation_lists.find(connection, authority.id)
    ended_after = now - KEPT_AFTER_END
    if published is not None:
        ended_after = min(ended_after, published.this_update)  # nobody may have signed for days
    found = revocation_lists.withdrawn(connection, authority.id, ended_after=ended_after)
    return changes.current(connection), tuple(map(_entry, found))


def _entry(found: Withdrawn) -> Entry:
    serial = int(found.serial_hex, 16)
    if found.revoked_at is None:
        # Held after a restore: nobody knows yet whether it was revoked, so nobody may rely on it.
        return Entry(serial, found.not_before, Reason.CERTIFICATE_HOLD)
    return Entry(serial, found.revoked_at, reason_of(found.reason))


def _digest(entries: Sequence[Entry]) -> str:
    hashed = hashlib.sha256()
    for each in entries:
        hashed.update(f"{each.serial_number:x} {int(each.revoked_at.timestamp())} {each.reason}\n".encode())
    return hashed.hexdigest()


def _has_ended(authority: Authority, now: datetime) -> bool:
    return x509.load_der_x509_certificate(authority.certificate_der).not_valid_after_utc < now
