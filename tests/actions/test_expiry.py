"""What expires: who sees it, in what order, how much in which month; the inbox and the calendar of it."""

from datetime import timedelta

import pytest
from icalendar import Calendar
from tests.actions import post_office
from tests.actions.post_office import DAY, PostOffice
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Person, Shop
from tests.actions.test_service_keys import Counter

from credenza.actions import account_keys, calendar_feeds, deliveries, expiry, inbox, oauth_keys, people
from credenza.domain.access import Scope
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import NOTICE_DAYS, Ending
from credenza.domain.model import Credential, CredentialKind, OrganizationRole, Status
from credenza.domain.outbox import State
from credenza.store import schema
from credenza.store.engine import writing


@pytest.fixture
def admin(shop: Shop) -> Person:
    return shop.stage.member(shop.organization)


def seen(shop: Shop, person: Person, **named: object) -> list[str]:
    named = {"limit": 100, **named}
    found: tuple[Ending, ...] = shop.stage.looked(expiry.list_page, person.actor, shop.organization.id, **named)
    return [each.credential_id for each in found]


def many(shop: Shop, count: int) -> list[Credential]:
    keys = [shop.key, *(shop.add() for _ in range(count - 1))]
    for number, key in enumerate(keys):
        post_office.end_at(shop.stage.platform, key, shop.stage.now + (10 + 20 * number) * DAY)
    return keys


def test_the_nearest_comes_first_and_pages_join(shop: Shop, admin: Person) -> None:
    keys = [key.id for key in many(shop, 5)]

    first: tuple[Ending, ...] = shop.stage.looked(expiry.list_page, admin.actor, shop.organization.id, limit=2)
    rest = seen(shop, admin, after=expiry.cursor_of(first[-1]))

    assert [each.credential_id for each in first] + rest == keys == seen(shop, admin)


def test_ends_of_one_moment_are_all_listed(shop: Shop, admin: Person) -> None:
    keys = many(shop, 4)
    for key in keys:
        post_office.end_at(shop.stage.platform, key, shop.stage.now + DAY)
    found: list[str] = []
    after = None
    for _ in keys:
        (each,) = shop.stage.looked(expiry.list_page, admin.actor, shop.organization.id, after=after, limit=1)
        found.append(each.credential_id)
        after = expiry.cursor_of(each)

    assert sorted(found) == sorted(key.id for key in keys)


def test_the_list_is_narrowed_to_a_span_an_environment_and_a_project(shop: Shop, admin: Person) -> None:
    keys = many(shop, 3)
    production = shop.add_production()
    project = shop.project.id

    assert seen(shop, admin, end=shop.stage.now + 31 * DAY) == [key.id for key in keys[:2]]
    assert seen(shop, admin, begin=shop.stage.now + 40 * DAY, end=shop.stage.now + 60 * DAY) == [keys[2].id]
    assert seen(shop, admin, environment=PRODUCTION) == [production.id]
    assert seen(shop, admin, environment=SANDBOX, project_id=project) == [key.id for key in keys]
    assert seen(shop, admin, project_id=shop.organization.id) == []


def test_what_was_revoked_or_has_ended_expires_no_more(shop: Shop, admin: Person) -> None:
    keys = many(shop, 3)
    shop.revoke(keys[1])
    shop.stage.clock.advance(11 * DAY)

    assert seen(shop, admin) == [keys[2].id]
    assert seen(shop, admin, begin=shop.stage.now - 30 * DAY) == [keys[0].id, keys[2].id]


def test_a_key_whose_place_another_has_taken_expires_unseen(shop: Shop, admin: Person) -> None:
    """Nothing stops when it ends: it stands in the project's own list alone."""
    counter = Counter(shop)
    kinds = (CredentialKind.REQUEST_SIGNATURE, CredentialKind.REQUEST_SIGNATURE, CredentialKind.REQUEST_ENCRYPTION)
    first, second, ours = (counter.add(kind) for kind in kinds)
    shop.stage.clock.advance(40 * DAY)
    assert set(seen(shop, admin)) == {shop.key.id, first.id, ours.id}

    counter.activate(second)

    assert set(seen(shop, admin)) == {shop.key.id, second.id, ours.id}
    months = shop.stage.looked(expiry.count_by_month, admin.actor, shop.organization.id)
    assert sum(each.count for each in months) == 3


def test_a_user_sees_own_projects_and_own_account_level_keys(shop: Shop) -> None:
    stage = shop.stage
    stranger = stage.member(shop.organization, OrganizationRole.USER)
    own = account_keys.add(stage.platform, stranger.actor, shop.organization.id, stage.new_key("ci"), now=stage.now)
    overseer = stage.member(shop.organization, OrganizationRole.COMPLIANCE_ADMIN)

    assert seen(shop, stranger) == [own.id]
    assert seen(shop, shop.owner) == [shop.key.id]
    assert sorted(seen(shop, overseer)) == sorted([own.id, shop.key.id])


