"""Sign in through the OpenID Connect provider that the operator has configured.

What a sign-in was begun with travels in a cookie, sealed, for ten minutes, and is good once: an answer counts only in
the browser that asked, and only the first time. Whom the provider names by a subject that is linked is signed in. An
unlinked subject is linked by its mail address, where the operator trusts the provider with the address's domain:
whoever runs the provider can then become any user who has an address there. Nobody is made who was not invited.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn, Protocol

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from credenza.actions import invitations, sessions
from credenza.actions.context import Act, Attempt, Platform, acting
from credenza.actions.people import usual_address
from credenza.actions.sessions import Begun, Visitor
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Session, SignInMethod, User
from credenza.domain.single_sign_on import Answer, Departure, ProvenAccount, ProviderAway, may_be_linked
from credenza.protocol.errors import Malformed, Refused
from credenza.store import identities, people, spent
from credenza.store.engine import reading

log = structlog.get_logger()

CALLBACK = "/sign-in/sso/callback"
LIFE = timedelta(minutes=10)
_LABEL = "single sign-on"
_NONCE_BYTES = 12
_SECRET_BYTES = 32
_LONGEST_NEXT = 500
_LONGEST_SEALED = 4096
_LONGEST_PARAMETER = 8192
_LONGEST_NAME = 120


class Provider(Protocol):
    """An OpenID Connect provider. Both calls raise ProviderAway; `redeem` also Malformed and Refused."""

    issuer: str
    name: str
    allowed_domains: AbstractSet[str]

    def authorization_url(self, departure: Departure, *, now: datetime) -> str: ...
    def redeem(self, departure: Departure, answer: Answer, *, now: datetime) -> ProvenAccount: ...


@dataclass(frozen=True, slots=True)
class Departed:
    """Where the browser goes, and what it keeps until it comes back."""

    url: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A session, and the page that was wanted when the sign-in began."""

    begun: Begun
    next: str


class _Kept(msgspec.Struct, frozen=True):
    """What the cookie holds, sealed."""

    departure: Departure
    next: str
    until: datetime
    session_id: str = ""
    """The session that is to be confirmed; empty when one is to be begun."""


def begin(platform: Platform, provider: Provider, next_path: str, *, now: datetime) -> Departed:
    """Send a browser to the provider. Raises Refusal(BUSY) when the provider is away."""
    return _depart(platform, provider, _Kept(_departure(platform), next_path[:_LONGEST_NEXT], now + LIFE), now=now)


def begin_confirming(
    platform: Platform, provider: Provider, session: Session, next_path: str, *, now: datetime
) -> Departed:
    """Send a browser to the provider to have its session's user say once more who they are."""
    departure = replace(_departure(platform), proven_since=now)
    return _depart(platform, provider, _Kept(departure, next_path[:_LONGEST_NEXT], now + LIFE, session.id), now=now)


def parse_answer(parameters: Mapping[str, str]) -> Answer:
    """Read what the provider has put into the address, of bounded length."""
    texts = {name: parameters.get(name, "")[:_LONGEST_PARAMETER] for name in ("state", "code", "iss", "error")}
    return Answer(**texts)


def finish(
    platform: Platform,
    provider: Provider,
    sealed: str,
    answer: Answer,
    visitor: Visitor,
    *,
    session: Session | None = None,
    now: datetime,
) -> Arrived:
    """Sign in whom the provider has proven to be there, or confirm the browser's `session` when that was asked."""
    kept = _answered(platform, provider, sealed, answer, now=now)
    if kept.session_id:
        return Arrived(_confirm(platform, provider, kept, answer, session, visitor, now=now), kept.next)
    account = _redeem(provider, kept.departure, answer, now)
    user = _linked(platform, account) or _link(platform, provider, account, visitor, now=now)
    spend = partial(_spend, user=user, kept=kept)
    return Arrived(sessions.begin(platform, user, SignInMethod.SSO, visitor, now=now, spend=spend), kept.next)


def _answered(platform: Platform, provider: Provider, sealed: str, answer: Answer, *, now: datetime) -> _Kept:
    """Find what this browser left for the provider with, and see that the answer is to that and says yes."""
    kept = _open(platform, provider, sealed)
    if kept is None or now >= kept.until or not _same(answer.state, kept.departure.state):
        raise _elsewhere()
    if answer.error or not answer.code:
        raise _declined(provider, answer)
    return kept


def _confirm(
    platform: Platform,
    provider: Provider,
    kept: _Kept,
    answer: Answer,
    session: Session | None,
    visitor: Visitor,
    *,
    now: datetime,
) -> Begun:
    if session is None or session.id != kept.session_id:
        raise _elsewhere()
    user = _linked(platform, _redeem(provider, kept.departure, answer, now))
    if user is None or user.id != session.user.id:
        raise Refusal(Code.UNAUTHENTICATED, f"This account at {provider.name} is not the one you are signed in with.")
    return sessions.prove(platform, session, visitor, now=now, spend=partial(_spend, user=user, kept=kept))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _departure(platform: Platform) -> Departure:
    return Departure(
        redirect_uri=f"{platform.public_url}{CALLBACK}",
        state=_secret(platform),
        nonce=_secret(platform),
        code_verifier=_secret(platform),
    )


