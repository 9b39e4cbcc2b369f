"""The options that every command takes, before the noun or after the verb (ux.md: habits).

A command that wants to know them takes `context: typer.Context` and asks `of(context)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperOption
from typer.main import get_command


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    ENV = "env"


class Environment(StrEnum):
    """Names are those of the wire, values those of the command line."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Habits:
    """`quiet` drops the notes on stderr, `yes` answers every question; the rest is None when not given."""

    output: Output = Output.TABLE
    quiet: bool = False
    yes: bool = False
    profile: str | None = None
    project: str | None = None
    environment: Environment | None = None


def of(context: typer.Context) -> Habits:
    habits = context.find_root().obj
    assert isinstance(habits, Habits)
    return habits


def _remember(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> None:
    # Options stand at the root and at every command: one that is not given must not undo the other.
    if value is not None and not context.resilient_parsing:
        context.find_root().obj = replace(of(context), **{parameter.name: value})


def _everywhere(
    output: Annotated[
        Output | None,
        typer.Option("-o", "--output", metavar="FORMAT", help="table, json, yaml or env.", callback=_remember),
    ] = None,
    quiet: Annotated[
        bool | None, typer.Option("--quiet", help="Print data only, no notes.", callback=_remember)
    ] = None,
    yes: Annotated[bool | None, typer.Option("--yes", help="Do not ask.", callback=_remember)] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="The profile of config.toml.", callback=_remember)
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="ID", help="The project to work in.", callback=_remember)
    ] = None,
    environment: Annotated[
        Environment | None,
        typer.Option("--env", metavar="ENVIRONMENT", help="sandbox or production.", callback=_remember),
    ] = None,
) -> None:
    """Carries the declarations; it is never called."""


def options(*, hidden: bool) -> list[TyperOption]:
    """Make the options, for one command. Their values reach it through `of`, not as arguments."""
    carrier = typer.Typer(add_completion=False)
    carrier.command()(_everywhere)
    made = [option for option in get_command(carrier).params if isinstance(option, TyperOption)]
    for option in made:
        option.expose_value = False
        option.hidden = hidden
    return made
