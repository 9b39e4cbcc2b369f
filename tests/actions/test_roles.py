"""Custom roles: made of single actions, given to people, and never a way to more than one has."""

from datetime import timedelta
from typing import Any

import pytest
from tests.actions.proofs import PASSWORD, VISITOR
from tests.actions.stage import OPERATOR, Person, Shop, Stage

from credenza.actions import (
    accounts,
    calendar_feeds,
    invitations,
    people,
    permissions,
    project_members,
    projects,
    roles,
    webhooks,
)
from credenza.actions.context import Attempt, viewing
from credenza.domain import access
from credenza.domain.access import CARRIED, PERMISSIONS, Action, Standing
from credenza.domain.custom_roles import CustomRole
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CustomRoleId, OrganizationRole, ProjectRole
from credenza.store.engine import writing
from credenza.store.schema import custom_roles, memberships

ADMIN, USER, READ_ONLY, CUSTOM = (
    OrganizationRole.ADMIN,
    OrganizationRole.USER,
    OrganizationRole.READ_ONLY,
    OrganizationRole.CUSTOM,
)
LOOKING = ("api_credential.list", "api_credential.view")
STEWARD = ("member.set", "member.remove", "invitation.send", "role.create", "role.edit", "role.remove", "project.view")
UNKNOWN = CustomRoleId("00000000-0000-4000-8000-000000000000")


