"""`credenza expiry`: what expires in the organization, through the management API."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated

import typer

from credenza.cli import habits, output, remote
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.client import operations
from credenza.wire.expiry import Ending

app = typer.Typer()

_COLUMNS = ("alias", "kind", "project", "environment", "notAfter", "daysLeft", "credentialId")
_SPAN = re.compile(r"(\d{1,4})([dw]?)")

Within = Annotated[str, typer.Option(metavar="SPAN", help="How near: 30d for days, 4w for weeks.")]


@app.command("list")
def list_expiring(context: typer.Context, within: Within = "395d") -> None:
    """List what expires, the nearest first; of one project with --project, in one environment with --env."""
    output.show_list(context, _found(context, within), columns=_COLUMNS)


@app.command()
def check(context: typer.Context, within: Within = "30d") -> None:
    """List what expires soon, and end with exit code 5 when there is any."""
    found = _found(context, within)
    output.show_list(context, found, columns=_COLUMNS)
    if found:
        raise CommandFailed(f"{len(found)} expire within {within}.", ExitCode.EXPIRING)


@app.command()
def ics(context: typer.Context) -> None:
    """Make a calendar feed of what you see expire, and print its secret URL."""
    with remote.client(context) as client:
        made = client.send(operations.make_calendar_feed(remote.organization(client)))
    output.show_secret(context, "url", made.url)
    output.note(context, "Whoever has this URL can read the calendar. Revoke it in the portal, under Expiry.")


def _found(context: typer.Context, within: str) -> list[Ending]:
    given, days = habits.of(context), _days(within)
    with remote.client(context) as client:
        listing = partial(
            operations.list_expiring,
            remote.organization(client),
            within_days=days,
            environment=remote.environment(context),
            project_id=given.project,
        )
        return list(client.each(listing))


def _days(span: str) -> int:
    read = _SPAN.fullmatch(span)
    if read is None:
        raise CommandFailed(f"{span!r} is no span. Say 30d for days, or 4w for weeks.", ExitCode.USAGE)
    return int(read[1]) * (7 if read[2] == "w" else 1)
