"""How pages look, in both themes and on a narrow screen: axe finds nothing, nothing is cut off, a picture is kept."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.browser import findings
from tests.clock import Clock
from tests.portal.conftest import Check
from tests.portal.house import OPERATOR, REFUSAL_ID, House

from credenza.actions import roles, services, sessions, webhooks
from credenza.actions.sessions import Visitor
from credenza.cli import demo_catalog
from credenza.domain.model import SignInMethod, User
from credenza.store import migrate
from credenza.store.engine import open_database

_O = "/organizations/{o}"
PAGES = {
    "overview": f"{_O}/overview",
    "refusal": f"/refusals/{REFUSAL_ID}",
    "expiry": f"{_O}/expiry",
    "expiry-month": f"{_O}/expiry/calendar?month=2025-02",
    "activity": f"{_O}/activity",
    "chain": f"{_O}/activity/check",
    "inbox": "/inbox",
    "settings-services": f"{_O}/settings",
    "settings-api": f"{_O}/settings/services/{{profile_api}}",
    "settings-tree": f"{_O}/settings/tree",
    "settings-roles": f"{_O}/settings/roles",
    "settings-role-new": f"{_O}/settings/roles/new",
    "settings-authorities": f"{_O}/settings/authorities",
    "settings-policies": f"{_O}/settings/policies",
    "settings-notices": f"{_O}/settings/notices",
    "help": "/help",
}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One furnished and served house for the whole module: looking changes nothing."""
    folder = tmp_path_factory.mktemp("house")
    database = open_database(f"sqlite:///{folder}/credenza.db")
    migrate.upgrade(database)
    house = House(database, Clock())
    admin = house.furnish(folder / "partner")
    _add_webhook(house, admin)
    demo_catalog.seed(house.platform, upstream="http://127.0.0.1:9000", now=house.clock.now())
    role = {"name": "Credential viewers", "actions": ("api_credential.list", "api_credential.view")}
    roles.create(house.platform, OPERATOR, house.organization_id, **role, now=house.clock.now())
    with house.served():
        yield house
    database.close()


Open = Callable[[str], Page]


@pytest.fixture
def open_page(furnished: House, page: Page) -> Open:
    return _signed_in(furnished, page)


@pytest.fixture
def look_at(furnished: House, kept_page: Page) -> Open:
    return _signed_in(furnished, kept_page)


def _signed_in(furnished: House, page: Page) -> Open:
    furnished.sign_in(page.context, furnished.person("Ada"))

    def go(name: str) -> Page:
        offered = services.list_live(furnished.platform, OPERATOR, now=furnished.clock.now())
        known = {"o": furnished.organization_id, "profile_api": next(e.id for e in offered if e.name == "Profile API")}
        page.goto(furnished.url + PAGES[name].format(**known), wait_until="load")
        return page

    return go


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_finding_and_a_picture(name: str, look_at: Open, check_looks: Check) -> None:
    check_looks(look_at(name), name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_narrow_screen(name: str, look_at: Open, check_narrow: Check) -> None:
    check_narrow(look_at(name), name)


DIALOGS = {
    "dialog-account-rename": ("settings-tree", "Rename the account"),
    "dialog-account-archive": ("settings-tree", "Archive the account"),
    "dialog-workspace-rename": ("settings-tree", "Rename"),
    "dialog-workspace-move": ("settings-tree", "Move"),
    "dialog-workspace-archive": ("settings-tree", "Archive"),
    "dialog-role-new": ("settings-roles", "Make a role"),
    "dialog-role-edit": ("settings-roles", "Edit"),
    "dialog-role-remove": ("settings-roles", "Remove"),
}


@pytest.mark.parametrize("name", DIALOGS)
def test_a_dialog_of_the_settings_has_no_finding(
    name: str, look_at: Open, screenshot: Callable[[Page, str], None]
) -> None:
    path, link = DIALOGS[name]
    page = look_at(path)

    page.get_by_role("link", name=link, exact=True).first.click()
    page.get_by_role("dialog").wait_for()
    screenshot(page, name)

    assert findings(page) == []


def test_details_and_menus_have_no_finding_when_they_are_open(open_page: Open) -> None:
    page = open_page("overview")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")

    assert findings(page) == []


def test_the_check_of_the_chain_opens_in_the_dialog(open_page: Open, screenshot: Callable[[Page, str], None]) -> None:
    page = open_page("activity")

    page.get_by_role("link", name="Check the chain").click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    screenshot(page, "chain-dialog")

    expect(dialog).to_contain_text("unbroken")
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Check the chain")).to_be_focused()


def test_letters_lead_to_sections(open_page: Open) -> None:
    page = open_page("overview")

    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/expiry")

    assert page.title() == "Expiry · Credenza"


def test_the_first_key_press_offers_the_way_past_the_navigation(open_page: Open) -> None:
    page = open_page("overview")

    page.keyboard.press("Tab")
    skip = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")
    page.keyboard.press("Tab")

    assert skip == "Skip to the content"
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("name", ["overview", "expiry", "activity"])
def test_nothing_on_a_page_moves_once_it_is_seen(name: str, page: Page, open_page: Open) -> None:
    page.add_init_script(
        "window.shifts = []; new PerformanceObserver(list => window.shifts.push(...list.getEntries().map(each => "
        "each.value))).observe({type: 'layout-shift', buffered: true})"
    )
    open_page(name)
    page.wait_for_timeout(500)  # the stream has sent its part by now

    assert sum(page.evaluate("window.shifts")) < 0.01


def test_colours_of_the_system_s_own_leave_everything_to_be_seen(
    open_page: Open, screenshot: Callable[[Page, str], None]
) -> None:
    page = open_page("overview")
    page.emulate_media(forced_colors="active")

    screenshot(page, "overview-forced-colours")
    assert page.evaluate("getComputedStyle(document.querySelector('.side a[aria-current]')).outlineStyle") == "solid"


def test_a_printed_page_is_without_what_only_a_screen_needs(open_page: Open) -> None:
    page = open_page("expiry")
    page.emulate_media(media="print")

    shown = "[...document.querySelectorAll('.side, .top, button')].filter(each => each.checkVisibility()).length"
    assert page.evaluate(shown) == 0
    assert page.get_by_role("heading", name="Expiry").is_visible()


def test_the_overview_goes_on_living(page: Page, open_page: Open) -> None:
    with page.expect_response("**/overview/pace") as caught:
        open_page("overview")

    assert caught.value.headers["content-type"].startswith("text/event-stream")


def test_a_page_speaks_german(
    furnished: House, page: Page, open_page: Open, screenshot: Callable[[Page, str], None]
) -> None:
    page.context.add_cookies([{"name": "credenza-language", "value": "de", "url": furnished.url}])
    open_page("overview")

    screenshot(page, "overview-german")
    assert page.locator("html").get_attribute("lang") == "de"
    assert findings(page) == []


def _add_webhook(house: House, admin: User) -> None:
    session = sessions.begin(house.platform, admin, SignInMethod.PASSKEY, Visitor(), now=house.clock.now()).session
    actor = sessions.actor_of(session, address="127.0.0.1", now=house.clock.now())
    webhooks.add(
        house.platform,
        actor,
        house.organization_id,
        url="https://hooks.example.com/credenza",
        description="Pager of the night shift",
        now=house.clock.now(),
    )
