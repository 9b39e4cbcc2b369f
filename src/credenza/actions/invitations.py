"""Invitations: an admin names a mail address, and whoever reads its mail joins the organization.

Nobody but operators learns whether the address has a user already: the invitation, its mail and the answer are the
same. The link is in the mail alone; with it a new person makes the account (`accept`), and one who has an account joins
signed in to it (`join`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from credenza.actions import links, outbox, passwords, people, roles, sessions
from credenza.actions.context import Act, Attempt, Once, Platform, acting, recording, viewing
from credenza.actions.letters import Invitation as InvitationLetter
from credenza.actions.once import claim, settle
from credenza.actions.sessions import Begun, Visitor
from credenza.domain import access
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    ActorKind,
    CustomRoleId,
    Invitation,
    Organization,
    OrganizationId,
    OrganizationRole,
    ProjectId,
    ProjectRole,
    SignInMethod,
    User,
    UserId,
)
from credenza.domain.outbox import Kind
from credenza.store import changes, invitations, projects
from credenza.store import passwords as password_rows
from credenza.store import people as people_rows
from credenza.store.engine import reading

PATH = "/invitation"
LIVES = timedelta(days=7)
_A_DAY = timedelta(days=1)
_A_DAY_TO_ONE_ADDRESS = 5


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation. The token is for operators, who may hand the link over; empty when the answer is repeated."""

    invitation: Invitation
    token: str = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the holder of a link sees. `has_account`: join signed in as the address, instead of making a user."""

    invitation: Invitation
    organization: Organization
    has_account: bool


def invite(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    email: str,
    role: OrganizationRole,
    custom_role_id: CustomRoleId | None = None,
    project_id: ProjectId | None = None,
    project_role: ProjectRole | None = None,
    now: datetime,
    once: Once | None = None,
) -> Invited:
    """Invite an address into the organization, and onto one of its projects. At most one invitation is open to each."""
    attempt = Attempt(actor, Action.INVITATION_SEND, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, Invitation)
        if claimed.answer is not None:
            return Invited(claimed.answer, "")
        custom = roles.find_given(act, role, custom_role_id)
        invitation = Invitation(
            id=platform.new_id(),
            organization_id=organization_id,
            email=people.usual_address(email),
            role=role,
            project_id=project_id,
            project_role=project_role,
            invited_by=actor.user_id,
            created_at=now,
            expires_at=now + LIVES,
            custom_role_id=custom_role_id,
            custom_role=custom.name if custom else "",
        )
        act.note(invitation.id, f"{invitation.email} {role} {invitation.custom_role}".rstrip())
        _check(act, invitation)
        token = _insert(act, invitation)
        _write(act, invitation, token)
        return Invited(settle(act, invitation), token)


def list_open(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[Invitation, ...]:
    with viewing(platform, Attempt(actor, Action.INVITATION_LIST, now, organization_id=organization_id)) as act:
        return invitations.list_open(act.connection, organization_id, now=now)


def withdraw(
    platform: Platform, actor: Actor, organization_id: OrganizationId, invitation_id: str, *, now: datetime
) -> None:
    attempt = Attempt(actor, Action.INVITATION_WITHDRAW, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        email = invitations.mark_withdrawn(act.connection, organization_id, invitation_id, now=now)
        if email is None:
            raise Refusal(Code.NOT_FOUND, "There is no such open invitation.", field="invitationId")
        act.note(invitation_id, email)


def look(platform: Platform, token: str, *, now: datetime) -> Offer:
    """Show an invitation to the holder of its link. Raises Refusal when it is no longer open."""
    invitation = _find(platform, token)
    with reading(platform.database.records) as connection:
        organization = people_rows.find_organization(connection, invitation.organization_id)
        is_open = invitations.is_open(connection, invitation.id, now=now)
        user = people_rows.find_user_by_email(connection, invitation.email)
    if organization is None or not is_open:
        raise _over()
    return Offer(invitation, organization, user is not None)


def accept(platform: Platform, token: str, *, name: str, password: str, visitor: Visitor, now: datetime) -> Begun:
    """Make a user for the invitation's address, join, and sign in. What is refused leaves the invitation open."""
    invitation = _find(platform, token)
    actor = Actor(ActorKind.VISITOR, SignInMethod.LINK, address=visitor.address)
    attempt = Attempt(actor, Action.INVITATION_ACCEPT, now, organization_id=invitation.organization_id)
    with recording(platform, attempt):
        offer = look(platform, token, now=now)
        _check_is_new(offer)
        words = (invitation.email, name, offer.organization.name)
        chosen = passwords.make(platform, password, words=words, now=now)
    with acting(platform, attempt) as act:
        _use(act, invitation)
        user = people.insert_user(act, email=invitation.email, name=name)
        password_rows.put(act.connection, user.id, chosen)
        _join(act, invitation, user)
    return sessions.begin(platform, user, SignInMethod.PASSWORD, visitor, now=now)


def accept_proven(platform: Platform, *, email: str, name: str, visitor: Visitor, now: datetime) -> User | None:
    """Make a user for an address that somebody has proven to have, and join wherever it is invited; None when it is
    invited nowhere."""
    with reading(platform.database.records) as connection:
        waiting = invitations.list_open_of(connection, email, now=now)
    user = None
    for invitation in waiting:
        actor = Actor(ActorKind.VISITOR, SignInMethod.SSO, user.id if user else None, address=visitor.address)
        attempt = Attempt(actor, Action.INVITATION_ACCEPT, now, organization_id=invitation.organization_id)
        with acting(platform, attempt) as act:
            _use(act, invitation)
            user = user or people.insert_user(act, email=email, name=name)
            _join(act, invitation, user)
    return user


