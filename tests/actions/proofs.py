"""People with passwords and authenticators, on a stage, and what they type."""

import base64
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pyotp
from tests.actions.stage import OPERATOR, Stage

from credenza.actions import authenticators, password_resets, passwords, people, sessions
from credenza.actions.authenticators import RecoveryCodes
from credenza.actions.sessions import Begun, Visitor
from credenza.adapters.passwords import Argon2Passwords
from credenza.domain.errors import Refusal
from credenza.domain.model import Actor, User

PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "a fox, four hens and a fence"
VISITOR = Visitor("192.0.2.7", "Firefox")
ELSEWHERE = Visitor("198.51.100.9", "Safari")
AT_ONCE = 16


class Patient(Argon2Passwords):
    """Lets a whole race wait its turn: what is tried is not the throng."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, at_once=AT_ONCE)


def new_user(stage: Stage, email: str = "ann@example.org", *, password: str = PASSWORD) -> User:
    """A user who has chosen a password."""
    user = people.create_user(stage.platform, OPERATOR, email=email, name="Ann Oldman", now=stage.now)
    token = password_resets.make(stage.platform, OPERATOR, email, now=stage.now)
    password_resets.accept(stage.platform, token, password, VISITOR, now=stage.now)
    return user


def signed_in(stage: Stage, user: User, *, password: str = PASSWORD, visitor: Visitor = VISITOR) -> Begun:
    begun = passwords.sign_in(stage.platform, user.email, password, visitor, now=stage.now)
    assert isinstance(begun, Begun)
    return begun


def actor_of(stage: Stage, begun: Begun) -> Actor:
    return sessions.actor_of(begun.session, address=VISITOR.address, now=stage.now)


class Device:
    """An authenticator that was enrolled and confirmed; its codes for any moment."""

    def __init__(self, stage: Stage, actor: Actor) -> None:
        self.secret = authenticators.enrol(stage.platform, actor, now=stage.now).secret
        self.recovery: RecoveryCodes = authenticators.confirm(
            stage.platform, actor, code_of(self.secret, stage.now), now=stage.now
        )

    def code(self, at: datetime) -> str:
        return code_of(self.secret, at)


def code_of(secret: str, at: datetime) -> str:
    assert len(base64.b32decode(secret)) == 20
    return pyotp.TOTP(secret).at(at)


def race(*calls: Callable[[], Any]) -> Counter[str]:
    """Start all calls together; count what came of them: done, or the code of the refusal."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> str:
        barrier.wait()
        try:
            call()
        except Refusal as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(len(calls)) as threads:
        return Counter(threads.map(run, calls))
