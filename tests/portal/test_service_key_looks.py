"""How the pages of keys for payloads look, and a key that is made in the browser and reads what is encrypted to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from playwright.sync_api import BrowserContext, Page, expect
from tests.browser import findings
from tests.clock import Clock
from tests.portal.conftest import Check
from tests.portal.house import House
from tests.portal.shop import Shop
from tests.portal.test_service_keys import ENCRYPTION, OURS, SIGNATURE, add, base, encrypts

from credenza.actions import service_keys
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import Status
from credenza.protocol import jwe
from credenza.store import migrate
from credenza.store.engine import open_database

PASSWORD = "a password of ASCII 1"
PAGES = {
    "payload-keys": "",
    "payload-keys-none": "/../production",
    "payload-key-add": "/new?type=MASTERCARD_ENCRYPTION",
    "payload-key-add-public": "/new?type=CLIENT_SIGNATURE_VERIFICATION&method=public_key",
    "payload-key-add-ours": "/new?type=CLIENT_ENCRYPTION",
    "payload-key": "/{key}",
    "payload-key-revoke-page": "/{key}/revoke",
}
DIALOGS = ("Activate", "Revoke")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("house")
    database = open_database(f"sqlite:///{folder}/credenza.db")
    migrate.upgrade(database)
    shop = Shop(House(database, Clock()))
    encrypts(shop)
    for kind, alias in ((ENCRYPTION, "answers"), (SIGNATURE, "signer"), (OURS, "requests")):
        add(shop, kind, f"{alias}-2025")
        shop.house.clock.advance(timedelta(hours=1))
        add(shop, kind, f"{alias}-2026")
    with shop.house.served():
        yield shop
    database.close()


@pytest.fixture
def open_page(shop: Shop, kept_page: Page) -> Callable[[str], Page]:
    shop.house.sign_in(kept_page.context, shop.ada)
    waiting = ServiceKeyQuery(shop.service.id, kind=ENCRYPTION, status=Status.INACTIVE)
    place = (shop.house.platform, shop.actor, shop.project.id, waiting)
    key = service_keys.list_page(*place, now=shop.house.clock.now())[0].id

    def go(path: str) -> Page:
        kept_page.goto(shop.house.url + (base(shop) + path.format(key=key)).replace("/sandbox/../", "/"))
        return kept_page

    return go


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_finding_and_a_picture(name: str, open_page: Callable[[str], Page], check_looks: Check) -> None:
    check_looks(open_page(PAGES[name]), name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_narrow_screen(name: str, open_page: Callable[[str], Page], check_narrow: Check) -> None:
    check_narrow(open_page(PAGES[name]), name)


@pytest.mark.parametrize("name", DIALOGS)
def test_an_open_dialog_has_no_finding(
    name: str, open_page: Callable[[str], Page], screenshot: Callable[[Page, str], None]
) -> None:
    page = open_page("")
    page.get_by_role("link", name=name, exact=True).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()

    screenshot(page, f"payload-key-dialog-{name.lower()}")
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_round_trip_is_shown_in_the_page(
    open_page: Callable[[str], Page], screenshot: Callable[[Page, str], None]
) -> None:
    page = open_page("")
    page.get_by_label("Payload (JSON)").fill('{"card": "5123456789012345"}')
    page.get_by_role("button", name="Encrypt and decrypt").click()

    expect(page.locator("#plain")).to_contain_text("5123456789012345")
    page.evaluate("scrollTo(0, 0)")  # what the head of the page covers is no target
    assert findings(page) == []
    screenshot(page, "payload-keys-trial")


def test_a_key_made_in_the_browser_reads_what_is_encrypted_to_it(
    shop: Shop, context: BrowserContext, page: Page
) -> None:
    shop.house.sign_in(context, shop.ada)
    page.goto(f"{shop.house.url}{base(shop)}/new?type=MASTERCARD_ENCRYPTION")
    page.get_by_label("Name of the key").fill("made-here")
    page.get_by_label("Password of the key store").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Create the key").click()
    store = download.value.path().read_bytes()
    expect(page.locator("#saved")).to_be_visible()
    page.get_by_role("link", name="Activate", exact=True).click()
    page.get_by_role("button", name="Activate").click()
    page.get_by_label("Payload (JSON)").fill('{"card": "5123456789012345"}')
    page.get_by_role("button", name="Encrypt and decrypt").click()
    token = re.findall(r'"encryptedData": "(eyJ[^"]+)"', page.locator("#trial").inner_text())[-1]

    private_key, certificate, _ = pkcs12.load_key_and_certificates(store, PASSWORD.encode())
    assert isinstance(private_key, rsa.RSAPrivateKey)
    assert certificate is not None
    sealed = jwe.parse(token.encode())
    assert msgspec.json.decode(jwe.decrypt(sealed, private_key, random=bytes)) == {"card": "5123456789012345"}
