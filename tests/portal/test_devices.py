"""Rules of the page where devices are let enrol, asked without a browser."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.portal.house import House
from tests.portal.shop import SANDBOX, Shop, follow, problem
from tests.portal.test_same_thing import check_call, check_command, is_call, shown

from credenza.actions import enrolment
from credenza.domain.model import ProjectType
from credenza.protocol import csr

_SECRET = re.compile(r"cze_[0-9A-Za-z]{49}")
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }} %(count)d"


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house, ProjectType.MTLS)


def make(shop: Shop, alias: str = "till 7", hours: str = "24") -> str:
    return shop.browser().post(shop.path("/sandbox/devices"), alias=alias, hours=hours).text


def test_the_page_of_the_certificates_leads_to_it(shop: Shop) -> None:
    page = shop.browser().get(shop.path("/sandbox/certificates")).text

    assert f'href="{shop.path("/sandbox/devices")}"' in page
    assert "Enrol a device" in page


def test_a_secret_is_shown_once_with_the_commands(shop: Shop) -> None:
    page = make(shop)

    (secret,) = _SECRET.findall(page)
    assert "https://sandbox.example.com/.well-known/est/simpleenroll" in page
    assert "https://sandbox.example.com/.well-known/est/simplereenroll" in page
    commands = re.search(r'<pre id="enrol">(.*?)</pre>', page, re.DOTALL)
    assert commands is not None
    assert secret not in html.unescape(commands[1])
    listed = shop.browser().get(shop.path("/sandbox/devices")).text
    assert "till 7" in listed
    assert "open" in listed
    assert secret not in listed


def test_a_double_click_shows_the_one_secret_that_it_made(shop: Shop) -> None:
    """Without script a browser shows the answer to the second click."""
    browser, path = shop.browser(), shop.path("/sandbox/devices")
    drawn = re.findall(r'name="once" value="([^"]+)"', browser.get(path).text)[0]
    form = {"alias": "till 7", "hours": "24", "once": drawn}

    clicks = [_SECRET.findall(browser.post(path, **form).text) for _ in range(2)]
    shop.house.clock.advance(timedelta(minutes=1))
    reloaded = browser.post(path, **form).text

    assert len(clicks[0]) == 1
    assert clicks[0] == clicks[1]
    assert "This form was sent already" in reloaded
    assert _SECRET.findall(reloaded) == []
    assert len(re.findall(r"<td>.*till 7.*</td>", browser.get(path).text)) == 1


def test_a_device_that_has_enrolled_is_seen(shop: Shop) -> None:
    (secret,) = _SECRET.findall(make(shop))
    request = csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="till-7")
    der = x509.load_pem_x509_csr(request).public_bytes(Encoding.DER)
    enrolment.enrol(shop.house.platform, SANDBOX, secret, der, address="192.0.2.9", now=shop.house.clock.now())

    assert ">used<" in shop.browser().get(shop.path("/sandbox/devices")).text
    assert "till-7" in shop.browser().get(shop.path("/sandbox/certificates")).text
    assert "a device" in shop.browser().get(shop.house.path("/activity")).text


def test_a_secret_is_revoked_and_ends_by_itself(shop: Shop) -> None:
    browser = shop.browser()
    make(shop, "one")
    (path,) = re.findall(r'action="([^"]+/revoke)"', browser.get(shop.path("/sandbox/devices")).text)

    page = follow(browser, browser.post(path))

    assert ">revoked<" in page
    assert "/revoke" not in page
    make(shop, "two", "1")
    shop.house.clock.advance(timedelta(hours=1))
    assert ">expired<" in shop.browser().get(shop.path("/sandbox/devices")).text


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"alias": ""}, "name of 1 to 120"),
        ({"hours": "0"}, "between 1 and 168 hours"),
        ({"hours": "ten"}, "for how many hours"),
    ],
)
def test_a_form_that_cannot_be_taken_says_why(shop: Shop, form: dict[str, str], says: str) -> None:
    answer = shop.browser().post(shop.path("/sandbox/devices"), **{"alias": "x", "hours": "24", **form})

    assert (answer.status_code, says in problem(answer)) == (400, True)
    assert _SECRET.findall(answer.text) == []


def test_who_only_reads_sees_the_secrets_states_and_makes_none(shop: Shop) -> None:
    make(shop)
    browser = shop.house.visit(shop.put_on("Bob"))

    page = browser.get(shop.path("/sandbox/devices")).text
    answer = browser.post(shop.path("/sandbox/devices"), alias="x", hours="1")

    assert "till 7" in page
    assert "Make a secret" not in page
    assert "/revoke" not in page
    assert answer.status_code == 403


def test_what_a_device_is_called_is_text(shop: Shop) -> None:
    made = make(shop, HOSTILE)
    listed = shop.browser().get(shop.path("/sandbox/devices")).text

    for page in (made, listed):
        assert "<script>alert" not in page
        assert "{{ 7 * 7 }}" in html.unescape(page)


def test_the_page_says_how_the_same_is_done_elsewhere(shop: Shop) -> None:
    said = shown(shop.browser().get(shop.path("/sandbox/devices")).text)

    commands, calls = [each for each in said if "credenza " in each], [each for each in said if is_call(each)]
    assert commands
    assert calls
    for line in commands:
        check_command(line[line.index("credenza ") :])
    for line in calls:
        check_call(line)


def test_an_environment_that_is_not_there_is_asked_for_first(shop: Shop) -> None:
    page = shop.browser().get(shop.path("/production/devices")).text

    assert "Make a secret" not in page
