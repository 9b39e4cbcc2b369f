"""Rules of the page of the name that TLS clients get tokens by, asked without a browser."""

from __future__ import annotations

import html

import pytest
from tests.portal.house import House
from tests.portal.shop import Shop, follow, problem
from tests.portal.test_same_thing import check_call, check_command, is_call, shown

from credenza.domain.model import ProjectType

HOSTILE = r"CN=\<script\>alert(1)\</script\> {{ 7 * 7 }}"


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house, ProjectType.OAUTH2_FAPI)


def path(shop: Shop) -> str:
    return shop.path("/sandbox/tls-name")


@pytest.mark.parametrize("page", ["/sandbox", "/sandbox/certificates"])
def test_the_pages_of_certificates_lead_to_it(shop: Shop, page: str) -> None:
    assert f'href="{path(shop)}"' in shop.browser().get(shop.path(page)).text


def test_a_name_is_registered_shown_and_removed(shop: Shop) -> None:
    browser = shop.browser()
    assert "None is registered" in browser.get(path(shop)).text

    page = follow(browser, browser.post(path(shop), kind="san_dns", value=" till7.acme.example "))

    assert "DNS name: <code>till7.acme.example</code>" in page
    page = follow(browser, browser.post(f"{path(shop)}/remove"))
    assert "None is registered" in page


@pytest.mark.parametrize(("kind", "value"), [("subject_dn", "no name"), ("", "CN=till"), ("san_ip", "till")])
def test_a_name_that_is_none_is_refused_and_kept_in_the_form(shop: Shop, kind: str, value: str) -> None:
    answer = shop.browser().post(path(shop), kind=kind, value=value)

    assert problem(answer)
    assert f'value="{value}"' in answer.text


def test_a_hostile_name_is_text(shop: Shop) -> None:
    browser = shop.browser()

    page = follow(browser, browser.post(path(shop), kind="subject_dn", value=HOSTILE))

    assert f"<code>{html.escape(HOSTILE)}</code>" in page


def test_a_project_of_another_type_is_told_so(house: House) -> None:
    shop = Shop(house, ProjectType.MTLS)

    assert "tls-name" not in shop.browser().get(shop.path("/sandbox/certificates")).text
    assert "OAUTH2_FAPI" in problem(shop.browser().post(path(shop), kind="san_dns", value="till7.acme.example"))


def test_the_page_says_how_the_same_is_done_elsewhere(shop: Shop) -> None:
    said = shown(shop.browser().get(path(shop)).text)

    (command,) = [each for each in said if "credenza " in each]
    (call,) = [each for each in said if is_call(each)]
    check_command(command[command.index("credenza ") :])
    check_call(call)


def test_who_only_reads_sees_the_name_and_changes_none(shop: Shop) -> None:
    shop.browser().post(path(shop), kind="san_dns", value="till7.acme.example")
    browser = shop.house.visit(shop.put_on("Bob"))

    page = browser.get(path(shop)).text

    assert "till7.acme.example" in page
    assert "<form" not in page.partition("<h2")[2]
    assert browser.post(f"{path(shop)}/remove").status_code == 403
