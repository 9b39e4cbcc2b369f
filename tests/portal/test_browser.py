"""What tests of pages stand on: the browser tells what is wrong with a page, and stays out of other tests' way."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.browser import Complaints, both_schemes, findings
from tests.static_site import static_site

HEAD = '<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,"><main>'
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:"


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("<script>document.title = 'run'</script>", "Content Security Policy"),
        ('<p style="color: red">red</p>', "Content Security Policy"),
        ('<script src="missing.js"></script>', "status of 404"),
        ('<script src="throws.js"></script>', "uncaught: Error: thrown"),
        ('<script src="refuses.js"></script>', "unhandled"),
    ],
)
def test_what_the_browser_holds_against_a_page_is_reported(
    page: Page, complaints: Complaints, body: str, part: str
) -> None:
    scripts = {"/throws.js": "throw new Error('thrown')", "/refuses.js": "Promise.reject(new Error('unhandled'))"}
    with static_site({"/": HEAD + body, **scripts}, policy=POLICY) as site:
        page.goto(site.origin)
        page.wait_for_timeout(50)

    assert any(part in text for text in complaints.unexpected())
    complaints.expect(part)
    assert complaints.unexpected() == []


def test_axe_finds_what_is_wrong_under_a_strict_policy(page: Page) -> None:
    with static_site(
        {"/": HEAD + '<input><dialog open><button></button></dialog><img src="data:,">'}, policy=POLICY
    ) as site:
        page.goto(site.origin)
        found = findings(page)

    assert {text.split(":")[0] for text in found} >= {"label", "button-name", "image-alt"}


def test_axe_finds_nothing_on_a_plain_page(page: Page) -> None:
    with static_site({"/": HEAD + "<h1>A page</h1><label>Name <input></label>"}, policy=POLICY) as site:
        page.goto(site.origin)

        assert findings(page) == []


@both_schemes
def test_a_page_is_seen_in_the_theme_of_its_test(
    page: Page, colour_scheme: str, screenshot: Callable[[Page, str], Path]
) -> None:
    with static_site({"/": HEAD}, policy=POLICY) as site:
        page.goto(site.origin)
        dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        written = screenshot(page, "browser")

    assert dark is (colour_scheme == "dark")
    assert written.name == f"browser-{colour_scheme}.png"
    assert written.read_bytes().startswith(b"\x89PNG")


def test_a_test_without_a_page_may_run_a_loop_of_its_own(browser: object) -> None:
    asyncio.run(asyncio.sleep(0))
