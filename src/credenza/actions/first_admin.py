"""The very first person: made through a one-time link that the first start prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from credenza.actions import access_tokens, links, passwords, people, sessions
from credenza.actions.access_tokens import LONGEST_DAYS, IssuedToken
from credenza.actions.accounts import begin_tree
from credenza.actions.context import Act, Attempt, Platform, acting, recording
from credenza.actions.sessions import Begun, Visitor
from credenza.domain.access import PROJECT_LIMIT_DEFAULT, Action, Scope
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, Organization, OrganizationId, OrganizationRole, SignInMethod, User
from credenza.store import one_time_links
from credenza.store import passwords as password_rows
from credenza.store import people as people_rows
from credenza.store.engine import reading, writing
from credenza.store.one_time_links import Purpose

_LINK_LIVES = timedelta(hours=24)
_SETUP = Actor(ActorKind.OPERATOR, "first-admin-link")
_TOKEN_DAYS = 90
assert _TOKEN_DAYS <= LONGEST_DAYS


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    user: User
    organization: Organization
    access_token: str = field(repr=False)
    begun: Begun


def make_link(platform: Platform, *, now: datetime) -> str | None:
    """Make the token of a new one-time link; None when there is already a user. Earlier links stay good."""
    with writing(platform.database.records) as connection:
        if people_rows.any_user(connection):
            return None
        return links.insert(platform, connection, Purpose.FIRST_ADMIN, None, expires_at=now + _LINK_LIVES)


def accept(
    platform: Platform,
    token: str,
    *,
    email: str,
    name: str,
    password: str,
    organization: str,
    visitor: Visitor,
    now: datetime,
) -> FirstAdmin:
    """Make the first admin, an organization and an access token, once, and sign the admin in.

    A token that nobody was ever given leaves no audit row, as a made-up access token leaves none: strangers could fill
    the log, which is never shortened, and hold its lock.
    """
    with reading(platform.database.records) as connection:
        if one_time_links.find(connection, links.hash_of(platform, token), Purpose.FIRST_ADMIN) is None:
            raise _spent()
    attempt = Attempt(Actor(_SETUP.kind, _SETUP.id, address=visitor.address), Action.USER_CREATE, now)
    with recording(platform, attempt):
        chosen = passwords.make(platform, password, words=(email, name, organization), now=now)
    with acting(platform, attempt) as act:
        _use(act, token)
        user = people.insert_user(act, email=email, name=name)
        password_rows.put(act.connection, user.id, chosen)
        made = _insert_organization(act, organization, user)
        issued = _issue_token(act, made, user)
        act.note(user.id, f"first admin {user.email} of {made.name}")
        act.organization_id = made.id  # the first entry of the organization's own chain
    begun = sessions.begin(platform, user, SignInMethod.PASSWORD, visitor, now=now)
    return FirstAdmin(user, made, issued.secret, begun)


def _use(act: Act, token: str) -> None:
    # Of two links, used at the same moment, one makes an admin.
    one_time_links.hold(act.connection, Purpose.FIRST_ADMIN)
    token_hash = links.hash_of(act.platform, token)
    if not one_time_links.use(act.connection, token_hash, Purpose.FIRST_ADMIN, now=act.now):
        raise _spent()
    if people_rows.any_user(act.connection):
        raise _spent()


def _insert_organization(act: Act, name: str, admin: User) -> Organization:
    made = Organization(OrganizationId(act.platform.new_id()), name.strip(), PROJECT_LIMIT_DEFAULT, act.now)
    if not people_rows.insert_organization(act.connection, made):
        raise Refusal(
            Code.DUPLICATE_NAME, f"There is already an organization named {made.name!r}.", field="organization"
        )
    begin_tree(act.platform, act.connection, made, now=act.now)
    people_rows.set_member(act.connection, made.id, admin.id, OrganizationRole.ADMIN, now=act.now)
    return made


def _issue_token(act: Act, made: Organization, admin: User) -> IssuedToken:
    return access_tokens.insert_token(
        act.platform,
        act.connection,
        made.id,
        admin.id,
        name="first sign-in",
        scopes=frozenset(Scope),
        days=_TOKEN_DAYS,
        now=act.now,
    )


def _spent() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED,
        "This link was used or is too old. Restart the server for a new one, or use: credenza user create",
    )
