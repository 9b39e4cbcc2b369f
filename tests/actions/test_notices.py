"""Notices of what expires: each once, to whom it concerns, and silent when there is nothing to say any more."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.actions import post_office
from tests.actions.post_office import DAY, PostOffice, turn
from tests.actions.stage import OPERATOR, PRODUCTION, Shop
from tests.actions.test_service_keys import Counter

from credenza.actions import account_keys, certificates, notices, oauth_keys, people, project_members, webhooks
from credenza.actions.delivery import Senders
from credenza.domain.errors import Code
from credenza.domain.expiry import NOTICE_DAYS
from credenza.domain.model import Credential, CredentialKind, OrganizationRole, ProjectRole
from credenza.domain.outbox import State
from credenza.store import schema, traces
from credenza.store.engine import writing
from credenza.store.traces import Caller

HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


def live_on(shop: Shop, office: PostOffice, *, until: timedelta, step: timedelta = 12 * HOUR) -> None:
    """Let time pass step by step, planning and sending at each; week by week while no key is near its end."""
    end = shop.stage.now + until
    ends = [row.not_after for row in shop.stage.rows(schema.credentials)]
    with asyncio.Runner() as runner:
        while shop.stage.now < end:
            near = any(-WEEK < each - shop.stage.now < NOTICE_DAYS[0] * DAY + WEEK for each in ends)
            shop.stage.clock.advance(step if near else WEEK)
            turn(shop.stage.platform, office, now=shop.stage.now, run=runner.run)


def days_told(shop: Shop, key: Credential) -> list[int]:
    rows = [row for row in shop.stage.rows(schema.notices) if row.credential_id == key.id]
    return [row.days for row in sorted(rows, key=lambda row: row.created_at)]


def call_with(shop: Shop, key: Credential, *, admitted: int = 1) -> None:
    """Leave the trace of a call that is made now."""
    caller = Caller(
        organization_id=shop.organization.id,
        credential_id=key.id,
        service_id=1,
        address="192.0.2.1",
        user_agent="test",
        first_seen_at=shop.stage.now,
        last_seen_at=shop.stage.now,
        admitted=admitted,
        refused=1 - admitted,
    )
    with writing(shop.stage.platform.database.traces) as connection:
        traces.add_callers(connection, [caller])


def rotate(shop: Shop, key: Credential) -> Credential:
    return shop.done("key.rotate", oauth_keys.rotate, key.id, shop.stage.new_key("successor"))


# ------------------------------------------------------------------------------------------------------------ each once


def test_seven_notices_are_sent_in_a_key_s_life_and_no_two_of_one_kind(shop: Shop, office: PostOffice) -> None:
    live_on(shop, office, until=shop.key.not_after - shop.stage.now + 30 * DAY, step=DAY)

    assert days_told(shop, shop.key) == list(NOTICE_DAYS)
    assert len(office.to(shop.owner.user.email)) == 7
    assert office.doubled() == []


def tell_at(shop: Shop, office: PostOffice, key: Credential, *days: int) -> None:
    """Plan and send at moments before the end of a key."""
    for each in days:
        shop.stage.clock.set(key.not_after - each * DAY)
        turn(shop.stage.platform, office, now=shop.stage.now)


@pytest.mark.parametrize("kind", [CredentialKind.RESPONSE_ENCRYPTION, CredentialKind.REQUEST_SIGNATURE])
def test_a_service_key_gives_notice_until_another_takes_its_place(
    shop: Shop, office: PostOffice, kind: CredentialKind
) -> None:
    counter = Counter(shop)
    first = counter.add(kind)
    tell_at(shop, office, first, 90, 60)
    assert days_told(shop, first) == [90, 60]
    second = counter.add(kind)

    counter.activate(second)
    tell_at(shop, office, first, 30, 15, 7, 1, 0)

    assert days_told(shop, first) == [90, 60]
    assert days_told(shop, second) == []


def test_a_client_encryption_key_gives_notice_until_it_is_revoked(shop: Shop, office: PostOffice) -> None:
    counter = Counter(shop)
    first = counter.add(CredentialKind.REQUEST_ENCRYPTION)
    tell_at(shop, office, first, 60)
    counter.add(CredentialKind.REQUEST_ENCRYPTION)
    tell_at(shop, office, first, 30)

    counter.revoke(first)
    tell_at(shop, office, first, 15, 7, 1, 0)

    assert days_told(shop, first) == [60, 30]
    told = [each.subject for each in office.mails if first.alias in each.subject]
    assert told[0].startswith(f"Client encryption key {first.alias} expires")


def test_a_notice_on_its_way_is_dropped_when_another_takes_the_place(shop: Shop, office: PostOffice) -> None:
    counter = Counter(shop)
    first, second = (counter.add(CredentialKind.REQUEST_SIGNATURE) for _ in range(2))
    shop.stage.clock.set(first.not_after - 60 * DAY)
    notices.plan(shop.stage.platform, now=shop.stage.now)
    counter.activate(second)

    turn(shop.stage.platform, office, now=shop.stage.now)

    subjects = [each.subject for each in office.mails]
    assert not [each for each in subjects if first.alias in each]
    assert [each for each in subjects if second.alias in each]


def test_a_mail_names_time_and_zone(shop: Shop, office: PostOffice) -> None:
    shop.stage.clock.set(shop.key.not_after - DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)

    (mail,) = office.mails
    assert mail.subject == f"Signing key billing expires on {shop.key.not_after:%Y-%m-%d} (UTC)"
    assert f"{shop.key.not_after:%Y-%m-%d %H:%M:%S} UTC" in mail.text
    assert f"{shop.stage.platform.public_url}/projects/{shop.project.id}/keys/{shop.key.id}" in mail.text


def test_a_mail_about_a_certificate_leads_to_its_page(mtls_shop: Shop, office: PostOffice) -> None:
    shop = mtls_shop
    shop.stage.clock.set(shop.key.not_after - DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)

    (mail,) = office.mails
    assert f"{shop.stage.platform.public_url}/projects/{shop.project.id}/certificates/{shop.key.id}" in mail.text


def test_a_node_that_slept_a_month_sends_the_nearest_notice_alone(shop: Shop, office: PostOffice) -> None:
    shop.stage.clock.set(shop.key.not_after - 31 * DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)
    shop.stage.clock.set(shop.key.not_after + HOUR)
    turn(shop.stage.platform, office, now=shop.stage.now)

    assert days_told(shop, shop.key) == [60, 0]


def test_a_key_that_is_issued_with_less_to_go_is_not_told_of_what_is_past(shop: Shop, office: PostOffice) -> None:
    turn(shop.stage.platform, office, now=shop.stage.now)
    post_office.end_at(shop.stage.platform, shop.key, shop.stage.now + 30 * DAY)

    live_on(shop, office, until=29 * DAY, step=DAY)

    assert days_told(shop, shop.key) == [15, 7, 1]


def test_a_clock_that_jumps_a_year_ahead_and_back_hides_nothing(shop: Shop, office: PostOffice) -> None:
    other = shop.add()
    post_office.end_at(shop.stage.platform, other, shop.stage.now + 2 * 395 * DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)
    begun = shop.stage.now
    shop.stage.clock.set(begun + 400 * DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)
    shop.stage.clock.set(begun)

    live_on(shop, office, until=800 * DAY, step=DAY)

    assert sorted(days_told(shop, shop.key)) == sorted(NOTICE_DAYS)
    assert days_told(shop, other) == list(NOTICE_DAYS)
    assert office.doubled() == []


def test_one_node_at_a_time_plans(shop: Shop) -> None:
    platform, now, term = shop.stage.platform, shop.stage.now, 10 * timedelta(minutes=1)

    assert notices.take_turn(platform, "a", term=term, now=now)
    assert not notices.take_turn(platform, "b", term=term, now=now + term / 2)
    assert notices.take_turn(platform, "a", term=term, now=now + term / 2)
    assert notices.take_turn(platform, "b", term=term, now=now + 2 * term)


def test_a_turn_that_a_wrong_clock_has_taken_ends_when_the_clock_is_put_right(shop: Shop) -> None:
    platform, now, term = shop.stage.platform, shop.stage.now, 10 * timedelta(minutes=1)

    assert notices.take_turn(platform, "a, restarted since", term=term, now=now + 400 * DAY)
    assert notices.take_turn(platform, "b", term=term, now=now)
    assert not notices.take_turn(platform, "c, whose clock is behind", term=term, now=now - timedelta(seconds=60))


def test_what_is_planned_again_after_a_restore_goes_out_under_the_same_ids(shop: Shop, office: PostOffice) -> None:
    shop.stage.clock.set(shop.key.not_after - DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)
    with writing(shop.stage.platform.database.records) as connection:
        for table in (schema.outbox, schema.inbox, schema.notices, schema.chores):
            connection.execute(table.delete())
    turn(shop.stage.platform, office, now=shop.stage.now)

    first, second = office.mails
    assert first.identity == second.identity


# ------------------------------------------------------------------------------------------------------------ who hears


def test_key_owner_project_owner_and_admins_hear_and_readers_do_not(shop: Shop, office: PostOffice) -> None:
    stage = shop.stage
    people_by_role = {}
    for role in (ProjectRole.ADMIN, ProjectRole.READ_ONLY):
        person = stage.member(shop.organization, OrganizationRole.USER)
        shop.done("project.member.set", project_members.set_role, email=person.user.email, role=role)
        people_by_role[role] = person
    bystander = stage.member(shop.organization)
    stage.clock.set(shop.key.not_after - DAY)
    turn(stage.platform, office, now=stage.now)

    hearing = {shop.owner.user.email, people_by_role[ProjectRole.ADMIN].user.email}
    assert {each.to for each in office.mails} == hearing
    assert bystander.user.email not in hearing
    assert {row.user_id for row in stage.rows(schema.inbox)} == {
        shop.owner.user.id,
        people_by_role[ProjectRole.ADMIN].user.id,
    }


def test_the_organization_s_admins_hear_when_nobody_else_is_left(shop: Shop, office: PostOffice) -> None:
    admin = shop.stage.member(shop.organization)
    people.disable_user(shop.stage.platform, OPERATOR, shop.owner.user.email, now=shop.stage.now)
    shop.stage.clock.set(shop.key.not_after - DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)

    assert [each.to for each in office.mails] == [admin.user.email]


def test_an_account_level_key_s_owner_hears(shop: Shop, office: PostOffice) -> None:
    stage = shop.stage
    machine = stage.member(shop.organization)
    key = account_keys.add(stage.platform, machine.actor, shop.organization.id, stage.new_key("ci"), now=stage.now)
    post_office.end_at(stage.platform, key, key.not_after + 5 * DAY)
    stage.clock.set(key.not_after + 4 * DAY + HOUR)
    turn(stage.platform, office, now=stage.now)

    (subject,) = office.to(machine.user.email)
    assert subject.startswith("Account-level API key ci expires on ")


def test_webhooks_hear_too(shop: Shop, office: PostOffice) -> None:
    admin = shop.stage.member(shop.organization)
    added = webhooks.add(
        shop.stage.platform, admin.actor, shop.organization.id, url="https://example.com/hook", now=shop.stage.now
    )
    shop.stage.clock.set(shop.key.not_after)
    turn(shop.stage.platform, office, now=shop.stage.now)

    ((_, url, event),) = office.posts
    assert url == added.webhook.url
    assert (event["type"], event["data"]["credentialId"], event["data"]["days"]) == (
        "credential.expired", shop.key.id, 0,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- and who is silent


def test_nothing_is_said_after_a_revocation(shop: Shop, office: PostOffice) -> None:
    shop.revoke(shop.key)

    live_on(shop, office, until=400 * DAY, step=DAY)

    assert office.mails == []
    assert shop.stage.rows(schema.notices) == []


def test_a_notice_is_dropped_when_its_key_is_revoked_before_it_is_sent(shop: Shop, office: PostOffice) -> None:
    shop.stage.clock.set(shop.key.not_after - DAY)
    notices.plan(shop.stage.platform, now=shop.stage.now)
    shop.revoke(shop.key)
    outcomes = post_office.send_all(shop.stage.platform, office.senders, now=shop.stage.now)

    assert [each.state for each in outcomes] == [State.DROPPED]
    assert office.mails == []
    assert [(row.state, row.wrapped) for row in shop.stage.rows(schema.outbox)] == [("dropped", None)]


def test_a_renewed_key_starts_anew(shop: Shop, office: PostOffice) -> None:
    shop.stage.clock.set(shop.key.not_after - 60 * DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)
    renewed = shop.done("key.renew", oauth_keys.renew, shop.key.id)

    live_on(shop, office, until=renewed.not_after - shop.stage.now, step=DAY)

    assert days_told(shop, shop.key) == [60, *NOTICE_DAYS]
    assert office.doubled() == []


def test_notices_stop_when_the_successor_is_in_use_and_the_old_key_is_quiet(shop: Shop, office: PostOffice) -> None:
    shop.stage.clock.set(shop.key.not_after - 80 * DAY)
    call_with(shop, shop.key)
    successor = rotate(shop, shop.key)
    call_with(shop, successor)

    live_on(shop, office, until=71 * HOUR, step=6 * HOUR)
    assert days_told(shop, shop.key) == [90]
    live_on(shop, office, until=90 * DAY, step=DAY)

    assert days_told(shop, shop.key) == [90]


def test_notices_go_on_while_the_old_key_is_used(shop: Shop, office: PostOffice) -> None:
    shop.stage.clock.set(shop.key.not_after - 61 * DAY)
    call_with(shop, rotate(shop, shop.key))
    turn(shop.stage.platform, office, now=shop.stage.now)
    shop.stage.clock.advance(DAY - 71 * HOUR)
    call_with(shop, shop.key)
    shop.stage.clock.advance(71 * HOUR)
    turn(shop.stage.platform, office, now=shop.stage.now)

    assert 60 in days_told(shop, shop.key)


@pytest.mark.parametrize("admitted", [0])
def test_a_successor_that_was_never_admitted_silences_nothing(shop: Shop, office: PostOffice, admitted: int) -> None:
    shop.stage.clock.set(shop.key.not_after - 61 * DAY)
    call_with(shop, rotate(shop, shop.key), admitted=admitted)
    live_on(shop, office, until=2 * DAY)

    assert 60 in days_told(shop, shop.key)


def test_notices_stop_as_well_when_the_successor_was_added_because_oauth_2_0_keys_are_not_rotated(
    oauth2_shop: Shop, office: PostOffice
) -> None:
    stage, old = oauth2_shop.stage, oauth2_shop.key
    stage.clock.set(old.not_after - 80 * DAY)
    call_with(oauth2_shop, old)
    new = stage.new_key("next")
    call_with(oauth2_shop, oauth2_shop.done("key.add", oauth_keys.add_by_csr, new, None, predecessor_id=old.id))

    live_on(oauth2_shop, office, until=90 * DAY, step=DAY)

    assert days_told(oauth2_shop, old) == [90]


def test_notices_of_a_certificate_stop_when_the_one_that_replaces_it_is_in_use(
    mtls_shop: Shop, office: PostOffice
) -> None:
    stage, old = mtls_shop.stage, mtls_shop.key
    stage.clock.set(old.not_after - 80 * DAY)
    call_with(mtls_shop, old)
    new = replace(stage.new_request(), predecessor_id=old.id)
    call_with(mtls_shop, mtls_shop.done("certificate.add", certificates.add_by_csr, new, None))

    live_on(mtls_shop, office, until=90 * DAY, step=DAY)

    assert days_told(mtls_shop, old) == [90]


def test_a_key_that_is_not_linked_silences_nothing(shop: Shop, office: PostOffice) -> None:
    call_with(shop, shop.add())
    shop.stage.clock.set(shop.key.not_after - 60 * DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)

    assert 60 in days_told(shop, shop.key)


def test_a_successor_s_successor_counts_as_well(shop: Shop, office: PostOffice) -> None:
    shop.stage.clock.set(shop.key.not_after - 50 * DAY)
    call_with(shop, rotate(shop, rotate(shop, shop.key)))
    shop.stage.clock.set(shop.key.not_after - 30 * DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)

    assert days_told(shop, shop.key) == []


# ----------------------------------------------------------------------------------------------------- and at its worst


@pytest.mark.parametrize(
    "alias",
    [
        "<script>alert(1)</script>",
        "a\r\nBcc: evil@example.com",
        "\u202egnp.exe",
        "x" * 10_000,
        "\x00\x1b[31m",
        "\u200b",
    ],
    ids=["script", "line break", "bidirectional", "10 kB", "control", "invisible"],
)
def test_a_hostile_name_stays_a_name(shop: Shop, office: PostOffice, alias: str) -> None:
    with writing(shop.stage.platform.database.records) as connection:
        if connection.dialect.name == "postgresql":
            alias = alias[:120].replace("\x00", "")
        connection.execute(schema.credentials.update().values(alias=alias))
    shop.stage.clock.set(shop.key.not_after - DAY)
    turn(shop.stage.platform, office, now=shop.stage.now)

    (mail,) = office.mails
    assert mail.subject.isprintable()
    assert len(mail.subject) <= 150
    assert not any(each in mail.text for each in "\r\u202e\x00\x1b\u200b")
    assert len(mail.text) < 1_000


def test_without_a_mail_server_mail_waits_and_fails_after_three_days(shop: Shop, office: PostOffice) -> None:
    senders = Senders(mailer=None, poster=office)
    shop.stage.clock.set(shop.key.not_after)
    notices.plan(shop.stage.platform, now=shop.stage.now)

    states = []
    for _ in range(4):
        post_office.send_all(shop.stage.platform, senders, now=shop.stage.now)
        states += [row.state for row in shop.stage.rows(schema.outbox)]
        shop.stage.clock.advance(DAY)

    assert states == ["waiting", "waiting", "waiting", "failed"]


def test_production_keys_say_so(shop: Shop, office: PostOffice) -> None:
    key = shop.add_production()
    post_office.end_at(shop.stage.platform, key, key.not_after + DAY)
    shop.stage.clock.set(key.not_after)
    turn(shop.stage.platform, office, now=shop.stage.now)

    assert f"Environment: {PRODUCTION}" in "".join(each.text for each in office.mails if key.id in each.text)


def test_renewing_is_refused_before_the_notices_begin(shop: Shop) -> None:
    shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, shop.key.id)
