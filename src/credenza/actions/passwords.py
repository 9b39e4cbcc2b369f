"""Sign in by password, with a code where the user has set one up; choose and confirm passwords.

Whatever is wrong, the address, the password or the user's standing, the answer is the same and takes as long; only the
audit log tells them apart. A password is mixed with the pepper before it is hashed (NIST SP 800-63B rev. 4 section
3.1.1.2): without the key-encryption key a stolen database cannot even be guessed at.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import Connection

from credenza.actions import authenticators, links, sessions, sign_in_attempts, sign_in_changes
from credenza.actions.context import Act, Attempt, Platform, acting, recording, viewing
from credenza.actions.letters import Change
from credenza.actions.people import usual_address
from credenza.actions.sessions import Begun, Visitor
from credenza.actions.sign_in_attempts import Counted
from credenza.domain import passwords as rules
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, Session, SignInMethod, User, UserId
from credenza.store import one_time_links, passwords, people
from credenza.store import sessions as session_rows
from credenza.store.engine import reading, writing
from credenza.store.one_time_links import Purpose
from credenza.store.passwords import StoredPassword

_CODE_WITHIN = timedelta(minutes=10)
_WRONG_PASSWORD, _WRONG_CODE, _DISABLED = "wrong password", "wrong code", "the user is disabled"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The password was right; the token, given back with a code in time, is a sign-in."""

    token: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """What a password of a user is judged by. `words`: what anybody may know about them."""

    user: User
    password: StoredPassword | None
    has_second_factor: bool
    words: tuple[str, ...]

    @property
    def shortest(self) -> int:
        return rules.SHORTEST_WITH_SECOND_FACTOR if self.has_second_factor else rules.SHORTEST_ALONE


def sign_in(platform: Platform, email: str, password: str, visitor: Visitor, *, now: datetime) -> Begun | SecondFactor:
    """Sign in by password, or be asked for a code.

    Raises Refusal(UNAUTHENTICATED) for whatever is wrong, TOO_MANY_ATTEMPTS when the account is locked for this
    network, BUSY when too many sign in at once.
    """
    with reading(platform.database.records) as connection:
        account = _find(connection, email)
    counted = sign_in_attempts.count(platform, email, visitor.address, now=now)
    right = _is_right(platform, account, password, counted)
    if account is None:
        sign_in_attempts.count_stranger(platform, visitor.address, now=now)
        raise _wrong()
    if not right or account.user.disabled_at is not None:
        actor = sessions.visiting(account.user, SignInMethod.PASSWORD, visitor)
        _refuse(platform, actor, account.user, _DISABLED if right else _WRONG_PASSWORD, now=now)
    _renew_hash(platform, account, password)
    if account.has_second_factor:
        return _ask_for_code(platform, account.user, counted, now=now)
    begun = sessions.begin(platform, account.user, SignInMethod.PASSWORD, visitor, now=now)
    sign_in_attempts.forget(platform, counted)
    return begun


def finish(platform: Platform, token: str, code: str, visitor: Visitor, *, now: datetime) -> Begun:
    """End a sign-in with a time-based or a recovery code; after a wrong one it may be tried again with another."""
    user = links.usable_holder(platform, token, Purpose.SECOND_FACTOR, now=now)
    counted = sign_in_attempts.count(platform, user.email, visitor.address, now=now)

    def spend(act: Act) -> None:
        links.use(platform, act.connection, token, Purpose.SECOND_FACTOR, now=now)
        _use_code(act, user, code)

    begun = sessions.begin(platform, user, SignInMethod.PASSWORD, visitor, now=now, spend=spend)
    sign_in_attempts.forget(platform, counted)
    return begun


def confirm(platform: Platform, session: Session, password: str, visitor: Visitor, *, now: datetime) -> Begun:
    """Prove once more, by password, that it is the session's user who asks."""
    with reading(platform.database.records) as connection:
        account = get_account(connection, session.user)
    counted = sign_in_attempts.count(platform, session.user.email, visitor.address, now=now)
    if not _is_right(platform, account, password, counted):
        actor = sessions.actor_of(session, address=visitor.address, now=now)
        _refuse(platform, actor, session.user, _WRONG_PASSWORD, now=now)
    begun = sessions.prove(platform, session, visitor, now=now)
    sign_in_attempts.forget(platform, counted)
    return begun


def confirm_by_code(platform: Platform, session: Session, code: str, visitor: Visitor, *, now: datetime) -> Begun:
    """Prove once more, by a time-based or a recovery code, that it is the session's user who asks."""
    counted = sign_in_attempts.count(platform, session.user.email, visitor.address, now=now)

    def spend(act: Act) -> None:
        _use_code(act, session.user, code)

    begun = sessions.prove(platform, session, visitor, now=now, spend=spend)
    sign_in_attempts.forget(platform, counted)
    return begun


