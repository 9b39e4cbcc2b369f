"""One browser for each test process, and a fresh context, with nothing in it, for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tests import browser as browsers
from tests.actions.kept_stages import KeptStages, SqliteRoom
from tests.browser import Complaints
from tests.clock import Clock
from tests.portal.house import House

VIEWPORT = {"width": 1280, "height": 900}
SETTINGS = {"locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce", "viewport": VIEWPORT}
NARROW = {"width": 360, "height": 740}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with browsers.chromium() as started:
        yield started


@pytest.fixture
def colour_scheme() -> str:
    """The theme the context asks for. What a page looks like is seen in both (`findings`)."""
    return "light"


@pytest.fixture
def context_options() -> dict[str, object]:
    """More options of `Browser.new_context`, for a module that overrides this."""
    return {}


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert complaints.unexpected() == []


@pytest.fixture
def context(
    browser: Browser, colour_scheme: str, context_options: dict[str, object], complaints: Complaints
) -> Iterator[BrowserContext]:
    with browsers.in_use(browser):
        context = browser.new_context(color_scheme=colour_scheme, **SETTINGS | context_options)
        context.set_default_timeout(browsers.PATIENCE_MS)
        complaints.watch(context)
        yield context
        context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page whose test fails when the browser reports an error against it (`Complaints`)."""
    return context.new_page()


@pytest.fixture(scope="module")
def its_kept_page(browser: Browser) -> Iterator[Page]:
    with browsers.in_use(browser):
        page = browser.new_context(color_scheme="light", **SETTINGS).new_page()
        page.set_default_timeout(browsers.PATIENCE_MS)
    yield page
    with browsers.in_use(browser):
        page.context.close()


@pytest.fixture
def kept_page(browser: Browser, its_kept_page: Page, complaints: Complaints) -> Iterator[Page]:
    """A page for tests that only look: those of a module share one, with what it has loaded already."""
    with browsers.in_use(browser):
        its_kept_page.set_viewport_size(VIEWPORT)
        complaints.watch(its_kept_page.context)
        yield its_kept_page
        complaints.unwatch(its_kept_page.context)


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Writes pictures of the page below --screenshots, where that is given."""
    folder: str | None = request.config.getoption("--screenshots")

    def shoot(page: Page, name: str) -> None:
        if folder is not None:
            browsers.shoot(page, Path(folder), name)

    return shoot


Check: TypeAlias = Callable[[Page, str], None]


@pytest.fixture
def check_looks(screenshot: Callable[[Page, str], None]) -> Check:
    """See that axe finds nothing on a page, and keep a picture of it."""

    def check(page: Page, name: str) -> None:
        screenshot(page, name)
        assert browsers.findings(page) == []

    return check


@pytest.fixture
def check_narrow(screenshot: Callable[[Page, str], None]) -> Check:
    """See that a page fits a narrow screen, and keep a picture of that."""

    def check(page: Page, name: str) -> None:
        page.set_viewport_size(NARROW)
        screenshot(page, f"{name}-narrow")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]

    return check


@pytest.fixture
def house(stages_on_sqlite: KeptStages, clock: Clock) -> House:
    """A portal with nobody in it yet: `house.found()`. One that is full is `furnished`."""
    return House(stages_on_sqlite.stage(clock).platform.database, clock)


@pytest.fixture(scope="session")
def furnished_once(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[tuple[SqliteRoom, House]]:
    """A furnished house, and the room that has its rows: to furnish one makes eight RSA keys."""
    room = SqliteRoom(tmp_path_factory.mktemp("houses"), sqlite_template)
    first = House(room.first("furnished"), Clock())
    first.furnish(tmp_path_factory.mktemp("partner"))
    first.platform.database.close()
    yield room, first
    room.close()


@pytest.fixture
def furnished(furnished_once: tuple[SqliteRoom, House], clock: Clock) -> House:
    """A portal filled as the demo is filled, of the test's own."""
    room, first = furnished_once
    return first.again(room.renewed("furnished"), clock)
