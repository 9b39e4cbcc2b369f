"""People on a project: max 10 admins and 20 read-only members."""

import pytest
from tests.actions.stage import Shop

from credenza.actions import people, project_members, projects
from credenza.domain.errors import Code
from credenza.domain.model import OrganizationRole, ProjectMember, ProjectRole, UserId

ADMIN, READ_ONLY, OWNER = ProjectRole.ADMIN, ProjectRole.READ_ONLY, ProjectRole.OWNER


def set_role(shop: Shop, email: str, role: ProjectRole) -> ProjectMember:
    return shop.done("project.member.set", project_members.set_role, email=email, role=role)


def test_a_member_of_the_organization_gets_a_role_and_another_one(shop: Shop) -> None:
    member = shop.stage.member(shop.organization, OrganizationRole.USER)
    shop.stage.refused(
        "project.view", Code.PROJECT_NOT_FOUND, projects.get, member.actor, shop.project.id, chain=shop.organization.id
    )

    for role in (READ_ONLY, ADMIN):
        assert set_role(shop, member.user.email, role) == ProjectMember(member.user, role)
        assert shop.looked(project_members.list_all) == (
            ProjectMember(shop.owner.user, OWNER),
            ProjectMember(member.user, role),
        )
        shop.stage.looked(projects.get, member.actor, shop.project.id)


@pytest.mark.parametrize(("role", "places"), [(ADMIN, 9), (READ_ONLY, 20)])
def test_max_10_admins_with_the_owner_and_20_read_only_members(shop: Shop, role: ProjectRole, places: int) -> None:
    members = [shop.stage.member(shop.organization, OrganizationRole.USER) for _ in range(places + 1)]
    for member in members[:-1]:
        set_role(shop, member.user.email, role)
    last = members[-1].user.email

    shop.refused("project.member.set", Code.MEMBER_LIMIT, project_members.set_role, email=last, role=role)
    set_role(shop, members[0].user.email, role)  # the same role again takes no second place
    shop.done("project.member.remove", project_members.remove, members[0].user.id)
    set_role(shop, last, role)


def test_who_is_not_of_the_organization_is_not_taken_in(shop: Shop) -> None:
    stranger = shop.stage.member(shop.stage.organization())

    for email in (stranger.user.email, "nobody@example.org"):
        refusal = shop.refused("project.member.set", Code.NOT_FOUND, project_members.set_role, email=email, role=ADMIN)
        assert refusal.field == "email"
        assert refusal.message == f"{email} is not a member of the organization. Add it there first."


def test_the_owner_stays_owner(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization)
    email = shop.owner.user.email

    shop.refused("project.member.set", Code.INVALID, project_members.set_role, email=email, role=ADMIN)
    shop.refused("project.member.set", Code.INVALID, project_members.set_role, email=admin.user.email, role=OWNER)
    shop.refused("project.member.remove", Code.INVALID, project_members.remove, shop.owner.user.id)
    shop.refused("project.leave", Code.INVALID, project_members.leave)


def test_a_read_only_member_removes_oneself_and_nobody_else(shop: Shop) -> None:
    reader = shop.stage.member(shop.organization, OrganizationRole.USER)
    set_role(shop, reader.user.email, READ_ONLY)
    place = (reader.actor, shop.project.id)

    shop.stage.refused(
        "project.member.remove", Code.PROJECT_FORBIDDEN, project_members.remove, *place, shop.owner.user.id
    )
    shop.stage.refused(
        "project.member.set",
        Code.PROJECT_FORBIDDEN,
        project_members.set_role,
        *place,
        email=reader.user.email,
        role=ADMIN,
    )
    shop.stage.looked(project_members.list_all, *place)
    shop.stage.done("project.leave", project_members.leave, *place)
    shop.stage.refused("project.leave", Code.PROJECT_NOT_FOUND, project_members.leave, *place)


def test_who_is_no_member_is_not_removed(shop: Shop) -> None:
    shop.refused("project.member.remove", Code.NOT_FOUND, project_members.remove, UserId("x"))


def test_an_admin_of_the_organization_acts_as_admin_on_its_projects(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization)
    member = shop.stage.member(shop.organization, OrganizationRole.USER)

    shop.stage.done(
        "project.member.set",
        project_members.set_role,
        admin.actor,
        shop.project.id,
        email=member.user.email,
        role=READ_ONLY,
    )


def test_who_left_the_organization_has_lost_its_projects(shop: Shop) -> None:
    admin, member = shop.stage.member(shop.organization), shop.stage.member(shop.organization, OrganizationRole.USER)
    set_role(shop, member.user.email, ADMIN)
    people.remove_member(shop.stage.platform, admin.actor, shop.organization.id, member.user.id, now=shop.stage.now)

    shop.stage.refused("project.view", Code.PROJECT_NOT_FOUND, projects.get, member.actor, shop.project.id)
