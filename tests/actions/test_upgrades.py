"""The upgrade of a project: every key works both ways, and from then on the rules of OAuth 2.0 keys count."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.actions.query_plans import steps_of
from tests.actions.stage import PRODUCTION, SANDBOX, Shop, Stage, ec_request
from tests.actions.test_races import AT_ONCE, adding, adding_rsa, race, revoking

from credenza.actions import oauth_keys, project_services, projects
from credenza.actions.issuing import NewKey
from credenza.actions.project_view import ProjectView
from credenza.actions.traces import oauth1_use
from credenza.actions.upgrades import look_ahead, upgrade_to_oauth2
from credenza.domain.access import Action
from credenza.domain.errors import Code
from credenza.domain.model import AuthenticationType
from credenza.store.engine import writing
from credenza.store.schema import changes, credentials
from credenza.store.traces import Caller, add_callers


@pytest.fixture
def dual_shop(stage: Stage) -> Shop:
    """A 1.0a project whose one service takes both."""
    shop = Shop(stage)
    service = stage.service(AuthenticationType.DUAL_OAUTH)
    new = stage.new_project(service_id=service.id)
    view = projects.create(stage.platform, shop.owner.actor, shop.organization.id, new, now=stage.now)
    shop.project, (shop.key,) = view.project, view.credentials
    return shop


def upgrade(shop: Shop) -> ProjectView:
    return shop.done(Action.PROJECT_UPGRADE, upgrade_to_oauth2)


def slots(shop: Shop) -> list[int | None]:
    return sorted(row.slot for row in shop.stage.rows(credentials) if row.project_id == shop.project.id and row.slot)


def test_all_keys_get_their_places_and_gates_hear_of_it(dual_shop: Shop) -> None:
    dual_shop.add()
    dual_shop.add_production()

    view = upgrade(dual_shop)

    assert (view.project.dual, slots(dual_shop)) == (True, [1, 2, 3])
    announced = [(row.kind, row.subject) for row in dual_shop.stage.rows(changes)]
    assert announced[-1] == ("project", dual_shop.project.id)


def test_a_second_upgrade_changes_nothing(dual_shop: Shop) -> None:
    view = upgrade(dual_shop)
    before = dual_shop.stage.facts()

    assert upgrade(dual_shop) == view
    assert dual_shop.stage.facts() == before


def test_a_project_with_a_service_that_takes_1_0a_alone_is_not_upgraded(shop: Shop) -> None:
    refusal = shop.refused("project.upgrade", Code.PROJECT_CONFIG, upgrade_to_oauth2)

    assert shop.project.environments[0].services[0].name in refusal.message


def test_a_service_of_the_other_environment_counts_as_well(dual_shop: Shop) -> None:
    dual_shop.add_production()
    single = dual_shop.stage.service(AuthenticationType.OAUTH10A)
    dual_shop.done("environment.service.add", project_services.add, PRODUCTION, single.id)

    assert single.name in dual_shop.refused("project.upgrade", Code.PROJECT_CONFIG, upgrade_to_oauth2).message


def test_more_than_three_keys_are_named_and_refused(dual_shop: Shop) -> None:
    keys = [dual_shop.key, dual_shop.add(), dual_shop.add(), dual_shop.add_production()]

    refusal = dual_shop.refused("project.upgrade", Code.OAUTH2_KEY_LIMIT, upgrade_to_oauth2)

    assert all(key.id in refusal.message for key in keys)
    dual_shop.revoke(keys[1])
    upgrade(dual_shop)
    assert slots(dual_shop) == [1, 2, 3]


def test_what_is_revoked_or_expired_is_in_no_upgrades_way(dual_shop: Shop) -> None:
    expired, left = dual_shop.add(), {dual_shop.add().id, dual_shop.add_production().id}
    dual_shop.revoke(dual_shop.key)
    with writing(dual_shop.stage.platform.database.records) as connection:
        ended = {"not_after": dual_shop.stage.now - timedelta(seconds=1)}
        connection.execute(credentials.update().where(credentials.c.id == expired.id).values(ended))

    outlook = dual_shop.looked(look_ahead)

    assert {key.id for key in outlook.keys} == left
    assert outlook.fits
    upgrade(dual_shop)
    assert {row.id for row in dual_shop.stage.rows(credentials) if row.slot is not None} == left


@pytest.mark.parametrize(("most", "found", "more"), [(None, 6, False), (1, 4, True), (5, 5, True), (6, 6, False)])
def test_a_glance_finds_a_few_keys_and_always_one_more_than_may_stay(
    dual_shop: Shop, most: int | None, found: int, more: bool
) -> None:
    for _ in range(4):
        dual_shop.add()
    dual_shop.add_production()

    outlook = dual_shop.looked(look_ahead, most_keys=most)

    assert (len(outlook.keys), outlook.has_more, outlook.fits) == (found, more, False)


# PostgreSQL walks through whatever is as small as this.
@pytest.mark.parametrize("kept_stages", ["sqlite"], indirect=True)
def test_a_glance_ends_where_it_has_found_enough(dual_shop: Shop) -> None:
    platform, project, now = dual_shop.stage.platform, dual_shop.project, dual_shop.stage.now
    with steps_of(platform.database.records, of="credentials") as steps:
        look_ahead(platform, dual_shop.owner.actor, project.id, most_keys=10, now=now)

    by_end = "SEARCH credentials USING INDEX ix_credentials_by_end (project_id=? AND environment=? AND not_after>?)"
    assert steps == [by_end, by_end], "nothing is sorted"


def test_the_limit_is_the_platforms_setting(dual_shop: Shop) -> None:
    dual_shop.stage.with_policy(oauth2_key_limit=1)
    dual_shop.add()

    dual_shop.refused("project.upgrade", Code.OAUTH2_KEY_LIMIT, upgrade_to_oauth2)


def test_only_an_oauth_1_0a_project_is_upgraded(oauth2_shop: Shop) -> None:
    oauth2_shop.refused("project.upgrade", Code.PROJECT_TYPE, upgrade_to_oauth2)


def test_keys_of_an_upgraded_project_are_not_renewed_and_not_rotated(dual_shop: Shop) -> None:
    upgrade(dual_shop)
    dual_shop.stage.clock.set(dual_shop.key.not_after - timedelta(days=30))

    dual_shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, dual_shop.key.id)
    new = dual_shop.stage.new_key()
    dual_shop.refused("key.rotate", Code.NOT_RENEWABLE, oauth_keys.rotate, dual_shop.key.id, new)


def test_a_new_key_of_an_upgraded_project_works_both_ways_and_so_is_of_rsa(dual_shop: Shop) -> None:
    upgrade(dual_shop)

    dual_shop.refused("key.add", Code.INVALID_CSR, oauth_keys.add_by_csr, NewKey("ec", ec_request(1)), SANDBOX)
    dual_shop.add()
    dual_shop.add()

    assert slots(dual_shop) == [1, 2, 3]
    fourth = dual_shop.stage.new_key()
    dual_shop.refused("key.add", Code.OAUTH2_KEY_LIMIT, oauth_keys.add_by_csr, fourth, SANDBOX)


def test_an_upgraded_project_takes_no_service_of_1_0a_alone(dual_shop: Shop) -> None:
    upgrade(dual_shop)
    single = dual_shop.stage.service(AuthenticationType.OAUTH10A)

    dual_shop.refused("environment.service.add", Code.PROJECT_TYPE, project_services.add, SANDBOX, single.id)


def test_max_3_keys_when_16_are_added_at_once_after_an_upgrade(dual_shop: Shop) -> None:
    upgrade(dual_shop)
    before = dual_shop.stage.traces()

    seen = race(*(adding_rsa(dual_shop) for _ in range(AT_ONCE)))

    assert seen == {"done": 2, "oauth2_key_limit": 14}
    assert slots(dual_shop) == [1, 2, 3]
    assert len(dual_shop.stage.new_traces(before)) == AT_ONCE


def test_an_upgrade_among_sixteen_new_keys_leaves_no_more_than_three(
    dual_shop: Shop, scale: Callable[[int], int]
) -> None:
    """Either the upgrade comes first and counts what follows, or it sees too many and changes nothing."""

    def upgrading() -> Any:
        place = (dual_shop.stage.platform, dual_shop.owner.actor, dual_shop.project.id)
        return upgrade_to_oauth2(*place, now=dual_shop.stage.now)

    race(upgrading, *(adding_rsa(dual_shop) for _ in range(AT_ONCE - 1)))

    view = dual_shop.looked(projects.get)
    active = [key for key in view.credentials if key.revoked_at is None]
    if view.project.dual:
        assert slots(dual_shop) == list(range(1, len(active) + 1))
        assert len(active) <= 3
    else:
        assert slots(dual_shop) == []


def test_ec_keys_and_revocations_race_for_three_places(oauth2_shop: Shop) -> None:
    adds = [adding(oauth2_shop, number) for number in range(AT_ONCE - 1)]

    race(revoking(oauth2_shop, oauth2_shop.key.id), *adds)

    active = [row for row in oauth2_shop.stage.rows(credentials) if row.status == "ACTIVE"]
    assert len(active) <= 3
    assert len({row.slot for row in active}) == len(active)


def called(shop: Shop, scheme: str, admitted: int) -> Caller:
    """Who has called now."""
    now = shop.stage.now
    return Caller(shop.organization.id, shop.key.id, 1, "192.0.2.7", "till/1.0", now, now, admitted, 2, scheme)


def test_the_meter_says_which_calls_are_still_1_0a_and_whose(dual_shop: Shop) -> None:
    stage, gone = dual_shop.stage, dual_shop.add()
    still, moved = called(dual_shop, "oauth1", 30), called(dual_shop, "oauth2", 70)
    with writing(stage.platform.database.traces) as connection:
        add_callers(connection, [still, moved, replace(still, credential_id=gone.id)])
    dual_shop.revoke(gone)

    found = dual_shop.looked(oauth1_use)

    (caller,) = found.callers
    assert (found.admitted, found.oauth1) == (100, 30)
    assert (caller.credential_id, caller.address, caller.admitted) == (still.credential_id, still.address, 30)


def test_the_meter_falls_to_nothing_a_week_after_the_last_old_call_and_names_who_made_it(dual_shop: Shop) -> None:
    stage, last_call = dual_shop.stage, dual_shop.stage.now
    with writing(stage.platform.database.traces) as connection:
        add_callers(connection, [called(dual_shop, "oauth1", 30)])
    seen = []
    for _ in range(8):
        with writing(stage.platform.database.traces) as connection:
            add_callers(connection, [called(dual_shop, "oauth2", 1)])
        seen.append(dual_shop.looked(oauth1_use))
        stage.clock.advance(timedelta(days=1))

    assert [(each.oauth1, each.admitted) for each in seen] == [(30, 30 + day) for day in range(1, 8)] + [(0, 7)]
    assert [each.since.hour for each in seen] == [0] * 8
    assert [(each.last_seen_at, each.admitted) for each in seen[-1].callers] == [(last_call, 0)]


def test_a_project_that_nobody_calls_has_an_empty_meter(dual_shop: Shop) -> None:
    found = dual_shop.looked(oauth1_use)

    assert (found.admitted, found.oauth1, found.callers) == (0, 0, ())


def test_the_meter_is_for_those_who_see_the_project(dual_shop: Shop) -> None:
    stranger = dual_shop.stage.member(dual_shop.stage.organization())

    dual_shop.stage.refused("usage.view", Code.PROJECT_NOT_FOUND, oauth1_use, stranger.actor, dual_shop.project.id)
