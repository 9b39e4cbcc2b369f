"""The tree of an organization, seen from its accounts: names, what archiving takes along, and who hears of it."""

from typing import Any

import pytest
from tests.actions.stage import OPERATOR, Person, Shop, Stage

from credenza.actions import accounts, first_admin, organizations, workspaces
from credenza.actions.sessions import Visitor
from credenza.domain.access import Scope
from credenza.domain.errors import Code
from credenza.domain.model import Account, AccountId, OrganizationRole
from credenza.store.schema import changes

UNKNOWN = AccountId("00000000-0000-4000-8000-000000000000")


@pytest.fixture
def admin(shop: Shop) -> Person:
    return shop.stage.member(shop.organization)


def create(shop: Shop, admin: Person, name: str) -> Account:
    return shop.stage.done("account.create", accounts.create, admin.actor, shop.organization.id, name=name)


def names(shop: Shop, admin: Person) -> list[str]:
    return [each.name for each in shop.stage.looked(accounts.list_all, admin.actor, shop.organization.id)]


def news(stage: Stage) -> list[tuple[str, str]]:
    return [(row.kind, row.subject) for row in stage.rows(changes)]


def test_a_new_organization_begins_with_an_account_and_a_workspace(stage: Stage) -> None:
    organization = stage.done("organization.create", organizations.create, OPERATOR, name="Acme")

    (account,) = stage.looked(accounts.list_all, OPERATOR, organization.id)
    (workspace,) = stage.looked(workspaces.list_all, OPERATOR, organization.id)
    assert (account.name, workspace.name, workspace.account_id) == ("Acme", "Default", account.id)


def test_the_first_organization_begins_so_too(stage: Stage) -> None:
    link = first_admin.make_link(stage.platform, now=stage.now)
    proof = {"password": "an engine of brass and steam", "visitor": Visitor("192.0.2.7", "test")}
    made = first_admin.accept(
        stage.platform, link or "", email="a@b.org", name="A", organization="Acme", **proof, now=stage.now
    )

    assert [each.name for each in stage.looked(accounts.list_all, OPERATOR, made.organization.id)] == ["Acme"]
    assert len(stage.looked(workspaces.list_all, OPERATOR, made.organization.id)) == 1


def test_an_account_is_made_and_renamed(shop: Shop, admin: Person) -> None:
    made = create(shop, admin, " Europe ")
    place = (admin.actor, shop.organization.id, made.id)

    renamed = shop.stage.done("account.rename", accounts.rename, *place, name="EMEA")

    assert (made.name, renamed.name, renamed.id) == ("Europe", "EMEA", made.id)
    assert names(shop, admin) == ["EMEA", shop.organization.name]


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "a\x00b", "a\nb"])
def test_a_name_that_nobody_can_read_is_refused(shop: Shop, admin: Person, name: str) -> None:
    place = (admin.actor, shop.organization.id)
    made = create(shop, admin, "Europe")

    created = shop.stage.refused("account.create", Code.INVALID, accounts.create, *place, name=name)
    renamed = shop.stage.refused("account.rename", Code.INVALID, accounts.rename, *place, made.id, name=name)

    assert created.field == renamed.field == "name"


def test_live_accounts_of_an_organization_have_different_names(shop: Shop, admin: Person) -> None:
    place = (admin.actor, shop.organization.id)
    made, other = create(shop, admin, "Europe"), create(shop, admin, "Asia")

    twice = shop.stage.refused("account.create", Code.DUPLICATE_NAME, accounts.create, *place, name="Europe")
    shop.stage.refused("account.rename", Code.DUPLICATE_NAME, accounts.rename, *place, other.id, name="Europe")
    shop.stage.done("account.archive", accounts.archive, *place, made.id)

    assert "'Europe'" in twice.message
    assert create(shop, admin, "Europe").id != made.id
    create_elsewhere(shop.stage, "Europe")


