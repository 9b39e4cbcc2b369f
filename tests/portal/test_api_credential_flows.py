"""API credentials in a real browser: wizard, edit and deletion by mouse and keyboard, and where the secret is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, expect
from tests.browser import findings
from tests.clock import Clock
from tests.portal.conftest import Check
from tests.portal.house import House
from tests.portal.test_api_credentials import HOSTILE, SECRET

from credenza.actions import api_credentials
from credenza.actions.context import Platform
from credenza.cli import demo_api_credentials, demo_catalog, demo_seed
from credenza.domain.api_credentials import ApiCredentialQuery
from credenza.domain.model import CredentialId
from credenza.store import migrate, traces
from credenza.store.engine import open_database, writing
from credenza.store.traces import Caller

Shoot = Callable[[Page, str], None]
Open = Callable[[str], Page]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    """One served house for all of them, with the demo's API credentials in every state."""
    database = open_database(f"sqlite:///{folder}/credenza.db")
    migrate.upgrade(database)
    house, now = House(database, Clock()), Clock().now()
    upstream = "http://127.0.0.1:9000"
    seeded = demo_seed.seed(house.platform, folder.parent / "partner", upstream=upstream, now=now)
    house.organization_id = seeded.organization.id
    demo_catalog.seed(house.platform, upstream=upstream, now=now)
    demo_api_credentials.seed(house.platform, folder.parent / "partner", seeded, now=now)
    found = api_credentials.list_page(
        house.platform, seeded.owner, house.organization_id, ApiCredentialQuery(), now=now
    )
    used = next(each.credential.id for each in found if each.credential.name == "Web analytics")
    _call(house.platform, house, used)
    with house.served():
        yield house
    database.close()


def _call(platform: Platform, house: House, credential_id: CredentialId) -> None:
    seen = house.clock.now() - timedelta(minutes=7)
    caller = Caller(house.organization_id, credential_id, 1, "10.1.4.9", "batch/2.1", seen, seen, 214, 0)
    with writing(platform.database.traces) as connection:
        traces.add_callers(connection, [caller])


@pytest.fixture
def open_page(house: House, context: BrowserContext, page: Page) -> Open:
    house.sign_in(context, house.person("Ada"))

    def go(rest: str) -> Page:
        page.goto(house.url + house.path(f"/api-credentials{rest}"), wait_until="load")
        return page

    return go


def press(page: Page, button: str) -> None:
    """Press a button that leads to another page."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


def make(page: Page, name: str) -> str:
    """Go through the wizard to the page of the secret; the secret."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Profile API").check()
    press(page, "Next")
    press(page, "Next")
    page.get_by_label("Web-EU").check()
    press(page, "Next")
    press(page, "Create the credential")
    return page.locator("#client-secret").text_content() or ""


def test_the_wizard_the_edit_and_the_deletion_look_well(open_page: Open, screenshot: Shoot, colour_scheme: str) -> None:
    page = open_page("")

    def look(name: str) -> None:
        screenshot(page, f"api-credential-{name}")
        assert findings(page) == [], name

    screenshot(page, "api-credentials")
    assert findings(page) == []
    page.get_by_role("link", name="New credential").click()
    page.get_by_label("Name", exact=True).fill(f"Partner {colour_scheme} {HOSTILE}")
    for api in ("Profile API", "Platform API", "Data Planning API"):
        page.get_by_label(api).check()
    look("apis")
    press(page, "Next: Permissions")
    for label in ("read Read data plans", "user See accounts and their workspaces"):
        page.get_by_label(label).check()
    look("permissions")
    press(page, "Next: Scope")
    profile = page.get_by_role("group", name="Where may it use Profile API?")
    profile.get_by_role("checkbox", name="Europe").check()
    profile.get_by_label("Web-US").check()
    page.get_by_role("group", name="Where may it use Data Planning API?").get_by_label("Web-EU").check()
    page.get_by_label("Where it may be used from").fill("192.0.2.0/24\n2001:db8:40::/48")
    look("scope")
    press(page, "Next: Review")
    expect(page.locator(".sentence")).to_contain_text("in Apps-EU, Web-EU and Web-US")
    look("review")
    press(page, "Back")
    expect(profile.get_by_label("Web-US")).to_be_checked()
    press(page, "Next: Review")
    press(page, "Create the credential")
    look("issued")
    page.get_by_text("Reveal").click()
    page.get_by_label("I saved the secret").check()
    look("revealed")
    press(page, "Close")
    look("edit")
    page.get_by_role("group", name="Where may it use Profile API?").get_by_label("Web-US").uncheck()
    page.get_by_role("group", name="What may it do with Data Planning API?").get_by_label("write").check()
    press(page, "Review the changes")
    look("changes")
    press(page, "Save")
    expect(page.get_by_text("Saved. Every gate goes by it already")).to_be_visible()
    page.get_by_role("link", name="Issue a new secret").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    look("new-secret")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Delete czs_").click()
    expect(page.get_by_role("dialog")).to_contain_text("the last secret")
    look("delete-secret")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Deactivate instead")
    look("delete")
    page.get_by_role("textbox", name="Type its name").fill(f"Partner {colour_scheme} {HOSTILE}")
    press(page, "Delete for good")
    expect(page.get_by_text(f"Partner {colour_scheme}")).to_have_count(0)


