"""The very first person: made through a one-time link that the first start prints."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from credenza.actions import access_tokens, people
from credenza.actions.access_tokens import LONGEST_DAYS
from credenza.actions.context import Attempt, Platform, acting
from credenza.domain.access import PROJECT_LIMIT_DEFAULT, Action, Scope
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, Organization, OrganizationId, OrganizationRole, User
from credenza.store import access_tokens as rows
from credenza.store import people as people_rows
from credenza.store.engine import reading, writing

_PURPOSE = "first-admin"
_LINK_LIVES = timedelta(hours=24)
_SETUP = Actor(ActorKind.OPERATOR, "first-admin-link")
_TOKEN_DAYS = 90
assert _TOKEN_DAYS <= LONGEST_DAYS


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    user: User
    organization: Organization
    access_token: str = field(repr=False)


def make_link(platform: Platform, *, now: datetime) -> str | None:
    """Make the token of a new one-time link; None when there is already a user. Earlier links stay good."""
    token = platform.random(24).hex()
    with writing(platform.database.records) as connection:
        if people_rows.any_user(connection):
            return None
        rows.insert_link(connection, _hash(platform, token), _PURPOSE, expires_at=now + _LINK_LIVES)
    return token


def accept(
    platform: Platform, token: str, *, email: str, name: str, organization: str, address: str = "", now: datetime
) -> FirstAdmin:
    """Make the first admin, an organization and an access token, once.

    A token that nobody was ever given leaves no audit row, as a made-up access token leaves none: strangers could fill
    the log, which is never shortened, and hold its lock.
    """
    with reading(platform.database.records) as connection:
        if not rows.link_exists(connection, _hash(platform, token), _PURPOSE):
            raise _spent()
    actor = Actor(_SETUP.kind, _SETUP.id, address=address)
    with acting(platform, Attempt(actor, Action.USER_CREATE, now)) as act:
        if not rows.use_link(act.connection, _hash(platform, token), _PURPOSE, now=now):
            raise _spent()
        if people_rows.any_user(act.connection):
            raise _spent()
        user = people.insert_user(platform, act, email=email, name=name, now=now)
        identity = OrganizationId(platform.new_id())
        made = Organization(identity, organization.strip(), PROJECT_LIMIT_DEFAULT, now)
        if not people_rows.insert_organization(act.connection, made):
            raise Refusal(
                Code.DUPLICATE_NAME, f"There is already an organization named {made.name!r}.", field="organization"
            )
        people_rows.set_member(act.connection, made.id, user.id, OrganizationRole.ADMIN, now=now)
        act.note(user.id, f"first admin {user.email} of {made.name}")
        issued = access_tokens.insert_token(
            platform,
            act.connection,
            made.id,
            user.id,
            name="first sign-in",
            scopes=frozenset(Scope),
            days=_TOKEN_DAYS,
            now=now,
        )
        act.organization_id = made.id  # the first entry of the organization's own chain
    return FirstAdmin(user, made, issued.secret)


def _hash(platform: Platform, token: str) -> str:
    return hmac.new(platform.pepper, b"link\n" + token.encode(), hashlib.sha256).hexdigest()


def _spent() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED,
        "This link was used or is too old. Restart the server for a new one, or use: credenza user create",
    )
