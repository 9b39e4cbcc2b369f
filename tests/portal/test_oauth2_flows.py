"""OAuth 2.0 in a real browser, before a real server over TLS: a project is upgraded and called with the key it has, and
what the page of a key says runs as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from playwright.sync_api import BrowserContext, Page, expect
from tests.browser import Complaints, findings
from tests.journeys.oauth2_street import CLIENTS_PYTHON, Partner, Street, open_street
from tests.portal.desk import sign_in

from credenza.client.auth import OAuth1Auth
from credenza.domain.model import ProjectType

Shoot = Callable[[Page, str], None]
PASSWORD = "a password of ASCII 1"
STORE = "my-application.p12"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    if not CLIENTS_PYTHON.exists():
        pytest.skip("the client libraries are not installed")
    with open_street(tmp_path_factory.mktemp("street")) as street:
        yield street


@pytest.fixture
def signed_in(street: Street, context: BrowserContext, page: Page) -> Page:
    sign_in(context, street.installation, street.server.manage_origin)
    return page


def address(street: Street, partner: Partner, rest: str = "") -> str:
    return f"{street.server.manage_origin}/projects/{partner.project.id}{rest}"


def old_partner(street: Street) -> Partner:
    """Somebody with a project and a key of OAuth 1.0a."""
    return street.partner(rsa.generate_private_key(public_exponent=65537, key_size=2048), ProjectType.OAUTH10A)


def call_the_old_way(street: Street, partner: Partner) -> int:
    assert isinstance(partner.private_key, rsa.RSAPrivateKey)
    with street.client(OAuth1Auth(partner.consumer_key, partner.private_key)) as http:
        return http.get(street.parcel).status_code


def test_a_project_is_upgraded_and_called_with_the_key_it_has(
    signed_in: Page, street: Street, screenshot: Shoot
) -> None:
    page, partner = signed_in, old_partner(street)
    with street.library(partner) as library:
        assert "invalid_client" in library.call(street.parcel)["error"]
    page.goto(address(street, partner, "/sandbox"))
    page.get_by_role("link", name="Upgrade to OAuth 2.0").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("There is no way back.")
    assert findings(page) == []
    screenshot(page, "upgrade")

    dialog.get_by_role("button", name="Upgrade", exact=True).click()

    expect(page.get_by_role("status").first).to_contain_text("Every key works both ways now.")
    expect(page.get_by_text("No call was counted yet.")).to_be_visible()
    with street.library(partner) as library:
        assert library.call(street.parcel)["status"] == 200
    assert call_the_old_way(street, partner) == 200
    expect_meter(page, "1 of 2 calls")
    assert findings(page) == []
    screenshot(page, "meter")
    page.get_by_role("link", name="Sandbox", exact=True).click()
    expect(page.locator("#keys tbody tr")).to_contain_text("OAuth 1.0a + 2.0")
    page.locator("#keys .row-menu summary").click()
    expect(page.get_by_role("link", name="Add new key and switch")).to_be_visible()
    expect(page.get_by_role("link", name="Rotate or renew")).to_have_count(0)


def expect_meter(page: Page, text: str) -> None:
    """Gates write what they count every few seconds: look until it is there."""
    for _ in range(60):
        page.reload()
        if text in page.locator("main").inner_text():
            return
        page.wait_for_timeout(500)
    raise AssertionError(page.locator("main").inner_text())


def test_a_project_is_upgraded_by_keyboard_alone(signed_in: Page, street: Street) -> None:
    page, partner = signed_in, old_partner(street)
    page.goto(address(street, partner, "/sandbox"))

    reach(page, "Upgrade to OAuth 2.0")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("There is no way back.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Upgrade to OAuth 2.0")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("There is no way back.")
    reach(page, "Upgrade")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status").first).to_contain_text("Every key works both ways now.")


def reach(page: Page, name: str) -> None:
    """Press Tab until the focus is on what has this name."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(f"Tab does not lead to {name}")


