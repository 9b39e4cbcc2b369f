"""Settings: what the platform offers and holds keys to, its authorities, and who is told of what ends."""

import hashlib
import re
from datetime import timedelta

import pytest
from tests.portal.house import House

from credenza.actions import authorities
from credenza.domain.model import EnvironmentName, OrganizationRole

ADDRESS = "https://hooks.example.com/credenza"


def test_the_catalog_and_its_policies_are_shown(furnished: House) -> None:
    visit = furnished.visit(furnished.person("Ada"))

    services = visit.get(furnished.path("/settings")).text
    policies = visit.get(furnished.path("/settings/policies")).text

    assert "https://sandbox.example.com/payments" in services
    assert "OAuth 1.0a and 2.0" in services
    assert "30 days" in policies
    assert policies.count("13 months") > 3


def test_an_empty_catalog_says_how_it_is_filled(house: House) -> None:
    page = house.visit(house.found()).get(house.path("/settings"))

    assert "credenza service add" in page.text


def test_authorities_are_shown_with_the_fingerprints_of_what_is_served(house: House) -> None:
    page = house.visit(house.found()).get(house.path("/settings/authorities")).text

    for environment in EnvironmentName:
        for role in authorities.Role:
            der = authorities.certificate_of(house.platform, environment, role)
            assert hashlib.sha256(der).digest().hex(":").upper() in page
            assert f'href="/pki/{environment.lower()}/{role.lower()}.pem"' in page


def test_a_webhook_is_added_with_its_secret_once_tested_and_removed(house: House) -> None:
    visit = house.visit(house.found())
    added = visit.post(house.path("/settings/webhooks"), url=ADDRESS, description="Pager")
    listed = visit.get(house.path("/settings/notices")).text
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", added.text)
    test = re.search(r'action="([^"]+/test)"', listed)

    assert secret is not None
    assert test is not None
    assert added.headers["cache-control"] == "no-store"
    assert "whsec_" not in listed
    assert f">{ADDRESS}</td>" in listed
    sent = visit.post(test[1])
    assert "On its way." in visit.get(sent.headers["location"]).text
    remove = test[1].replace("/test", "/remove")
    assert ADDRESS in visit.get(remove).text
    visit.post(remove)
    assert (
        ADDRESS
        not in visit.get(house.path("/settings/notices"))
        .text.partition("Sent lately")[0]
        .replace(f'placeholder="{ADDRESS}"', "")
        .partition('<details class="same-thing">')[0]
    )


def test_a_double_click_shows_the_one_webhook_that_it_added(house: House) -> None:
    visit = house.visit(house.found())
    drawn = re.findall(r'name="once" value="([^"]+)"', visit.get(house.path("/settings/notices")).text)[0]
    form = {"url": ADDRESS, "description": "Pager", "once": drawn}

    clicks = [visit.post(house.path("/settings/webhooks"), **form).text for _ in range(2)]
    house.clock.advance(timedelta(minutes=1))
    reloaded = visit.post(house.path("/settings/webhooks"), **form).text

    secrets = [re.findall(r"whsec_[A-Za-z0-9+/=]+", each) for each in clicks]
    assert len(secrets[0]) == 1
    assert secrets[0] == secrets[1]
    assert "This form was sent already" in reloaded
    assert "whsec_" not in reloaded
    assert visit.get(house.path("/settings/notices")).text.count("/test") == 1


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "ftp://example.com", "nonsense", ""])
def test_an_address_that_cannot_be_taken_is_kept_in_the_form(house: House, url: str) -> None:
    page = house.visit(house.found()).post(house.path("/settings/webhooks"), url=url, description="Pager")

    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert 'value="Pager"' in page.text


def test_members_see_when_notices_come_but_no_webhook(house: House) -> None:
    admin = house.found()
    house.visit(admin).post(house.path("/settings/webhooks"), url=ADDRESS)
    member = house.visit(house.join("Grace", OrganizationRole.USER))

    page = member.get(house.path("/settings/notices"))

    assert page.status_code == 200
    assert "days before" in page.text
    assert "Add a webhook" not in page.text
    assert f"{ADDRESS}</td>" not in page.text
    assert member.post(house.path("/settings/webhooks"), url=ADDRESS).status_code == 403
