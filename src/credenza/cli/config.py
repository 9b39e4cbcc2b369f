"""`credenza config`: the profiles in config.toml."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from credenza.cli import habits, output, profiles
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.profiles import SETTINGS, Profile

app = typer.Typer()

Setting = Annotated[str, typer.Argument(metavar="SETTING", help=f"profile, {', '.join(SETTINGS)}.")]


@app.command()
def get(context: typer.Context, setting: Setting) -> None:
    """Print one setting of the profile."""
    config = profiles.load()
    if setting == "profile":
        print(profiles.selected_name(config, habits.of(context).profile))
        return
    if setting == "token":
        raise CommandFailed("A token is printed by: credenza auth token", ExitCode.USAGE)
    if setting not in SETTINGS:
        raise CommandFailed(f"There is no setting {setting}; there are {', '.join(SETTINGS)}.", ExitCode.USAGE)
    value = getattr(_profile(context), setting)
    if value is None:
        raise CommandFailed(f"{setting} is not set.", ExitCode.NOT_FOUND)
    print(value)


@app.command("set")
def set_(
    context: typer.Context,
    setting: Setting,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The new value; an empty one takes the setting away.")],
) -> None:
    """Change one setting of the profile, or with `profile` which profile is used when none is named."""
    if setting == "token":
        raise CommandFailed(
            "A token never stands on a command line. Store it with: credenza auth login", ExitCode.USAGE
        )
    config = profiles.load()
    if setting == "profile":
        config.get(value)
        profiles.save(replace(config, selected=value))
        output.note(context, f"Profile {value} is used from now on.")
        return
    name = profiles.selected_name(config, habits.of(context).profile)
    before = config.find(name) or Profile(name)
    after = profiles.with_setting(before, setting, value or None)
    profiles.save(config.with_profile(after))
    output.note(context, f"{setting} of profile {after.name} is {value or 'no longer set'}.")
    if before.token and not after.token:
        output.note(
            context, "Its token was for the other server and is deleted. Sign in again with: credenza auth login"
        )


@app.command("list")
def list_(context: typer.Context) -> None:
    """Print all settings of the profile; of a token, whether there is one."""
    profile = _profile(context)
    settings = output.fields(replace(profile, token=None))
    # Under a name of its own: were it `token`, `-o env` would set CREDENZA_TOKEN to it.
    del settings["token"]
    output.show(context, {**settings, "tokenPrefix": profiles.token_prefix(profile), "file": profiles.path()})


@app.command("profiles")
def profiles_(context: typer.Context) -> None:
    """List the profiles."""
    config = profiles.load()
    selected = profiles.selected_name(config, habits.of(context).profile)
    records = [
        {"name": profile.name, "url": profile.url, "env": profile.env, "selected": profile.name == selected}
        for profile in config.profiles
    ]
    output.show_list(context, records, columns=("name", "url", "env", "selected"))


def _profile(context: typer.Context) -> Profile:
    return profiles.current(habits.of(context).profile)