def test_a_box_of_an_account_follows_its_workspaces_and_the_search(open_page: Open) -> None:
    page = open_page("/new")
    page.get_by_label("Name", exact=True).fill("Tree")
    page.get_by_label("Profile API").check()
    press(page, "Next")
    press(page, "Next")
    account, half = page.get_by_role("checkbox", name="Europe"), "each => each.indeterminate"

    page.get_by_label("Web-EU").check()
    assert account.evaluate(half)
    page.get_by_label("Apps-EU").check()
    expect(account).to_be_checked()
    assert not account.evaluate(half)
    page.get_by_label("Search workspaces for Profile API").fill("web")
    account.uncheck()
    page.get_by_label("Search workspaces for Profile API").fill("")

    expect(page.get_by_label("Web-EU")).not_to_be_checked()
    expect(page.get_by_label("Apps-EU")).to_be_checked()
    page.get_by_label("Search workspaces for Profile API").fill("nowhere")
    expect(page.get_by_text("No workspace fits.")).to_be_visible()


def test_the_secret_is_left_nowhere(
    open_page: Open, context: BrowserContext, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    asked: list[str] = []
    page = open_page("/new")
    page.on("request", lambda request: asked.append(request.url))

    secret = make(page, "Left nowhere")
    page.get_by_role("button", name="Copy client secret").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state, location.href])")
    press_close(page)
    closed = page.content()
    page.reload()
    reloaded = page.content()
    page.go_back()
    back = page.content()

    assert SECRET.fullmatch(secret)
    assert copied == secret
    assert secret not in stored + closed + reloaded + back
    assert [url for url in asked if secret in url] == []
    assert "".join(capfd.readouterr()).find(secret) == -1
    files = [each for each in folder.rglob("*") if each.is_file()]
    assert len(files) > 1
    assert [each.name for each in files if secret.encode() in each.read_bytes()] == []


def press_close(page: Page) -> None:
    page.get_by_label("I saved the secret").check()
    press(page, "Close")


def test_a_secret_that_is_not_saved_is_not_left_by_accident(open_page: Open) -> None:
    page = open_page("/new")
    make(page, "Held back")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", stay)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Close").click()

    assert asked == ["The secret is not saved yet. Leave the page all the same?"]
    expect(page.locator("#client-secret")).to_have_count(1)
    press_close(page)
    assert SECRET.search(page.content()) is None


def test_a_row_leads_to_its_page_by_a_click_anywhere(open_page: Open) -> None:
    page = open_page("?q=nightly")

    with page.expect_navigation():
        page.get_by_role("row", name="Nightly export").get_by_text("expiring").click()

    expect(page.get_by_role("heading", name="Nightly export")).to_be_visible()


def test_it_is_made_and_deleted_by_keyboard_alone(open_page: Open) -> None:
    page = open_page("")
    name = "By keyboard"

    with page.expect_navigation():
        page.keyboard.press("n")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type(name)
    tab_to(page, "Profile API")
    page.keyboard.press("Space")
    for _ in ("permissions", "scope"):
        enter(page, "Next")
    tab_to(page, "Web-EU")
    page.keyboard.press("Space")
    enter(page, "Next")
    enter(page, "Create the credential")
    tab_to(page, "Reveal")
    page.keyboard.press("Enter")
    expect(page.locator("#client-secret")).to_be_visible()
    tab_to(page, "I saved the secret")
    page.keyboard.press("Space")
    enter(page, "Close")
    tab_to(page, "Delete")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    page.keyboard.type(name)
    with page.expect_navigation():
        page.keyboard.press("Enter")

    expect(page.get_by_text(name)).to_have_count(0)


def enter(page: Page, button: str) -> None:
    tab_to(page, button)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until what has the focus says so."""
    said = "(document.activeElement.closest('label') ?? document.activeElement).textContent.trim()"
    for _ in range(80):
        page.keyboard.press("Tab")
        text = " ".join(page.evaluate(said).split())
        if text == wanted or (text.startswith(wanted) and wanted not in ("Delete", "Close")) or text.endswith(wanted):
            return
    raise AssertionError(f"no Tab leads to {wanted}")


def test_every_step_fits_a_narrow_screen(open_page: Open, check_narrow: Check) -> None:
    page = open_page("")
    check_narrow(page, "api-credentials")
    open_page("/new")
    page.get_by_label("Name", exact=True).fill("Narrow")
    page.get_by_label("Profile API").check()
    check_narrow(page, "api-credential-apis")
    press(page, "Next")
    press(page, "Next")
    page.get_by_role("checkbox", name="Europe").check()
    check_narrow(page, "api-credential-scope")
    press(page, "Next")
    press(page, "Create the credential")
    page.get_by_text("Reveal").click()
    check_narrow(page, "api-credential-issued")
    press_close(page)
    check_narrow(page, "api-credential-edit")
