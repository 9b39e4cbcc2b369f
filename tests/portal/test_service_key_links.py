"""Where pages lead from a service credential that is found, or that ends soon."""

from datetime import timedelta

import pytest
from tests.actions.stage import request
from tests.portal.house import House
from tests.portal.shop import SANDBOX, Shop

from credenza.actions import service_keys
from credenza.actions.service_key_admission import ByRequest
from credenza.domain.model import Credential, CredentialKind


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house)


def add(shop: Shop, alias: str, number: int) -> Credential:
    new = ByRequest(CredentialKind.REQUEST_SIGNATURE, alias, request(number))
    place = (shop.project.id, shop.service.id)
    return service_keys.add(shop.house.platform, shop.actor, *place, new, SANDBOX, now=shop.house.clock.now())


def test_a_search_by_alias_or_fingerprint_leads_to_the_services_of_the_project(shop: Shop) -> None:
    made = add(shop, "signer", 40)

    for text in ("signer", made.spki_sha256[:12]):
        page = shop.browser().get(shop.house.path(f"/search?q={text}")).text
        assert f'<th scope="row"><a href="{shop.path("/services")}">' in page, text
        assert shop.browser().get(shop.path("/services")).status_code == 200


def test_what_ends_soon_leads_to_its_project_and_is_left_out_once_another_has_its_place(shop: Shop) -> None:
    first, second = add(shop, "old-signer", 41), add(shop, "new-signer", 42)
    shop.house.clock.set(first.not_after - timedelta(days=5))
    soon = shop.browser().get(shop.house.path("/overview")).text
    assert f'href="{shop.path()}">Project<span class="unseen"> old-signer' in soon

    place = (shop.project.id, shop.service.id, second.id)
    service_keys.activate(shop.house.platform, shop.actor, *place, now=shop.house.clock.now())

    later = shop.browser().get(shop.house.path("/overview")).text
    assert "old-signer" not in later
    assert "new-signer" in later


def test_keys_for_services_are_none_of_the_keys_that_sign_calls(shop: Shop) -> None:
    add(shop, "signer", 43)

    assert "signer" not in shop.browser().get(shop.path("/sandbox")).text
