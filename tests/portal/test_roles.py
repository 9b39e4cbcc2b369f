"""Roles of an organization's own in the portal: made, given to members and guests, and taken away."""

import re

from tests.portal.house import Browser, House

from credenza.domain.access import CARRIED
from credenza.domain.model import OrganizationRole
from credenza.portal import visit as portal_visit


def make(house: House, visit: Browser, name: str, *actions: str) -> str:
    """Make a role by its form; its id."""
    made = visit.post(house.path("/settings/roles"), name=name, **{f"action-{each}": "1" for each in actions})
    assert made.status_code == 303
    page = visit.get(house.path("/settings/roles")).text
    found = re.search(rf'>{name}</th>.*?/settings/roles/([0-9a-f-]{{36}})"', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_role_is_made_edited_and_removed(house: House) -> None:
    visit = house.visit(house.found())
    role = make(house, visit, "Viewers", "api_credential.list", "api_credential.view")

    form = visit.get(house.path(f"/settings/roles/{role}")).text
    assert 'name="action-api_credential.view" value="1" checked' in form
    assert 'name="action-audit.view" value="1">' in form
    assert "action-api_credential.edit" not in form
    visit.post(house.path(f"/settings/roles/{role}"), name="Lookers", **{"action-audit.view": "1"})

    page = visit.get(house.path("/settings/roles")).text
    assert ">Lookers</th>" in page
    assert "<td><code>audit.view</code></td>" in page
    assert "Remove the role Lookers?" in visit.get(house.path(f"/settings/roles/{role}/remove")).text
    visit.post(house.path(f"/settings/roles/{role}/remove"))
    assert ">Lookers</th>" not in visit.get(house.path("/settings/roles")).text


def test_a_form_that_is_refused_keeps_its_ticks(house: House) -> None:
    visit = house.visit(house.found())

    page = visit.post(house.path("/settings/roles"), name="Admin", **{"action-audit.view": "1"})

    assert page.status_code == 400
    assert 'value="Admin"' in page.text
    assert 'name="action-audit.view" value="1" checked' in page.text
    assert page.text.count(" checked") == 1


def test_every_action_that_a_role_can_carry_is_offered_once(house: House) -> None:
    page = house.visit(house.found()).get(house.path("/settings/roles/new")).text

    offered = re.findall(r'name="action-([a-z_.]+)"', page)
    assert sorted(offered) == sorted(CARRIED)
    assert len(CARRIED) + 2 <= portal_visit._MOST_FIELDS


def test_a_member_is_given_a_role_and_shown_with_it(house: House) -> None:
    visit, grace = house.visit(house.found()), house.join("Grace", OrganizationRole.USER)
    role = make(house, visit, "Viewers", "api_credential.view")

    visit.post(house.path(f"/members/{grace.id}"), role=role)

    page = visit.get(house.path("/members")).text
    assert f'<option value="{role}" selected>Viewers</option>' in page
    assert "grace@example.org" in visit.get(house.path("/settings/roles")).text.partition(">Viewers</th>")[2]
    own = house.visit(grace).get(house.path("/members")).text
    assert re.search(r"<td>grace@example.org</td>\s*<td>\s*Viewers\s*</td>", own)


def test_a_role_that_is_held_is_not_removed_and_says_by_whom(house: House) -> None:
    visit, grace = house.visit(house.found()), house.join("Grace", OrganizationRole.USER)
    role = make(house, visit, "Viewers", "api_credential.view")
    visit.post(house.path(f"/members/{grace.id}"), role=role)

    refused = visit.post(house.path(f"/settings/roles/{role}/remove"))

    assert refused.status_code == 400
    assert "grace@example.org" in refused.text


def test_somebody_is_invited_to_a_role_of_the_organization_s_own(house: House) -> None:
    visit = house.visit(house.found())
    role = make(house, visit, "Viewers", "api_credential.view")

    visit.post(house.path("/invitations"), email="eve@example.org", role=role)

    invited = visit.get(house.path("/members")).text.partition("eve@example.org")[2]
    assert "<td>Viewers</td>" in invited


def test_who_may_invite_sees_how_and_changes_no_roles(house: House) -> None:
    visit, grace = house.visit(house.found()), house.join("Grace", OrganizationRole.USER)
    visit.post(house.path(f"/members/{grace.id}"), role=make(house, visit, "Hosts", "invitation.send"))
    host = house.visit(grace)

    page = host.get(house.path("/members")).text

    assert "Invite somebody" in page
    assert 'id="role-' not in page
    refused = host.post(house.path("/invitations"), email="eve@example.org", role="admin")
    assert refused.status_code == 403
    assert "allows more than your own" in refused.text


def test_members_see_roles_and_change_none(house: House) -> None:
    visit = house.visit(house.found())
    role = make(house, visit, "Viewers", "api_credential.view")
    member = house.visit(house.join("Linus", OrganizationRole.READ_ONLY))

    page = member.get(house.path("/settings/roles"))

    assert page.status_code == 200
    assert ">Viewers</th>" in page.text
    assert "Make a role" not in page.text
    assert member.post(house.path("/settings/roles"), name="R", **{"action-audit.view": "1"}).status_code == 403
    assert member.post(house.path(f"/settings/roles/{role}/remove")).status_code == 403
