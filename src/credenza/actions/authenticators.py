"""Time-based codes (RFC 6238) as a second factor, and the recovery codes for who has lost the device.

Order of use: `enrol` shows the secret, `confirm` takes the first code and from then on every sign-in by password asks
for one. A code is good once, half a minute early or late. The secret is wrapped by the vault, recovery codes are kept
as HMACs under the pepper: 120 random bits need no slow hash (ASVS 6.5.2).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

import pyotp
from sqlalchemy import Connection

from credenza.actions import sign_in_changes
from credenza.actions.context import Act, Attempt, Platform, acting, viewing
from credenza.actions.letters import Change
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, UserId
from credenza.store import authenticators, passwords, people

_SECRET_BYTES = 20  # RFC 4226 section 4, R6
_STEP_S = 30
_EARLY_OR_LATE = (0, -1, 1)
_ISSUER = "Credenza"
_RECOVERY_CODES = 10
_RECOVERY_BYTES = 15
_GROUP = 4


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A new secret, this once: to be typed in, or in a URI for a QR code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """Each lets its user sign in once without the device; shown this once."""

    codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proofs:
    """How a user can prove who they are, passkeys and providers aside; None for what there is not."""

    password_changed_at: datetime | None
    authenticator_confirmed_at: datetime | None
    recovery_codes_left: int


def look(platform: Platform, actor: Actor, *, now: datetime) -> Proofs:
    """Say what the actor can prove who they are with."""
    with viewing(platform, Attempt(actor, Action.PROOFS_VIEW, now)) as act:
        user_id = _user_id(actor)
        password = passwords.find(act.connection, user_id)
        found = authenticators.find(act.connection, user_id)
        return Proofs(
            password.changed_at if password else None,
            found.confirmed_at if found else None,
            authenticators.count_recovery_codes(act.connection, user_id),
        )


def enrol(platform: Platform, actor: Actor, *, now: datetime) -> Enrolment:
    """Draw a secret for the actor. It asks for nothing until a first code has confirmed it."""
    secret = platform.random(_SECRET_BYTES)
    with acting(platform, Attempt(actor, Action.AUTHENTICATOR_ENROL, now)) as act:
        user_id = _user_id(actor)
        wrapped = platform.vault.wrap(_purpose(user_id), secret)
        if not authenticators.put_unconfirmed(act.connection, user_id, wrapped, now=now):
            raise Refusal(Code.INVALID, "There is an authenticator already. Remove it before you add another one.")
        user = people.find_user(act.connection, user_id)
        act.note(user_id)
    codes = _codes(secret)
    return Enrolment(codes.secret, codes.provisioning_uri(name=user.email if user else user_id, issuer_name=_ISSUER))


def confirm(platform: Platform, actor: Actor, code: str, *, now: datetime) -> RecoveryCodes:
    """Take the first code of a new secret: from now on it is asked for."""
    with acting(platform, Attempt(actor, Action.AUTHENTICATOR_CONFIRM, now)) as act:
        user_id = _user_id(actor)
        found = authenticators.find(act.connection, user_id)
        if found is None or found.confirmed_at is not None:
            raise Refusal(Code.INVALID, "There is no authenticator to confirm. Add one first.")
        step = _step_of(platform, user_id, found, code, now=now)
        if step is None or not authenticators.confirm(act.connection, user_id, step=step, now=now):
            raise Refusal(
                Code.INVALID,
                "This is not the code that the authenticator shows now. Check that the device's clock is right, and "
                "type the next one.",
                field="code",
            )
        act.note(user_id)
        sign_in_changes.tell(act, Change.AUTHENTICATOR_ADDED)
        return _draw_recovery_codes(act, user_id)


def new_recovery_codes(platform: Platform, actor: Actor, *, now: datetime) -> RecoveryCodes:
    """Draw recovery codes in the place of all earlier ones."""
    with acting(platform, Attempt(actor, Action.RECOVERY_CODES_NEW, now)) as act:
        user_id = _user_id(actor)
        if not is_confirmed(act.connection, user_id):
            raise Refusal(Code.INVALID, "Recovery codes stand in for an authenticator. Add one first.")
        act.note(user_id)
        sign_in_changes.tell(act, Change.RECOVERY_CODES)
        return _draw_recovery_codes(act, user_id)


def remove(platform: Platform, actor: Actor, *, now: datetime) -> None:
    """Ask for no codes any more. The password must then be long enough to stand alone."""
    with acting(platform, Attempt(actor, Action.AUTHENTICATOR_REMOVE, now)) as act:
        user_id = _user_id(actor)
        password = passwords.find(act.connection, user_id)
        if password is not None and not password.stands_alone:
            raise Refusal(Code.INVALID, "Your password is too short to stand alone. Choose a longer one first.")
        if not authenticators.delete_all(act.connection, user_id):
            raise Refusal(Code.NOT_FOUND, "There is no authenticator.")
        act.note(user_id)
        sign_in_changes.tell(act, Change.AUTHENTICATOR_REMOVED)


def is_confirmed(connection: Connection, user_id: UserId) -> bool:
    """Whether a password of this user is not enough to sign in."""
    found = authenticators.find(connection, user_id)
    return found is not None and found.confirmed_at is not None


def use_code(platform: Platform, connection: Connection, user_id: UserId, code: str, *, now: datetime) -> bool:
    """Use up a time-based or a recovery code of a user; say whether it was good."""
    found = authenticators.find(connection, user_id)
    if found is None or found.confirmed_at is None:
        return False
    step = _step_of(platform, user_id, found, code, now=now)
    if step is not None:
        return authenticators.use_step(connection, user_id, step)
    return authenticators.use_recovery_code(connection, user_id, _hash(platform, user_id, code), now=now)


def _step_of(
    platform: Platform, user_id: UserId, found: authenticators.Authenticator, code: str, *, now: datetime
) -> int | None:
    """Name the time step whose code this is, among those that are not used up; None for a wrong code."""
    codes = _codes(platform.vault.unwrap(_purpose(user_id), found.wrapped_secret))
    current = int(now.timestamp()) // _STEP_S
    typed = "".join(code.split()).encode()
    for step in (current + each for each in _EARLY_OR_LATE):
        if step > found.last_step and hmac.compare_digest(codes.at(step * _STEP_S).encode(), typed):
            return step
    return None


def _codes(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(base64.b32encode(secret).decode(), interval=_STEP_S)


def _draw_recovery_codes(act: Act, user_id: UserId) -> RecoveryCodes:
    codes = tuple(_new_recovery_code(act.platform) for _ in range(_RECOVERY_CODES))
    hashes = [_hash(act.platform, user_id, each) for each in codes]
    authenticators.replace_recovery_codes(act.connection, user_id, hashes)
    return RecoveryCodes(codes)


def _new_recovery_code(platform: Platform) -> str:
    text = base64.b32encode(platform.random(_RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def _hash(platform: Platform, user_id: UserId, code: str) -> str:
    typed = "".join(each for each in code.lower() if each.isalnum())
    return hmac.new(platform.pepper, f"recovery code\n{user_id}\n{typed}".encode(), hashlib.sha256).hexdigest()


def _purpose(user_id: UserId) -> str:
    return f"authenticator {user_id}"


def _user_id(actor: Actor) -> UserId:
    if actor.user_id is None:
        raise Refusal(Code.INVALID, "This is for people: sign in as the user.")
    return actor.user_id