def test_months_are_counted_from_this_one_on(shop: Shop, admin: Person) -> None:
    many(shop, 4)  # 31 January: the ends lie on 10 February, 2 and 22 March, 11 April

    found = shop.stage.looked(expiry.count_by_month, admin.actor, shop.organization.id)
    days = shop.stage.looked(
        expiry.count_by_day, admin.actor, shop.organization.id, shop.stage.now.replace(month=3, day=1)
    )

    assert [each.count for each in found] == [0, 1, 2, 1, *[0] * 9]
    assert f"{found[0].start:%F %T} {found[-1].start:%F}" == "2025-01-01 00:00:00 2026-01-01"
    assert [number for number, count in enumerate(days, 1) if count] == [2, 22]
    assert len(days) == 31


def test_a_made_up_cursor_is_refused(shop: Shop, admin: Person) -> None:
    for cursor in ("", "x", "f" * 60, "-"):
        shop.stage.refused(
            "expiry.view", Code.INVALID, expiry.list_page, admin.actor, shop.organization.id, after=cursor, limit=1
        )


# ---------------------------------------------------------------------------------------------------------------- inbox


def tell(shop: Shop) -> None:
    for days in (90, 60, 30):
        shop.stage.clock.set(shop.key.not_after - days * DAY)
        post_office.turn(shop.stage.platform, PostOffice(), now=shop.stage.now)


def test_notices_lie_in_the_inbox_until_they_are_read(shop: Shop) -> None:
    tell(shop)
    found = shop.stage.looked(inbox.list_own, shop.owner.actor, limit=10)
    rest = shop.stage.looked(inbox.list_own, shop.owner.actor, before=found[0].notice.id, limit=10)

    assert [each.notice.days for each in found] == [30, 60, 90]
    assert rest == found[1:]
    assert shop.stage.looked(inbox.count_unread, shop.owner.actor) == 3
    assert shop.stage.done("inbox.mark", inbox.mark_read, shop.owner.actor, [found[0].notice.id, "another"]) == 1
    assert shop.stage.looked(inbox.count_unread, shop.owner.actor) == 2
    assert shop.stage.done("inbox.mark", inbox.mark_all_read, shop.owner.actor) == 2
    assert shop.stage.looked(inbox.count_unread, shop.owner.actor) == 0


def test_nobody_reads_or_marks_another_s_inbox(shop: Shop, admin: Person) -> None:
    tell(shop)
    (item, *_) = shop.stage.looked(inbox.list_own, shop.owner.actor, limit=10)

    assert shop.stage.looked(inbox.list_own, admin.actor, limit=10) == ()
    assert inbox.mark_read(shop.stage.platform, admin.actor, [item.notice.id], now=shop.stage.now) == 0
    assert shop.stage.looked(inbox.count_unread, shop.owner.actor) == 3


def test_the_inbox_says_what_the_key_is_today(shop: Shop) -> None:
    tell(shop)
    shop.done("key.renew", oauth_keys.renew, shop.key.id)
    (renewed, *_) = shop.stage.looked(inbox.list_own, shop.owner.actor, limit=10)
    shop.revoke(shop.key)
    (revoked, *_) = shop.stage.looked(inbox.list_own, shop.owner.actor, limit=10)

    later = shop.key.not_after + DAY
    assert (renewed.status_at(later), revoked.status_at(later)) == (Status.ACTIVE, Status.REVOKED)


def test_a_token_without_the_scope_to_read_sees_no_inbox(shop: Shop) -> None:
    narrow = shop.stage.token(shop.owner.user, shop.organization, Scope.PEOPLE)

    shop.stage.refused("inbox.list", Code.FORBIDDEN, inbox.list_own, narrow, limit=1)


def test_who_left_the_organization_reads_no_more_of_it(shop: Shop, admin: Person) -> None:
    tell(shop)
    people.remove_member(shop.stage.platform, OPERATOR, shop.organization.id, shop.owner.user.id, now=shop.stage.now)

    assert shop.stage.looked(inbox.list_own, shop.owner.actor, limit=10) == ()


def test_an_overseer_sees_what_was_sent(shop: Shop, admin: Person) -> None:
    tell(shop)
    found = shop.stage.looked(deliveries.list_page, admin.actor, shop.organization.id, limit=2)
    (last,) = shop.stage.looked(deliveries.list_page, admin.actor, shop.organization.id, before=found[-1].id, limit=2)

    assert {each.state for each in (*found, last)} == {State.SENT}
    assert shop.stage.looked(deliveries.get, admin.actor, shop.organization.id, last.id) == last
    shop.stage.refused(
        "delivery.list", Code.FORBIDDEN, deliveries.list_page, shop.owner.actor, shop.organization.id, limit=1
    )


# ------------------------------------------------------------------------------------------------------------ calendars


