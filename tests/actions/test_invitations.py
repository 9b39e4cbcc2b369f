"""Invitations: by mail alone, open a week, one to each address, and no word about who has an account."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.actions import proofs
from tests.actions.proofs import AT_ONCE, PASSWORD, VISITOR
from tests.actions.stage import OPERATOR, Person, Shop, Stage

from credenza.actions import invitations, outbox, people, project_members, sessions
from credenza.actions.context import Once
from credenza.actions.invitations import Invited
from credenza.actions.letters import Invitation as Letter
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Invitation, OrganizationRole, ProjectRole
from credenza.domain.outbox import Kind
from credenza.store.schema import outbox as outbox_rows
from credenza.store.schema import users

USER, READ_ONLY = OrganizationRole.USER, OrganizationRole.READ_ONLY
EVE = "eve@example.org"


@pytest.fixture
def admin(shop: Shop) -> Person:
    return shop.stage.member(shop.organization)


def invite(shop: Shop, admin: Person, email: str = EVE, **named: Any) -> Invitation:
    invited: Invited = shop.stage.done(
        "invitation.send", invitations.invite, admin.actor, shop.organization.id, email=email, role=USER, **named
    )
    return invited.invitation


def letter_to(stage: Stage, email: str) -> Letter:
    """The newest of those that invite: who chooses a password is written to as well."""
    rows = (row for row in stage.rows(outbox_rows) if (row.recipient, row.kind) == (email, Kind.INVITATION))
    row = max(rows, key=lambda each: each.created_at)
    return msgspec.json.decode(stage.platform.vault.unwrap(outbox.purpose(row.id), row.wrapped), type=Letter)


def token_to(stage: Stage, email: str = EVE) -> str:
    return letter_to(stage, email).link.partition("?token=")[2]


def accept(stage: Stage, token: str, *, name: str = "Eve", password: str = PASSWORD) -> sessions.Begun:
    return invitations.accept(stage.platform, token, name=name, password=password, visitor=VISITOR, now=stage.now)


# ---------------------------------------------------------------------------------------------------------- to invite


def test_the_letter_says_who_asks_whereto_and_until_when(shop: Shop, admin: Person) -> None:
    invitation = invite(shop, admin, " Eve@Example.org ")

    letter = letter_to(shop.stage, EVE)
    assert (letter.organization, letter.invited_by) == (shop.organization.name, admin.user.name)
    assert letter.until == invitation.expires_at == shop.stage.now + timedelta(days=7)
    assert letter.link.startswith("http://127.0.0.1:8080/invitation?token=")
    assert shop.stage.looked(invitations.list_open, admin.actor, shop.organization.id) == (invitation,)


def test_users_and_strangers_are_invited_alike(shop: Shop, admin: Person) -> None:
    people.create_user(shop.stage.platform, OPERATOR, email=EVE, name="Eve", now=shop.stage.now)

    known, unknown = invite(shop, admin, EVE), invite(shop, admin, "new@example.org")

    assert (known.role, known.expires_at) == (unknown.role, unknown.expires_at)
    assert letter_to(shop.stage, EVE).until == letter_to(shop.stage, "new@example.org").until


def test_a_member_has_to_be_invited_before_there_is_a_role_to_set(shop: Shop, admin: Person) -> None:
    """Whether somebody else's address has an account is not told."""
    people.create_user(shop.stage.platform, OPERATOR, email=EVE, name="Eve", now=shop.stage.now)
    told = []

    for email in (EVE, "new@example.org"):
        refusal = shop.stage.refused(
            "member.set", Code.NOT_FOUND, people.set_member, admin.actor, shop.organization.id, email=email, role=USER
        )
        told.append(refusal.message.replace(email, "…"))

    assert told[0] == told[1]


def test_one_invitation_to_an_address_is_open(shop: Shop, admin: Person) -> None:
    first = invite(shop, admin)
    place = (admin.actor, shop.organization.id)
    shop.stage.refused("invitation.send", Code.DUPLICATE_NAME, invitations.invite, *place, email=EVE, role=USER)

    shop.stage.done("invitation.withdraw", invitations.withdraw, *place, first.id)
    second = invite(shop, admin)

    assert shop.stage.looked(invitations.list_open, *place) == (second,)
    shop.stage.refused("invitation.withdraw", Code.NOT_FOUND, invitations.withdraw, *place, first.id)


def test_one_that_nobody_took_up_in_time_is_in_nobody_s_way(shop: Shop, admin: Person) -> None:
    invite(shop, admin)
    shop.stage.clock.advance(timedelta(days=7))
    assert shop.stage.looked(invitations.list_open, admin.actor, shop.organization.id) == ()

    again = invite(shop, admin)

    assert shop.stage.looked(invitations.list_open, admin.actor, shop.organization.id) == (again,)


def test_an_address_gets_five_a_day_from_an_organization(shop: Shop, admin: Person) -> None:
    place = (admin.actor, shop.organization.id)
    for _ in range(5):
        shop.stage.done("invitation.withdraw", invitations.withdraw, *place, invite(shop, admin).id)

    shop.stage.refused("invitation.send", Code.TOO_MANY_ATTEMPTS, invitations.invite, *place, email=EVE, role=USER)
    shop.stage.clock.advance(timedelta(days=1))
    invite(shop, admin)


