"""Rules of the pages of projects, asked without a browser."""

from __future__ import annotations

import re

import pytest
from tests.portal.house import House
from tests.portal.shop import Shop, follow, problem

from credenza.actions import project_members
from credenza.domain.model import AuthenticationType, OrganizationRole, ProjectRole
from credenza.domain.sessions import FRESH


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house)


def names(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a[^>]*><bdi class="name">([^<]+)<', page)


def new_project(shop: Shop, **changed: str) -> dict[str, str]:
    service = f"{shop.service.id} {shop.project.type}"
    return {
        "name": "Payments",
        "service": service,
        "environment": "SANDBOX",
        "alias": "one",
        "csr": shop.csr(),
    } | changed


def test_an_empty_list_teaches_the_first_step(house: House) -> None:
    page = house.visit(house.found()).get(house.path("/projects")).text

    assert "No project yet" in page
    assert f'href="{house.path("/projects/new")}"' in page
    assert "credenza project create" in page


def test_a_project_is_made_with_its_first_key(shop: Shop) -> None:
    browser = shop.browser()

    page = follow(browser, browser.post(shop.house.path("/projects"), **new_project(shop)))

    assert "Payments" in page
    assert "Waiting for the first authenticated call" in page
    assert names(browser.get(shop.house.path("/projects")).text) == ["Checkout", "Payments"]


def test_a_form_that_is_sent_twice_makes_one_project(shop: Shop) -> None:
    browser, form = shop.browser(), new_project(shop, once="aa11")

    first, second = (browser.post(shop.house.path("/projects"), **form) for _ in range(2))

    assert first.headers["Location"] == second.headers["Location"]
    assert len(names(browser.get(shop.house.path("/projects")).text)) == 2


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": "Checkout"}, "already has a project named"),
        ({"name": ""}, "Give the project a name"),
        ({"alias": ""}, "Give the key a name"),
        ({"service": "nonsense"}, "Choose the service"),
        ({"service": "999999 OAUTH10A"}, "No service 999999"),
        ({"environment": "MOON"}, "Choose where the project begins"),
        ({"csr": "x"}, "PEM"),
    ],
)
def test_a_project_that_cannot_be_made_says_why(shop: Shop, changed: dict[str, str], says: str) -> None:
    answer = shop.browser().post(shop.house.path("/projects"), **new_project(shop, **changed))

    assert answer.status_code in (400, 404)
    assert says in problem(answer)
    assert len(names(shop.browser().get(shop.house.path("/projects")).text)) == 1


