"""Passkeys: keys in people's devices that they sign in with, and confirm with that it is them.

A passkey is two factors in one (the device, and the finger or PIN that opens it): signing in by it asks for no code and
is not locked when passwords are (settled 21). The one who signs in is known by the passkey alone; nobody can ask which
addresses have one. What strangers send and no passkey has signed leaves no audit row.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from credenza.actions import challenges, sessions, sign_in_changes
from credenza.actions.challenges import Purpose
from credenza.actions.context import Act, Attempt, Platform, acting, viewing
from credenza.actions.letters import Change
from credenza.actions.sessions import Begun, Visitor
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, Session, SignInMethod, User, UserId
from credenza.protocol.errors import Malformed, Refused
from credenza.store import passkeys, people
from credenza.store.engine import reading
from credenza.store.passkeys import Passkey

if TYPE_CHECKING:
    from credenza.protocol.webauthn import Assertion, Attestation, Registered, Site

log = structlog.get_logger()

MOST_PASSKEYS = 20
_LONGEST_NAME = 120
_RP_NAME = "Credenza"


# ---------------------------------------------------------------------------------------------------- having passkeys


def registration_options(platform: Platform, actor: Actor, *, now: datetime) -> str:
    """Write, as JSON, what the browser needs to make a passkey for the actor's user."""
    with viewing(platform, Attempt(actor, Action.PASSKEY_ADD, now)) as act:
        user_id = _person(actor)
        user = people.find_user(act.connection, user_id)
        known = passkeys.list_of_user(act.connection, user_id)
    assert user is not None, "the session's user exists"
    options: str = _webauthn().creation_options(
        _site(platform),
        _webauthn().Account(user.id.encode(), user.email, user.name),
        challenges.make(platform, Purpose.REGISTER, actor.id, now=now),
        known=[each.credential_id for each in known],
        life=challenges.LIFE,
        rp_name=_RP_NAME,
    )
    return options


def register(platform: Platform, actor: Actor, name: str, response: str, *, now: datetime) -> Passkey:
    """Keep the passkey that a browser has made with `registration_options`."""
    with acting(platform, Attempt(actor, Action.PASSKEY_ADD, now)) as act:
        user_id = _person(actor)
        attestation = _parse_attestation(response)
        challenges.check(platform, attestation.challenge, Purpose.REGISTER, actor.id, now=now)
        registered = _check_attestation(platform, attestation)
        passkeys.lock_ways_in(act.connection, user_id)
        _check_room(act, user_id)
        passkey = _new_passkey(platform, user_id, _usual_name(name), registered, now)
        if not passkeys.insert_passkey(act.connection, passkey):
            raise Refusal(Code.DUPLICATE_KEY, "This passkey is registered already.", field="response")
        challenges.use_up(act.connection, attestation.challenge, now=now)
        act.note(passkey.id, passkey.name)
        sign_in_changes.tell(act, Change.PASSKEY_ADDED, name=passkey.name)
        return passkey


def list_own(platform: Platform, actor: Actor, *, now: datetime) -> tuple[Passkey, ...]:
    with viewing(platform, Attempt(actor, Action.PASSKEY_LIST, now)) as act:
        return passkeys.list_of_user(act.connection, _person(actor))


def rename(platform: Platform, actor: Actor, passkey_id: str, name: str, *, now: datetime) -> None:
    """Give one of the actor's passkeys another name."""
    with acting(platform, Attempt(actor, Action.PASSKEY_RENAME, now)) as act:
        passkey, usual = _own(act, passkey_id), _usual_name(name)
        passkeys.rename(act.connection, passkey.id, usual)
        act.note(passkey.id, f"{passkey.name} is now {usual}")


