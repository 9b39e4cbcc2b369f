"""Debian's Chromium for tests: what a page complains about, what axe finds on it, how it looks.

    page.goto(...); assert findings(page) == []; shoot(page, folder, "projects")

The fixtures are in tests/portal/conftest.py. Playwright's own browsers are not used: nothing is downloaded.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, WebError, expect, sync_playwright
from tests.servers import find_program

ROOT = Path(__file__).parents[1]
AXE = ROOT / "assets" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 120_000  # Playwright's own 5 s are too few where a browser makes a key beside other tests
WCAG_A_AND_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

FLAGS = (
    "--no-sandbox",  # tests run as root in containers, and open our own pages only
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # An origin over plain HTTP that is not the machine itself: there a page has no WebCrypto and no clipboard.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
)

# What axe sees of colours; the rest of a page is the same in each theme (tests/portal/test_style.py).
COLOUR_RULES = ["color-contrast", "link-in-text-block"]


@dataclass  # without slots: Playwright writes on the object whose method it is given
class Complaints:
    """What the browser reported against a test's pages: script errors, console errors and violations of their policy.

    A test that provokes one says so by a part of its text, before or after: `complaints.expect("status of 422")`.
    """

    reported: list[str] = field(default_factory=list)
    _expected: list[str] = field(default_factory=list)

    def expect(self, part: str) -> None:
        self._expected.append(part)

    def unexpected(self) -> list[str]:
        return [text for text in self.reported if not any(part in text for part in self._expected)]

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._note_console)
        context.on("weberror", self._note_error)

    def unwatch(self, context: BrowserContext) -> None:
        context.remove_listener("console", self._note_console)
        context.remove_listener("weberror", self._note_error)

    def _note_console(self, message: ConsoleMessage) -> None:
        # Chromium writes violations of the Content-Security-Policy as errors of the console.
        if message.type == "error":
            self.reported.append(f"{message.text} ({message.location['url']}:{message.location['lineNumber']})")

    def _note_error(self, raised: WebError) -> None:
        self.reported.append(f"uncaught: {raised.error.stack or raised.error}")


@contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_program("chromium", "chromium"), headless=True, args=list(FLAGS)
        )
        with at_rest():
            yield browser
        browser.close()


# Playwright's synchronous API runs an event loop below the test and leaves it marked as the thread's running loop.
# No other test of the process could start a loop of its own, so the mark is taken away while no page is open.


@contextmanager
def at_rest() -> Iterator[None]:
    loop = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(None)
    try:
        yield
    finally:
        asyncio.events._set_running_loop(loop)


@contextmanager
def in_use(browser: Browser) -> Iterator[None]:
    asyncio.events._set_running_loop(browser._impl_obj._loop)
    try:
        yield
    finally:
        asyncio.events._set_running_loop(None)


@contextmanager
def in_theme(page: Page, theme: str) -> Iterator[None]:
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme=theme)
    try:
        yield
    finally:
        page.emulate_media(color_scheme="dark" if dark else "light")


def findings(page: Page) -> list[str]:
    """What axe has against the page as it stands, open dialogs too, by WCAG 2.0 to 2.2, levels A and AA, in the
    light theme and then in the dark one, without loading it again."""
    page.evaluate(AXE.read_text())
    with in_theme(page, "light"):
        found = _found(page, {"type": "tag", "values": WCAG_A_AND_AA})
    with in_theme(page, "dark"):
        return found + _found(page, {"type": "rule", "values": COLOUR_RULES})


def _found(page: Page, rules: Mapping[str, object]) -> list[str]:
    found: list[dict[str, Any]] = page.evaluate(
        "runOnly => axe.run(document, {runOnly, resultTypes: ['violations']}).then(results => results.violations)",
        rules,
    )
    return [
        f"{rule['id']}: {rule['help']}: {' '.join(map(str, node['target']))}: {_one_line(node['failureSummary'])}"
        for rule in found
        for node in rule["nodes"]
    ]


def shoot(page: Page, folder: Path, name: str) -> None:
    """Write what the whole page looks like to `<name>-<theme>.png`."""
    for theme in ("light", "dark"):
        with in_theme(page, theme):
            path = folder / f"{name}-{theme}.png"
            page.screenshot(path=path, full_page=True, animations="disabled", caret="hide")


def _one_line(text: str) -> str:
    return " ".join(text.split())