def create_elsewhere(stage: Stage, name: str) -> Account:
    organization = stage.organization()
    return stage.done("account.create", accounts.create, OPERATOR, organization.id, name=name)


def test_an_archived_account_takes_its_workspaces_along_and_no_others(shop: Shop, admin: Person) -> None:
    stage, place = shop.stage, (admin.actor, shop.organization.id)
    (first,) = stage.looked(accounts.list_all, *place)
    europe = create(shop, admin, "Europe")
    inside = stage.done("workspace.create", workspaces.create, *place, account_id=europe.id, name="Web")

    stage.done("account.archive", accounts.archive, *place, europe.id)

    assert stage.looked(accounts.list_all, *place) == (first,)
    assert [each.account_id for each in stage.looked(workspaces.list_all, *place)] == [first.id]
    gone: tuple[tuple[str, Any, tuple[Any, ...], dict[str, Any]], ...] = (
        ("account.archive", accounts.archive, (europe.id,), {}),
        ("account.rename", accounts.rename, (europe.id,), {"name": "x"}),
        ("workspace.create", workspaces.create, (), {"account_id": europe.id, "name": "x"}),
        ("workspace.rename", workspaces.rename, (inside.id,), {"name": "x"}),
        ("workspace.move", workspaces.move, (inside.id,), {"to": first.id}),
        ("workspace.archive", workspaces.archive, (inside.id,), {}),
    )
    for action, call, arguments, named in gone:
        stage.refused(action, Code.NOT_FOUND, call, *place, *arguments, **named)


def test_gates_hear_of_every_change_of_the_tree_but_a_name(shop: Shop, admin: Person) -> None:
    place, before = (admin.actor, shop.organization.id), len(shop.stage.rows(changes))
    made = create(shop, admin, "Europe")

    shop.stage.done("account.rename", accounts.rename, *place, made.id, name="EMEA")
    shop.stage.done("account.archive", accounts.archive, *place, made.id)

    assert news(shop.stage)[before:] == [("organization", shop.organization.id)] * 2


@pytest.mark.parametrize("role", [OrganizationRole.COMPLIANCE_ADMIN, OrganizationRole.USER, OrganizationRole.READ_ONLY])
def test_every_member_sees_the_tree_and_admins_change_it(shop: Shop, role: OrganizationRole) -> None:
    stage, member = shop.stage, shop.stage.member(shop.organization, role)
    place = (member.actor, shop.organization.id)
    (account,) = stage.looked(accounts.list_all, *place)

    stage.refused("account.create", Code.FORBIDDEN, accounts.create, *place, name="x")
    stage.refused("account.rename", Code.FORBIDDEN, accounts.rename, *place, account.id, name="x")
    stage.refused("account.archive", Code.FORBIDDEN, accounts.archive, *place, account.id)


def test_another_organization_s_account_does_not_exist(shop: Shop, admin: Person) -> None:
    place, foreign = (admin.actor, shop.organization.id), create_elsewhere(shop.stage, "Europe")

    for account_id in (foreign.id, UNKNOWN):
        refusal = shop.stage.refused(
            "account.archive", Code.NOT_FOUND, accounts.archive, *place, account_id, chain=shop.organization.id
        )
        assert refusal.message == "The organization has no such account."
    shop.stage.refused("account.list", Code.NOT_FOUND, accounts.list_all, admin.actor, foreign.organization_id)


def test_the_scope_of_projects_changes_the_tree(shop: Shop, admin: Person) -> None:
    reading = shop.stage.token(admin.user, shop.organization, Scope.READ, Scope.PEOPLE)
    building = shop.stage.token(admin.user, shop.organization, Scope.PROJECTS)

    shop.stage.refused("account.create", Code.FORBIDDEN, accounts.create, reading, shop.organization.id, name="Europe")
    shop.stage.done("account.create", accounts.create, building, shop.organization.id, name="Europe")
