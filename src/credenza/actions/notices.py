"""Notices of what expires: 90, 60, 30, 15, 7 and 1 days before, and at the end, to whom it concerns.

`plan` finds what is due and puts it, in one transaction each, before everybody concerned: notice, inbox and outbox. The
notice's unique constraint decides between two nodes. `actions.delivery` sends. Ids are derived from what is said, so
that a notice that is planned again, after a restore say, goes out under the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from credenza.actions import authority_notices
from credenza.actions.context import Platform
from credenza.actions.letters import ExpiryNotice, portal_path
from credenza.actions.outbox import derived_id, enqueue
from credenza.domain import expiry
from credenza.domain.expiry import NOTICE_DAYS, Ending
from credenza.domain.model import CredentialId
from credenza.domain.notices import Notice
from credenza.domain.outbox import Channel, Kind
from credenza.store import chores, endings, notices, traces, webhooks
from credenza.store.engine import reading, writing

CHORE = "notices"
_BATCH = 50
_GENERATIONS = 8
"""A chain of rotations is followed so far; nobody rotates a key that often in the 72 hours that count."""


def take_turn(platform: Platform, holder: str, *, term: timedelta, now: datetime) -> bool:
    """Say whether this node is the one that plans, for `term` from now. It saves work; nothing rests on it."""
    with writing(platform.database.records) as connection:
        return chores.take(connection, CHORE, holder, until=now + term, now=now)


def plan(platform: Platform, *, now: datetime) -> int:
    """Put every notice that has become due since the last time where it will be sent from; say how many.

    A credential has the nearest one alone, however many came due: after a month's sleep nobody is told six times.
    """
    with reading(platform.database.records) as connection:
        since = expiry.look_back(chores.done_until(connection, CHORE), now=now)
    told = sum(_plan_days(platform, days, since=since, now=now) for days in sorted(NOTICE_DAYS))
    told += authority_notices.plan(platform, since=since, now=now)
    platform.failpoint("notices_planned")
    with writing(platform.database.records) as connection:
        chores.mark_done(connection, CHORE, until=now)
    return told


def _plan_days(platform: Platform, days: int, *, since: datetime, now: datetime) -> int:
    told, after = 0, None
    while True:
        with writing(platform.database.records) as connection:
            found = endings.list_due(connection, days, since=since, after=after, limit=_BATCH, now=now)
            silent = _silent(platform, connection, found, now=now)
            for ending in found:
                if ending.credential_id not in silent and _is_due(ending, days, since=since, now=now):
                    told += _tell(platform, connection, ending, days, now=now)
            platform.failpoint("notices_before_commit")
        platform.failpoint("notices_after_commit")
        if len(found) < _BATCH:
            return told
        after = found[-1]


def _is_due(ending: Ending, days: int, *, since: datetime, now: datetime) -> bool:
    """What had fewer days than that to go when it was issued is no news."""
    return days in expiry.notices_due(ending.not_after, since=max(since, ending.issued_at), now=now)


def _silent(
    platform: Platform, connection: Connection, found: tuple[Ending, ...], *, now: datetime
) -> frozenset[CredentialId]:
    """Which of them have been replaced."""
    successors = _successors(connection, found, now=now)
    if not successors:
        return frozenset()
    with reading(platform.database.traces) as reader:
        used = traces.in_use(reader, sorted(frozenset[CredentialId]().union(*successors.values())))
        last_uses = traces.last_uses(reader, sorted(successors))
    return frozenset(
        each
        for each, followers in successors.items()
        if expiry.is_silent(successor_used=not used.isdisjoint(followers), last_used=last_uses.get(each), now=now)
    )


def _successors(
    connection: Connection, found: tuple[Ending, ...], *, now: datetime
) -> dict[CredentialId, frozenset[CredentialId]]:
    """Find who follows each, and who follows those: a rotated key's successor may have been rotated in turn."""
    line: dict[CredentialId, frozenset[CredentialId]] = {}
    heads = {each.credential_id: frozenset({each.credential_id}) for each in found}
    for _ in range(_GENERATIONS):
        asked = sorted(frozenset[CredentialId]().union(*heads.values()))
        followers = endings.successors(connection, asked, now=now) if asked else {}
        heads = {each: _next(heads[each], followers) for each in heads}
        heads = {each: ids for each, ids in heads.items() if ids}
        line |= {each: line.get(each, frozenset()) | ids for each, ids in heads.items()}
    return line


def _next(
    heads: frozenset[CredentialId], followers: Mapping[CredentialId, Sequence[CredentialId]]
) -> frozenset[CredentialId]:
    return frozenset(follower for head in heads for follower in followers.get(head, ()))


def _tell(platform: Platform, connection: Connection, ending: Ending, days: int, *, now: datetime) -> bool:
    """Say it to everybody concerned, unless another node has."""
    notice = Notice(
        id=derived_id(ending.credential_id, ending.not_after.isoformat(), str(days)),
        organization_id=ending.organization_id,
        credential_id=ending.credential_id,
        not_after=ending.not_after,
        days=days,
        created_at=now,
    )
    if not notices.insert_notice(connection, notice):
        return False
    platform.failpoint("notice_inserted")
    people = endings.audience(connection, ending)
    notices.insert_into_inboxes(connection, notice, [each.id for each in people])
    letter = msgspec.json.encode(_letter(platform, ending, days))
    for person in people:
        _send(platform, connection, notice, Channel.MAIL, person.email, letter)
    event = msgspec.json.encode(_event(ending, days, now=now))
    for webhook in webhooks.list_of_organization(connection, ending.organization_id):
        _send(platform, connection, notice, Channel.WEBHOOK, webhook.id, event)
    return True


def _send(
    platform: Platform, connection: Connection, notice: Notice, channel: Channel, recipient: str, content: bytes
) -> None:
    enqueue(
        platform,
        connection,
        notice.organization_id,
        channel,
        Kind.EXPIRY,
        identity=derived_id(notice.id, channel, recipient),
        recipient=recipient,
        content=content,
        now=notice.created_at,
        notice_id=notice.id,
    )


def _letter(platform: Platform, ending: Ending, days: int) -> ExpiryNotice:
    return ExpiryNotice(
        credential_id=ending.credential_id,
        kind=ending.kind,
        alias=ending.alias,
        organization=ending.organization,
        project=ending.project,
        environment=ending.environment,
        not_after=ending.not_after,
        days=days,
        link=platform.public_url + portal_path(ending),
    )


def _event(ending: Ending, days: int, *, now: datetime) -> dict[str, object]:
    """What a webhook gets, in the envelope of Standard Webhooks; names as in the API."""
    return {
        "type": "credential.expiring" if days else "credential.expired",
        "timestamp": _zulu(now),
        "data": {
            "credentialId": ending.credential_id,
            "kind": ending.kind,
            "alias": ending.alias,
            "organizationId": ending.organization_id,
            "projectId": ending.project_id,
            "environment": ending.environment,
            "notAfter": _zulu(ending.not_after),
            "days": days,
        },
    }


def _zulu(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