class House:
    """An organization with an admin, and people in roles of its own making."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.organization = stage.organization()
        self.admin: Person = stage.member(self.organization)
        self.place = (self.admin.actor, self.organization.id)

    def make(self, name: str, *actions: str) -> CustomRole:
        return self.stage.done("role.create", roles.create, *self.place, name=name, actions=actions)

    def give(self, person: Person, role: CustomRole) -> None:
        named = {"email": person.user.email, "role": CUSTOM, "custom_role_id": role.id}
        self.stage.done("member.set", people.set_member, *self.place, **named)

    def hold(self, name: str, *actions: str) -> Person:
        """Somebody new in a new role."""
        person = self.stage.member(self.organization, READ_ONLY)
        self.give(person, self.make(name, *actions))
        return person


@pytest.fixture
def house(stage: Stage) -> House:
    return House(stage)


def test_a_role_is_made_edited_and_removed(house: House) -> None:
    made = house.make(" Viewers ", *LOOKING)
    edited = house.stage.done(
        "role.edit", roles.edit, *house.place, made.id, name="Lookers", actions=["api_credential.view"]
    )

    assert (made.name, made.actions) == ("Viewers", {Action.API_CREDENTIAL_LIST, Action.API_CREDENTIAL_VIEW})
    assert house.stage.looked(roles.list_all, *house.place) == (edited,)
    assert (edited.id, edited.name, edited.actions) == (made.id, "Lookers", {Action.API_CREDENTIAL_VIEW})
    house.stage.done("role.remove", roles.remove, *house.place, made.id)
    assert house.stage.looked(roles.list_all, *house.place) == ()
    house.make("Lookers", *LOOKING)


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ((), "at least one action"),
        (("api_credential.fly",), "There is no action 'api_credential.fly'."),
        (("organization.create",), "it is for the platform's operators"),
        (("certificate.enrol",), "devices do it for themselves"),
        (("project.leave",), "it belongs to the people of a project"),
        (("organization.view",), "every member may do it"),
        (("session.end",), "every member may do it"),
        (("api_credential.view", "trust.add"), "it is for the platform's operators"),
    ],
)
def test_a_role_is_made_of_what_roles_carry(house: House, actions: tuple[str, ...], words: str) -> None:
    refusal = house.stage.refused("role.create", Code.INVALID, roles.create, *house.place, name="R", actions=actions)

    assert words in refusal.message
    assert refusal.field == "actions"


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\nb"])
def test_a_role_s_name_can_be_read(house: House, name: str) -> None:
    house.stage.refused("role.create", Code.INVALID, roles.create, *house.place, name=name, actions=LOOKING)


@pytest.mark.parametrize("name", ["Admin", "compliance_admin", "Compliance Admin", "USER", "read only", "Owner"])
def test_no_role_is_named_as_those_that_are_everywhere(house: House, name: str) -> None:
    house.stage.refused("role.create", Code.DUPLICATE_NAME, roles.create, *house.place, name=name, actions=LOOKING)


def test_live_roles_of_an_organization_have_different_names(house: House) -> None:
    house.make("Viewers", *LOOKING)
    other = house.make("Lookers", *LOOKING)
    named = {"name": "Viewers", "actions": LOOKING}

    house.stage.refused("role.create", Code.DUPLICATE_NAME, roles.create, *house.place, **named)
    house.stage.refused("role.edit", Code.DUPLICATE_NAME, roles.edit, *house.place, other.id, **named)
    elsewhere = house.stage.organization()
    house.stage.done("role.create", roles.create, OPERATOR, elsewhere.id, **named)


def test_who_holds_a_role_may_do_what_it_says_and_what_every_member_may(house: House) -> None:
    person = house.hold("Builders", "account.create")
    place = (person.actor, house.organization.id)

    house.stage.done("account.create", accounts.create, *place, name="Europe")
    house.stage.refused("webhook.list", Code.FORBIDDEN, webhooks.list_all, *place)
    members = house.stage.looked(people.list_members, *place)
    held = next(each for each in members if each.user == person.user)
    assert (held.role, held.custom_role) == (CUSTOM, "Builders")
    may = house.stage.looked(permissions.in_organization, *place)
    assert Action.ACCOUNT_CREATE in may
    assert Action.ACCOUNT_ARCHIVE not in may


def test_an_edit_counts_from_the_next_request_on(house: House) -> None:
    person = house.hold("Builders", "account.create")
    (role,) = house.stage.looked(roles.list_all, *house.place)

    house.stage.done("role.edit", roles.edit, *house.place, role.id, name=role.name, actions=["account.rename"])

    house.stage.refused(
        "account.create", Code.FORBIDDEN, accounts.create, person.actor, house.organization.id, name="Europe"
    )


def test_another_role_takes_the_custom_one_s_place(house: House) -> None:
    person = house.hold("Builders", "account.create")
    named = {"email": person.user.email, "role": USER}

    member = house.stage.done("member.set", people.set_member, *house.place, **named)

    assert (member.role, member.custom_role_id, member.custom_role) == (USER, None, "")
    house.stage.refused(
        "account.create", Code.FORBIDDEN, accounts.create, person.actor, house.organization.id, name="Europe"
    )


def test_who_may_view_projects_sees_all_of_them(shop: Shop) -> None:
    house = House(shop.stage)
    house.organization, house.admin = shop.organization, shop.stage.member(shop.organization)
    house.place = (house.admin.actor, shop.organization.id)
    seer, blind = house.hold("Seers", "project.view"), house.hold("Revokers", "key.revoke")

    assert shop.stage.looked(projects.get, seer.actor, shop.project.id).project == shop.project
    shop.stage.refused("project.delete", Code.PROJECT_FORBIDDEN, projects.delete, seer.actor, shop.project.id)
    shop.stage.refused("project.view", Code.PROJECT_NOT_FOUND, projects.get, blind.actor, shop.project.id)
    assert feed_of(shop, seer).count("BEGIN:VEVENT") > 0
    assert feed_of(shop, blind).count("BEGIN:VEVENT") == 0


def feed_of(shop: Shop, person: Person) -> str:
    made = calendar_feeds.make(shop.stage.platform, person.actor, shop.organization.id, now=shop.stage.now)
    return calendar_feeds.read(shop.stage.platform, made.token, now=shop.stage.now)


def test_nobody_makes_a_role_that_allows_more_than_their_own(house: House) -> None:
    steward = house.hold("Stewards", *STEWARD)
    place = (steward.actor, house.organization.id)

    refusal = house.stage.refused(
        "role.create", Code.FORBIDDEN, roles.create, *place, name="R", actions=["member.set", "webhook.add"]
    )
    assert "webhook.add" in refusal.message
    own = house.stage.done("role.create", roles.create, *place, name="Hosts", actions=["invitation.send"])
    wider = {"name": "Hosts", "actions": ["invitation.send", "webhook.add"]}
    house.stage.refused("role.edit", Code.FORBIDDEN, roles.edit, *place, own.id, **wider)
    house.stage.done("role.edit", roles.edit, *place, own.id, name="Hosts", actions=["member.set"])


def test_nobody_changes_a_role_that_allows_more_than_their_own(house: House) -> None:
    steward = house.hold("Stewards", *STEWARD)
    wide = house.make("Keepers", "webhook.add")
    place = (steward.actor, house.organization.id, wide.id)

    house.stage.refused("role.edit", Code.FORBIDDEN, roles.edit, *place, name="Keepers", actions=["member.set"])
    house.stage.refused("role.remove", Code.FORBIDDEN, roles.remove, *place)


@pytest.mark.parametrize("role", [ADMIN, OrganizationRole.COMPLIANCE_ADMIN, USER])
def test_nobody_gives_a_role_that_allows_more_than_their_own(house: House, role: OrganizationRole) -> None:
    steward, other = house.hold("Stewards", *STEWARD), house.stage.member(house.organization, READ_ONLY)
    place = (steward.actor, house.organization.id)
    invited = {"email": "eve@example.org", "role": role}

    for person in (steward, other):
        named = {"email": person.user.email, "role": role}
        house.stage.refused("member.set", Code.FORBIDDEN, people.set_member, *place, **named)
    house.stage.refused("invitation.send", Code.FORBIDDEN, invitations.invite, *place, **invited)


@pytest.mark.parametrize("role", [ADMIN, OrganizationRole.COMPLIANCE_ADMIN])
def test_whoever_may_all_that_custom_roles_carry_is_still_no_admin(house: House, role: OrganizationRole) -> None:
    """Admins and compliance admins change API credentials, which no custom role carries: none makes one of them."""
    steward, other = house.hold("Everything", *CARRIED), house.stage.member(house.organization, role)
    place = (steward.actor, house.organization.id)

    for email, named in ((steward.user.email, role), (other.user.email, READ_ONLY)):
        wanted = {"email": email, "role": named}
        house.stage.refused("member.set", Code.FORBIDDEN, people.set_member, *place, **wanted)
    house.stage.refused("member.remove", Code.FORBIDDEN, people.remove_member, *place, other.user.id)


def test_nobody_gives_a_custom_role_that_allows_more_than_their_own(house: House) -> None:
    steward, other = house.hold("Stewards", *STEWARD), house.stage.member(house.organization, READ_ONLY)
    wide, narrow = house.make("Keepers", "webhook.add"), house.make("Hosts", "invitation.send")
    place, named = (steward.actor, house.organization.id), {"role": CUSTOM}

    for email, action, call in (
        (other.user.email, "member.set", people.set_member),
        ("eve@example.org", "invitation.send", invitations.invite),
    ):
        wanted: dict[str, Any] = {**named, "email": email}
        house.stage.refused(action, Code.FORBIDDEN, call, *place, **wanted, custom_role_id=wide.id)
        house.stage.done(action, call, *place, **wanted, custom_role_id=narrow.id)


def test_nobody_gives_a_role_on_a_project_that_allows_more_than_their_own(shop: Shop) -> None:
    house = House(shop.stage)
    house.organization, house.admin = shop.organization, shop.stage.member(shop.organization)
    house.place = (house.admin.actor, shop.organization.id)
    looks = sorted(access.granted_on_project(ProjectRole.READ_ONLY))
    host = house.hold("Hosts", "invitation.send", "project.member.set", *looks)
    place, named = (host.actor, shop.project.id), {"email": host.user.email}
    set_role, invite = project_members.set_role, invitations.invite
    onto: dict[str, Any] = {"role": READ_ONLY, "project_id": shop.project.id}

    shop.stage.refused("project.member.set", Code.FORBIDDEN, set_role, *place, **named, role=ProjectRole.ADMIN)
    shop.stage.refused(
        "invitation.send",
        Code.FORBIDDEN,
        invite,
        host.actor,
        shop.organization.id,
        email="eve@example.org",
        project_role=ProjectRole.ADMIN,
        **onto,
    )
    shop.stage.done("project.member.set", set_role, *place, **named, role=ProjectRole.READ_ONLY)
    shop.stage.done(
        "invitation.send",
        invite,
        host.actor,
        shop.organization.id,
        email="eve@example.org",
        project_role=ProjectRole.READ_ONLY,
        **onto,
    )


def test_who_may_more_is_out_of_reach(house: House) -> None:
    """An admin is neither demoted nor taken out by somebody who is less."""
    steward = house.hold("Stewards", *STEWARD)
    other = house.stage.member(house.organization)
    place, named = (steward.actor, house.organization.id), {"email": other.user.email, "role": READ_ONLY}

    house.stage.refused("member.set", Code.FORBIDDEN, people.set_member, *place, **named)
    house.stage.refused("member.remove", Code.FORBIDDEN, people.remove_member, *place, other.user.id)


def test_who_may_more_once_enabled_again_is_out_of_reach(house: House) -> None:
    steward, other = house.hold("Stewards", *STEWARD), house.stage.member(house.organization)
    keeper = house.hold("Keepers", "webhook.add")
    place = (steward.actor, house.organization.id)

    for person in (other, keeper):
        people.disable_user(house.stage.platform, OPERATOR, person.user.email, now=house.stage.now)
        named = {"email": person.user.email, "role": READ_ONLY}
        house.stage.refused("member.set", Code.FORBIDDEN, people.set_member, *place, **named)
        house.stage.refused("member.remove", Code.FORBIDDEN, people.remove_member, *place, person.user.id)


def test_a_custom_role_does_not_stand_in_for_the_last_admin(house: House) -> None:
    everything = house.make("Everything", *CARRIED)
    named = {"email": house.admin.user.email, "role": CUSTOM, "custom_role_id": everything.id}

    refusal = house.stage.refused("member.set", Code.INVALID, people.set_member, *house.place, **named)

    assert "last admin" in refusal.message


def test_a_role_that_somebody_holds_stays(house: House) -> None:
    person = house.hold("Viewers", *LOOKING)
    (role,) = house.stage.looked(roles.list_all, *house.place)
    named = {"email": "eve@example.org", "role": CUSTOM, "custom_role_id": role.id}
    invited = house.stage.done("invitation.send", invitations.invite, *house.place, **named)

    refusal = house.stage.refused("role.remove", Code.INVALID, roles.remove, *house.place, role.id)
    assert f"eve@example.org, {person.user.email}" in refusal.message

    house.stage.done("member.remove", people.remove_member, *house.place, person.user.id)
    refusal = house.stage.refused("role.remove", Code.INVALID, roles.remove, *house.place, role.id)
    assert "eve@example.org" in refusal.message
    house.stage.done("invitation.withdraw", invitations.withdraw, *house.place, invited.invitation.id)
    house.stage.done("role.remove", roles.remove, *house.place, role.id)


def test_an_invitation_that_nobody_took_up_in_time_holds_no_role(house: House) -> None:
    role = house.make("Viewers", *LOOKING)
    named = {"email": "eve@example.org", "role": CUSTOM, "custom_role_id": role.id}
    house.stage.done("invitation.send", invitations.invite, *house.place, **named)

    house.stage.clock.advance(timedelta(days=8))

    house.stage.done("role.remove", roles.remove, *house.place, role.id)


def test_who_is_invited_to_a_custom_role_holds_it(house: House) -> None:
    role = house.make("Builders", "account.create")
    named = {"email": "eve@example.org", "role": CUSTOM, "custom_role_id": role.id}
    invited = house.stage.done("invitation.send", invitations.invite, *house.place, **named)
    assert (invited.invitation.custom_role_id, invited.invitation.custom_role) == (role.id, "Builders")
    assert house.stage.looked(invitations.list_open, *house.place) == (invited.invitation,)

    begun = invitations.accept(
        house.stage.platform, invited.token, name="Eve", password=PASSWORD, visitor=VISITOR, now=house.stage.now
    )

    member = next(
        each for each in people.list_members(house.stage.platform, *house.place, now=house.stage.now)
        if each.user.id == begun.session.user.id
    )  # fmt: skip
    assert (member.role, member.custom_role_id, member.custom_role) == (CUSTOM, role.id, "Builders")


@pytest.mark.parametrize(
    ("role", "named", "code"),
    [
        (CUSTOM, None, Code.INVALID),
        (USER, "made", Code.INVALID),
        (CUSTOM, "foreign", Code.NOT_FOUND),
        (CUSTOM, "removed", Code.NOT_FOUND),
        (CUSTOM, "unknown", Code.NOT_FOUND),
    ],
)
def test_a_custom_role_is_one_of_the_organization(
    house: House, role: OrganizationRole, named: str | None, code: Code
) -> None:
    stage, other = house.stage, house.stage.member(house.organization, READ_ONLY)
    made, removed = house.make("Viewers", *LOOKING), house.make("Gone", *LOOKING)
    stage.done("role.remove", roles.remove, *house.place, removed.id)
    foreign = stage.done(
        "role.create", roles.create, OPERATOR, stage.organization().id, name="Viewers", actions=LOOKING
    )
    ids = {"made": made.id, "foreign": foreign.id, "removed": removed.id, "unknown": UNKNOWN}
    held = {"role": role, "custom_role_id": ids.get(named or "")}

    for email, action, call in (
        (other.user.email, "member.set", people.set_member),
        ("eve@example.org", "invitation.send", invitations.invite),
    ):
        refusal = stage.refused(action, code, call, *house.place, email=email, **held)
        assert refusal.field == "customRoleId"


def test_another_organization_s_role_does_not_exist(house: House) -> None:
    foreign = house.stage.done(
        "role.create", roles.create, OPERATOR, house.stage.organization().id, name="Viewers", actions=LOOKING
    )

    for role_id in (foreign.id, UNKNOWN):
        place = (*house.place, role_id)
        house.stage.refused("role.edit", Code.NOT_FOUND, roles.edit, *place, name="x", actions=LOOKING)
        house.stage.refused("role.remove", Code.NOT_FOUND, roles.remove, *place)
    house.stage.refused("role.list", Code.NOT_FOUND, roles.list_all, house.admin.actor, foreign.organization_id)


@pytest.mark.parametrize("role", [OrganizationRole.COMPLIANCE_ADMIN, USER, READ_ONLY])
def test_every_member_sees_roles_and_admins_make_them(house: House, role: OrganizationRole) -> None:
    made = house.make("Viewers", *LOOKING)
    place = (house.stage.member(house.organization, role).actor, house.organization.id)

    assert house.stage.looked(roles.list_all, *place) == (made,)
    house.stage.refused("role.create", Code.FORBIDDEN, roles.create, *place, name="R", actions=LOOKING)
    house.stage.refused("role.edit", Code.FORBIDDEN, roles.edit, *place, made.id, name="R", actions=LOOKING)
    house.stage.refused("role.remove", Code.FORBIDDEN, roles.remove, *place, made.id)


def test_an_action_that_this_version_does_not_know_allows_nothing(house: House) -> None:
    role = house.make("Viewers", *LOOKING)
    with writing(house.stage.platform.database.records) as connection:
        connection.execute(custom_roles.update().values(actions='["api_credential.view", "api_credential.fly"]'))

    (read,) = house.stage.looked(roles.list_all, *house.place)

    assert (read.id, read.actions) == (role.id, {Action.API_CREDENTIAL_VIEW})


def test_the_gates_of_the_database_agree_with_the_table_for_every_action_and_role(house: House) -> None:
    """Every action on an organization, asked by every role, by a custom role of exactly that action, by one of none
    of it, and by the admin of another organization."""
    stage = house.stage
    people_of = {role: stage.member(house.organization, role) for role in OrganizationRole if role is not CUSTOM}
    holder = house.hold("One", "project.view")
    stranger = stage.member(stage.organization())
    for action, permission in PERMISSIONS.items():
        if permission.on is not access.On.ORGANIZATION:
            continue
        for role, person in people_of.items():
            assert answer(house, person, action) == ("done" if role in permission.organization_roles else "forbidden")
        for_all = CUSTOM in permission.organization_roles
        become(house, action)
        assert answer(house, holder, action) == ("done" if for_all or action in CARRIED else "forbidden")
        become(house, Action.PROJECT_VIEW)
        assert answer(house, holder, action) == ("done" if for_all else "forbidden")
        assert answer(house, stranger, action) == "not_found"


def become(house: House, action: Action) -> None:
    with writing(house.stage.platform.database.records) as connection:
        connection.execute(custom_roles.update().values(actions=f'["{action}"]'))


def answer(house: House, person: Person, action: Action) -> str:
    """Begin the action, and do nothing."""
    attempt = Attempt(person.actor, action, house.stage.now, organization_id=house.organization.id)
    try:
        with viewing(house.stage.platform, attempt) as act:
            assert act.standing.project_role is None
            return "done"
    except Refusal as refusal:
        return refusal.code


def test_the_built_in_roles_are_what_the_database_keeps(house: House) -> None:
    house.hold("Viewers", *LOOKING)

    assert {row.role for row in house.stage.rows(memberships)} == {"admin", "custom"}
    assert Standing(CUSTOM, None, frozenset({Action.ORGANIZATION_CREATE})).granted == frozenset()
