"""Sending: at least once under one id, and no storm when a receiver is away."""

import asyncio
from datetime import timedelta

import pytest
from tests.actions import post_office
from tests.actions.post_office import DAY, PostOffice, send_all
from tests.actions.stage import OPERATOR, Person, Shop, Stage

from credenza.actions import delivery, notice_figures, outbox, webhooks, wrapped_keys
from credenza.actions.delivery import CLAIM
from credenza.actions.letters import Invitation
from credenza.adapters.undelivered import Gone, Undelivered
from credenza.domain.errors import Code
from credenza.domain.model import OrganizationRole
from credenza.domain.outbox import Channel, Kind, State
from credenza.store import schema
from credenza.store.engine import writing

MINUTE = timedelta(minutes=1)
URL = "https://example.com/hook"


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def admin(shop: Shop) -> Person:
    return shop.stage.member(shop.organization, OrganizationRole.ADMIN)


def write(stage: Stage, count: int = 1) -> None:
    letter = Invitation("Acme", "Ann", "https://desk.example/i/secret", stage.now + DAY)
    with writing(stage.platform.database.records) as connection:
        for number in range(count):
            outbox.enqueue_mail(
                stage.platform,
                connection,
                kind=Kind.INVITATION,
                recipient=f"new{number}@example.org",
                content=letter,
                now=stage.now,
            )


def states(stage: Stage) -> list[str]:
    return [row.state for row in stage.rows(schema.outbox)]


def errors(stage: Stage) -> list[str]:
    return [row.error for row in stage.rows(schema.outbox)]


def test_a_mail_is_stored_wrapped_and_gone_once_it_is_sent(stage: Stage, office: PostOffice) -> None:
    write(stage)
    (waiting,) = stage.rows(schema.outbox)
    assert b"secret" not in waiting.wrapped

    send_all(stage.platform, office.senders, now=stage.now)

    (mail,) = office.mails
    assert "https://desk.example/i/secret" in mail.text
    assert [(row.state, row.wrapped, row.attempts) for row in stage.rows(schema.outbox)] == [("sent", None, 1)]


def test_a_mail_server_that_is_down_for_a_day_is_tried_once_a_pause(stage: Stage, office: PostOffice) -> None:
    write(stage, 200)
    office.away = True
    begun = stage.now

    with asyncio.Runner() as runner:
        while stage.now < begun + DAY:
            send_all(stage.platform, office.senders, now=stage.now, run=runner.run)
            stage.clock.advance(5 * MINUTE)
    knocks = office.knocks
    office.away = False
    stage.clock.advance(15 * MINUTE)
    send_all(stage.platform, office.senders, now=stage.now)

    assert knocks <= 100
    assert len({each.identity for each in office.mails}) == len(office.mails) == 200
    assert set(states(stage)) == {"sent"}
    assert stage.rows(schema.outages) == []


