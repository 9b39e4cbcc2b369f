"""What ends: the list with its filters and pages, the calendar month, and feeds for one's own calendar."""

import re
from datetime import timedelta

import pytest
from tests.actions.stage import OPERATOR, SANDBOX, request
from tests.portal.house import House

from credenza.actions import oauth_keys, projects, services
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewProject
from credenza.actions.services import NewService
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    OrganizationRole,
    ProjectType,
    ServiceEnvironment,
    User,
)
from credenza.portal import expiry


def aliases(text: str) -> list[str]:
    return re.findall(r'/keys/[0-9a-f]{48}">([^<]+)</a>', text.partition("What ends, the ")[2])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["checkout-2025", "checkout-sandbox", "billing-expiring", "billing-unused", "checkout-2026"]),
        ("?within=30", ["checkout-2025", "checkout-sandbox"]),
        ("?within=7", []),
        ("?within=ended", ["billing-expired"]),
        ("?within=90&environment=SANDBOX", ["checkout-sandbox", "billing-expiring"]),
        ("?within=nonsense&environment=MARS", None),
    ],
)
def test_the_list_is_narrowed_and_the_nearest_comes_first(
    furnished: House, query: str, found: list[str] | None
) -> None:
    page = furnished.visit(furnished.person("Ada")).get(furnished.path(f"/expiry{query}"))

    assert page.status_code == 200
    assert found is None or aliases(page.text) == found


@pytest.mark.parametrize("order", ["ends", "-ends"])
def test_the_list_goes_on_where_the_page_before_ended(
    furnished: House, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(expiry, "_PAGE", 2)
    visit = furnished.visit(furnished.person("Ada"))
    shown, path = [], furnished.path(f"/expiry?within=395&sort={order}")
    for _ in range(9):
        page = visit.get(path).text
        shown += aliases(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        path = following[1].replace("&amp;", "&")

    nearest = ["checkout-2025", "checkout-sandbox", "billing-expiring", "billing-unused", "checkout-2026"]
    assert shown == (nearest if order == "ends" else nearest[::-1])


def test_a_cursor_of_somebody_s_own_making_is_refused(house: House) -> None:
    page = house.visit(house.found()).get(house.path("/expiry?after=nonsense"))

    assert page.status_code == 400


def test_others_projects_are_not_listed(furnished: House) -> None:
    page = furnished.visit(furnished.join("Nobody", OrganizationRole.USER)).get(furnished.path("/expiry"))

    assert "Nothing ends here in this time." in page.text
    assert "checkout" not in page.text.lower()


def test_the_month_names_what_ends_on_its_days(furnished: House) -> None:
    page = furnished.visit(furnished.person("Ada")).get(furnished.path("/expiry/calendar?month=2025-02")).text

    assert "February 2025" in page
    assert "2 keys end" in page
    assert re.findall(r'class="name" href="/projects/[^"]+">([^<]+)<', page) == ["checkout-2025", "checkout-sandbox"]
    assert "month=2025-01" in page
    assert "month=2025-03" in page
    assert page.count('<span class="date"') == 28


@pytest.mark.parametrize(("month", "status"), [("2025-13", 400), ("x", 400), ("0001-01", 200), ("9999-12", 200)])
def test_a_month_that_is_none_is_refused_and_far_ones_are_bounded(house: House, month: str, status: int) -> None:
    page = house.visit(house.found()).get(house.path(f"/expiry/calendar?month={month}"))

    assert page.status_code == status


def test_a_feed_s_address_is_shown_once_and_dies_with_the_feed(furnished: House) -> None:
    visit = furnished.visit(furnished.person("Ada"))
    made = visit.post(furnished.path("/expiry/feeds"))
    address = re.search(r'id="feed-url">([^<]+)<', made.text)
    listed = visit.get(furnished.path("/expiry")).text
    revoke = re.search(r'action="([^"]+/feeds/[^"]+/revoke)"', listed)

    assert address is not None
    assert revoke is not None
    assert made.headers["cache-control"] == "no-store"
    assert address[1] not in listed
    assert visit.post(revoke[1]).status_code == 303
    assert "/revoke" not in visit.get(furnished.path("/expiry")).text


def test_a_double_click_shows_the_one_feed_that_it_made(furnished: House) -> None:
    visit = furnished.visit(furnished.person("Ada"))
    drawn = re.findall(r'name="once" value="([^"]+)"', visit.get(furnished.path("/expiry")).text)[0]

    clicks = [visit.post(furnished.path("/expiry/feeds"), once=drawn).text for _ in range(2)]
    furnished.clock.advance(timedelta(minutes=1))
    reloaded = visit.post(furnished.path("/expiry/feeds"), once=drawn).text

    addresses = [re.findall(r'id="feed-url">([^<]+)<', each) for each in clicks]
    assert len(addresses[0]) == 1
    assert addresses[0] == addresses[1]
    assert "This form was sent already" in reloaded
    assert "feed-url" not in reloaded
    assert visit.get(furnished.path("/expiry")).text.count("/revoke") == 1


def test_names_that_others_chose_stay_text(house: House) -> None:
    admin = house.found()
    hostile = "<img src=x onerror=alert(1)>\u202egnp."
    _add_key(house, admin, hostile)

    for rest in ("/expiry?within=all", "/expiry/calendar?month=2026-02", "/overview", "/activity"):
        page = house.visit(admin).get(house.path(rest)).text
        assert "<img src=x" not in page
    listed = house.visit(admin).get(house.path("/expiry?within=all")).text
    assert '<td class="name">' in listed


def _add_key(house: House, user: User, alias: str) -> None:
    now = house.clock.now()
    place = ServiceEnvironment(SANDBOX, "/payments", "http://127.0.0.1:9000", 13, None)
    service = services.create(
        house.platform, OPERATOR, NewService("Payments", AuthenticationType.OAUTH10A, "", (place,)), now=now
    )
    actor = Actor(ActorKind.SESSION, "test", user.id)
    new = NewProject(ProjectType.OAUTH10A, "Project", "EUROPE", service.id, SANDBOX, NewKey("first", request(90)))
    view = projects.create(house.platform, actor, house.organization_id, new, now=now - timedelta(days=1))
    oauth_keys.add_by_csr(house.platform, actor, view.project.id, NewKey(alias, request(91)), SANDBOX, now=now)
