"""`credenza token-key`: the keys that sign tokens, for operators on the server. They rotate by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from credenza.actions import token_keys
from credenza.cli import habits, local, output
from credenza.domain.token_keys import TokenKey

app = typer.Typer()

_COLUMNS = ("kid", "environment", "issuer", "state", "signsFrom", "signsUntil", "publishedUntil")


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """List the keys that sign tokens, the newest of each issuer first."""
    now = local.now()
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: token_keys.list_all(platform, local.OPERATOR, now=now))
    output.show_list(context, [_row(each, now) for each in found], columns=_COLUMNS)


@app.command()
def retire(
    context: typer.Context,
    kid: Annotated[str, typer.Argument(metavar="KID", help="Key id: credenza token-key list")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
) -> None:
    """Retire a compromised key at once: no token that it has signed is good any more. Its successor signs instead."""
    if not habits.of(context).yes:
        typer.confirm(f"Retire {kid}? Every token that it has signed is refused from now on.", abort=True, err=True)
    with local.platform(local.load_settings()) as platform:
        retired = local.attempt(
            lambda: token_keys.retire(platform, local.OPERATOR, kid, reason=reason, now=local.now())
        )
    reach = retired.reach
    output.note(context, f"Retired; {reach.confirmed} of {reach.gates} gates confirmed, {reach.lapsed} had no lease.")


def _row(key: TokenKey, now: datetime) -> dict[str, object]:
    return {
        "kid": key.kid,
        "environment": key.environment,
        "issuer": key.issuer,
        "state": _state(key, now),
        "publishedAt": key.published_at,
        "signsFrom": key.signs_from,
        "signsUntil": key.signs_until,
        "publishedUntil": key.published_until,
        "retiredAt": key.retired_at,
    }


def _state(key: TokenKey, now: datetime) -> str:
    if key.retired_at is not None:
        return "retired"
    if key.signs(now):
        return "signs"
    if now < key.signs_from:
        return "next"
    return "published" if key.published(now) else "gone"