def test_pauses_double_up_to_a_quarter_of_an_hour(stage: Stage, office: PostOffice) -> None:
    write(stage)
    office.away = True
    waits, last = [], stage.now
    with asyncio.Runner() as runner:
        for _ in range(120):
            before = office.knocks
            send_all(stage.platform, office.senders, now=stage.now, run=runner.run)
            if office.knocks > before:
                waits.append((stage.now - last) // MINUTE)
                last = stage.now
            stage.clock.advance(MINUTE)

    assert waits[:7] == [0, 1, 1, 2, 4, 8, 15]


def test_a_pause_of_a_clock_that_was_a_year_ahead_ends_when_that_is_put_right(stage: Stage, office: PostOffice) -> None:
    right = stage.now
    stage.clock.advance(365 * DAY)
    write(stage)
    office.away = True
    send_all(stage.platform, office.senders, now=stage.now)
    stage.clock.set(right)
    write(stage)
    office.away = False

    send_all(stage.platform, office.senders, now=stage.now)

    assert "sent" in states(stage)


def test_what_no_receiver_took_for_three_days_has_failed(stage: Stage, office: PostOffice) -> None:
    write(stage, 3)
    office.away = True
    stage.clock.advance(3 * DAY)
    send_all(stage.platform, office.senders, now=stage.now)

    assert states(stage) == ["failed"] * 3
    assert {row.wrapped for row in stage.rows(schema.outbox)} == {None}
    assert errors(stage) == ["nobody there"] * 3
    figures = notice_figures.read(stage.platform, now=stage.now)
    assert figures.deliveries == {(Channel.MAIL, State.FAILED): 3}


def test_an_address_that_is_refused_for_good_does_not_stop_the_others(stage: Stage, office: PostOffice) -> None:
    write(stage)
    office.refusal = Undelivered("550 no such user", permanent=True)
    send_all(stage.platform, office.senders, now=stage.now)
    office.refusal = None
    write(stage)
    send_all(stage.platform, office.senders, now=stage.now)

    assert sorted(states(stage)) == ["failed", "sent"]


def test_what_cannot_be_opened_does_not_stop_the_others(stage: Stage, office: PostOffice) -> None:
    write(stage, 3)
    first, second, _ = stage.rows(schema.outbox)
    with writing(stage.platform.database.records) as connection:
        connection.execute(schema.outbox.update().where(schema.outbox.c.id == first.id).values(wrapped=b"0" * 50))
        unreadable = stage.platform.vault.wrap(outbox.purpose(second.id), b"{}")
        connection.execute(schema.outbox.update().where(schema.outbox.c.id == second.id).values(wrapped=unreadable))
    send_all(stage.platform, office.senders, now=stage.now)

    assert sorted(states(stage)) == ["failed", "failed", "sent"]


def test_what_is_refused_for_now_waits_longer_every_time(stage: Stage, office: PostOffice) -> None:
    write(stage)
    office.refusal = Undelivered("450 greylisted")
    waits = []
    for _ in range(12):
        send_all(stage.platform, office.senders, now=stage.now)
        (row,) = stage.rows(schema.outbox)
        if row.state == "waiting":
            waits.append((row.due_at - stage.now) // MINUTE)
            stage.clock.set(row.due_at)

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]


def test_two_senders_do_not_take_the_same(stage: Stage, office: PostOffice) -> None:
    write(stage, 25)

    async def race() -> None:
        await asyncio.gather(
            *(delivery.deliver(stage.platform, Channel.MAIL, office.senders, now=stage.now) for _ in range(4))
        )

    asyncio.run(race())
    send_all(stage.platform, office.senders, now=stage.now)

    assert len(office.mails) == 25
    assert office.doubled() == []


def test_what_a_dead_sender_had_claimed_is_sent_by_another_after_the_claim(stage: Stage, office: PostOffice) -> None:
    write(stage)
    with writing(stage.platform.database.records) as connection:
        connection.execute(schema.outbox.update().values(claimed_until=stage.now + CLAIM))

    assert send_all(stage.platform, office.senders, now=stage.now) == []
    stage.clock.advance(CLAIM)
    send_all(stage.platform, office.senders, now=stage.now)

    assert len(office.mails) == 1


def test_what_was_settled_is_forgotten_after_90_days(stage: Stage, office: PostOffice) -> None:
    write(stage)
    send_all(stage.platform, office.senders, now=stage.now)
    stage.clock.advance(89 * DAY)
    assert delivery.forget_old(stage.platform, now=stage.now) == 0
    stage.clock.advance(DAY)

    assert delivery.forget_old(stage.platform, now=stage.now) == 1
    assert stage.rows(schema.outbox) == []


# ------------------------------------------------------------------------------------------------------------- webhooks


def add(shop: Shop, admin: Person, url: str = URL) -> webhooks.AddedWebhook:
    return shop.stage.done("webhook.add", webhooks.add, admin.actor, shop.organization.id, url=url)


def test_a_webhook_that_is_away_does_not_hold_up_the_others(shop: Shop, admin: Person, office: PostOffice) -> None:
    class OneAway(PostOffice):
        async def post(self, identity: str, url: str, **named: object) -> None:
            self.away = url == URL
            await super().post(identity, url, **named)  # type: ignore[arg-type]  # passed on as they came

    office = OneAway()
    add(shop, admin)
    add(shop, admin, "https://example.org/hook")
    shop.stage.clock.set(shop.key.not_after)
    post_office.turn(shop.stage.platform, office, now=shop.stage.now)

    assert [url for _, url, _ in office.posts] == ["https://example.org/hook"]
    assert sorted(states(shop.stage)) == ["sent", "sent", "waiting"]


def test_a_receiver_that_is_gone_is_asked_no_more(shop: Shop, admin: Person, office: PostOffice) -> None:
    added = add(shop, admin)
    office.refusal = Gone("410")
    test = shop.stage.done("webhook.test", webhooks.send_test, admin.actor, shop.organization.id, added.webhook.id)
    send_all(shop.stage.platform, office.senders, now=shop.stage.now)

    assert (test.state, states(shop.stage)) == (State.WAITING, ["failed"])
    assert shop.stage.looked(webhooks.list_all, admin.actor, shop.organization.id) == ()


def test_a_test_is_tried_once(shop: Shop, admin: Person, office: PostOffice) -> None:
    added = add(shop, admin)
    office.away = True
    shop.stage.done("webhook.test", webhooks.send_test, admin.actor, shop.organization.id, added.webhook.id)
    send_all(shop.stage.platform, office.senders, now=shop.stage.now)

    assert (states(shop.stage), errors(shop.stage)) == (["failed"], ["nobody there"])


def test_what_waits_for_a_removed_webhook_is_dropped(shop: Shop, admin: Person, office: PostOffice) -> None:
    added = add(shop, admin)
    shop.stage.done("webhook.test", webhooks.send_test, admin.actor, shop.organization.id, added.webhook.id)
    shop.stage.done("webhook.remove", webhooks.remove, admin.actor, shop.organization.id, added.webhook.id)

    assert send_all(shop.stage.platform, office.senders, now=shop.stage.now) == []
    assert states(shop.stage) == ["dropped"]


def test_the_secret_is_shown_once_and_stored_wrapped(shop: Shop, admin: Person) -> None:
    added = add(shop, admin)

    (row,) = shop.stage.rows(schema.webhooks)
    assert added.secret.startswith("whsec_")
    assert added.secret not in repr(added)
    assert row.wrapped_secret not in (added.secret.encode(), b"")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@example.com/",
        "https://example.com/#fragment",
        "https://exa mple.com/",
        "https://example.com\\@evil.example/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://ex\u00e4mple.com/",
        "https://example.com/\r\nX: y",
        "javascript:alert(1)",
        "https://example.com/" + "x" * 500,
    ],
)
def test_a_url_that_may_mean_two_things_is_refused(shop: Shop, admin: Person, url: str) -> None:
    shop.stage.refused("webhook.add", Code.INVALID, webhooks.add, admin.actor, shop.organization.id, url=url)


