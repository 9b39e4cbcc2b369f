"""An API of the catalog: what it offers, at which level, and what each of its calls needs."""

import pytest
from tests.portal.house import House

from credenza.actions import services
from credenza.cli import demo_catalog
from credenza.domain.model import Actor, ActorKind, OrganizationRole, Service

OPERATOR = Actor(ActorKind.OPERATOR, "root")


@pytest.fixture
def apis(house: House) -> dict[str, Service]:
    now = house.clock.now()
    demo_catalog.seed(house.platform, upstream="http://127.0.0.1:9000", now=now)
    return {each.name: each for each in services.list_live(house.platform, OPERATOR, now=now)}


@pytest.mark.parametrize("role", [each for each in OrganizationRole if each is not OrganizationRole.CUSTOM])
def test_every_member_sees_what_an_api_offers(house: House, apis: dict[str, Service], role: OrganizationRole) -> None:
    house.found()
    visit = house.visit(house.join("Bob", role))

    listed = visit.get(house.path("/settings")).text
    page = visit.get(house.path(f"/settings/services/{apis['Profile API'].id}")).text

    assert f'href="{house.path("/settings/services/")}{apis["Profile API"].id}"' in listed
    assert "workspaces that you choose" in page
    assert "<code>read</code>" in page
    assert "GET /v1/workspaces/{workspace}/profiles/{profile}" in page
    assert "600 calls a minute" in page
    assert "http://127.0.0.1:9000" not in page, "upstreams are the operator's business"


def test_a_fixed_scope_says_so(house: House, apis: dict[str, Service]) -> None:
    page = house.visit(house.found()).get(house.path(f"/settings/services/{apis['Platform API'].id}")).text

    assert "fixed: all accounts, also future ones" in page
    assert "{account}" in page


def test_nobody_edits_it_here_and_the_page_says_who_does(house: House, apis: dict[str, Service]) -> None:
    page = house.visit(house.found()).get(house.path(f"/settings/services/{apis['Platform API'].id}")).text

    assert "credenza catalog plan catalog.yaml" in page
    assert page.count("<form") == house.visit(house.person("Ada")).get(house.path("/settings")).text.count("<form")


@pytest.mark.parametrize("number", ["0", "99", "x", "01"])
def test_there_is_no_page_for_what_is_no_api(house: House, apis: dict[str, Service], number: str) -> None:
    page = house.visit(house.found()).get(house.path(f"/settings/services/{number}"))

    assert page.status_code == 404
    assert "The catalog has no such API." in page.text
