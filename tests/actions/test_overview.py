"""What somebody is told at a glance, on both databases: their own projects, what is new, and how much goes on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tests.actions.stage import Answer, Shop, Stage

from credenza.actions import oauth_keys, overview, permissions
from credenza.domain.access import Action
from credenza.domain.errors import Code
from credenza.domain.expiry import QUIET
from credenza.domain.model import Credential, OrganizationRole
from credenza.store import traces, traffic
from credenza.store.engine import writing
from credenza.store.traces import Caller, StoredRefusal
from credenza.store.traffic import Traffic

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def use(stage: Stage, key: Credential) -> None:
    caller = Caller(key.organization_id, key.id, 1, "192.0.2.7", "till/1.0", stage.now, stage.now, 1, 0)
    with writing(stage.platform.database.traces) as connection:
        traces.add_callers(connection, [caller])


def refuse(stage: Stage, key: Credential, identity: str, code: str = "signature") -> None:
    at = stage.now
    kept = StoredRefusal(identity, key.organization_id, key.project_id, key.id, at, at + timedelta(hours=1), code, "{}")
    with writing(stage.platform.database.traces) as connection:
        traces.insert_refusals(connection, [kept])


def rotate(shop: Shop) -> Credential:
    return shop.done("key.rotate", oauth_keys.rotate, shop.key.id, shop.stage.new_key())


def look(shop: Shop, call: Callable[..., Answer]) -> Answer:
    return shop.stage.looked(call, shop.owner.actor, shop.organization.id)


def test_projects_and_keys_are_counted(shop: Shop) -> None:
    shop.add()
    revoked = shop.add()
    shop.revoke(revoked)
    shop.stage.clock.advance(330 * DAY)
    shop.add()

    found = look(shop, overview.see)

    assert (found.counts.projects, found.counts.usable, found.counts.expiring, found.counts.ended) == (1, 3, 2, 0)


def test_a_key_that_ends_soon_is_told_until_it_is_replaced(shop: Shop) -> None:
    old = shop.key
    shop.stage.clock.advance(380 * DAY)
    use(shop.stage, old)
    alone = look(shop, overview.see)
    new = rotate(shop)
    followed = look(shop, overview.see)
    use(shop.stage, new)
    shop.stage.clock.advance(QUIET)
    replaced = look(shop, overview.see)

    assert [(each.ending.credential_id, each.followed) for each in alone.ending] == [(old.id, False)]
    assert [(each.ending.credential_id, each.followed) for each in followed.ending] == [(old.id, True)]
    assert replaced.ending == ()


def test_a_successor_is_told_of_from_its_second_day_until_it_is_used(shop: Shop) -> None:
    new = rotate(shop)
    fresh = look(shop, overview.see)
    shop.stage.clock.advance(DAY)
    unused = look(shop, overview.see)
    use(shop.stage, new)
    used = look(shop, overview.see)

    assert ([each.id for each in unused.unused], fresh.unused, used.unused) == ([new.id], (), ())


def test_refused_calls_are_summed_up_by_reason_and_key_and_forgotten_after_an_hour(shop: Shop) -> None:
    for number in range(3):
        refuse(shop.stage, shop.key, f"{number}")
        shop.stage.clock.advance(MINUTE)
    refuse(shop.stage, shop.key, "9", "timestamp")
    found = look(shop, overview.see)
    shop.stage.clock.advance(timedelta(hours=1))
    later = look(shop, overview.see)

    assert [(each.what, each.count, each.latest_id) for each in found.reasons] == [
        ("signature", 3, "2"),
        ("timestamp", 1, "9"),
    ]
    assert [(each.key.id, each.calls.count, each.calls.latest_id) for each in found.refused] == [(shop.key.id, 4, "9")]
    assert (later.reasons, later.refused) == ((), ())


def test_everybody_is_told_of_their_own_projects_and_overseers_of_all(shop: Shop) -> None:
    refuse(shop.stage, shop.key, "1")
    member = shop.stage.member(shop.organization, OrganizationRole.USER)
    overseer = shop.stage.member(shop.organization, OrganizationRole.COMPLIANCE_ADMIN)

    own = shop.stage.looked(overview.see, member.actor, shop.organization.id)
    whole = shop.stage.looked(overview.see, overseer.actor, shop.organization.id)

    assert (own.counts.projects, own.counts.usable, own.reasons) == (0, 0, ())
    assert (whole.counts.projects, whole.counts.usable, len(whole.reasons)) == (1, 1, 1)


def test_a_stranger_is_told_of_no_organization(shop: Shop) -> None:
    stranger = Shop(shop.stage)

    for look in (overview.see, overview.pace, permissions.in_organization):
        shop.stage.refused("organization.view", Code.NOT_FOUND, look, stranger.owner.actor, shop.organization.id)


def test_the_pace_is_of_the_last_hour_and_tells_quiet_from_never(shop: Shop) -> None:
    never = look(shop, overview.pace)
    one = Traffic(shop.organization.id, shop.stage.now, 9, 1, shop.stage.now)
    with writing(shop.stage.platform.database.traces) as connection:
        traffic.add(connection, [one, replace(one, minute=one.minute - 20 * MINUTE, last_at=one.minute)])
    busy = look(shop, overview.pace)
    shop.stage.clock.advance(timedelta(hours=2))
    quiet = look(shop, overview.pace)

    assert (never.minutes, never.last_at) == ((), None)
    assert busy.within(overview.PERIOD, now=one.minute) == (9, 1)
    assert busy.within(timedelta(hours=1), now=one.minute) == (18, 2)
    assert (quiet.minutes, quiet.last_at) == ((), one.last_at)


def test_what_a_role_may_do_in_an_organization_is_known_before(shop: Shop) -> None:
    member = shop.stage.member(shop.organization, OrganizationRole.USER)

    admin = shop.stage.member(shop.organization)
    may = shop.stage.looked(permissions.in_organization, admin.actor, shop.organization.id)
    user = shop.stage.looked(permissions.in_organization, member.actor, shop.organization.id)

    assert Action.WEBHOOK_ADD in may
    assert Action.AUDIT_VIEW in may
    assert Action.AUDIT_VIEW not in user
    assert Action.PROJECT_CREATE in user
    assert Action.SERVICE_CREATE not in may
