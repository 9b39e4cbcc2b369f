"""Passkeys in a real browser, with a virtual authenticator in it: register, sign out, sign in, confirm, remove."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect
from tests.browser import Complaints, findings
from tests.clock import Clock
from tests.portal.conftest import Check
from tests.portal.house import OPERATOR, House

from credenza.actions import people
from credenza.domain.model import User
from credenza.store import schema
from credenza.store.engine import Database, reading

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def house(sqlite_database: Database, clock: Clock) -> Iterator[House]:
    house = House(sqlite_database, clock)
    with house.served():
        yield house


@pytest.fixture
def ada(house: House) -> User:
    return house.found()


class Device:
    """The browser's virtual authenticator."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self._cdp: CDPSession = context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        self.id: str = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]

    def keys(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})[
            "credentials"
        ]
        return found

    def verifies_nobody(self) -> None:
        self._cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": False})

    def winds_back(self) -> None:
        """Put a copy of the key in the key's place, as it was when it was made."""
        (key,) = self.keys()
        self._cdp.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})
        self._cdp.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": {**key, "signCount": 0}})


@pytest.fixture
def device(context: BrowserContext, page: Page) -> Device:
    return Device(context, page)


def register(house: House, page: Page, name: str = "Laptop") -> None:
    page.goto(f"{house.url}/account")
    page.get_by_label("Name of the new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("rowheader", name=name, exact=True)).to_be_visible()


def sign_out(house: House, page: Page) -> None:
    page.context.clear_cookies()
    page.goto(f"{house.url}/sign-in?next=/account/sessions")


def use(page: Page) -> None:
    page.get_by_role("button", name="Sign in with a passkey").click()


def test_a_passkey_is_registered_and_signs_in_again_without_a_name(
    house: House,
    ada: User,
    context: BrowserContext,
    page: Page,
    device: Device,
    screenshot: Callable[[Page, str], None],
) -> None:
    house.sign_in(context, ada)
    register(house, page)
    assert findings(page) == []
    screenshot(page, "account-passkeys")
    (key,) = device.keys()
    assert (key["rpId"], key["isResidentCredential"]) == ("localhost", True)

    sign_out(house, page)
    assert findings(page) == []
    screenshot(page, "sign-in")
    use(page)

    page.wait_for_url(f"{house.url}/account/sessions")
    expect(page.get_by_role("cell", name="passkey").first).to_be_visible()
    with reading(house.platform.database.records) as connection:
        (row,) = connection.execute(schema.passkeys.select())
    assert (row.user_id, row.last_used_at) == (ada.id, house.clock.now())


def test_a_passkey_is_renamed_by_keyboard_where_its_name_is_said(
    house: House,
    ada: User,
    context: BrowserContext,
    page: Page,
    device: Device,
    check_looks: Check,
    check_narrow: Check,
) -> None:
    house.sign_in(context, ada)
    register(house, page)

    page.locator("summary", has_text="Rename Laptop").press("Enter")
    new_name = page.get_by_label("New name of Laptop")
    expect(new_name).to_be_visible()
    expect(page.get_by_role("rowheader", name="Laptop", exact=True)).to_be_visible()
    check_looks(page, "account-passkey-rename")
    check_narrow(page, "account-passkey-rename")
    page.keyboard.press("Tab")
    expect(new_name).to_be_focused()
    new_name.fill("Ada's phone")
    new_name.press("Enter")

    expect(page.get_by_role("rowheader", name="Ada's phone", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Remove Ada's phone")).to_be_visible()


def test_a_passkey_confirms_who_it_is_before_one_is_removed(
    house: House, ada: User, context: BrowserContext, page: Page, device: Device, complaints: Complaints
) -> None:
    complaints.expect("status of 400")
    house.sign_in(context, ada)
    register(house, page)
    house.clock.advance(timedelta(minutes=20))
    page.goto(f"{house.url}/account")

    page.get_by_role("button", name="Remove Laptop").click()
    page.wait_for_url(f"{house.url}/confirm?next=%2Faccount")
    assert findings(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{house.url}/account")
    page.get_by_role("button", name="Remove Laptop").click()

    expect(page.get_by_role("alert").filter(has_text="This is your only way to sign in")).to_be_visible()


def test_who_signed_in_too_long_ago_confirms_before_a_passkey_is_made(
    house: House, ada: User, context: BrowserContext, page: Page, device: Device, complaints: Complaints
) -> None:
    complaints.expect("status of 403")
    house.sign_in(context, ada)
    house.clock.advance(timedelta(minutes=20))
    page.goto(f"{house.url}/account")

    page.get_by_label("Name of the new passkey").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()

    page.wait_for_url(f"{house.url}/confirm?next=%2Faccount")
    assert device.keys() == []


def test_a_copy_of_a_key_that_counts_less_is_refused(
    house: House, ada: User, context: BrowserContext, page: Page, device: Device, complaints: Complaints
) -> None:
    complaints.expect("status of 401")
    house.sign_in(context, ada)
    register(house, page)
    for _ in range(2):
        sign_out(house, page)
        use(page)
        page.wait_for_url(f"{house.url}/account/sessions")
    device.winds_back()

    sign_out(house, page)
    use(page)

    expect(page.get_by_role("alert").filter(has_text="This passkey does not sign in here")).to_be_visible()


def test_a_disabled_user_s_passkey_is_refused(
    house: House, ada: User, context: BrowserContext, page: Page, device: Device, complaints: Complaints
) -> None:
    complaints.expect("status of 401")
    house.sign_in(context, ada)
    register(house, page)
    people.disable_user(house.platform, OPERATOR, ada.email, now=house.clock.now())

    sign_out(house, page)
    use(page)

    expect(page.get_by_role("alert").filter(has_text="This account cannot be signed in to.")).to_be_visible()


def test_a_user_whom_the_device_does_not_know_is_told_in_our_words(
    house: House, ada: User, context: BrowserContext, page: Page, device: Device
) -> None:
    house.sign_in(context, ada)
    register(house, page)
    device.verifies_nobody()

    sign_out(house, page)
    use(page)

    expect(page.get_by_role("alert").filter(has_text="No passkey was used.")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_enabled()


def test_a_browser_without_the_json_methods_has_passkeys_too(
    house: House, ada: User, context: BrowserContext, page: Page, device: Device
) -> None:
    page.add_init_script(
        "for (const name of ['parseCreationOptionsFromJSON', 'parseRequestOptionsFromJSON'])"
        " delete PublicKeyCredential[name];"
        "delete PublicKeyCredential.prototype.toJSON"
    )
    house.sign_in(context, ada)
    register(house, page)
    sign_out(house, page)
    use(page)

    page.wait_for_url(f"{house.url}/account/sessions")


def test_a_browser_without_passkeys_is_not_offered_any(house: House, ada: User, page: Page) -> None:
    page.add_init_script("delete window.PublicKeyCredential")
    page.goto(f"{house.url}/sign-in")

    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    house.sign_in(page.context, ada)
    page.goto(f"{house.url}/account")
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
    expect(page.get_by_text("This browser cannot make passkeys")).to_be_visible()


def test_a_forged_form_neither_signs_in_nor_registers(house: House, ada: User) -> None:
    browser = house.visit(ada)

    for path in ("/sign-in/passkey", "/account/passkeys", "/confirm/passkey", "/account/passkeys/x/remove"):
        assert browser.post(path, csrf="0" * 64, response="{}").status_code == 403
    elsewhere = house.visit(None, **{"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.post("/sign-in/passkey", response="{}").status_code == 403
