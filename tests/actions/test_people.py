"""Users, and who belongs to which organization with which role."""

import pytest
from tests.actions.stage import OPERATOR, Shop, Stage

from credenza.actions import access_tokens, organizations, people, project_members, projects
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, OrganizationRole, ProjectRole, UserId
from credenza.store.schema import changes

ADMIN, USER, READ_ONLY = OrganizationRole.ADMIN, OrganizationRole.USER, OrganizationRole.READ_ONLY


def test_a_user_is_known_by_the_usual_form_of_the_address(stage: Stage) -> None:
    user = stage.done("user.create", people.create_user, OPERATOR, email=" Ann@Example.ORG ", name=" Ann ")

    assert (user.email, user.name, user.disabled_at) == ("ann@example.org", "Ann", None)
    assert stage.looked(people.list_users, OPERATOR) == (user,)
    stage.refused("user.create", Code.DUPLICATE_NAME, people.create_user, OPERATOR, email="ANN@example.org", name="")


@pytest.mark.parametrize(
    "email",
    ["", "ann", "ann@", "@example.org", "a b@example.org", "ann@exa mple.org", "ann\n@example.org", "x" * 65 + "@a.b"],
)
def test_what_is_no_mail_address_is_refused(stage: Stage, email: str) -> None:
    refusal = stage.refused(
        "user.create", Code.INVALID, people.create_user, OPERATOR, email=email, name="", chain=PLATFORM
    )

    assert refusal.field == "email"


def test_users_are_the_operators_business(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization)

    for action, call, named in (
        ("user.create", people.create_user, {"email": "x@example.org", "name": ""}),
        ("user.disable", people.disable_user, {"email": shop.owner.user.email}),
        ("user.list", people.list_users, {}),
    ):
        shop.stage.refused(action, Code.FORBIDDEN, call, admin.actor, chain=shop.organization.id, **named)


def test_a_disabled_user_s_tokens_and_roles_stop_with_the_answer(shop: Shop) -> None:
    issued = access_tokens.create(
        shop.stage.platform,
        shop.owner.actor,
        shop.organization.id,
        name="ci",
        scopes=frozenset({"read"}),
        days=9,
        now=shop.stage.now,
    )
    before = len(shop.stage.rows(changes))

    disabled = shop.stage.done("user.disable", people.disable_user, OPERATOR, shop.owner.user.email)

    assert disabled.disabled_at == shop.stage.now
    assert [(row.kind, row.subject) for row in shop.stage.rows(changes)[before:]] == [("user", disabled.id)]
    with pytest.raises(Refusal, match="not valid"):
        access_tokens.authenticate(shop.stage.platform, issued.secret, address="", now=shop.stage.now)
    shop.stage.refused("organization.view", Code.NOT_FOUND, organizations.get, shop.owner.actor, shop.organization.id)


def test_disabling_twice_keeps_the_first_time(shop: Shop) -> None:
    first = shop.stage.done("user.disable", people.disable_user, OPERATOR, shop.owner.user.email)
    shop.stage.clock.set(shop.key.not_after)

    assert shop.stage.done("user.disable", people.disable_user, OPERATOR, shop.owner.user.email) == first


def test_nobody_of_that_address(stage: Stage) -> None:
    stage.refused("user.disable", Code.NOT_FOUND, people.disable_user, OPERATOR, "nobody@example.org")


def test_an_admin_gives_a_member_another_role(shop: Shop) -> None:
    admin, other = shop.stage.member(shop.organization), shop.stage.member(shop.organization)
    set_member = ("member.set", people.set_member, admin.actor, shop.organization.id)

    for role in (USER, READ_ONLY, ADMIN):
        member = shop.stage.done(*set_member, email=other.user.email, role=role)
        assert (member.user, member.role) == (other.user, role)
        assert member in shop.stage.looked(people.list_members, admin.actor, shop.organization.id)