def remove(platform: Platform, actor: Actor, passkey_id: str, *, now: datetime) -> None:
    """Remove one of the actor's passkeys; never the last way in."""
    with acting(platform, Attempt(actor, Action.PASSKEY_REMOVE, now)) as act:
        user_id = _person(actor)
        passkeys.lock_ways_in(act.connection, user_id)
        passkey = _own(act, passkey_id)
        act.note(passkey.id, passkey.name)
        if not passkeys.has_another_way_in(act.connection, user_id, but_passkey=passkey_id):
            raise only_way_in("passkeyId")
        passkeys.delete_passkey(act.connection, passkey_id)
        sign_in_changes.tell(act, Change.PASSKEY_REMOVED, name=passkey.name)


def only_way_in(field: str) -> Refusal:
    return Refusal(
        Code.INVALID, "This is your only way to sign in. Set a password or add another passkey first.", field=field
    )


# ------------------------------------------------------------------------------------------------------ using passkeys


def sign_in_options(platform: Platform, *, now: datetime) -> str:
    """Write, as JSON, what the browser needs to ask for a passkey, whosever it is."""
    challenge = challenges.make(platform, Purpose.SIGN_IN, "", now=now)
    options: str = _webauthn().request_options(_site(platform), challenge, life=challenges.LIFE)
    return options


def sign_in(platform: Platform, response: str, visitor: Visitor, *, now: datetime) -> Begun:
    """Sign in the user whose passkey has answered `sign_in_options`."""
    assertion = _parse_assertion(response)
    challenges.check(platform, assertion.challenge, Purpose.SIGN_IN, "", now=now)
    passkey, user = _find(platform, assertion)
    # WebAuthn section 7.2 step 6: where nobody was named before, the authenticator says whose passkey it is.
    if assertion.user_handle != user.id.encode():
        raise _refused(passkey, "user handle")
    sign_count = _check_assertion(platform, assertion, passkey)
    spend = partial(_spend, passkey=passkey, assertion=assertion, sign_count=sign_count)
    return sessions.begin(platform, user, SignInMethod.PASSKEY, visitor, now=now, spend=spend)


def confirm_options(platform: Platform, session: Session, *, now: datetime) -> str:
    """Write, as JSON, what the browser needs to ask for one of the session's user's passkeys."""
    with reading(platform.database.records) as connection:
        own = passkeys.list_of_user(connection, session.user.id)
    challenge = challenges.make(platform, Purpose.CONFIRM, session.id, now=now)
    allowed = [each.credential_id for each in own]
    options: str = _webauthn().request_options(_site(platform), challenge, allowed=allowed, life=challenges.LIFE)
    return options


def confirm(platform: Platform, session: Session, response: str, visitor: Visitor, *, now: datetime) -> Begun:
    """Note that the session's user has proven again, by a passkey, who they are."""
    assertion = _parse_assertion(response)
    challenges.check(platform, assertion.challenge, Purpose.CONFIRM, session.id, now=now)
    passkey, user = _find(platform, assertion)
    if user.id != session.user.id:
        raise _refused(passkey, "another user's")
    sign_count = _check_assertion(platform, assertion, passkey)
    spend = partial(_spend, passkey=passkey, assertion=assertion, sign_count=sign_count)
    return sessions.prove(platform, session, visitor, now=now, spend=spend)


# ------------------------------------------------------------------------------------------------------------- private


def _person(actor: Actor) -> UserId:
    """Passkeys are made and kept at a browser: a leaked access token must not become a way to sign in."""
    if actor.kind is not ActorKind.SESSION or actor.user_id is None:
        raise Refusal(Code.FORBIDDEN, "Passkeys belong to people: sign in to the portal to see yours.")
    return actor.user_id


def _own(act: Act, passkey_id: str) -> Passkey:
    found = passkeys.find(act.connection, _person(act.actor), passkey_id)
    if found is None:
        raise Refusal(Code.NOT_FOUND, "You have no such passkey.", field="passkeyId")
    return found