def test_what_stands_in_the_way_is_said_in_the_dialog(signed_in: Page, street: Street, complaints: Complaints) -> None:
    complaints.expect("status of 400")
    complaints.expect("htmx:response:error")
    page, partner = signed_in, old_partner(street)
    for _ in range(3):
        street.installation.add_key(partner.project)
    page.goto(address(street, partner, "/sandbox"))
    page.get_by_role("link", name="What it needs").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_role("button", name="Upgrade", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("has at most 3 keys")
    assert findings(page) == []
    dialog.get_by_role("link", name="Revoke").last.click()
    dialog.get_by_label("Type REVOKE").fill("REVOKE")
    dialog.get_by_role("button", name="Revoke", exact=True).click()
    expect(dialog).to_contain_text("No gate admits it any more.")
    page.goto(address(street, partner, "/upgrade"))
    page.get_by_role("button", name="Upgrade", exact=True).click()

    expect(page.get_by_role("status").first).to_contain_text("Every key works both ways now.")


@pytest.mark.parametrize("kind", ["EC-P256", "RSA-2048"])
def test_a_project_of_oauth_2_0_is_made_in_the_browser_and_all_that_its_page_says_runs(
    signed_in: Page, street: Street, tmp_path: Path, kind: str
) -> None:
    page = signed_in
    make_project(page, street, f"Ledger {kind}", kind, tmp_path)
    expect(page.locator("#seen")).to_contain_text("Waiting for the first authenticated call")
    expect(page.locator("#consumer-key")).to_have_count(0)
    said = {
        name: page.locator(f"#use-oauth2-{name}").text_content() or "" for name in ("cli", "curl", "library", "sdk")
    }

    shell = "set -e\n" + said["cli"] + "\n" + said["curl"].replace("curl -H", "curl -fsS -H")
    assert run(street, tmp_path, ["sh", "-c", shell]).count('"method": "GET"') == 2
    assert run(street, tmp_path, [CLIENTS_PYTHON, "-c", said["library"].replace("PASSWORD", PASSWORD)]) == "200\n"
    assert run(street, tmp_path, [sys.executable, "-c", said["sdk"].replace("PASSWORD", PASSWORD)]) == "200\n"

    expect(page.locator("#seen")).to_contain_text("from 127.0.0.1")


def make_project(page: Page, street: Street, name: str, kind: str, directory: Path) -> None:
    """Make a project with its first key and keep the key store; the page of the key is open then."""
    page.goto(f"{street.server.manage_origin}/organizations/{street.installation.organization_id}/projects/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("First service").select_option(f"{street.parcels.id} {ProjectType.OAUTH2_FAPI}")
    page.get_by_label("Name of the key").fill("my-application")
    page.get_by_label("Type").select_option(kind)
    page.get_by_label("Password of the key store").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Make the project").click()
    expect(page.locator("#saved")).to_be_visible()
    download.value.save_as(directory / STORE)


def run(street: Street, directory: Path, command: list[str | Path]) -> str:
    """Run what a page says, where its key store is, by somebody who trusts the server's authority."""
    trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(street.authority))
    environment = {
        **os.environ, **trusted, "CREDENZA_KEY_PASSWORD": PASSWORD, "HOME": str(directory),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_project_leads_over_the_key_that_nobody_uses_to_the_next_one(
    signed_in: Page, street: Street, tmp_path: Path
) -> None:
    page = signed_in
    make_project(page, street, "Full", "EC-P256", tmp_path)
    keys = page.get_by_role("link", name="All keys").get_attribute("href")
    for alias in ("second", "third"):
        add_key(page, street, f"{keys}/keys/new", alias)
    page.goto(f"{street.server.manage_origin}{keys}")
    expect(page.locator("main")).to_contain_text("3 of 3 OAuth 2.0 keys are in place")

    page.get_by_role("link", name="Add a key").click()
    expect(page.locator("main")).to_contain_text("All 3 places for OAuth 2.0 keys are taken.")
    expect(page.get_by_text("never used")).to_have_count(3)
    page.get_by_role("link", name="Revoke").last.click()
    page.get_by_label("Type REVOKE").fill("REVOKE")
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.locator("#reach")).to_contain_text("No gate admits it any more.")
    add_key(page, street, f"{keys}/keys/new", "fourth")

    page.goto(f"{street.server.manage_origin}{keys}")
    expect(page.locator("#keys tbody tr")).to_have_count(3)


def add_key(page: Page, street: Street, path: str, alias: str) -> None:
    page.goto(f"{street.server.manage_origin}{path}")
    page.get_by_label("Name of the key").fill(alias)
    page.get_by_label("Type").select_option("EC-P256")
    page.get_by_label("Password of the key store").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Create the key").click()
    expect(page.locator("#saved")).to_be_visible()
    key, _, _ = pkcs12.load_key_and_certificates(download.value.path().read_bytes(), PASSWORD.encode())
    assert key is not None
