"""`credenza user`: for operators, on the server."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.actions import password_resets, people, sessions, sign_in_links
from credenza.cli import local, output
from credenza.domain.model import Session

app = typer.Typer()

_COLUMNS = ("email", "name", "createdAt", "disabledAt", "id")
_SESSION_COLUMNS = ("method", "address", "userAgent", "lastSeenAt", "id")

Email = Annotated[str, typer.Argument(help="Mail address.")]


@app.command()
def create(
    context: typer.Context,
    email: Email,
    name: Annotated[str, typer.Option(help="The person's name.")] = "",
) -> None:
    """Make a user. Then `credenza member add` for an organization, and `credenza user reset-link` for a password."""
    with local.platform(local.load_settings()) as platform:
        made = local.attempt(
            lambda: people.create_user(platform, local.OPERATOR, email=email, name=name or email, now=local.now())
        )
    output.show(context, made)


@app.command("list")
def list_users(context: typer.Context) -> None:
    """List all users."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: people.list_users(platform, local.OPERATOR, now=local.now()))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def disable(context: typer.Context, email: Email) -> None:
    """Disable a user: sessions, access tokens and API keys stop at once."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: people.disable_user(platform, local.OPERATOR, email, now=local.now()))
    output.show(context, found)


@app.command()
def enable(context: typer.Context, email: Email) -> None:
    """Let a disabled user in again, with the same roles, access tokens and API keys."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: people.enable_user(platform, local.OPERATOR, email, now=local.now()))
    output.show(context, found)


@app.command("reset-link")
def reset_link(context: typer.Context, email: Email) -> None:
    """Print a link under which the user chooses a new password, once, within an hour."""
    with local.platform(local.load_settings()) as platform:
        token = local.attempt(lambda: password_resets.make(platform, local.OPERATOR, email, now=local.now()))
        link = password_resets.link_to(platform, token)
    output.show(context, {"link": link})


@app.command("sign-in-link")
def sign_in_link(context: typer.Context, email: Email) -> None:
    """Print a link that signs the user in, once, within 15 minutes. Whoever has it is the user."""
    with local.platform(local.load_settings()) as platform:
        token = local.attempt(lambda: sign_in_links.make(platform, local.OPERATOR, email, now=local.now()))
        link = sign_in_links.link_to(platform, token)
    output.show(context, {"link": link})


@app.command("sessions")
def list_sessions(context: typer.Context, email: Email) -> None:
    """List where a user is signed in."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: sessions.list_of(platform, local.OPERATOR, email, now=local.now()))
    output.show_list(context, [_row(each) for each in found], columns=_SESSION_COLUMNS)


@app.command("sign-out")
def sign_out(context: typer.Context, email: Email) -> None:
    """End all sessions of a user. Access tokens and API keys go on."""
    with local.platform(local.load_settings()) as platform:
        ended = local.attempt(lambda: sessions.end_all(platform, local.OPERATOR, email, now=local.now()))
    output.note(context, f"{ended} sessions of {email} ended.")


def _row(session: Session) -> dict[str, object]:
    return {
        "method": session.method,
        "address": session.address,
        "userAgent": session.user_agent,
        "lastSeenAt": session.last_seen_at,
        "id": session.id,
    }
