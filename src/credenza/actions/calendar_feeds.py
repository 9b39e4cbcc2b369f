"""Calendar feeds: what expires, as appointments with alarms in anybody's calendar.

A feed is known by a token in its URL that a calendar keeps; stored is an HMAC of it under the pepper. It shows at every
look what its owner may see at that moment, and nothing once the owner has left the organization.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from credenza.actions.context import Attempt, Once, Platform, acting, holder_of, viewing
from credenza.actions.expiry import hidden_from
from credenza.actions.letters import NAMES, moment, portal_path, shown
from credenza.actions.once import claim, settle
from credenza.domain.access import Action, Standing
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import NOTICE_DAYS, Ending
from credenza.domain.model import Actor, OrganizationId, UserId
from credenza.protocol.icalendar import Event, calendar
from credenza.store import calendar_feeds, endings, people
from credenza.store.calendar_feeds import CalendarFeed
from credenza.store.engine import reading

MOST_EVENTS = 1_000
"""Of the nearest ends: calendars give up on larger files."""

_TOKEN_BYTES = 32
_SHOWN_AFTER_THE_END = timedelta(days=30)
_EPOCH_DAYS = 719_163  # 1970-01-01 as date.toordinal() counts
_PRODUCT = "-//Credenza//Expiry//EN"
_REFRESH = "PT6H"


@dataclass(frozen=True, slots=True)
class MadeFeed:
    """A new feed and, this once, the token that its URL ends with: `{portal}/calendar/{token}.ics`."""

    feed: CalendarFeed
    token: str = field(repr=False)


def make(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    now: datetime,
    once: Once | None = None,
    owner: UserId | None = None,
) -> MadeFeed:
    """Make a feed of what the actor sees in the organization; an operator names the `owner`."""
    attempt = Attempt(actor, Action.CALENDAR_FEED_MAKE, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, MadeFeed)
        if claimed.answer is not None:
            return claimed.answer
        holder = holder_of(act, owner, "calendar feed")
        feed = CalendarFeed(platform.new_id(), organization_id, holder, now)
        token = base64.urlsafe_b64encode(platform.random(_TOKEN_BYTES)).rstrip(b"=").decode()
        calendar_feeds.insert_feed(act.connection, feed, token_hash=_hash(platform, token))
        act.note(feed.id)
        return settle(act, MadeFeed(feed, token), secret=True)


def list_own(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[CalendarFeed, ...]:
    """List the actor's feeds; an organization's admin and an operator see everybody's."""
    attempt = Attempt(actor, Action.CALENDAR_FEED_LIST, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        owner = None if act.standing.sees_everybody else actor.user_id
        return calendar_feeds.list_of_user(act.connection, organization_id, owner)


def revoke(platform: Platform, actor: Actor, organization_id: OrganizationId, feed_id: str, *, now: datetime) -> None:
    """Revoke an own feed; an organization's admin and an operator revoke anybody's."""
    attempt = Attempt(actor, Action.CALENDAR_FEED_REVOKE, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        owner = None if act.standing.sees_everybody else actor.user_id
        own = calendar_feeds.list_of_user(act.connection, organization_id, owner)
        if feed_id not in {each.id for each in own}:
            raise Refusal(Code.NOT_FOUND, "No such calendar feed.", field="feedId")
        calendar_feeds.mark_revoked(act.connection, feed_id, now=now)
        act.note(feed_id)


def read(platform: Platform, token: str, *, now: datetime) -> str:
    """Write the calendar file that belongs to a token. Whatever is wrong with the token, the refusal is the same."""
    with reading(platform.database.records) as connection:
        feed = calendar_feeds.find_by_token(connection, _hash(platform, token))
        held = Standing() if feed is None else people.find_standing(connection, feed.organization_id, feed.user_id)
        if feed is None or held.organization_role is None:
            raise Refusal(Code.NOT_FOUND, "No such calendar. Make a feed in the portal, under Expiry.")
        found = endings.list_ending(
            connection,
            feed.organization_id,
            seen_by=None if held.oversees else feed.user_id,
            hidden=hidden_from(held),
            begin=now - _SHOWN_AFTER_THE_END,
            end=None,
            environment=None,
            project_id=None,
            after=None,
            limit=MOST_EVENTS,
        )
        organization = people.find_organization(connection, feed.organization_id)
    assert organization is not None, "it has a member"
    return write(organization.name, found, public_url=platform.public_url, now=now)


def write(organization: str, found: tuple[Ending, ...], *, public_url: str, now: datetime) -> str:
    """Write what ends as a calendar file."""
    events = [_event(each, public_url) for each in found]
    return calendar(f"Credenza: {shown(organization)}", events, product=_PRODUCT, refresh=_REFRESH, now=now)


def _event(ending: Ending, public_url: str) -> Event:
    name = f"{NAMES[ending.kind]} {shown(ending.alias)}"
    where = f"{shown(ending.project)}, {ending.environment}" if ending.project_id else shown(ending.organization)
    return Event(
        uid=f"{ending.credential_id}@credenza",
        # A renewal moves the end by months: the day of the end grows with every revision.
        revision=ending.not_after.toordinal() - _EPOCH_DAYS,
        at=ending.not_after,
        summary=f"{name[:1].upper()}{name[1:]} expires",
        description=f"{where}. It expires on {moment(ending.not_after)}. Id: {ending.credential_id}",
        url=public_url + portal_path(ending),
        alarm_days=tuple(each for each in NOTICE_DAYS if each),
    )


def _hash(platform: Platform, token: str) -> str:
    return hmac.new(platform.pepper, token.encode(), hashlib.sha256).hexdigest()
