"""Accounts and workspaces in the portal, by somebody whose browser runs no script."""

import re

from tests.portal.house import OPERATOR, Browser, House

from credenza.actions import organizations
from credenza.domain.model import OrganizationRole


def account_of(page: str, name: str) -> str:
    """The id of an account, out of its own section."""
    section = re.search(rf"<h2 [^>]*>{name}</h2>(.*?)</section>", page, re.DOTALL)
    assert section is not None
    found = re.search(r"/settings/accounts/([0-9a-f-]{36})/rename", section[1])
    assert found is not None
    return found[1]


def workspace_of(page: str, name: str) -> str:
    found = re.search(rf">{name}</th>.*?/settings/workspaces/([0-9a-f-]{{36}})/rename", page, re.DOTALL)
    assert found is not None
    return found[1]


def grown(house: House) -> tuple[Browser, str, str]:
    """An admin's browser, and two accounts: Acme with its Default, and Europe with Web-EU."""
    visit = house.visit(house.found())
    visit.post(house.path("/settings/accounts"), name="Europe")
    europe = account_of(visit.get(house.path("/settings/tree")).text, "Europe")
    visit.post(house.path("/settings/workspaces"), account=europe, name="Web-EU")
    return visit, europe, workspace_of(visit.get(house.path("/settings/tree")).text, "Web-EU")


def test_the_tree_grows_and_is_renamed(house: House) -> None:
    visit, europe, web = grown(house)

    renamed = visit.post(house.path(f"/settings/accounts/{europe}/rename"), name="EMEA")
    visit.post(house.path(f"/settings/workspaces/{web}/rename"), name="Web")

    page = visit.get(renamed.headers["location"]).text
    assert renamed.status_code == 303
    assert account_of(page, "EMEA") == europe
    assert workspace_of(page, "Web") == web


def test_a_workspace_moves_to_an_account_that_is_chosen(house: House) -> None:
    visit, europe, web = grown(house)
    acme = account_of(visit.get(house.path("/settings/tree")).text, "Acme")

    asked = visit.get(house.path(f"/settings/workspaces/{web}/move")).text
    assert f'<option value="{acme}">Acme</option>' in asked
    assert f'<option value="{europe}"' not in asked
    visit.post(house.path(f"/settings/workspaces/{web}/move"), account=acme)

    section = visit.get(house.path("/settings/tree")).text.partition(">Acme</h2>")[2].partition("</section>")[0]
    assert ">Web-EU</th>" in section


def test_an_account_says_what_goes_with_it_before_it_is_archived(house: House) -> None:
    visit, europe, web = grown(house)

    asked = visit.get(house.path(f"/settings/accounts/{europe}/archive")).text
    visit.post(house.path(f"/settings/accounts/{europe}/archive"))

    assert "Archive Europe?" in asked
    assert ">Web-EU</li>" in asked
    page = visit.get(house.path("/settings/tree")).text
    assert ">Europe</h2>" not in page
    assert web not in page
    assert visit.get(house.path(f"/settings/workspaces/{web}/rename")).status_code == 404


def test_a_workspace_is_archived(house: House) -> None:
    visit, _, web = grown(house)

    assert "Archive Web-EU?" in visit.get(house.path(f"/settings/workspaces/{web}/archive")).text
    visit.post(house.path(f"/settings/workspaces/{web}/archive"))

    assert "Web-EU</th>" not in visit.get(house.path("/settings/tree")).text


def test_a_name_that_is_taken_is_kept_in_its_form(house: House) -> None:
    visit, europe, web = grown(house)

    account = visit.post(house.path("/settings/accounts"), name="Europe")
    inside = visit.post(house.path("/settings/workspaces"), account=europe, name="Web-EU")
    renamed = visit.post(house.path(f"/settings/workspaces/{web}/rename"), name="")

    assert [account.status_code, inside.status_code, renamed.status_code] == [400, 400, 400]
    assert 'id="account" name="name" required maxlength="120" autocomplete="off" value="Europe"' in account.text
    assert "already has a workspace named" in inside.text
    assert inside.text.count('value="Web-EU"') == 1
    assert 'role="alert"' in renamed.text


def test_members_see_the_tree_and_change_nothing(house: House) -> None:
    _, europe, web = grown(house)
    member = house.visit(house.join("Grace", OrganizationRole.USER))

    page = member.get(house.path("/settings/tree"))

    assert page.status_code == 200
    assert "Web-EU" in page.text
    assert "/rename" not in page.text
    assert "Add the account" not in page.text
    assert member.post(house.path("/settings/accounts"), name="Asia").status_code == 403
    assert member.post(house.path(f"/settings/accounts/{europe}/archive")).status_code == 403
    assert member.post(house.path(f"/settings/workspaces/{web}/archive")).status_code == 403


def test_another_organization_s_tree_is_not_there(house: House) -> None:
    _, europe, _ = grown(house)
    path = house.path(f"/settings/accounts/{europe}/rename")
    beta = organizations.create(house.platform, OPERATOR, name="Beta", now=house.clock.now())
    house.organization_id = beta.id
    stranger = house.visit(house.join("Eve", OrganizationRole.ADMIN))

    assert stranger.get(path).status_code == 404
    assert stranger.get(house.path(f"/settings/accounts/{europe}/rename")).status_code == 404
