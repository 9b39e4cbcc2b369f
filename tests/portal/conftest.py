"""One browser for each test process, and a fresh context, with nothing in it, for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tests import browser as browsers
from tests.browser import Complaints
from tests.clock import Clock
from tests.portal.house import House

from credenza.store.engine import Database

VIEWPORT = {"width": 1280, "height": 900}
SETTINGS = {"locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce", "viewport": VIEWPORT}
NARROW = {"width": 360, "height": 740}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with browsers.chromium() as started:
        yield started


@pytest.fixture
def colour_scheme() -> str:
    """The theme the context asks for; `@both_schemes` runs a test in the two."""
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
        complaints.watch(context)
        yield context
        context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page whose test fails when the browser reports an error against it (`Complaints`)."""
    return context.new_page()


@pytest.fixture(scope="module")
def kept_pages(browser: Browser) -> Iterator[dict[str, Page]]:
    """By theme."""
    pages: dict[str, Page] = {}
    yield pages
    with browsers.in_use(browser):
        for page in pages.values():
            page.context.close()


@pytest.fixture
def kept_page(
    browser: Browser, kept_pages: dict[str, Page], colour_scheme: str, complaints: Complaints
) -> Iterator[Page]:
    """A page for tests that only look: those of a module share one for each theme, with what it has loaded already."""
    with browsers.in_use(browser):
        if colour_scheme not in kept_pages:
            kept_pages[colour_scheme] = browser.new_context(color_scheme=colour_scheme, **SETTINGS).new_page()
        page = kept_pages[colour_scheme]
        page.set_viewport_size(VIEWPORT)
        complaints.watch(page.context)
        yield page
        complaints.unwatch(page.context)


@pytest.fixture
def screenshot(request: pytest.FixtureRequest, colour_scheme: str) -> Callable[[Page, str], Path]:
    """Writes what the whole page looks like to `<name>-<theme>.png` below --screenshots."""
    folder = Path(request.config.getoption("--screenshots"))

    def shoot(page: Page, name: str) -> Path:
        path = folder / f"{name}-{colour_scheme}.png"
        page.screenshot(path=path, full_page=True, animations="disabled", caret="hide")
        return path

    return shoot


Check: TypeAlias = Callable[[Page, str], None]


@pytest.fixture
def check_looks(screenshot: Callable[[Page, str], Path]) -> Check:
    """See that axe finds nothing on a page, and keep a picture of it."""

    def check(page: Page, name: str) -> None:
        screenshot(page, name)
        assert browsers.findings(page) == []

    return check


@pytest.fixture
def check_narrow(screenshot: Callable[[Page, str], Path]) -> Check:
    """See that a page fits a narrow screen, and keep a picture of that."""

    def check(page: Page, name: str) -> None:
        page.set_viewport_size(NARROW)
        screenshot(page, f"{name}-narrow")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]

    return check


@pytest.fixture
def house(sqlite_database: Database, clock: Clock) -> House:
    """A portal with nobody in it yet: `house.found()` or `house.furnish(tmp_path)`."""
    return House(sqlite_database, clock)
