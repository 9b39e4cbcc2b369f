"""Keys in a real browser, before a real server: made, used, rotated, revoked, by mouse and by keyboard alone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from cryptography.x509 import load_pem_x509_certificates
from playwright.sync_api import BrowserContext, Page, Request, expect
from tests.browser import Complaints, findings
from tests.installation import new_key
from tests.java import KEYTOOL
from tests.portal.desk import CLIENTS_PYTHON, Desk, call_with, open_desk
from tests.servers import find_program

from credenza.portal.streams import MOST_OF_A_SESSION

Shoot = Callable[[Page, str], None]
PASSWORD = "a password of ASCII 1"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("desk")) as desk:
        yield desk


@pytest.fixture
def signed_in(desk: Desk, context: BrowserContext, page: Page) -> Page:
    desk.sign_in(context)
    return page


def make_key(page: Page, desk: Desk, alias: str, kind: str = "RSA-2048") -> bytes:
    """Make a key in the browser; the key store that was saved."""
    page.goto(f"{desk.keys}/keys/new")
    page.get_by_label("Name of the key").fill(alias)
    page.get_by_label("Type").select_option(kind)
    page.get_by_label("Password of the key store").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Create the key").click()
    assert download.value.suggested_filename == f"{alias}.p12"
    expect(page.locator("#saved")).to_be_visible()
    return download.value.path().read_bytes()


def requests_of(page: Page) -> list[Request]:
    """What the page sends from now on."""
    sent: list[Request] = []

    def note(request: Request) -> None:
        sent.append(request)

    page.on("request", note)
    return sent


def save(page: Page, button: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    return download.value.path().read_bytes()


def test_a_key_made_in_the_browser_is_used_at_once_and_seen(
    signed_in: Page, desk: Desk, tmp_path: Path, screenshot: Shoot
) -> None:
    if not CLIENTS_PYTHON.exists():
        pytest.skip("the client libraries are not installed")
    page, sent = signed_in, requests_of(signed_in)

    store = make_key(page, desk, "billing-2026")

    consumer_key = page.locator("#consumer-key").inner_text()
    expect(page.locator("#seen")).to_contain_text("Waiting for the first authenticated call")
    assert findings(page) == []
    screenshot(page, "key-made")
    assert call_with(store, PASSWORD, consumer_key, desk.order).status_code == 200
    expect(page.locator("#seen")).to_contain_text(re.compile(r"Seen \d+ .+ ago from 127\.0\.0\.1"))
    screenshot(page, "key-seen")
    check_files(page, store, tmp_path)
    check_requests(sent, desk)


def check_files(page: Page, store: bytes, directory: Path) -> None:
    key, certificate, chain = pkcs12.load_key_and_certificates(store, PASSWORD.encode())
    path = directory / "store.p12"
    path.write_bytes(store)
    info = run("openssl", "pkcs12", "-in", path, "-info", "-noout", "-passin", f"pass:{PASSWORD}")
    listed = run(*KEYTOOL, "-list", "-keystore", path, "-storepass", PASSWORD)
    pem = load_pem_private_key(save(page, "Encrypted PEM"), PASSWORD.encode())
    certificates = load_pem_x509_certificates(save(page, "Certificate"))
    again = pkcs12.load_key_and_certificates(save(page, "Save again"), PASSWORD.encode())

    assert key is not None
    assert certificate is not None
    assert certificate.public_key() == key.public_key() == pem.public_key()
    assert [certificate, *chain] == certificates
    assert again[1] == certificate
    assert "AES-256-CBC" in info
    assert "PrivateKeyEntry" in listed
    assert b'"kid"' in save(page, "JWK")


def run(program: str, *arguments: str | Path) -> str:
    package = {"keytool": "default-jre-headless"}.get(program, program)
    done = subprocess.run([find_program(program, package), *arguments], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def check_requests(sent: list[Request], desk: Desk) -> None:
    """Only the form went out, and in it nothing of the private key."""
    bodies = [each.post_data or "" for each in sent if each.method != "GET"]
    assert len(bodies) == 1
    assert "BEGIN CERTIFICATE REQUEST" in bodies[0]
    assert "PRIVATE" not in bodies[0]
    assert PASSWORD not in bodies[0]
    assert set(re.findall(r'name="(\w+)"', bodies[0])) == {"csrf", "method", "once", "alias", "csr"}
    assert all(each.url.startswith((desk.url, "blob:")) for each in sent)
    assert not any("htmx" in each.url for each in sent), "the page that makes a key runs no third-party code"


def test_formats_are_made_by_the_commands_of_the_page(signed_in: Page, desk: Desk, tmp_path: Path) -> None:
    store = make_key(signed_in, desk, "formats")
    commands = "\n".join(signed_in.locator("#formats pre").all_text_contents())
    (tmp_path / "my-application.p12").write_bytes(store)
    answered = commands.replace("-in my-application.p12", f"-in my-application.p12 -passin 'pass:{PASSWORD}'")
    answered = answered.replace("-export", "-export -passout pass:another")

    subprocess.run(["sh", "-ec", answered], cwd=tmp_path, check=True, capture_output=True)

    assert "BEGIN PRIVATE KEY" in (tmp_path / "pkcs8.pem").read_text()
    assert "BEGIN RSA PRIVATE KEY" in (tmp_path / "pkcs1.pem").read_text()
    run("openssl", "pkey", "-inform", "DER", "-in", tmp_path / "pkcs8.der", "-noout")
    run("openssl", "pkcs12", "-legacy", "-in", tmp_path / "legacy.p12", "-passin", "pass:another", "-noout")


def test_a_double_click_makes_one_key(signed_in: Page, desk: Desk) -> None:
    signed_in.goto(f"{desk.keys}/keys/new")
    signed_in.get_by_label("Name of the key").fill("clicked-twice")
    signed_in.get_by_role("button", name="Make one").click()
    signed_in.get_by_role("button", name="Create the key").dblclick()
    expect(signed_in.locator("#saved")).to_be_visible()

    signed_in.goto(f"{desk.keys}?q=clicked-twice")

    expect(signed_in.locator("#keys tbody tr")).to_have_count(1)


@pytest.mark.parametrize(("password", "reason"), [("short", "12 characters"), ("käseglocke-2026", "not ASCII")])
def test_a_password_that_java_could_not_use_is_refused_before_anything_is_made(
    signed_in: Page, desk: Desk, password: str, reason: str
) -> None:
    signed_in.goto(f"{desk.keys}/keys/new")
    sent = requests_of(signed_in)
    signed_in.get_by_label("Name of the key").fill("never")
    signed_in.locator("#keystore-password").evaluate("element => element.minLength = 0")
    signed_in.get_by_label("Password of the key store").fill(password)

    signed_in.get_by_role("button", name="Create the key").click()

    expect(signed_in.get_by_role("alert")).to_contain_text(reason)
    assert [each for each in sent if each.method == "POST"] == []


def test_what_the_server_refuses_is_said_and_the_key_forgotten(
    signed_in: Page, desk: Desk, complaints: Complaints
) -> None:
    complaints.expect("status of 400")
    signed_in.goto(f"{desk.keys}/keys/new")
    signed_in.get_by_label("Name of the key").fill("never")
    signed_in.get_by_role("button", name="Make one").click()
    signed_in.locator("input[name=csrf]").evaluate_all("fields => fields.forEach(each => each.name = 'gone')")

    complaints.expect("status of 403")
    signed_in.get_by_role("button", name="Create the key").click()

    expect(signed_in.locator("#problem")).to_contain_text("from an earlier sign-in")
    expect(signed_in.locator("#saved")).to_have_count(0)


@pytest.mark.parametrize("context_options", [{"bypass_csp": False}])
def test_without_webcrypto_the_page_says_so_and_offers_other_ways(
    context: BrowserContext, page: Page, desk: Desk
) -> None:
    context.add_init_script("Object.defineProperty(globalThis, 'isSecureContext', {value: false})")
    desk.sign_in(context)

    page.goto(f"{desk.keys}/keys/new")

    expect(page.locator("#unavailable")).to_contain_text("Open the portal over HTTPS")
    expect(page.get_by_role("button", name="Create the key")).to_be_disabled()
    expect(page.get_by_role("link", name="Paste a request")).to_be_visible()


def test_a_pasted_request_is_checked_while_it_is_there_and_then_certified(
    signed_in: Page, desk: Desk, screenshot: Shoot
) -> None:
    _, new = new_key()
    request = new.csr.decode()
    signed_in.goto(f"{desk.keys}/keys/new?method=paste")
    field = signed_in.get_by_label("Certification request", exact=True)

    field.fill(request.replace("MII", "MIJ", 1))
    expect(signed_in.locator("#checks .failed").first).to_contain_text("openssl req")
    assert findings(signed_in) == []
    screenshot(signed_in, "request-refused")
    field.fill(request)
    expect(signed_in.locator("#checks .failed")).to_have_count(0)
    expect(signed_in.locator("#checks")).to_contain_text("signed by its own key")
    screenshot(signed_in, "request-checked")
    signed_in.get_by_label("Name of the key").fill("pasted")
    signed_in.get_by_role("button", name="Send the request").click()

    expect(signed_in.locator("#made")).to_contain_text("pasted")
    expect(signed_in.locator("#saved")).to_be_hidden()


def test_an_uploaded_request_is_checked_and_certified(signed_in: Page, desk: Desk, tmp_path: Path) -> None:
    _, new = new_key()
    (tmp_path / "request.csr").write_bytes(new.csr)
    signed_in.goto(f"{desk.keys}/keys/new?method=upload")

    signed_in.get_by_label("Certification request", exact=True).set_input_files(tmp_path / "request.csr")
    expect(signed_in.locator("#checks")).to_contain_text("signed by its own key")
    signed_in.get_by_label("Name of the key").fill("uploaded")
    signed_in.get_by_role("button", name="Send the request").click()

    expect(signed_in.locator("#made")).to_contain_text("uploaded")


@pytest.mark.parametrize("method", ["paste", "upload"])
def test_a_private_key_never_leaves_the_page_it_was_put_into_by_mistake(
    signed_in: Page, desk: Desk, tmp_path: Path, method: str
) -> None:
    signed_in.goto(f"{desk.keys}/keys/new?method={method}")
    sent = requests_of(signed_in)
    secret = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n"
    (tmp_path / "key.pem").write_text(secret)

    field = signed_in.get_by_label("Certification request", exact=True)
    field.fill(secret) if method == "paste" else field.set_input_files(tmp_path / "key.pem")

    expect(signed_in.get_by_role("alert")).to_contain_text("It was not sent")
    expect(field).to_have_value("")
    signed_in.wait_for_timeout(600)
    assert not any("PRIVATE" in (each.post_data or "") for each in sent)


def test_a_key_that_is_revoked_in_another_tab_changes_here(
    signed_in: Page, desk: Desk, context: BrowserContext, screenshot: Shoot
) -> None:
    kid = desk.add_key()
    signed_in.goto(f"{desk.keys}?q={kid[:12]}&state=all")
    row = signed_in.locator("#keys tbody tr")
    expect(row).to_contain_text("active")
    assert findings(signed_in) == []
    screenshot(signed_in, "keys")
    other = context.new_page()
    other.goto(f"{desk.url}/projects/{desk.project.id}/keys/{kid}/revoke")
    other.get_by_label("Type REVOKE").fill("REVOKE")
    other.get_by_role("button", name="Revoke", exact=True).click()

    expect(other.locator("#reach")).to_contain_text("No gate admits it any more.")
    expect(row).to_contain_text("revoked")
    signed_in.goto(f"{desk.url}/projects/{desk.project.id}/keys/{kid}/revoke")
    expect(signed_in.get_by_role("status").first).to_contain_text("was revoked already")


def test_a_key_is_revoked_in_its_dialog(signed_in: Page, desk: Desk, screenshot: Shoot, complaints: Complaints) -> None:
    complaints.expect("status of 400")
    complaints.expect("htmx:response:error")
    kid = desk.add_key()
    page = signed_in
    page.goto(f"{desk.keys}?q={kid[:12]}")
    page.locator("#keys .row-menu summary").click()
    page.get_by_role("link", name="Revoke").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert findings(page) == []
    screenshot(page, "revoke")

    dialog.get_by_label("Type REVOKE").fill("revoke")
    dialog.get_by_role("button", name="Revoke", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("in capital letters")
    dialog.get_by_label("Type REVOKE").fill("REVOKE")
    dialog.get_by_role("button", name="Revoke", exact=True).click()

    expect(dialog).to_contain_text(re.compile(r"It took \d+\.\d\d s"))
    screenshot(page, "revoked")
    assert findings(page) == []
    dialog.get_by_role("link", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#keys")).to_contain_text("No key fits")


def test_a_key_is_made_and_revoked_by_keyboard_alone(signed_in: Page, desk: Desk) -> None:
    page = signed_in
    page.goto(desk.keys)
    page.keyboard.press("n")
    page.wait_for_url("**/keys/new")
    reach(page, "Name of the key")
    page.keyboard.type("by-keyboard")
    reach(page, "Make one")
    page.keyboard.press("Enter")
    reach(page, "Create the key")
    with page.expect_download():
        page.keyboard.press("Enter")
    expect(page.locator("#made")).to_be_focused()
    reach(page, "Details of the key")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/keys/[0-9a-f]{48}$"))

    reach(page, "Revoke")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Type REVOKE")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("link", name="Revoke")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Type REVOKE")).to_be_focused()
    page.keyboard.type("REVOKE")
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog")).to_contain_text("No gate admits it any more.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#state")).to_contain_text("revoked")


def reach(page: Page, name: str) -> None:
    """Press Tab until the focus is on what has this name."""
    for _ in range(60):
        page.keyboard.press("Tab")
        text = page.evaluate(
            "(document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent).trim()"
        )
        if text.startswith(name):
            return
    raise AssertionError(f"Tab does not lead to {name}")


def test_rotating_leaves_both_keys_in_force_and_links_them(signed_in: Page, desk: Desk, screenshot: Shoot) -> None:
    kid = desk.add_key()
    page = signed_in
    page.goto(f"{desk.url}/projects/{desk.project.id}/keys/{kid}")
    assert findings(page) == []
    screenshot(page, "key")
    page.get_by_role("link", name="Rotate or renew").click()
    expect(page.get_by_role("dialog")).to_contain_text("Less secure")
    assert findings(page) == []
    screenshot(page, "rotate-or-renew")
    page.get_by_role("link", name="Make the new key").click()
    page.get_by_label("Name of the key").fill("successor")
    page.get_by_role("button", name="Make one").click()
    screenshot(page, "rotate")
    assert findings(page) == []
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator("#saved")).to_be_visible()

    page.goto(f"{desk.url}/projects/{desk.project.id}/keys/{kid}")

    expect(page.get_by_role("link", name="successor")).to_be_visible()
    expect(page.locator("#state")).to_contain_text("active")


def test_a_stop_of_the_server_does_not_wait_for_open_streams(
    tmp_path: Path, context: BrowserContext, page: Page, complaints: Complaints
) -> None:
    complaints.expect("ERR_")
    complaints.expect("htmx:")
    with open_desk(tmp_path) as own:
        own.sign_in(context)
        page.goto(own.keys)
        expect(page.locator("#keys tbody tr")).to_have_count(1)
        page.wait_for_timeout(1500)

        own.server.stop()

        assert "Cancel" not in own.server.log_tail()
        assert "timeout graceful shutdown exceeded" not in own.server.log_tail()
        own.server.start()


def test_a_tab_for_which_there_is_no_stream_left_shows_what_it_has(
    signed_in: Page, desk: Desk, context: BrowserContext, complaints: Complaints
) -> None:
    complaints.expect("status of 503")
    complaints.expect("htmx:response:error")
    for _ in range(MOST_OF_A_SESSION):
        with (tab := context.new_page()).expect_response("**/live?*"):
            tab.goto(desk.keys)

    with signed_in.expect_response("**/live?*") as answer:
        signed_in.goto(desk.keys)

    assert answer.value.status == 503
    signed_in.wait_for_timeout(200)
    expect(signed_in.locator("#keys tbody tr").first).to_be_visible()