def test_sixteen_invitations_to_one_address_are_one(shop: Shop, admin: Person) -> None:
    def inviting() -> None:
        invitations.invite(
            shop.stage.platform, admin.actor, shop.organization.id, email=EVE, role=USER, now=shop.stage.now
        )

    assert proofs.race(*[inviting] * AT_ONCE) == {"done": 1, "duplicate_name": AT_ONCE - 1}
    assert len([row for row in shop.stage.rows(outbox_rows) if row.recipient == EVE]) == 1


def test_a_member_is_not_invited(shop: Shop, admin: Person) -> None:
    shop.stage.refused(
        "invitation.send",
        Code.DUPLICATE_NAME,
        invitations.invite,
        admin.actor,
        shop.organization.id,
        email=shop.owner.user.email,
        role=USER,
    )


@pytest.mark.parametrize("role", [OrganizationRole.COMPLIANCE_ADMIN, USER, READ_ONLY])
def test_only_admins_invite_and_withdraw_and_everybody_sees(shop: Shop, admin: Person, role: OrganizationRole) -> None:
    invitation = invite(shop, admin)
    place = (shop.stage.member(shop.organization, role).actor, shop.organization.id)

    assert shop.stage.looked(invitations.list_open, *place) == (invitation,)
    shop.stage.refused("invitation.send", Code.FORBIDDEN, invitations.invite, *place, email="x@example.org", role=USER)
    shop.stage.refused("invitation.withdraw", Code.FORBIDDEN, invitations.withdraw, *place, invitation.id)


def test_another_organization_sees_and_withdraws_nothing(shop: Shop, admin: Person) -> None:
    invitation = invite(shop, admin)
    stranger = shop.stage.member(shop.stage.organization())
    elsewhere = Shop(shop.stage)

    shop.stage.refused("invitation.list", Code.NOT_FOUND, invitations.list_open, stranger.actor, shop.organization.id)
    shop.stage.refused(
        "invitation.withdraw", Code.NOT_FOUND, invitations.withdraw, OPERATOR, elsewhere.organization.id, invitation.id
    )


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"project_role": ProjectRole.ADMIN}, "projectRole"),
        ({"project_id": "own"}, "projectRole"),
        ({"project_id": "own", "project_role": ProjectRole.OWNER}, "projectRole"),
        ({"project_id": "other", "project_role": ProjectRole.ADMIN}, "projectId"),
        ({"email": "nobody"}, "email"),
    ],
)
def test_what_does_not_fit_is_refused(shop: Shop, admin: Person, named: dict[str, Any], field: str) -> None:
    other = Shop(shop.stage)
    known = {"own": shop.project.id, "other": other.project.id}
    words = {"email": EVE, "role": USER} | named
    if "project_id" in named:
        words["project_id"] = known[named["project_id"]]

    with pytest.raises(Refusal) as caught:
        invitations.invite(shop.stage.platform, admin.actor, shop.organization.id, **words, now=shop.stage.now)

    assert caught.value.field == field


def test_a_repeated_invitation_is_the_same_without_its_token(shop: Shop, admin: Person) -> None:
    once = Once("invite", "0" * 64)
    first = invitations.invite(
        shop.stage.platform, admin.actor, shop.organization.id, email=EVE, role=USER, now=shop.stage.now, once=once
    )
    second = invitations.invite(
        shop.stage.platform, admin.actor, shop.organization.id, email=EVE, role=USER, now=shop.stage.now, once=once
    )

    assert second.invitation == first.invitation
    assert (bool(first.token), second.token) == (True, "")
    assert first.token not in repr(first) + str(shop.stage.dump())


# ---------------------------------------------------------------------------------------------------------- to accept


def test_a_new_person_makes_an_account_and_is_in(shop: Shop, admin: Person) -> None:
    invite(shop, admin)
    token, before = token_to(shop.stage), shop.stage.traces()
    offer = shop.stage.looked(invitations.look, token)
    assert (offer.organization, offer.invitation.email, offer.has_account) == (shop.organization, EVE, False)

    begun = accept(shop.stage, token)

    members = shop.stage.looked(people.list_members, admin.actor, shop.organization.id)
    assert {each.user.email: each.role for each in members}[EVE] is USER
    assert shop.stage.looked(sessions.find, begun.token) == begun.session
    assert begun.session.user.name == "Eve"
    assert sorted(shop.stage.new_traces(before)) == [("invitation.accept", "done", ""), ("session.begin", "done", "")]
    proofs.signed_in(shop.stage, begun.session.user)


def test_who_has_an_account_joins_signed_in_to_it(shop: Shop, admin: Person) -> None:
    eve = proofs.new_user(shop.stage, EVE)
    invite(shop, admin)
    token = token_to(shop.stage)
    assert shop.stage.looked(invitations.look, token).has_account
    with pytest.raises(Refusal, match="has an account"):
        accept(shop.stage, token)
    actor = proofs.actor_of(shop.stage, proofs.signed_in(shop.stage, eve))

    assert shop.stage.done("invitation.accept", invitations.join, actor, token) == shop.organization

    members = shop.stage.looked(people.list_members, actor, shop.organization.id)
    assert {each.user.email: each.role for each in members}[EVE] is USER


