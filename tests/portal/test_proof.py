"""A form for which the sign-in is not recent enough leads to the page that takes a proof, wherever the form stands."""

from __future__ import annotations

import pytest
from tests.portal.house import House
from tests.portal.shop import Shop

from credenza.domain.model import OrganizationRole
from credenza.domain.sessions import FRESH

FORMS: dict[str, dict[str, str]] = {
    "/account/password": {"old": "", "new": "an engine of brass and steam"},
    "/account/authenticator": {},
    "/account/recovery-codes": {},
    "/account/authenticator/remove": {},
    "/account/passkeys": {"name": "laptop", "response": "{}"},
    "/account/passkeys/none/remove": {},
    "{o}/invitations": {"email": "new@example.org", "role": "user"},
    "{o}/members/{m}": {"role": "admin"},
    "{o}/members/{m}/remove": {},
    "{o}/tokens": {"name": "script", "days": "30", "scope-read": "1"},
    "{o}/settings/webhooks": {"url": "https://hooks.example.com/credenza"},
    "{p}/delete": {"name": "Checkout"},
    "{k}/revoke": {"word": "REVOKE"},
}


@pytest.mark.parametrize("path", FORMS)
def test_a_form_that_needs_a_recent_sign_in_leads_to_the_page_that_takes_the_proof(house: House, path: str) -> None:
    shop = Shop(house)
    member = house.join("Bob", OrganizationRole.USER)
    browser = shop.browser()
    house.clock.advance(FRESH)

    places = {"o": house.path(), "p": shop.path(), "k": shop.key_path(), "m": member.id}
    answer = browser.post(path.format(**places), **FORMS[path])

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/confirm?next=")