def set_password(platform: Platform, actor: Actor, old: str, new: str, *, now: datetime) -> None:
    """Change the actor's password, or set the first one (`old` is empty then). All other sessions end."""
    attempt = Attempt(actor, Action.PASSWORD_SET, now)
    with viewing(platform, attempt) as act:
        account = _own_account(act)
    with recording(platform, attempt):
        if account.password is not None:
            _check_old(platform, actor, account, old, now=now)
        chosen = choose(platform, new, account, now=now)
    with acting(platform, attempt) as act:
        store(act, account.user.id, chosen, but_session=actor.id)
        sign_in_changes.tell(act, Change.PASSWORD)


def choose(platform: Platform, new: str, account: Account, *, now: datetime) -> StoredPassword:
    """Hold a new password against the rules and hash it: slow, so outside of any transaction."""
    return make(platform, new, words=account.words, shortest=account.shortest, now=now)


def make(
    platform: Platform,
    new: str,
    *,
    words: Iterable[str],
    now: datetime,
    shortest: int = rules.SHORTEST_ALONE,
) -> StoredPassword:
    """Do the same for somebody who is no user yet."""
    rules.check(new, shortest=shortest, context=words, is_common=platform.passwords.is_common)
    return StoredPassword(platform.passwords.hash(_mixed(platform, new)), rules.stands_alone(new), now)


def store(act: Act, user_id: UserId, chosen: StoredPassword, *, but_session: str = "") -> None:
    """Put a password in the place of what led to the account before: other sessions and open links end (ASVS 7.4.3)."""
    passwords.put(act.connection, user_id, chosen)
    ended = session_rows.mark_all_ended(act.connection, user_id, but=but_session, now=act.now)
    one_time_links.use_all(act.connection, user_id, now=act.now)
    act.note(user_id, f"{ended} sessions ended")


def get_account(connection: Connection, user: User) -> Account:
    """Collect what a password of a user is judged by."""
    organizations = people.list_organizations(connection, of_user=user.id)
    return Account(
        user,
        passwords.find(connection, user.id),
        authenticators.is_confirmed(connection, user.id),
        (user.email, user.name, *(each.name for each in organizations)),
    )


def _find(connection: Connection, email: str) -> Account | None:
    try:
        user = people.find_user_by_email(connection, usual_address(email))
    except Refusal:  # no mail address at all: as wrong as an unknown one, and told in the same words
        return None
    return None if user is None else get_account(connection, user)


def _own_account(act: Act) -> Account:
    user = None if act.actor.user_id is None else people.find_user(act.connection, act.actor.user_id)
    if user is None:
        raise Refusal(Code.INVALID, "Passwords are for people: sign in as the user.")
    return get_account(act.connection, user)


def _is_right(platform: Platform, account: Account | None, password: str, counted: Counted) -> bool:
    stored = account.password if account else None
    try:
        return platform.passwords.matches(stored.hash if stored else None, _mixed(platform, password))
    except Refusal:  # busy: nobody has judged it
        sign_in_attempts.take_back(platform, counted)
        raise


def _check_old(platform: Platform, actor: Actor, account: Account, old: str, *, now: datetime) -> None:
    counted = sign_in_attempts.count(platform, account.user.email, actor.address, now=now)
    if not _is_right(platform, account, old, counted):
        raise Refusal(Code.UNAUTHENTICATED, "The present password is wrong.", field="old")
    sign_in_attempts.forget(platform, counted)


def _use_code(act: Act, user: User, code: str) -> None:
    if not authenticators.use_code(act.platform, act.connection, user.id, code, now=act.now):
        act.note(user.id, _WRONG_CODE)
        raise Refusal(Code.UNAUTHENTICATED, "The code is wrong or was used. Type the next one.", field="code")


def _ask_for_code(platform: Platform, user: User, counted: Counted, *, now: datetime) -> SecondFactor:
    until = now + _CODE_WITHIN
    with writing(platform.database.records) as connection:
        token = links.insert(platform, connection, Purpose.SECOND_FACTOR, user.id, expires_at=until)
    # Not forgotten: who has stolen the password must not begin anew with every ten codes.
    sign_in_attempts.take_back(platform, counted)
    return SecondFactor(token, until)


def _renew_hash(platform: Platform, account: Account, password: str) -> None:
    stored = account.password
    if stored is None or not platform.passwords.is_outdated(stored.hash):
        return
    renewed = platform.passwords.hash(_mixed(platform, password))
    with writing(platform.database.records) as connection:
        passwords.replace_hash(connection, account.user.id, old=stored.hash, new=renewed)


def _refuse(platform: Platform, actor: Actor, user: User, why: str, *, now: datetime) -> NoReturn:
    """Tell the audit log why, and the person only that it was wrong."""
    with viewing(platform, Attempt(actor, Action.SESSION_BEGIN, now)) as act:
        act.note(user.id, why)
        raise _wrong()


def _mixed(platform: Platform, password: str) -> str:
    usual = rules.usual_form(password).encode("utf-8", "surrogatepass")
    return hmac.new(platform.pepper, b"password\n" + usual, hashlib.sha256).hexdigest()


def _wrong() -> Refusal:
    return Refusal(Code.UNAUTHENTICATED, "The mail address or the password is wrong.", field="password")