def test_lists_are_filtered_sorted_and_gone_on_with_on_the_server(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credenza.portal.projects.PAGE", 2)
    browser, base = shop.browser(), shop.house.path("/projects")
    for name in ("Alpha", "beta", "Gamma"):
        browser.post(base, **new_project(shop, name=name))

    first = browser.get(base).text
    onward = re.search(r'rel="next" href="([^"]+)"', first)
    assert onward is not None

    assert names(first) == ["Alpha", "beta"]
    assert names(browser.get(onward[1].replace("&amp;", "&")).text) == ["Checkout", "Gamma"]
    assert names(browser.get(f"{base}?q=ALPH").text) == ["Alpha"]
    assert names(browser.get(f"{base}?order=-name").text) == ["Gamma", "Checkout"]
    assert names(browser.get(f"{base}?type=MTLS").text) == []
    assert "No project fits." in browser.get(f"{base}?environment=PRODUCTION").text


def test_a_project_opens_at_its_first_environment(shop: Shop) -> None:
    assert shop.browser().get(shop.path()).headers["Location"] == shop.path("/sandbox")


def test_a_project_is_renamed_and_a_taken_name_refused(shop: Shop) -> None:
    browser = shop.browser()
    browser.post(shop.house.path("/projects"), **new_project(shop))

    taken = browser.post(shop.path("/settings"), name="Payments")
    page = follow(browser, browser.post(shop.path("/settings"), name="Till", ambiguous_readings="1"))

    assert "already has a project named" in problem(taken)
    assert "Saved." in page
    assert 'value="Till"' in page
    assert re.search(r'name="ambiguous_readings" value="1" checked', page)


def test_a_project_is_deleted_by_typing_its_name(shop: Shop) -> None:
    browser = shop.browser()

    wrong = browser.post(shop.path("/delete"), name="checkout")
    done = browser.post(shop.path("/delete"), name="Checkout")

    assert "exactly as it is shown" in problem(wrong)
    assert done.headers["Location"] == shop.house.path("/projects")
    assert browser.get(shop.path("/sandbox")).status_code == 404


def test_deleting_asks_for_a_recent_proof_first(shop: Shop) -> None:
    browser = shop.browser()
    shop.house.clock.advance(FRESH)

    assert browser.get(shop.path("/delete")).headers["Location"].startswith("/confirm?next=")
    assert browser.post(shop.path("/delete"), name="Checkout").headers["Location"].startswith("/confirm?next=")


def test_a_service_is_added_once_and_offered_no_more(shop: Shop) -> None:
    extra, browser = shop.add_service("Reports", AuthenticationType.OAUTH10A), shop.browser()
    foreign = shop.add_service("Tunnel", AuthenticationType.MTLS)
    form = browser.get(shop.path("/services/add")).text

    page = follow(browser, browser.post(shop.path("/services"), service=f"{extra.id} SANDBOX"))
    again = browser.post(shop.path("/services"), service=f"{extra.id} SANDBOX")
    wrong = browser.post(shop.path("/services"), service=f"{foreign.id} SANDBOX")

    assert f'value="{extra.id} SANDBOX"' in form
    assert f'value="{foreign.id} SANDBOX"' not in form
    assert "https://sandbox.example.com/reports" in page
    assert "already uses service" in problem(again)
    assert "cannot use a service that takes MTLS" in problem(wrong)
    assert "uses every service that fits" in browser.get(shop.path("/services/add")).text


def test_members_are_put_on_changed_and_taken_off(shop: Shop) -> None:
    bob, browser = shop.house.join("Bob", OrganizationRole.USER), shop.browser()

    added = follow(browser, browser.post(shop.path("/members"), email=bob.email, role="read_only"))
    changed = follow(browser, browser.post(shop.path("/members"), email=bob.email, role="admin"))
    removed = follow(browser, browser.post(shop.path(f"/members/{bob.id}/remove")))

    assert "1 of 10 admins, the owner among them; 1 of 20 read-only members." in added
    assert "2 of 10 admins, the owner among them; 0 of 20 read-only members." in changed
    assert bob.email not in removed


@pytest.mark.parametrize(
    ("email", "role", "says"),
    [
        ("nobody@example.org", "admin", "is not a member of the organization"),
        ("ada@example.org", "admin", "The owner stays on the project."),
        ("bob@example.org", "owner", "Choose what the member may do"),
    ],
)
def test_a_member_that_cannot_be_put_on_is_refused_in_the_form(shop: Shop, email: str, role: str, says: str) -> None:
    shop.house.join("Bob", OrganizationRole.USER)

    answer = shop.browser().post(shop.path("/members"), email=email, role=role)

    assert says in problem(answer)
    assert f'value="{email}"' in answer.text


def test_an_eleventh_admin_is_refused(shop: Shop) -> None:
    people = [shop.house.join(f"Admin{number}", OrganizationRole.USER) for number in range(10)]
    browser = shop.browser()

    answers = [browser.post(shop.path("/members"), email=each.email, role="admin") for each in people]

    assert [each.status_code for each in answers] == [303] * 9 + [400]
    assert "already has 10 admin members" in problem(answers[-1])


def test_a_member_leaves_and_sees_the_project_no_more(shop: Shop) -> None:
    bob = shop.house.join("Bob", OrganizationRole.USER)
    project_members.set_role(
        shop.house.platform, shop.actor, shop.project.id, email=bob.email, role=ProjectRole.READ_ONLY,
        now=shop.house.clock.now(),
    )  # fmt: skip
    browser = shop.house.visit(bob)

    assert "Leave the project" in browser.get(shop.path("/members")).text
    assert "Leave the project" not in shop.browser().get(shop.path("/members")).text
    assert follow(browser, browser.post(shop.path("/members/leave")))
    assert browser.get(shop.path("/members")).status_code == 404


# ------------------------------------------------------------------------------------------------------------ search


@pytest.mark.parametrize("what", ["name", "alias", "kid", "client id", "consumer key", "thumbprint", "colons"])
def test_what_somebody_has_at_hand_finds_the_key_or_project(shop: Shop, what: str) -> None:
    key = shop.key
    digits = key.spki_sha256
    text = {
        "name": "heck",
        "alias": "FIRST",
        "kid": key.id[:9],
        "client id": key.client_id,
        "consumer key": key.consumer_key,
        "thumbprint": digits,
        "colons": ":".join(digits[at : at + 2] for at in range(0, 64, 2)).upper(),
    }[what]

    page = shop.browser().get(shop.house.path(f"/search?q={text.replace('+', '%2B')}")).text

    assert (shop.path() if what == "name" else shop.key_path()) in page


def test_a_search_shows_nobody_what_is_not_theirs(shop: Shop) -> None:
    stranger = shop.house.visit(shop.house.join("Stranger", OrganizationRole.USER))

    for text in ("Checkout", "first", shop.key.id, shop.key.client_id, shop.key.spki_sha256):
        page = stranger.get(shop.house.path(f"/search?q={text}")).text
        assert "Nothing that you may see is called so." in page


# --------------------------------------------------------------------------------------------------------- forged forms


@pytest.mark.parametrize("rest", ["/settings", "/delete", "/members", "/services", "/sandbox/keys"])
def test_a_form_without_its_token_changes_nothing(shop: Shop, rest: str) -> None:
    browser = shop.browser()

    stale = browser.post(shop.path(rest), name="Checkout", csrf="0" * 64)
    foreign = shop.house.visit(shop.ada, **{"Sec-Fetch-Site": "cross-site"}).post(shop.path(rest), name="Checkout")

    assert stale.status_code == foreign.status_code == 403
    assert "Nothing was changed" in stale.text
    assert browser.get(shop.path("/sandbox")).status_code == 200
