"""Single sign-on in a real browser against a real provider, the npm package oidc-provider."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from tests.actions.stage import OPERATOR
from tests.browser import Complaints, findings
from tests.clock import Clock
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.portal.house import House

from credenza.actions import invitations, people
from credenza.actions.single_sign_on import CALLBACK
from credenza.adapters.openid import Client, OpenIdProvider
from credenza.domain.model import OrganizationRole, User
from credenza.store.engine import Database

ACCOUNTS = {
    "ada": {"email": "ada@example.org", "email_verified": True, "name": "Ada Lovelace"},
    "new": {"email": "new@example.org", "email_verified": True, "name": "New Person"},
    "unverified": {"email": "ada@example.org", "email_verified": False},
    "stranger": {"email": "stranger@example.org", "email_verified": True},
    "elsewhere": {"email": "ada@example.com", "email_verified": True},
}


class WallClock(Clock):
    """The provider's clock is the machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def issuer() -> Iterator[OidcProvider]:
    """A provider that is started once its client is known."""
    with ExitStack() as stack:
        server = OidcProvider(ACCOUNTS)
        stack.callback(server.close)
        yield server


@pytest.fixture
def house(sqlite_database: Database, issuer: OidcProvider) -> Iterator[House]:
    client = Client(issuer.issuer, CLIENT_ID, CLIENT_SECRET)
    provider = OpenIdProvider(client, name="Example ID", allowed_domains=frozenset({"example.org"}))
    house = House(sqlite_database, WallClock(), provider)
    issuer.redirect_uri = f"{house.url}{CALLBACK}"
    with house.served():
        yield house
    provider.close()


@pytest.fixture
def ada(house: House) -> User:
    return house.found()


@pytest.fixture
def page(page: Page, complaints: Complaints) -> Page:
    """The provider's pages are not ours: they ask for a font from afar and for an icon that they have not."""
    page.route("https://fonts.googleapis.com/**", lambda route: route.fulfill(body="", content_type="text/css"))
    complaints.expect("favicon.ico")
    return page


def leave(house: House, page: Page) -> None:
    page.goto(f"{house.url}/sign-in?next=/account/sessions")
    page.get_by_role("link", name="Sign in with Example ID").click()


def approve(issuer: OidcProvider, page: Page, account: str) -> None:
    """Do at the provider what people do there: say who they are, and that this site may know it."""
    page.wait_for_url(f"{issuer.issuer}/interaction/**")
    page.get_by_placeholder("Enter any login").fill(account)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def refused(page: Page, text: str) -> None:
    expect(page.get_by_role("alert").filter(has_text=text)).to_be_visible()
    expect(page.get_by_role("link", name="Sign in with Example ID")).to_be_visible()


def test_a_user_signs_in_through_the_provider_and_again(
    house: House, ada: User, issuer: OidcProvider, page: Page, screenshot: Callable[[Page, str], None]
) -> None:
    issuer.start()
    page.goto(f"{house.url}/sign-in")
    assert findings(page) == []
    screenshot(page, "sign-in-single-sign-on")
    leave(house, page)
    approve(issuer, page, "ada")

    page.wait_for_url(f"{house.url}/account/sessions")
    expect(page.get_by_role("cell", name="single sign-on")).to_be_visible()
    expect(page.get_by_text(ada.email)).to_have_count(1)
    names = {cookie["name"] for cookie in page.context.cookies(house.url)}
    assert "credenza" in names
    assert "credenza-sso" not in names
    page.context.clear_cookies(name="credenza")
    leave(house, page)  # the provider knows the browser still
    page.wait_for_url(f"{house.url}/account/sessions")


def test_the_provider_asks_again_to_confirm_who_it_is(
    house: House, ada: User, issuer: OidcProvider, page: Page
) -> None:
    issuer.start()
    leave(house, page)
    approve(issuer, page, "ada")
    page.wait_for_url(f"{house.url}/account/sessions")
    page.goto(f"{house.url}/confirm?next=/account")
    assert findings(page) == []

    page.get_by_role("link", name="Confirm with Example ID").click()
    page.wait_for_url(f"{issuer.issuer}/interaction/**")
    page.get_by_placeholder("Enter any login").fill("ada")
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()

    page.wait_for_url(f"{house.url}/account")
    page.goto(f"{house.url}/account/sessions")
    expect(page.get_by_role("row")).to_have_count(2)  # the heading, and the same session


def test_who_is_invited_becomes_a_user_by_signing_in(house: House, ada: User, issuer: OidcProvider, page: Page) -> None:
    issuer.start()
    role, now = OrganizationRole.COMPLIANCE_ADMIN, house.clock.now()
    invitations.invite(house.platform, OPERATOR, house.organization_id, email="new@example.org", role=role, now=now)

    leave(house, page)
    approve(issuer, page, "new")

    page.wait_for_url(f"{house.url}/account/sessions")
    members = people.list_members(house.platform, OPERATOR, house.organization_id, now=house.clock.now())
    assert {(each.user.email, each.user.name, each.role) for each in members} == {
        (ada.email, ada.name, OrganizationRole.ADMIN),
        ("new@example.org", "New Person", role),
    }


@pytest.mark.parametrize(
    ("account", "text"),
    [
        ("stranger", "stranger@example.org has no account here."),
        ("unverified", "Example ID has not verified your mail address."),
        ("elsewhere", "ada@example.com is not of a domain that signs in through Example ID."),
    ],
)
def test_whom_the_provider_cannot_vouch_for_is_told_what_to_do(
    house: House, ada: User, issuer: OidcProvider, page: Page, complaints: Complaints, account: str, text: str
) -> None:
    complaints.expect("status of 401")
    issuer.start()

    leave(house, page)
    approve(issuer, page, account)

    refused(page, text)
    assert findings(page) == []


def test_who_says_no_at_the_provider_is_back_at_the_sign_in_page(
    house: House, ada: User, issuer: OidcProvider, page: Page, complaints: Complaints
) -> None:
    complaints.expect("status of 401")
    issuer.start()
    leave(house, page)
    page.wait_for_url(f"{issuer.issuer}/interaction/**")

    page.get_by_role("link", name="Cancel").click()

    refused(page, "Example ID has not signed you in.")


def test_an_answer_in_another_browser_signs_nobody_in_there(
    house: House, ada: User, issuer: OidcProvider, page: Page, complaints: Complaints
) -> None:
    """A stranger's own sign-in, sent as a link, does not make the reader work in the stranger's account."""
    complaints.expect("status of 401")
    issuer.start()
    leave(house, page)
    page.context.clear_cookies(name="credenza-sso")
    approve(issuer, page, "ada")

    refused(page, "This sign-in was begun in another browser")


def test_a_provider_that_is_down_is_told_on_the_sign_in_page(
    house: House, ada: User, page: Page, complaints: Complaints
) -> None:
    complaints.expect("status of")

    leave(house, page)

    refused(page, "Example ID cannot be reached just now.")
    expect(page.get_by_label("Mail address")).to_be_visible()


def test_without_a_provider_there_is_neither_button_nor_way(sqlite_database: Database, clock: Clock) -> None:
    browser = House(sqlite_database, clock).visit()

    assert "/sign-in/sso" not in browser.get("/sign-in").text
    assert browser.get("/sign-in/sso").status_code == 404
    assert browser.get(CALLBACK).status_code == 404
