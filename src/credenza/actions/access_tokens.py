"""Personal access tokens (`czp_…`): hashed, scoped, expiring, shown once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from credenza.actions.context import Act, Attempt, Once, Platform, acting, holder_of, viewing
from credenza.actions.once import claim, settle
from credenza.domain import secret_text
from credenza.domain.access import Action, Scope
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, OrganizationId, UserId
from credenza.domain.names import usual_name
from credenza.store import access_tokens
from credenza.store.access_tokens import AccessToken
from credenza.store.engine import asking

LONGEST_DAYS = 366
_PREFIX = "czp_"
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token and, this once, its secret."""

    token: AccessToken
    secret: str = field(repr=False)


def create(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    *,
    name: str,
    scopes: frozenset[Scope],
    days: int,
    now: datetime,
    once: Once | None = None,
    owner: UserId | None = None,
) -> IssuedToken:
    """Issue a token to the actor; an operator names the `owner`. A token issues none that is wider or lives longer."""
    attempt = Attempt(actor, Action.ACCESS_TOKEN_CREATE, now, organization_id=organization_id, once=once)
    with acting(platform, attempt) as act:
        claimed = claim(act, IssuedToken)
        if claimed.answer is not None:
            return claimed.answer
        _check_request(actor, scopes, days)
        usual = usual_name(name)
        _check_end(act, days)
        holder = holder_of(act, owner, "token")
        issued = insert_token(
            platform, act.connection, organization_id, holder, name=usual, scopes=scopes, days=days, now=now
        )
        act.note(issued.token.id, f"{usual}: {', '.join(sorted(scopes))}")
        return settle(act, issued, secret=True)


def insert_token(
    platform: Platform,
    connection: Connection,
    organization_id: OrganizationId,
    owner: UserId,
    *,
    name: str,
    scopes: frozenset[Scope],
    days: int,
    now: datetime,
) -> IssuedToken:
    secret = secret_text.write(_PREFIX, platform.random(secret_text.RANDOM_BYTES))
    token = AccessToken(
        id=platform.new_id(),
        organization_id=organization_id,
        user_id=owner,
        name=name,
        prefix=secret[:_SHOWN],
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=now + timedelta(days=days),
        revoked_at=None,
    )
    access_tokens.insert_token(connection, token, token_hash=_hash(platform, secret))
    return IssuedToken(token, secret)


def list_own(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[AccessToken, ...]:
    """List the actor's tokens; an organization's admin and an operator see everybody's."""
    attempt = Attempt(actor, Action.ACCESS_TOKEN_LIST, now, organization_id=organization_id)
    with viewing(platform, attempt) as act:
        return access_tokens.list_of_user(
            act.connection, organization_id, None if act.standing.sees_everybody else actor.user_id
        )


def revoke(platform: Platform, actor: Actor, organization_id: OrganizationId, token_id: str, *, now: datetime) -> None:
    """Revoke an own token; an organization's admin and an operator revoke anybody's."""
    attempt = Attempt(actor, Action.ACCESS_TOKEN_REVOKE, now, organization_id=organization_id)
    with acting(platform, attempt) as act:
        token = access_tokens.find(act.connection, organization_id, token_id)
        if token is None or not (act.standing.sees_everybody or token.user_id == actor.user_id):
            raise Refusal(Code.NOT_FOUND, "No such access token.", field="tokenId")
        access_tokens.mark_revoked(act.connection, token_id, now=now)
        act.note(token_id, token.name)


def authenticate(platform: Platform, secret: str, *, address: str, now: datetime) -> Actor:
    """Find whose token this is. Whatever is wrong with it, the refusal is the same."""
    if not secret_text.is_well_formed(_PREFIX, secret):
        raise _unknown()
    with asking(platform.database.records) as connection:
        token = access_tokens.find_usable(connection, _hash(platform, secret), now=now)
    if token is None:
        raise _unknown()
    return Actor(ActorKind.ACCESS_TOKEN, token.id, token.user_id, token.organization_id, token.scopes, address)


def end_of(act: Act) -> datetime | None:
    """Say when the actor's own access token ends, which nothing that it makes may outlive. None: it is no token."""
    if act.actor.kind is not ActorKind.ACCESS_TOKEN:
        return None
    token = access_tokens.find(act.connection, act.organization_id, act.actor.id)
    if token is None:  # a restore may have replaced everything since it was proven
        raise _unknown()
    return token.expires_at


def _check_end(act: Act, days: int) -> None:
    """Who has stolen a token must not be able to stay by making others of it."""
    end = end_of(act)
    if end is None or act.now + timedelta(days=days) <= end:
        return
    longest = (end - act.now).days
    may = f"can make one of {longest} days at most" if longest else "ends within a day and can make none"
    raise Refusal(
        Code.INVALID,
        f"No token outlives the one that makes it: this one {may}. Sign in to make a longer one.",
        field="days",
    )


def _check_request(actor: Actor, scopes: frozenset[Scope], days: int) -> None:
    if not 1 <= days <= LONGEST_DAYS:
        raise Refusal(Code.INVALID, f"A token lives between 1 and {LONGEST_DAYS} days.", field="days")
    if not scopes:
        raise Refusal(Code.INVALID, f"Name at least one scope: {', '.join(Scope)}.", field="scopes")
    wider = sorted(scopes - actor.scopes) if actor.scopes else []
    if wider:
        raise Refusal(Code.FORBIDDEN, f"This token lacks {', '.join(wider)} and cannot give it away.", field="scopes")


def _hash(platform: Platform, secret: str) -> str:
    return secret_text.keyed_hash(platform.pepper, secret)


def _unknown() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED,
        "The access token is not valid: unknown, expired or revoked. Make a new one in your account, "
        "or ask an operator: credenza token create",
    )