def _depart(platform: Platform, provider: Provider, kept: _Kept, *, now: datetime) -> Departed:
    try:
        url = provider.authorization_url(kept.departure, now=now)
    except ProviderAway as away:
        raise _away(provider, away) from away
    return Departed(url, _seal(platform, provider, kept))


def _redeem(provider: Provider, departure: Departure, answer: Answer, now: datetime) -> ProvenAccount:
    try:
        return provider.redeem(departure, answer, now=now)
    except ProviderAway as away:
        raise _away(provider, away) from away
    except (Malformed, Refused) as error:
        log.warning("single_sign_on.refused", issuer=provider.issuer, because=str(error))
        raise Refusal(
            Code.UNAUTHENTICATED, f"What {provider.name} has answered does not prove who you are. Sign in again."
        ) from error


def _linked(platform: Platform, account: ProvenAccount) -> User | None:
    with reading(platform.database.records) as connection:
        user_id = identities.find_user_id(connection, account)
        return None if user_id is None else people.find_user(connection, user_id)


def _link(platform: Platform, provider: Provider, account: ProvenAccount, visitor: Visitor, *, now: datetime) -> User:
    """Link an account that signs in for the first time to the user of its address, or to the one who is invited."""
    email = _address(provider, account)
    with reading(platform.database.records) as connection:
        user = people.find_user_by_email(connection, email)
    if user is None:
        user = invitations.accept_proven(platform, email=email, name=_name(account, email), visitor=visitor, now=now)
    if user is None:
        _refuse(account, f"{email} has no account here. Ask an admin of your organization to invite this address.")
    attempt = Attempt(sessions.visiting(user, SignInMethod.SSO, visitor), Action.IDENTITY_LINK, now)
    with acting(platform, attempt) as act:
        act.note(user.id, f"{email} is {account.subject} at {account.issuer}")
        if user.disabled_at is not None:
            raise _disabled()
        if not identities.insert_identity(act.connection, account, user.id, now=now):
            # The address has changed hands at the provider, or this account was linked a moment ago.
            raise Refusal(
                Code.UNAUTHENTICATED,
                f"{email} is linked to another account at {provider.name}. Ask an operator of this platform.",
            )
    return user


def _address(provider: Provider, account: ProvenAccount) -> str:
    if not account.email:
        _refuse(account, f"{provider.name} does not tell your mail address. Ask whoever runs it to release it.")
    if not account.email_verified:
        _refuse(account, f"{provider.name} has not verified your mail address. Verify it there, then sign in again.")
    email = usual_address(account.email)
    if not may_be_linked(account, provider.allowed_domains):
        _refuse(account, f"{email} is not of a domain that signs in through {provider.name}.")
    return email


def _name(account: ProvenAccount, email: str) -> str:
    name = account.name.strip()[:_LONGEST_NAME]
    return name if name and name.isprintable() else email.partition("@")[0]


def _spend(act: Act, *, user: User, kept: _Kept) -> None:
    act.note(user.id, user.email)
    state_hash = hashlib.sha256(kept.departure.state.encode()).hexdigest()
    if not spent.mark(act.connection, state_hash, _LABEL, expires_at=kept.until, now=act.now):
        raise _elsewhere()


def _secret(platform: Platform) -> str:
    return base64.urlsafe_b64encode(platform.random(_SECRET_BYTES)).rstrip(b"=").decode()


def _seal(platform: Platform, provider: Provider, kept: _Kept) -> str:
    nonce = platform.random(_NONCE_BYTES)
    sealed = nonce + _cipher(platform).encrypt(nonce, msgspec.json.encode(kept), provider.issuer.encode())
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _open(platform: Platform, provider: Provider, sealed: str) -> _Kept | None:
    if len(sealed) > _LONGEST_SEALED or not sealed.isascii():
        return None
    try:
        octets = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        text = _cipher(platform).decrypt(octets[:_NONCE_BYTES], octets[_NONCE_BYTES:], provider.issuer.encode())
    except (InvalidTag, ValueError):
        return None
    return msgspec.json.decode(text, type=_Kept)


def _cipher(platform: Platform) -> AESGCM:
    return AESGCM(platform.vault.derive(_LABEL))


def _refuse(account: ProvenAccount, message: str) -> NoReturn:
    """Refuse somebody who is no user: no audit row, for anybody may have an account at a provider."""
    log.info("single_sign_on.no_user", issuer=account.issuer, subject=account.subject)
    raise Refusal(Code.UNAUTHENTICATED, message)


def _declined(provider: Provider, answer: Answer) -> Refusal:
    log.info("single_sign_on.declined", issuer=provider.issuer, error=answer.error)
    return Refusal(Code.UNAUTHENTICATED, f"{provider.name} has not signed you in. Try again, or sign in another way.")


def _elsewhere() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED,
        "This sign-in was begun in another browser, more than ten minutes ago, or is over. Begin again.",
    )


def _disabled() -> Refusal:
    return Refusal(Code.UNAUTHENTICATED, "Your account here is disabled. Ask an admin of your organization.")


def _away(provider: Provider, away: ProviderAway) -> Refusal:
    log.warning("single_sign_on.provider_away", issuer=provider.issuer, because=str(away))
    return Refusal(Code.BUSY, f"{provider.name} cannot be reached just now. Try again later, or sign in another way.")
