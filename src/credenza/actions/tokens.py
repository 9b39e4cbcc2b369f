"""OAuth 2.0 tokens that are revoked one by one, before their end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from credenza.actions.context import Attempt, Platform, acting
from credenza.domain.access import Action
from credenza.domain.model import Actor, ActorKind, Reach
from credenza.domain.tokens import RevokedToken
from credenza.store import changes, leases, revoked_tokens
from credenza.store.engine import writing

_TOKEN_SERVER: Final = Actor(ActorKind.OPERATOR, "token server")
# A gate whose clock is behind takes a token for good after its end here: it must know of the revocation still.
_KEPT_AFTER_THE_END: Final = timedelta(hours=1)


def revoke(platform: Platform, token: RevokedToken, *, client_id: str, now: datetime) -> Reach:
    """Revoke a token for its client, whom the token server has authenticated; returns when no gate admits it. It is
    done and on record once, however often it is asked for."""
    attempt = Attempt(_TOKEN_SERVER, Action.TOKEN_REVOKE, now, organization_id=token.organization_id)
    with acting(platform, attempt) as act:
        number = revoked_tokens.revoke(act.connection, token, now=now)
        if number is None:
            act.repeated, number = True, changes.current(act.connection)
        act.note(client_id, f"a token of {token.environment}, by its client")
    return leases.await_reach(platform.database.records, number, lease=platform.policy.lease)


def forget_ended(platform: Platform, *, now: datetime) -> int:
    """Delete the revocations of tokens that have ended by themselves; `serve` calls it every few minutes."""
    with writing(platform.database.records) as connection:
        return revoked_tokens.delete_ended(connection, before=now - _KEPT_AFTER_THE_END)
