"""Tells users by mail that how they sign in has changed, so that nobody else changes it unseen (ASVS 6.3.7)."""

from __future__ import annotations

from credenza.actions import outbox
from credenza.actions.context import Act
from credenza.actions.letters import Change, SignInChange
from credenza.domain.outbox import Kind
from credenza.store import people

ACCOUNT = "/account"
FORGOTTEN = "/forgotten"


def tell(act: Act, change: Change, *, name: str = "") -> None:
    """Have a letter sent to the user who did it, together with the change; `name` is what of it has one."""
    by = act.actor
    user = None if by.user_id is None else people.find_user(act.connection, by.user_id)
    if user is None:
        return
    letter = SignInChange(
        change,
        name,
        act.now,
        by.address,
        account=f"{act.platform.public_url}{ACCOUNT}",
        forgotten=f"{act.platform.public_url}{FORGOTTEN}",
    )
    outbox.enqueue_mail(
        act.platform, act.connection, kind=Kind.SIGN_IN_CHANGE, recipient=user.email, content=letter, now=act.now
    )