def test_webhooks_are_the_affair_of_overseers(shop: Shop, admin: Person) -> None:
    added = add(shop, admin)

    assert shop.stage.looked(webhooks.list_all, admin.actor, shop.organization.id) == (added.webhook,)
    shop.stage.refused("webhook.list", Code.FORBIDDEN, webhooks.list_all, shop.owner.actor, shop.organization.id)


def test_a_webhook_s_secret_is_opened_when_the_key_encryption_key_is_checked(shop: Shop, admin: Person) -> None:
    added = add(shop, admin)
    with writing(shop.stage.platform.database.records) as connection:
        before = list(wrapped_keys.flaws(connection, shop.stage.platform.vault))
        connection.execute(schema.webhooks.update().values(wrapped_secret=b"0" * 60))
        after = list(wrapped_keys.flaws(connection, shop.stage.platform.vault))

    assert (before, len(after)) == ([], 1)
    assert added.webhook.id in after[0]


def test_an_organization_has_ten_webhooks_at_most(shop: Shop, admin: Person) -> None:
    for _ in range(webhooks.MOST):
        add(shop, admin)

    shop.stage.refused("webhook.add", Code.INVALID, webhooks.add, admin.actor, shop.organization.id, url=URL)


def test_a_webhook_of_another_organization_is_not_there(shop: Shop, admin: Person) -> None:
    added = add(shop, admin)
    other = Shop(shop.stage)

    shop.stage.refused(
        "webhook.remove", Code.NOT_FOUND, webhooks.remove, OPERATOR, other.organization.id, added.webhook.id
    )