def _site(platform: Platform) -> Site:
    host = urlsplit(platform.public_url).hostname or ""
    # WebAuthn section 5.1.2: a relying party's id is a domain; browsers refuse addresses without saying why.
    if ":" in host or host.replace(".", "").isdecimal():
        raise Refusal(Code.INVALID, f"Passkeys need a host name, and this portal is reached at {platform.public_url}.")
    site: Site = _webauthn().Site(host, platform.public_url)
    return site


def _webauthn() -> ModuleType:
    """Imported when somebody has a passkey: the library behind it takes 5 MB."""
    return import_module("credenza.protocol.webauthn")


def _parse_attestation(response: str) -> Attestation:
    try:
        attestation: Attestation = _webauthn().parse_attestation(response)
    except Malformed as error:
        raise _unreadable() from error
    return attestation


def _parse_assertion(response: str) -> Assertion:
    try:
        assertion: Assertion = _webauthn().parse_assertion(response)
    except Malformed as error:
        raise _unreadable() from error
    return assertion


def _check_attestation(platform: Platform, attestation: Attestation) -> Registered:
    try:
        registered: Registered = _webauthn().check_attestation(attestation, _site(platform))
    except Refused as error:
        log.info("passkey.not_registered", reason=error.reason, because=str(error))
        raise Refusal(
            Code.INVALID, "This passkey cannot be used here. Try another device or browser.", field="response"
        ) from error
    return registered


def _check_assertion(platform: Platform, assertion: Assertion, passkey: Passkey) -> int:
    try:
        count: int = _webauthn().check_assertion(assertion, _site(platform), credential_public_key=passkey.public_key)
    except Refused as error:
        raise _refused(passkey, str(error)) from error
    return count


def _check_room(act: Act, user_id: UserId) -> None:
    if len(passkeys.list_of_user(act.connection, user_id)) >= MOST_PASSKEYS:
        raise Refusal(Code.INVALID, f"You have {MOST_PASSKEYS} passkeys. Remove one that you no longer use first.")


def _usual_name(name: str) -> str:
    usual = name.strip()
    if not 1 <= len(usual) <= _LONGEST_NAME or not usual.isprintable():
        raise Refusal(Code.INVALID, f"Give the passkey a name of 1 to {_LONGEST_NAME} characters.", field="name")
    return usual


def _new_passkey(platform: Platform, user_id: UserId, name: str, registered: Registered, now: datetime) -> Passkey:
    return Passkey(
        id=platform.new_id(),
        user_id=user_id,
        credential_id=registered.credential_id,
        public_key=registered.public_key,
        sign_count=registered.sign_count,
        name=name,
        created_at=now,
        last_used_at=None,
    )


def _find(platform: Platform, assertion: Assertion) -> tuple[Passkey, User]:
    with reading(platform.database.records) as connection:
        passkey = passkeys.find_by_credential_id(connection, assertion.credential_id)
        user = people.find_user(connection, passkey.user_id) if passkey else None
    if passkey is None or user is None:
        raise _refused(passkey, "unknown")
    return passkey, user


def _spend(act: Act, *, passkey: Passkey, assertion: Assertion, sign_count: int) -> None:
    """Use up a proof. Who comes here has the passkey: what is refused from here on is recorded."""
    challenges.use_up(act.connection, assertion.challenge, now=act.now)
    if not passkeys.mark_used(act.connection, passkey.id, sign_count=sign_count, now=act.now):
        # WebAuthn section 6.1.1: a counter that does not go forward says that there is a copy of the key.
        act.note(passkey.id, f"the passkey was removed, or its counter, now {sign_count}, has not gone forward")
        raise _unknown()


def _refused(passkey: Passkey | None, because: str) -> Refusal:
    log.info("passkey.refused", passkey=passkey.id if passkey else None, because=because)
    return _unknown()


def _unknown() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED, "This passkey does not sign in here. Choose another one, or another way to sign in."
    )


def _unreadable() -> Refusal:
    return Refusal(Code.INVALID, "The browser's answer cannot be read. Try again.", field="response")