def test_nobody_else_joins_by_it(shop: Shop, admin: Person) -> None:
    eve, mallory = proofs.new_user(shop.stage, EVE), proofs.new_user(shop.stage, "mallory@example.org")
    invite(shop, admin)
    token = token_to(shop.stage)
    actor = proofs.actor_of(shop.stage, proofs.signed_in(shop.stage, mallory))

    shop.stage.refused("invitation.accept", Code.FORBIDDEN, invitations.join, actor, token, chain=shop.organization.id)

    actor = proofs.actor_of(shop.stage, proofs.signed_in(shop.stage, eve))
    shop.stage.done("invitation.accept", invitations.join, actor, token)


def test_it_leads_onto_a_project(shop: Shop, admin: Person) -> None:
    invite(shop, admin, project_id=shop.project.id, project_role=ProjectRole.READ_ONLY)

    begun = accept(shop.stage, token_to(shop.stage))

    found = project_members.list_all(shop.stage.platform, admin.actor, shop.project.id, now=shop.stage.now)
    assert {each.user.id: each.role for each in found}[begun.session.user.id] is ProjectRole.READ_ONLY


@pytest.mark.parametrize("spoil", ["used", "too old", "withdrawn"])
def test_a_spent_invitation_is_refused(shop: Shop, admin: Person, spoil: str) -> None:
    stage, invitation = shop.stage, invite(shop, admin)
    token = token_to(stage)
    if spoil == "used":
        accept(stage, token)
    if spoil == "too old":
        stage.clock.advance(timedelta(days=7))
    if spoil == "withdrawn":
        invitations.withdraw(stage.platform, admin.actor, shop.organization.id, invitation.id, now=stage.now)

    with pytest.raises(Refusal):
        invitations.look(stage.platform, token, now=stage.now)
    stage.refused(
        "invitation.accept",
        Code.UNAUTHENTICATED,
        invitations.accept,
        token,
        name="Eve",
        password=PASSWORD,
        visitor=VISITOR,
    )


def test_a_made_up_invitation_leaves_nothing(shop: Shop) -> None:
    before = shop.stage.dump()

    with pytest.raises(Refusal, match="used, withdrawn or is too old"):
        accept(shop.stage, "made up")

    assert shop.stage.dump() == before


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"password": "too short"}, "password"),
        ({"password": "eve@example.org, eve"}, "password"),
        ({"name": "\x00"}, "name"),
        ({"name": "x" * 121}, "name"),
    ],
)
def test_a_mistake_leaves_it_open(shop: Shop, admin: Person, named: dict[str, str], field: str) -> None:
    invite(shop, admin)
    token = token_to(shop.stage)
    words = {"name": "Eve", "password": PASSWORD, **named}

    refusal = shop.stage.refused("invitation.accept", Code.INVALID, invitations.accept, token, visitor=VISITOR, **words)

    assert refusal.field == field
    accept(shop.stage, token)


def test_accepted_sixteen_times_at_once_it_makes_one_user(shop: Shop, admin: Person) -> None:
    invite(shop, admin)
    token = token_to(shop.stage)
    shop.stage.platform = shop.stage.with_passwords(proofs.Patient())

    seen = proofs.race(*[lambda: accept(shop.stage, token)] * AT_ONCE)

    assert seen == {"done": 1, "unauthenticated": AT_ONCE - 1}
    assert len([row for row in shop.stage.rows(users) if row.email == EVE]) == 1


def test_two_organizations_invite_one_person_who_accepts_both_at_once(shop: Shop, admin: Person) -> None:
    other = Shop(shop.stage)
    invite(shop, admin)
    first = token_to(shop.stage)
    shop.stage.clock.advance(timedelta(seconds=1))
    invite(other, shop.stage.member(other.organization))
    second = token_to(shop.stage)
    shop.stage.platform = shop.stage.with_passwords(proofs.Patient())

    seen = proofs.race(lambda: accept(shop.stage, first), lambda: accept(shop.stage, second))

    assert seen["done"] == 1
    assert len([row for row in shop.stage.rows(users) if row.email == EVE]) == 1


def test_a_project_that_is_full_leaves_the_invitation_open(shop: Shop, admin: Person) -> None:
    invite(shop, admin, project_id=shop.project.id, project_role=ProjectRole.ADMIN)
    token = token_to(shop.stage)
    for _ in range(9):
        colleague = shop.stage.member(shop.organization)
        project_members.set_role(
            shop.stage.platform,
            shop.owner.actor,
            shop.project.id,
            email=colleague.user.email,
            role=ProjectRole.ADMIN,
            now=shop.stage.now,
        )

    shop.stage.refused(
        "invitation.accept",
        Code.MEMBER_LIMIT,
        invitations.accept,
        token,
        name="Eve",
        password=PASSWORD,
        visitor=VISITOR,
    )
    assert shop.stage.looked(invitations.look, token).has_account is False
