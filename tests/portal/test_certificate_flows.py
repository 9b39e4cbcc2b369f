"""Certificates in a real browser, before a real server with TLS: made, brought along, used by the page's own commands,
replaced and revoked."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from playwright.sync_api import BrowserContext, Page, Request, expect
from tests.browser import Complaints, findings
from tests.gate.test_terminator_recipes import SERVER
from tests.installation import SANDBOX, now
from tests.java import JVM
from tests.journeys.test_mtls import Way, opened
from tests.portal.desk import sign_in
from tests.protocol.authorities import CLIENT, NOW, Party
from tests.servers import find_program

from credenza.actions import trusted_authorities
from credenza.actions.trusted_authorities import NewTrust
from credenza.cli import local
from credenza.protocol import csr

Shoot = Callable[[Page, str], None]
PASSWORD = "a password of ASCII 1"


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with opened(tmp_path_factory.mktemp("desk"), None) as way:
        yield way


@pytest.fixture
def place(way: Way) -> str:
    return f"{way.pki.removesuffix('/pki')}/projects/{way.project_id}/sandbox/certificates"


@pytest.fixture
def signed_in(way: Way, context: BrowserContext, page: Page) -> Page:
    sign_in(context, way.installation, way.pki.removesuffix("/pki"))
    return page


def make(page: Page, place: str, alias: str, kind: str = "RSA-2048") -> bytes:
    """Make a key and its certificate in the browser; the key store that was saved."""
    page.goto(f"{place}/new")
    page.get_by_label("Name of the certificate").fill(alias)
    page.get_by_label("Type").select_option(kind)
    page.get_by_label("Password of the key store").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Create key and certificate").click()
    assert download.value.suggested_filename == f"{alias}.p12"
    expect(page.locator("#saved")).to_be_visible()
    return download.value.path().read_bytes()


def run(directory: Path, commands: str) -> str:
    done = subprocess.run(["bash", "-ec", commands], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (commands, done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["RSA-2048", "EC-P256"])
def test_a_certificate_made_in_the_browser_is_used_by_the_commands_of_its_page(
    signed_in: Page, place: str, way: Way, tmp_path: Path, screenshot: Shoot, kind: str
) -> None:
    page, sent = signed_in, []

    def note(request: Request) -> None:
        sent.append(request)

    page.on("request", note)
    store = make(page, place, f"till-{kind.lower()}", kind)

    key, own, above = pkcs12.load_key_and_certificates(store, PASSWORD.encode())
    assert key is not None
    assert own is not None
    assert own.public_key() == key.public_key()
    assert len(above) == 1
    assert re.search(rf"CN=till-{kind.lower()}-\d{{10}}\b", own.subject.rfc4514_string())
    bodies = [each.post_data or "" for each in sent if each.method != "GET"]
    assert len(bodies) == 1
    assert "PRIVATE" not in bodies[0]
    assert findings(page) == []
    screenshot(page, "certificate-made")
    (tmp_path / "my-application.p12").write_bytes(store)
    check_commands(page, tmp_path)
    expect(page.locator("#seen")).to_contain_text(re.compile(r"Seen \d+ .+ ago"))


def check_commands(page: Page, directory: Path) -> None:
    """Run what the page says, as it says it: with the password put in, and the server's own root, which is a test's."""
    (directory / "root.pem").write_bytes(SERVER.chain[0].public_bytes(Encoding.PEM))
    blocks = page.locator(".uses pre").all_text_contents()
    p12, curl, openssl, python, java, imported = (
        each.replace("PASSWORD", f"'{PASSWORD}'").replace("127.0.0.1", "localhost") for each in blocks
    )
    environment = 'export CURL_CA_BUNDLE="$PWD/root.pem" SSL_CERT_FILE="$PWD/root.pem"\n'
    quickly = f"export JAVA_TOOL_OPTIONS='{' '.join(JVM)}'\n"
    for name in ("openssl", "curl", "keytool"):
        find_program(name, {"keytool": "default-jre-headless"}.get(name, name))

    shaken = run(directory, environment + openssl)
    assert "Verify return code: 0 (ok)" in shaken
    for each in (p12, curl):
        assert '"method"' in run(directory, environment + each.replace("curl ", "curl -sS "))
    (directory / "call.py").write_text(
        python.replace("ssl.create_default_context()", "ssl.create_default_context(cafile='root.pem')")
    )
    assert run(directory, f"{sys.executable} call.py").strip() == "200"
    listed, _, runs = java.partition("\n\n")
    assert "PrivateKeyEntry" in run(directory, quickly + listed)
    assert "imported" in run(directory, quickly + imported)
    assert "javax.net.ssl.keyStore=my-application.p12" in runs


def test_the_list_the_details_and_the_revocation(
    signed_in: Page, place: str, screenshot: Shoot, colour_scheme: str, complaints: Complaints
) -> None:
    complaints.expect("status of 400")
    page = signed_in
    make(page, place, f"old-{colour_scheme}")
    page.get_by_role("link", name="Details of the certificate").click()
    expect(page.get_by_role("heading", name=f"old-{colour_scheme}")).to_be_visible()
    assert findings(page) == []
    screenshot(page, "certificate")
    page.get_by_role("link", name="Add its successor").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("A certificate after")
    page.go_back()
    page.get_by_role("link", name="Revoke").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Revoke old-{colour_scheme}?")
    assert findings(page) == []
    screenshot(page, "certificate-revoke")
    dialog.get_by_label("Type REVOKE").fill("revoke")
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog).to_contain_text("Nothing was revoked")
    dialog.get_by_label("Type REVOKE").fill("REVOKE")
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog).to_contain_text("No gate admits it any more")
    screenshot(page, "certificate-revoked")
    page.goto(f"{place}?state=all")
    expect(page.locator("#certificates tbody tr", has_text=f"old-{colour_scheme}")).to_contain_text("revoked")
    assert findings(page) == []
    screenshot(page, "certificates")


def test_a_pasted_request_is_checked_line_by_line(
    signed_in: Page, place: str, screenshot: Shoot, colour_scheme: str, complaints: Complaints
) -> None:
    complaints.expect("status of 400")
    page, name = signed_in, f"pasted-{colour_scheme}"
    request = csr.build(ec.generate_private_key(ec.SECP384R1()), common_name=name).decode()
    page.goto(f"{place}/new?method=paste")
    page.get_by_label("Name of the certificate").fill(name)
    page.get_by_label("Certification request", exact=True).fill(request)
    expect(page.locator("#checks")).to_contain_text("neither the key nor the subject was used before")
    assert findings(page) == []
    screenshot(page, "certificate-new-paste")

    page.get_by_role("button", name="Send the request").click()
    expect(page.locator("#made")).to_contain_text(name)

    page.goto(f"{place}/new?method=paste")
    page.get_by_label("Name of the certificate").fill("again")
    again = csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=name.upper()).decode()
    page.get_by_label("Certification request", exact=True).fill(again)
    expect(page.locator("#checks")).to_contain_text("the subject was used before")
    page.get_by_role("button", name="Send the request").click()
    expect(page.locator("#problem")).to_contain_text("from example-1682563200 to example-1682566800")
    screenshot(page, "certificate-duplicate")


def test_a_certificate_of_a_trusted_authority_is_uploaded(
    signed_in: Page, place: str, way: Way, tmp_path: Path, screenshot: Shoot, colour_scheme: str
) -> None:
    page, root, client = signed_in, Party(f"Partner {colour_scheme} Root"), Party(f"partner-{colour_scheme}")
    page.goto(f"{place}/new?method=certificate")
    ends = {"begins": now() - NOW, "ends": now() - NOW + timedelta(days=30)}
    authority = root.root(**ends)
    trusted_authorities.add(
        way.installation.platform,
        local.OPERATOR,
        NewTrust(SANDBOX, f"Partner {colour_scheme} Root", authority.public_bytes(Encoding.PEM)),
        now=now(),
    )
    leaf = root.certify(client, extensions=((CLIENT, False),), **ends)
    (tmp_path / "partner.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    page.reload()
    expect(page.locator("form.stack")).to_contain_text(f"Partner {colour_scheme} Root")
    page.get_by_label("Name of the certificate").fill("partner")
    page.get_by_label("Certificate", exact=True).set_input_files(tmp_path / "partner.pem")
    assert findings(page) == []
    screenshot(page, "certificate-new-upload")

    page.get_by_role("button", name="Add the certificate").click()

    expect(page.locator("#made")).to_contain_text("partner")
    expect(page.locator("main")).to_contain_text(f"CN=partner-{colour_scheme}")


@pytest.mark.parametrize("method", ["paste", "certificate"])
def test_a_private_key_never_leaves_the_page_it_was_put_into_by_mistake(
    signed_in: Page, place: str, method: str
) -> None:
    page, sent = signed_in, []
    page.goto(f"{place}/new?method={method}")

    def note(request: Request) -> None:
        sent.append(request)

    page.on("request", note)
    secret = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n"
    field = page.locator("#csr" if method == "paste" else "#certificate")

    field.fill(secret)

    expect(page.get_by_role("alert")).to_contain_text("It was not sent")
    expect(field).to_have_value("")
    page.wait_for_timeout(600)
    assert not any("PRIVATE" in (each.post_data or "") for each in sent)


def test_a_project_of_type_mtls_begins_in_the_browser(
    signed_in: Page, way: Way, screenshot: Shoot, colour_scheme: str
) -> None:
    page = signed_in
    page.goto(f"{way.pki.removesuffix('/pki')}/organizations/{way.installation.organization_id}/projects/new")
    page.locator("#name").fill(f"Tills {colour_scheme}")
    page.locator("#service").select_option(label="Vault (mTLS)")
    page.get_by_label("Name of the key or certificate").fill(f"first-{colour_scheme}")
    page.get_by_label("Password of the key store").fill(PASSWORD)
    assert findings(page) == []
    screenshot(page, "project-new-mtls")
    with page.expect_download():
        page.get_by_role("button", name="Make the project").click()

    expect(page.locator("main")).to_contain_text(re.compile(rf"CN=first-{colour_scheme}-\d{{10}}"))
