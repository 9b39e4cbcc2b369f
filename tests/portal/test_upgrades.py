"""The way of a project to OAuth 2.0, asked without a browser: offered with what it needs, refused with its sentence,
and afterwards measured."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tests.portal.house import House
from tests.portal.shop import Shop, follow, problem

from credenza.actions import oauth_keys, project_services
from credenza.domain.model import AuthenticationType, ProjectType
from credenza.store import traces
from credenza.store.engine import writing
from credenza.store.traces import OAUTH1, OAUTH2, Caller

_DAY = timedelta(days=1)


@pytest.fixture
def shop(house: House) -> Shop:
    """A 1.0a project that could be upgraded."""
    return Shop(house, takes=AuthenticationType.DUAL_OAUTH)


def upgraded(shop: Shop) -> Shop:
    assert shop.browser().post(shop.path("/upgrade")).status_code == 303
    return shop


def seen(shop: Shop, address: str, scheme: str, admitted: int, *, ago: timedelta = timedelta(0)) -> None:
    """Leave behind what a gate leaves behind."""
    now = shop.house.clock.now()
    caller = Caller(
        shop.house.organization_id, shop.key.id, shop.service.id, address, "batch/2.1", now - 9 * _DAY, now - ago,
        admitted, 0, scheme,
    )  # fmt: skip
    with writing(shop.house.platform.database.traces) as connection:
        traces.add_callers(connection, [caller])


def test_a_project_that_may_be_upgraded_is_offered_it_with_all_that_it_needs(shop: Shop) -> None:
    page = shop.browser().get(shop.path("/sandbox")).text
    form = shop.browser().get(shop.path("/upgrade")).text

    assert "works both ways" in page
    assert f'href="{shop.path("/upgrade")}"' in page
    assert "not yet" not in page + form
    assert "Not more than 3 keys, both environments together:" in form
    assert "There is no way back." in form
    assert f"credenza project upgrade-oauth2 --project {shop.project.id}" in form
    assert f"POST {shop.house.url}/api/projects/{shop.project.id}/upgrade" in form


def test_after_the_upgrade_keys_work_both_ways_and_are_neither_renewed_nor_rotated(shop: Shop) -> None:
    page = follow(shop.browser(), shop.browser().post(shop.path("/upgrade")))
    keys, key = shop.browser().get(shop.path("/sandbox")).text, shop.browser().get(shop.key_path()).text

    assert "Every key works both ways now." in page
    assert "OAuth 1.0a + 2.0" in keys
    assert "OAuth 1.0a + 2.0" in key
    assert "1 of 3 OAuth 2.0 keys" in keys
    assert "Rotate or renew" not in keys + key
    assert "Add new key and switch" in keys
    assert "Add new key and switch" in key
    assert "works both ways:" not in keys, "it is offered once"


def test_the_upgrade_is_done_once_and_its_page_then_leads_to_the_meter(shop: Shop) -> None:
    upgraded(shop)

    assert shop.browser().get(shop.path("/upgrade")).headers["Location"] == shop.path("/oauth2")
    assert shop.browser().post(shop.path("/upgrade")).status_code == 303


def test_a_service_of_oauth_1_0a_alone_is_named_and_refuses_the_upgrade(shop: Shop) -> None:
    legacy = shop.add_service("Legacy", AuthenticationType.OAUTH10A)
    place = shop.project.environments[0].name
    project_services.add(shop.house.platform, shop.actor, shop.project.id, place, legacy.id, now=shop.house.clock.now())

    banner = shop.browser().get(shop.path("/sandbox")).text
    refused = shop.browser().post(shop.path("/upgrade"))

    assert "What it needs" in banner
    assert "takes OAuth 1.0a alone" in banner
    assert refused.status_code == 400
    assert "These services do not take OAuth 2.0 yet: Legacy." in problem(refused)
    assert "What a service takes does not change." in refused.text


def test_too_many_keys_are_named_with_the_one_that_is_missed_least_first(shop: Shop) -> None:
    for name in ("second", "third", "fourth"):
        shop.add(name)
    seen(shop, "10.1.4.9", OAUTH1, 5)

    refused = shop.browser().post(shop.path("/upgrade"))

    assert "this one has 4" in problem(refused)
    assert "1 key has to go first." in refused.text
    assert shop.key_path("/revoke") in refused.text
    named = [refused.text.rindex(f">{name}</bdi> <span") for name in ("first", "second")]
    assert named[0] > named[1], "the key that was used comes last"


def test_beside_a_list_of_many_keys_a_few_are_named(shop: Shop) -> None:
    for number in range(11):
        shop.add(f"number {number}")

    page = shop.browser().get(shop.path("/sandbox")).text
    needs = page.partition("Not more than 3 keys")[2].partition("</ul>")[0]

    assert needs.count("<bdi") == 10
    assert ", …" in needs


def test_who_may_not_upgrade_is_not_asked_to(shop: Shop) -> None:
    reader = shop.house.visit(shop.put_on("Bob"))

    assert shop.path("/upgrade") not in reader.get(shop.path("/sandbox")).text
    assert "An owner or admin of the project does it." in reader.get(shop.path("/upgrade")).text
    assert reader.post(shop.path("/upgrade")).status_code == 403


def test_a_project_of_oauth_2_0_alone_is_not_offered_an_upgrade(house: House) -> None:
    shop = Shop(house, ProjectType.OAUTH2_FAPI)

    assert shop.path("/upgrade") not in shop.browser().get(shop.path("/sandbox")).text
    assert "only OAuth 1.0a projects are" in problem(shop.browser().post(shop.path("/upgrade")))


# -------------------------------------------------------------------------------------------------------- the meter


def test_a_project_that_nobody_called_says_how_to_call(shop: Shop) -> None:
    page = upgraded(shop).browser().get(shop.path("/oauth2")).text

    assert "No call was counted yet." in page
    assert "--auth oauth2" in page


def test_the_meter_says_which_share_is_left_and_who_makes_it(shop: Shop) -> None:
    upgraded(shop)
    seen(shop, "10.1.4.9", OAUTH1, 30)
    seen(shop, "10.1.4.8", OAUTH1, 10, ago=4 * _DAY)
    seen(shop, "10.1.4.6", OAUTH1, 500, ago=7 * _DAY)
    seen(shop, "10.1.4.7", OAUTH2, 120)

    page = shop.browser().get(shop.path("/oauth2")).text

    assert "25.0%" in page
    assert "40 of 160 calls in the last 7 days" in page
    assert re.findall(r'<td class="number">(\d+)', page) == ["30", "10", "0"]
    assert "1 caller has called with OAuth 1.0a in the last 72 hours." in page
    assert "10.1.4.9" in page
    assert "10.1.4.7" not in page
    assert page.count(">quiet<") == 2
    assert f"credenza project oauth1-use --project {shop.project.id}" in page


def test_the_meter_says_when_everybody_has_moved(shop: Shop) -> None:
    upgraded(shop)
    seen(shop, "10.1.4.7", OAUTH2, 120)
    everybody = shop.browser().get(shop.path("/oauth2")).text
    seen(shop, "10.1.4.6", OAUTH1, 500, ago=8 * _DAY)
    weeks_ago = shop.browser().get(shop.path("/oauth2")).text
    seen(shop, "10.1.4.8", OAUTH1, 10, ago=4 * _DAY)
    days_ago = shop.browser().get(shop.path("/oauth2")).text

    moved = "None: all 120 calls of the last 7 days came with OAuth 2.0."
    assert moved in everybody
    assert "10.1.4.6" not in everybody
    assert moved in weeks_ago
    assert "10.1.4.6" in weeks_ago
    assert "Nobody has called with OAuth 1.0a in the last 72 hours." in days_ago


def test_a_project_that_nobody_called_this_week_says_so(shop: Shop) -> None:
    upgraded(shop)
    seen(shop, "10.1.4.6", OAUTH1, 500, ago=8 * _DAY)

    page = shop.browser().get(shop.path("/oauth2")).text

    assert "No call was counted in the last 7 days." in page
    assert "10.1.4.6" in page


def test_a_project_that_was_not_upgraded_has_no_meter(shop: Shop) -> None:
    assert shop.browser().get(shop.path("/oauth2")).status_code == 404


# ------------------------------------------------------------------------------------------------------- how to use it


def test_a_key_that_works_both_ways_says_how_for_both(shop: Shop) -> None:
    page = upgraded(shop).browser().get(shop.key_path("/start")).text

    assert "Use it with OAuth 2.0" in page
    assert "Use it with OAuth 1.0a" in page
    assert "https://sandbox.example.com/oauth/token" in page
    assert shop.key.consumer_key in page


def test_a_key_of_oauth_2_0_alone_has_a_client_id_and_a_key_id_and_no_consumer_key(house: House) -> None:
    shop = Shop(house, ProjectType.OAUTH2_FAPI)
    start, details = shop.browser().get(shop.key_path("/start")).text, shop.browser().get(shop.key_path()).text

    for page in (start, details):
        assert 'id="client-id"' in page
        assert "Key id (kid)" in page
        assert 'id="consumer-key"' not in page
    assert "mastercard-oauth1-signer" not in start
    assert "mastercard-oauth2-client" in start


def test_a_full_project_says_which_key_is_used_least(shop: Shop) -> None:
    upgraded(shop)
    seen(shop, "10.1.4.7", OAUTH2, 1, ago=2 * _DAY)
    for name in ("second", "third"):
        oauth_keys.add_by_csr(
            shop.house.platform, shop.actor, shop.project.id, shop.new_key(name), shop.project.environments[0].name,
            now=shop.house.clock.now(),
        )  # fmt: skip

    page = shop.browser().get(shop.path("/sandbox/keys/new")).text

    assert "All 3 places for OAuth 2.0 keys are taken." in page
    assert page.count("never used") == 2
    assert page.index("third") < page.index("last used 2 days ago")