def join(platform: Platform, actor: Actor, token: str, *, now: datetime) -> Organization:
    """Join with the account that the actor is signed in to; it must be the invitation's address."""
    invitation = _find(platform, token)
    attempt = Attempt(actor, Action.INVITATION_ACCEPT, now, organization_id=invitation.organization_id)
    with acting(platform, attempt) as act:
        user = None if actor.user_id is None else people_rows.find_user(act.connection, actor.user_id)
        if user is None or user.email != invitation.email:
            raise Refusal(Code.FORBIDDEN, f"This invitation is for {invitation.email}. Sign in as that address.")
        _use(act, invitation)
        _join(act, invitation, user)
        organization = people_rows.find_organization(act.connection, invitation.organization_id)
        assert organization is not None, "the invitation refers to it"
        return organization


def link_to(platform: Platform, token: str) -> str:
    return f"{platform.public_url}{PATH}?token={token}"


def _check(act: Act, invitation: Invitation) -> None:
    if (invitation.project_id is None) != (invitation.project_role is None):
        raise Refusal(Code.INVALID, "Name a project and a role on it, or neither.", field="projectRole")
    if invitation.project_role is ProjectRole.OWNER:
        raise Refusal(Code.INVALID, "A project has one owner. Choose admin or read_only.", field="projectRole")
    if invitation.project_id is not None:
        project = projects.find(act.connection, invitation.project_id)
        if project is None or project.organization_id != invitation.organization_id:
            raise Refusal(Code.PROJECT_NOT_FOUND, "The organization has no such project.", field="projectId")
        access.check_gives(act.actor, act.standing, access.granted_on_project(invitation.project_role))
    members = people_rows.list_members(act.connection, invitation.organization_id)
    if any(each.user.email == invitation.email for each in members):
        raise Refusal(Code.DUPLICATE_NAME, f"{invitation.email} is a member already.", field="email")


def _insert(act: Act, invitation: Invitation) -> str:
    place = (act.connection, invitation.organization_id, invitation.email)
    if invitations.count_since(*place, act.now - _A_DAY) >= _A_DAY_TO_ONE_ADDRESS:
        raise Refusal(
            Code.TOO_MANY_ATTEMPTS,
            f"{invitation.email} was sent {_A_DAY_TO_ONE_ADDRESS} invitations within a day. Try again tomorrow.",
            field="email",
        )
    invitations.withdraw_expired(*place, now=act.now)
    token = links.new_token(act.platform)
    if not invitations.insert_invitation(act.connection, invitation, token_hash=links.hash_of(act.platform, token)):
        raise Refusal(
            Code.DUPLICATE_NAME,
            f"There is an open invitation for {invitation.email}. Withdraw it to send another one.",
            field="email",
        )
    return token


def _write(act: Act, invitation: Invitation, token: str) -> None:
    organization = people_rows.find_organization(act.connection, invitation.organization_id)
    assert organization is not None, "its row is locked"
    letter = InvitationLetter(
        organization=organization.name,
        invited_by=_inviter(act, invitation.invited_by),
        link=link_to(act.platform, token),
        until=invitation.expires_at,
    )
    outbox.enqueue_mail(
        act.platform, act.connection, kind=Kind.INVITATION, recipient=invitation.email, content=letter, now=act.now
    )


def _inviter(act: Act, user_id: UserId | None) -> str:
    user = None if user_id is None else people_rows.find_user(act.connection, user_id)
    return user.name or user.email if user else "An operator of the platform"


def _find(platform: Platform, token: str) -> Invitation:
    """A token that nobody was ever given leaves no audit row (see `links.holder`)."""
    with reading(platform.database.records) as connection:
        found = invitations.find_by_token(connection, links.hash_of(platform, token))
    if found is None:
        raise _over()
    return found


def _check_is_new(offer: Offer) -> None:
    if offer.has_account:
        raise Refusal(
            Code.UNAUTHENTICATED,
            f"{offer.invitation.email} has an account here. Sign in to it, then open this link again.",
        )


def _use(act: Act, invitation: Invitation) -> None:
    if not invitations.mark_accepted(act.connection, invitation.id, now=act.now):
        raise _over()


def _join(act: Act, invitation: Invitation, user: User) -> None:
    act.note(invitation.id, f"{user.email} {invitation.role} {invitation.custom_role}".rstrip())
    if people_rows.find_role(act.connection, invitation.organization_id, user.id) is None:
        place = (act.connection, invitation.organization_id, user.id)
        people_rows.set_member(*place, invitation.role, custom_role_id=invitation.custom_role_id, now=act.now)
        changes.record(act.connection, invitation.organization_id, changes.ChangeKind.USER, user.id)
    if invitation.project_id is None or invitation.project_role is None:
        return
    project = projects.find(act.connection, invitation.project_id, lock=True)
    # Deleted meanwhile, or the person was put on it: what is there stays.
    if project is not None and projects.find_role(act.connection, project, user.id) is None:
        projects.set_member(act.connection, project, user.id, invitation.project_role, now=act.now)


def _over() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED, "This invitation was used, withdrawn or is too old. Ask who invited you for another one."
    )