def test_an_operator_takes_a_user_in(shop: Shop) -> None:
    new = people.create_user(shop.stage.platform, OPERATOR, email="eve@example.org", name="", now=shop.stage.now)

    member = shop.stage.done(
        "member.set", people.set_member, OPERATOR, shop.organization.id, email=new.email, role=USER
    )

    assert (member.user, member.role) == (new, USER)
    shop.stage.refused(
        "member.set", Code.NOT_FOUND, people.set_member, OPERATOR, shop.organization.id, email="x@x.org", role=USER
    )


def test_a_disabled_user_who_is_enabled_again_has_the_old_roles(shop: Shop) -> None:
    stage, owner = shop.stage, shop.owner
    stage.done("user.disable", people.disable_user, OPERATOR, owner.user.email)
    before = len(stage.rows(changes))

    enabled = stage.done("user.enable", people.enable_user, OPERATOR, owner.user.email)

    assert enabled == owner.user
    assert [(row.kind, row.subject) for row in stage.rows(changes)[before:]] == [("user", owner.user.id)]
    stage.looked(organizations.get, owner.actor, shop.organization.id)
    stage.refused("user.enable", Code.FORBIDDEN, people.enable_user, owner.actor, owner.user.email)


@pytest.mark.parametrize("name", ["x" * 121, "a\x00b", "a\nb"])
def test_a_name_that_cannot_be_shown_is_refused(stage: Stage, name: str) -> None:
    refusal = stage.refused("user.create", Code.INVALID, people.create_user, OPERATOR, email="a@b.org", name=name)

    assert refusal.field == "name"


def test_a_removed_member_sees_nothing_any_more(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization)

    shop.stage.done("member.remove", people.remove_member, admin.actor, shop.organization.id, shop.owner.user.id)

    shop.stage.refused("organization.view", Code.NOT_FOUND, organizations.get, shop.owner.actor, shop.organization.id)
    shop.stage.refused(
        "member.remove",
        Code.NOT_FOUND,
        people.remove_member,
        admin.actor,
        shop.organization.id,
        shop.owner.user.id,
    )


def test_a_member_who_is_taken_back_has_no_old_place_on_a_project(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization)
    guest = shop.stage.member(shop.organization, READ_ONLY)
    project_members.set_role(
        shop.stage.platform,
        shop.owner.actor,
        shop.project.id,
        email=guest.user.email,
        role=ProjectRole.ADMIN,
        now=shop.stage.now,
    )
    place = (admin.actor, shop.organization.id)
    shop.stage.done("member.remove", people.remove_member, *place, guest.user.id)

    shop.stage.done(
        "member.set", people.set_member, OPERATOR, shop.organization.id, email=guest.user.email, role=READ_ONLY
    )

    shop.stage.refused("project.view", Code.PROJECT_NOT_FOUND, projects.get, guest.actor, shop.project.id)


def test_the_last_admin_stays(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization)
    place = (admin.actor, shop.organization.id)

    shop.stage.refused("member.set", Code.INVALID, people.set_member, *place, email=admin.user.email, role=USER)
    shop.stage.refused("member.remove", Code.INVALID, people.remove_member, *place, admin.user.id)
    other = shop.stage.member(shop.organization)
    shop.stage.done("member.remove", people.remove_member, *place, other.user.id)


def test_a_disabled_admin_is_not_one_who_can_act(shop: Shop) -> None:
    admin, other = shop.stage.member(shop.organization), shop.stage.member(shop.organization)
    people.disable_user(shop.stage.platform, OPERATOR, other.user.email, now=shop.stage.now)

    shop.stage.refused(
        "member.remove", Code.INVALID, people.remove_member, admin.actor, shop.organization.id, admin.user.id
    )


@pytest.mark.parametrize("role", [OrganizationRole.COMPLIANCE_ADMIN, USER, READ_ONLY])
def test_only_admins_set_members_and_everybody_sees_them(shop: Shop, role: OrganizationRole) -> None:
    member = shop.stage.member(shop.organization, role)
    place = (member.actor, shop.organization.id)

    shop.stage.looked(people.list_members, *place)
    shop.stage.refused("member.set", Code.FORBIDDEN, people.set_member, *place, email=member.user.email, role=ADMIN)
    shop.stage.refused("member.remove", Code.FORBIDDEN, people.remove_member, *place, UserId("x"))
