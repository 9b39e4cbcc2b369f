"""What tests of pages stand on: the browser tells what is wrong with a page, and stays out of other tests' way."""

import asyncio
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.browser import PATIENCE_MS, Complaints, findings, shoot
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
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not complaints.unexpected() and time.monotonic() < deadline:
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


@pytest.mark.parametrize("hidden_in", ["light", "dark"])
def test_axe_looks_at_a_page_in_both_themes(page: Page, hidden_in: str) -> None:
    sheet = (
        f"p {{ color: #000; background: #fff }} @media (prefers-color-scheme: {hidden_in}) {{ p {{ color: #bbb }} }}"
    )
    body = '<link rel="stylesheet" href="sheet.css"><h1>A page</h1><p>Read me</p>'
    with static_site({"/": HEAD + body, "/sheet.css": sheet}, policy=POLICY) as site:
        page.goto(site.origin)

        assert [text.split(":")[0] for text in findings(page)] == ["color-contrast"]
        assert page.evaluate("matchMedia('(prefers-color-scheme: light)').matches")


def test_pictures_are_taken_in_both_themes(page: Page, tmp_path: Path) -> None:
    with static_site({"/": HEAD}, policy=POLICY) as site:
        page.goto(site.origin)
        shoot(page, tmp_path, "browser")

    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written.keys() == {"browser-light.png", "browser-dark.png"}
    assert all(picture.startswith(b"\x89PNG") for picture in written.values())


def test_a_test_without_a_page_may_run_a_loop_of_its_own(browser: object) -> None:
    asyncio.run(asyncio.sleep(0))
