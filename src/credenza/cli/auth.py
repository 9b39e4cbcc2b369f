"""`credenza auth`: the token that a profile signs in with."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from credenza.cli import files, habits, output, profiles
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.profiles import Profile

app = typer.Typer()

_TOKEN = re.compile(r"czp_[0-9A-Za-z]{49}")


@app.command()
def login(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(metavar="URL", help="The server; else the one of the profile.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its first line is the token; - reads standard input.")
    ] = None,
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="Send the token unencrypted to a server elsewhere.")
    ] = False,
) -> None:
    """Store the URL of a server and a personal access token in the profile."""
    config = profiles.load()
    name = profiles.selected_name(config, habits.of(context).profile)
    before = config.find(name) or Profile(name)
    server = _checked_url(url or before.url, plain_http=plain_http)
    after = replace(before, url=server, token=_read_token(token_file))
    config = config.with_profile(after)
    profiles.save(config if config.find(config.selected) else replace(config, selected=name))
    output.note(context, f"Signed in to {server} as profile {name}; the token is in {profiles.path()}.")


@app.command()
def logout(context: typer.Context) -> None:
    """Delete the token of the profile. It stays valid: revoke it at the server when it may have leaked."""
    config = profiles.load()
    profile = config.get(profiles.selected_name(config, habits.of(context).profile))
    if profile.token is None:
        raise CommandFailed(f"Profile {profile.name} has no token.", ExitCode.AUTH)
    profiles.save(config.with_profile(replace(profile, token=None)))
    output.note(context, f"The token of profile {profile.name} is deleted from {profiles.path()}.")


@app.command()
def status(context: typer.Context) -> None:
    """Show which server and which token are used. Exits with 4 when there is none."""
    profile = profiles.current(habits.of(context).profile)
    output.show(context, {"profile": profile.name, "url": profile.url, "tokenPrefix": profiles.token_prefix(profile)})
    if profile.url is None or profile.token is None:
        raise CommandFailed("Not signed in. Sign in with: credenza auth login --url URL", ExitCode.AUTH)


@app.command()
def token(context: typer.Context) -> None:
    """Print the token, for a pipe: curl -H "Authorization: Bearer $(credenza auth token)" URL."""
    secret = profiles.current(habits.of(context).profile).token
    if secret is None:
        raise CommandFailed("Not signed in. Sign in with: credenza auth login --url URL", ExitCode.AUTH)
    if sys.stdout.isatty() and not habits.of(context).yes:
        typer.confirm("Show the token on this screen?", abort=True, err=True)
    output.show_secret(context, "token", secret)


def _checked_url(url: str | None, *, plain_http: bool) -> str:
    if url is None:
        raise CommandFailed("Which server? Give --url URL.", ExitCode.USAGE)
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise CommandFailed(f"{url} is not the URL of a server, like https://credenza.example.com.", ExitCode.USAGE)
    if parts.scheme == "http" and not plain_http and not _is_local(parts.hostname):
        raise CommandFailed(
            f"{url} would send the token unencrypted. Use https, or --plain-http in a network that you trust.",
            ExitCode.USAGE,
        )
    return url.rstrip("/")


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _read_token(file: Path | None) -> str:
    if file is None and not sys.stdin.isatty():
        raise CommandFailed("The token is asked for at a terminal; elsewhere give --token-file FILE.", ExitCode.USAGE)
    text = files.read_text(file) if file else str(typer.prompt("Personal access token", hide_input=True, err=True))
    secret = text.split("\n", 1)[0].strip()
    if _TOKEN.fullmatch(secret) is None:
        raise CommandFailed("That is no personal access token; it starts with czp_ and is 53 characters long.")
    return secret
