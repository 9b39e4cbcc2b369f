"""How the pages and dialogs of projects and keys look: axe finds nothing in either theme, and a picture is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.browser import findings
from tests.clock import Clock
from tests.portal.conftest import Check
from tests.portal.house import House

from credenza.store import migrate
from credenza.store.engine import open_database

_O, _P, _K = "/organizations/{o}", "/projects/{p}", "/projects/{p}/keys/{k}"
PAGES = {
    "projects": f"{_O}/projects",
    "projects-none": f"{_O}/projects?q=nothing",
    "project-new": f"{_O}/projects/new",
    "project-new-paste": f"{_O}/projects/new?method=paste",
    "search": f"{_O}/search?q=checkout",
    "project-sandbox": f"{_P}/sandbox?state=all",
    "project-production": f"{_P}/production",
    "project-services": f"{_P}/services",
    "project-members": f"{_P}/members",
    "project-settings": f"{_P}/settings",
    "project-no-production": "/projects/{q}/production",
    "project-request": "/projects/{q}/production/request",
    "key-add": f"{_P}/sandbox/keys/new",
    "key-add-upload": f"{_P}/sandbox/keys/new?method=upload",
    "key-details": _K,
    "key-start": f"{_K}/start",
    "key-revoke-page": f"{_K}/revoke",
}
DIALOGS = {
    "dialog-service-add": (f"{_P}/services", "Add a service"),
    "dialog-member-set": (f"{_P}/members", "Add a member"),
    "dialog-project-delete": (f"{_P}/settings", "Delete the project"),
    "dialog-replace": (_K, "Rotate or renew"),
    "dialog-revoke": (_K, "Revoke"),
}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    database = open_database(f"sqlite:///{folder}/credenza.db")
    migrate.upgrade(database)
    house = House(database, Clock())
    house.furnish(folder / "partner")
    with house.served():
        yield house
    database.close()


@pytest.fixture
def open_page(furnished: House, kept_page: Page) -> Callable[[str], Page]:
    furnished.sign_in(kept_page.context, furnished.person("Ada"))
    names = {
        "o": furnished.organization_id,
        "p": furnished.project_of("checkout-2025"),
        "q": furnished.project_of("billing-expired"),
        "k": furnished.keys["checkout-2025"],
    }

    def go(path: str) -> Page:
        kept_page.goto(furnished.url + path.format(**names), wait_until="load")
        return kept_page

    return go


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_finding_and_a_picture(name: str, open_page: Callable[[str], Page], check_looks: Check) -> None:
    check_looks(open_page(PAGES[name]), name)


@pytest.mark.parametrize("name", DIALOGS)
def test_an_open_dialog_has_no_finding_and_ends_with_the_same_thing_elsewhere(
    name: str, open_page: Callable[[str], Page], screenshot: Callable[[Page, str], None]
) -> None:
    path, link = DIALOGS[name]
    page = open_page(path)
    page.get_by_role("link", name=link, exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()

    dialog.get_by_text("Same thing in CLI and API").click()
    screenshot(page, name)
    assert findings(page) == []
    expect(dialog.locator(".same-thing pre")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name=link, exact=True)).to_be_focused()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_narrow_screen(name: str, open_page: Callable[[str], Page], check_narrow: Check) -> None:
    check_narrow(open_page(PAGES[name]), name)
