"""What somebody signs in with, on the account page: passkeys get other names, accounts at a provider are unlinked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser import findings
from tests.portal.house import House
from tests.portal.shop import problem

from credenza.domain.model import User
from credenza.domain.single_sign_on import ProvenAccount
from credenza.store import identities, passkeys, schema
from credenza.store.engine import reading, writing
from credenza.store.passkeys import Passkey

ISSUER = "https://id.example.com/realms/staff"


@pytest.fixture
def ada(house: House) -> User:
    """Somebody with a passkey and an account at a provider."""
    ada, now = house.found(), house.clock.now()
    with writing(house.platform.database.records) as connection:
        passkeys.insert_passkey(connection, Passkey("p-1", ada.id, b"credential", b"key", 0, "Laptop", now, None))
        account = ProvenAccount(ISSUER, "00u1a2b3c4", email=ada.email, email_verified=True, name=ada.name)
        identities.insert_identity(connection, account, ada.id, now=now)
    return ada


def test_a_passkey_is_given_another_name(house: House, ada: User) -> None:
    browser = house.visit(ada)

    assert browser.post("/account/passkeys/p-1/rename", name="Ada's phone").headers["Location"] == "/account"
    assert "Ada&#39;s phone" in browser.get("/account").text
    assert "name of 1 to 120 characters" in problem(browser.post("/account/passkeys/p-1/rename", name=" "))


def test_accounts_at_a_provider_are_listed_and_unlinked(house: House, ada: User) -> None:
    browser = house.visit(ada)
    page = browser.get("/account").text

    done = browser.post("/account/identities/unlink", issuer=ISSUER)

    assert ISSUER in page
    assert "00u1a2b3c4" in page
    assert done.headers["Location"] == "/account"
    assert "Single sign-on" not in browser.get("/account").text
    with reading(house.platform.database.records) as connection:
        kinds = connection.execute(schema.outbox.select()).mappings().all()
    assert [row["kind"] for row in kinds] == ["sign_in_change"]


def test_an_account_that_is_the_only_way_in_stays(house: House, ada: User) -> None:
    with writing(house.platform.database.records) as connection:
        passkeys.delete_passkey(connection, "p-1")

    refused = house.visit(ada).post("/account/identities/unlink", issuer=ISSUER)

    assert "your only way to sign in" in problem(refused)


def test_a_passkey_is_renamed_by_keyboard_alone(
    house: House, ada: User, page: Page, screenshot: Callable[[Page, str], None]
) -> None:
    with house.served():
        house.sign_in(page.context, ada)
        page.goto(f"{house.url}/account")
        page.locator("summary", has_text="Laptop").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_label("New name")).to_be_visible()
        assert findings(page) == []
        screenshot(page, "account")
        page.keyboard.press("Tab")
        page.keyboard.press("Control+A")
        page.keyboard.type("Desk")
        page.keyboard.press("Enter")

        expect(page.locator("summary", has_text="Desk")).to_be_visible()
