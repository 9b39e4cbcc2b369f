"""Workspaces: each lies in one account of its own organization, under a name that no other has there."""

import pytest
from tests.actions.stage import OPERATOR, Person, Shop

from credenza.actions import accounts, workspaces
from credenza.domain.errors import Code
from credenza.domain.model import Account, OrganizationRole, Workspace, WorkspaceId
from credenza.store.schema import changes

UNKNOWN = WorkspaceId("00000000-0000-4000-8000-000000000000")


class Tree:
    """Two accounts, Europe and Asia, beside the one that an organization begins with."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.stage = shop, shop.stage
        self.admin: Person = shop.stage.member(shop.organization)
        self.place = (self.admin.actor, shop.organization.id)
        self.europe, self.asia = self.account("Europe"), self.account("Asia")

    def account(self, name: str) -> Account:
        return accounts.create(self.stage.platform, *self.place, name=name, now=self.stage.now)

    def create(self, account: Account, name: str) -> Workspace:
        return self.stage.done("workspace.create", workspaces.create, *self.place, account_id=account.id, name=name)

    def where(self) -> dict[str, str]:
        """Each workspace's account, the ones of the beginning aside."""
        names = {self.europe.id: "Europe", self.asia.id: "Asia"}
        listed = self.stage.looked(workspaces.list_all, *self.place)
        return {each.name: names[each.account_id] for each in listed if each.account_id in names}


@pytest.fixture
def tree(shop: Shop) -> Tree:
    return Tree(shop)


def test_a_workspace_is_made_renamed_moved_and_archived(tree: Tree) -> None:
    made = tree.create(tree.europe, " Web ")
    assert tree.where() == {"Web": "Europe"}

    renamed = tree.stage.done("workspace.rename", workspaces.rename, *tree.place, made.id, name="Web-EU")
    moved = tree.stage.done("workspace.move", workspaces.move, *tree.place, made.id, to=tree.asia.id)

    assert (renamed.name, moved.account_id, moved.id) == ("Web-EU", tree.asia.id, made.id)
    assert tree.where() == {"Web-EU": "Asia"}
    tree.stage.done("workspace.archive", workspaces.archive, *tree.place, made.id)
    assert tree.where() == {}


def test_live_workspaces_of_an_account_have_different_names(tree: Tree) -> None:
    web, apps, far = tree.create(tree.europe, "Web"), tree.create(tree.europe, "Apps"), tree.create(tree.asia, "Web")
    taken = Code.DUPLICATE_NAME
    new = {"account_id": tree.europe.id, "name": "Web"}

    tree.stage.refused("workspace.create", taken, workspaces.create, *tree.place, **new)
    tree.stage.refused("workspace.rename", taken, workspaces.rename, *tree.place, apps.id, name="Web")
    moved = tree.stage.refused("workspace.move", taken, workspaces.move, *tree.place, far.id, to=tree.europe.id)

    assert "Rename one of them" in moved.message
    tree.stage.done("workspace.archive", workspaces.archive, *tree.place, web.id)
    tree.stage.done("workspace.move", workspaces.move, *tree.place, far.id, to=tree.europe.id)
    assert tree.where() == {"Web": "Europe", "Apps": "Europe"}


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\nb"])
def test_a_name_that_nobody_can_read_is_refused(tree: Tree, name: str) -> None:
    made, new = tree.create(tree.europe, "Web"), {"account_id": tree.europe.id, "name": name}

    tree.stage.refused("workspace.create", Code.INVALID, workspaces.create, *tree.place, **new)
    tree.stage.refused("workspace.rename", Code.INVALID, workspaces.rename, *tree.place, made.id, name=name)


def test_gates_hear_of_a_new_a_moved_and_an_archived_workspace(tree: Tree) -> None:
    before = len(tree.stage.rows(changes))
    made = tree.create(tree.europe, "Web")

    tree.stage.done("workspace.rename", workspaces.rename, *tree.place, made.id, name="Web-EU")
    tree.stage.done("workspace.move", workspaces.move, *tree.place, made.id, to=tree.asia.id)
    tree.stage.done("workspace.archive", workspaces.archive, *tree.place, made.id)

    told = [(row.kind, row.subject) for row in tree.stage.rows(changes)[before:]]
    assert told == [("organization", tree.shop.organization.id)] * 3


def test_another_organization_s_places_do_not_exist(tree: Tree) -> None:
    other = tree.stage.organization()
    (account,) = accounts.list_all(tree.stage.platform, OPERATOR, other.id, now=tree.stage.now)
    (workspace,) = workspaces.list_all(tree.stage.platform, OPERATOR, other.id, now=tree.stage.now)
    own = tree.create(tree.europe, "Web")
    new = {"account_id": account.id, "name": "Web"}

    tree.stage.refused("workspace.create", Code.NOT_FOUND, workspaces.create, *tree.place, **new)
    tree.stage.refused("workspace.move", Code.NOT_FOUND, workspaces.move, *tree.place, own.id, to=account.id)
    for identity in (workspace.id, UNKNOWN):
        tree.stage.refused("workspace.archive", Code.NOT_FOUND, workspaces.archive, *tree.place, identity)
        tree.stage.refused("workspace.rename", Code.NOT_FOUND, workspaces.rename, *tree.place, identity, name="x")
        tree.stage.refused("workspace.move", Code.NOT_FOUND, workspaces.move, *tree.place, identity, to=tree.asia.id)
    tree.stage.refused("workspace.list", Code.NOT_FOUND, workspaces.list_all, tree.admin.actor, other.id)


@pytest.mark.parametrize("role", [OrganizationRole.COMPLIANCE_ADMIN, OrganizationRole.USER, OrganizationRole.READ_ONLY])
def test_every_member_sees_workspaces_and_admins_change_them(tree: Tree, role: OrganizationRole) -> None:
    made, new = tree.create(tree.europe, "Web"), {"account_id": tree.europe.id, "name": "x"}
    place = (tree.stage.member(tree.shop.organization, role).actor, tree.shop.organization.id)

    assert made in tree.stage.looked(workspaces.list_all, *place)
    tree.stage.refused("workspace.create", Code.FORBIDDEN, workspaces.create, *place, **new)
    tree.stage.refused("workspace.rename", Code.FORBIDDEN, workspaces.rename, *place, made.id, name="x")
    tree.stage.refused("workspace.move", Code.FORBIDDEN, workspaces.move, *place, made.id, to=tree.asia.id)
    tree.stage.refused("workspace.archive", Code.FORBIDDEN, workspaces.archive, *place, made.id)
