"""How the pages of OAuth 2.0 look: axe finds nothing in either theme, nothing is cut off, and a picture is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from tests.actions.stage import ec_request
from tests.browser import findings
from tests.clock import Clock
from tests.portal.conftest import Check
from tests.portal.house import House
from tests.portal.shop import SANDBOX, Shop

from credenza.actions import oauth_keys, project_services, projects, upgrades
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewProject
from credenza.domain.model import AuthenticationType, Project, ProjectId, ProjectType
from credenza.store import migrate, traces
from credenza.store.engine import open_database, writing
from credenza.store.traces import OAUTH1, OAUTH2, Caller

PAGES = {
    "upgrade-offered": "{offered}/sandbox",
    "upgrade-page": "{offered}/upgrade",
    "upgrade-too-many-keys": "{crowded}/upgrade",
    "upgrade-service-of-1.0a": "{single}/sandbox",
    "oauth2-meter": "{moving}/oauth2",
    "oauth2-meter-empty": "{quiet}/oauth2",
    "oauth2-keys": "{moving}/sandbox",
    "oauth2-key": "{moving}/keys/{key}",
    "oauth2-key-start": "{moving}/keys/{key}/start",
    "oauth2-only-keys": "{ledger}/sandbox",
    "oauth2-only-key": "{ledger}/keys/{ec}",
    "oauth2-only-key-start": "{ledger}/keys/{ec}/start",
    "oauth2-only-full": "{ledger}/sandbox/keys/new",
}


class Street:
    """Projects in every state of the way to OAuth 2.0."""

    def __init__(self, house: House) -> None:
        self.shop = Shop(house, takes=AuthenticationType.DUAL_OAUTH)
        self.legacy = self.shop.add_service("Legacy", AuthenticationType.OAUTH10A)
        moving, quiet, crowded, ledger = map(self._project, ("Moving", "Quiet", "Crowded", "Ledger"))
        for project in (moving, quiet):
            upgrades.upgrade_to_oauth2(house.platform, self.shop.actor, project.id, now=house.clock.now())
        for name in ("second", "third", "fourth"):
            self._add(crowded, self.shop.new_key(name))
        ec = [self._add(ledger, NewKey(name, ec_request(number))) for number, name in enumerate(("two", "three"))]
        single = self._project("Single")
        project_services.add(house.platform, self.shop.actor, single.id, SANDBOX, self.legacy.id, now=house.clock.now())
        key = self._add(moving, self.shop.new_key("billing-2026"))
        self._call(key, 30, OAUTH1, "10.1.4.9")
        self._call(key, 12, OAUTH1, "10.1.4.10", timedelta(days=4))
        self._call(key, 120, OAUTH2, "10.1.4.9")
        names = {"offered": self.shop.project, "crowded": crowded, "single": single, "moving": moving, "quiet": quiet}
        self.names = {name: f"/projects/{project.id}" for name, project in (names | {"ledger": ledger}).items()}
        self.names |= {"key": key, "ec": ec[0]}

    def _project(self, name: str) -> Project:
        kind = ProjectType.OAUTH2_FAPI if name == "Ledger" else ProjectType.OAUTH10A
        new = NewProject(kind, name, "", self.shop.service.id, SANDBOX, self.shop.new_key(f"{name} 1"))
        house = self.shop.house
        made = projects.create(
            house.platform, self.shop.actor, house.organization_id, new, now=house.clock.now() - timedelta(days=9)
        )
        return made.project

    def _add(self, project: Project, new: NewKey) -> str:
        house = self.shop.house
        made = oauth_keys.add_by_csr(
            house.platform, self.shop.actor, ProjectId(project.id), new, SANDBOX, now=house.clock.now()
        )
        return made.id

    def _call(self, key: str, admitted: int, scheme: str, address: str, ago: timedelta = timedelta(minutes=7)) -> None:
        house, now = self.shop.house, self.shop.house.clock.now()
        place = (house.organization_id, key, self.shop.service.id, address, "batch/2.1")
        with writing(house.platform.database.traces) as connection:
            caller = Caller(*place, now - timedelta(days=9), now - ago, admitted, 0, scheme)
            traces.add_callers(connection, [caller])


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('street')}/credenza.db")
    migrate.upgrade(database)
    house = House(database, Clock())
    street = Street(house)
    with house.served():
        yield street
    database.close()


@pytest.fixture
def open_page(street: Street, kept_page: Page) -> Callable[[str], Page]:
    house = street.shop.house
    house.sign_in(kept_page.context, street.shop.ada)

    def go(name: str) -> Page:
        kept_page.goto(house.url + PAGES[name].format(**street.names), wait_until="load")
        return kept_page

    return go


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_oauth_2_0_has_no_finding_and_a_picture(
    name: str, open_page: Callable[[str], Page], check_looks: Check
) -> None:
    check_looks(open_page(name), name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_oauth_2_0_fits_a_narrow_screen(
    name: str, open_page: Callable[[str], Page], check_narrow: Check
) -> None:
    check_narrow(open_page(name), name)


@pytest.mark.parametrize(
    ("name", "link"), [("upgrade-offered", "Upgrade to OAuth 2.0"), ("upgrade-service-of-1.0a", "What it needs")]
)
def test_the_upgrade_dialog_has_no_finding_and_gives_the_focus_back(
    name: str, link: str, open_page: Callable[[str], Page], screenshot: Callable[[Page, str], None]
) -> None:
    page = open_page(name)
    page.get_by_role("link", name=link).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("There is no way back.")

    dialog.get_by_text("Same thing in CLI and API").click()
    screenshot(page, f"dialog-{name}")
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name=link)).to_be_focused()