def make(shop: Shop, person: Person) -> calendar_feeds.MadeFeed:
    return shop.stage.done("calendar_feed.make", calendar_feeds.make, person.actor, shop.organization.id)


def read(shop: Shop, made: calendar_feeds.MadeFeed) -> str:
    return shop.stage.looked(calendar_feeds.read, made.token)


def test_a_calendar_has_one_event_a_key_with_an_alarm_for_every_notice(shop: Shop, admin: Person) -> None:
    made = make(shop, admin)

    (event,) = Calendar.from_ical(read(shop, made)).walk("VEVENT")

    assert event.decoded("DTSTART") == shop.key.not_after
    assert str(event["SUMMARY"]) == "Signing key billing expires"
    alarms = [each.decoded("TRIGGER") for each in event.walk("VALARM")]
    assert alarms == [-timedelta(days=days) for days in NOTICE_DAYS if days]


def test_a_renewed_key_s_event_moves_and_a_revoked_one_s_goes(shop: Shop, admin: Person) -> None:
    made = make(shop, admin)
    (before,) = Calendar.from_ical(read(shop, made)).walk("VEVENT")
    shop.stage.clock.set(shop.key.not_after - 30 * DAY)
    renewed = shop.done("key.renew", oauth_keys.renew, shop.key.id)
    (after,) = Calendar.from_ical(read(shop, made)).walk("VEVENT")
    shop.revoke(shop.key)

    assert (before["UID"], after.decoded("DTSTART")) == (after["UID"], renewed.not_after)
    assert before["SEQUENCE"] < after["SEQUENCE"]
    assert Calendar.from_ical(read(shop, made)).walk("VEVENT") == []


HOSTILE = "a\r\nEND:VCALENDAR; , \\ \u202e \U0001f511 " + "ä" * 100


def test_a_hostile_name_neither_breaks_nor_leaves_its_line(shop: Shop, admin: Person) -> None:
    with writing(shop.stage.platform.database.records) as connection:
        connection.execute(schema.credentials.update().values(alias=HOSTILE[:120]))
    text = read(shop, make(shop, admin))

    lines = text.encode().split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert [line for line in lines if line.startswith(b"END:VCALENDAR")] == [b"END:VCALENDAR"]
    (event,) = Calendar.from_ical(text).walk("VEVENT")
    assert "END:VCALENDAR; , \\ \ufffd \U0001f511 ääää" in str(event["SUMMARY"])


def test_a_revoked_unknown_or_ownerless_feed_looks_the_same(shop: Shop, admin: Person) -> None:
    def refusal(token: str) -> str:
        with pytest.raises(Refusal) as caught:
            calendar_feeds.read(shop.stage.platform, token, now=shop.stage.now)
        assert caught.value.code is Code.NOT_FOUND
        return caught.value.message

    revoked, orphaned = make(shop, admin), make(shop, shop.owner)
    shop.stage.done("calendar_feed.revoke", calendar_feeds.revoke, admin.actor, shop.organization.id, revoked.feed.id)
    people.remove_member(shop.stage.platform, OPERATOR, shop.organization.id, shop.owner.user.id, now=shop.stage.now)

    assert refusal(revoked.token) == refusal(orphaned.token) == refusal("") == refusal("x" * 43)


def test_a_feed_shows_what_its_owner_sees(shop: Shop) -> None:
    stranger = shop.stage.member(shop.organization, OrganizationRole.USER)

    assert Calendar.from_ical(read(shop, make(shop, stranger))).walk("VEVENT") == []
    assert len(Calendar.from_ical(read(shop, make(shop, shop.owner))).walk("VEVENT")) == 1


def test_one_s_own_feeds_are_listed_and_an_admin_sees_all(shop: Shop, admin: Person) -> None:
    own = make(shop, shop.owner)
    other = make(shop, admin)

    listing = (calendar_feeds.list_own, shop.owner.actor, shop.organization.id)
    assert shop.stage.looked(*listing) == (own.feed,)
    assert set(shop.stage.looked(calendar_feeds.list_own, admin.actor, shop.organization.id)) == {own.feed, other.feed}
    shop.stage.refused(
        "calendar_feed.revoke", Code.NOT_FOUND, calendar_feeds.revoke, shop.owner.actor, shop.organization.id,
        other.feed.id,
    )  # fmt: skip


def test_a_stranger_sees_no_feeds(shop: Shop) -> None:
    stranger = Shop(shop.stage).owner

    shop.stage.refused(
        "calendar_feed.list", Code.NOT_FOUND, calendar_feeds.list_own, stranger.actor, shop.organization.id
    )


def test_the_token_is_shown_once_and_stored_hashed(shop: Shop, admin: Person) -> None:
    made = make(shop, admin)

    assert made.token not in repr(made)
    assert made.token not in str(shop.stage.rows(schema.calendar_feeds))
