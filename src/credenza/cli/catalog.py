"""`credenza catalog`: the whole catalog in one reviewed file, for operators on the server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from credenza.actions import catalog
from credenza.actions.catalog import Concern, Plan, PlannedChange
from credenza.actions.context import Platform
from credenza.actions.services import NewService
from credenza.cli import catalog_file, habits, local, output
from credenza.cli.failure import CommandFailed
from credenza.cli.habits import Output

app = typer.Typer()

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The catalog in YAML, as `catalog export` writes it.")]


@app.command()
def export(_context: typer.Context) -> None:
    """Print the catalog as the file that describes it."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: catalog.export(platform, local.OPERATOR, now=local.now()))
    print(catalog_file.write(found), end="")


@app.command()
def plan(context: typer.Context, file: _File) -> None:
    """Say what a file would change, and which live credentials that would widen or narrow."""
    wanted = catalog_file.read(file)
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: catalog.plan(platform, local.OPERATOR, wanted, now=local.now()))
    _show(context, found)


@app.command()
def apply(
    context: typer.Context,
    file: _File,
    planned: Annotated[
        str | None, typer.Option("--plan", metavar="PLAN", help="Apply this plan, and no other than was reviewed.")
    ] = None,
) -> None:
    """Make the catalog what a file says: asks after showing the plan, all in one piece."""
    wanted = catalog_file.read(file)
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: catalog.plan(platform, local.OPERATOR, wanted, now=local.now()))
        _show(context, found)
        if not found.changes:
            return
        if planned is None:
            _ask(context)
        _apply(platform, wanted, planned or found.fingerprint)
    output.note(context, "Applied. No gate decides by the old catalog any more.")


def _apply(platform: Platform, wanted: tuple[NewService, ...], planned: str) -> None:
    local.attempt(lambda: catalog.apply(platform, local.OPERATOR, wanted, planned, now=local.now()))


def _ask(context: typer.Context) -> None:
    if habits.of(context).yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed("Nothing was changed: there is nobody to ask. Read the plan, and repeat with --yes.")
    if typer.prompt("Type APPLY to make the catalog this", err=True) != "APPLY":
        raise CommandFailed("Nothing was changed: the word is APPLY.")


def _show(context: typer.Context, found: Plan) -> None:
    if habits.of(context).output is not Output.TABLE:
        output.show(context, found)
    elif not found.changes:
        print("The catalog is what the file says.")
    else:
        print("\n\n".join(map(_paragraph, found.changes)))
        output.note(context, f"Plan {found.fingerprint}")


def _paragraph(planned: PlannedChange) -> str:
    head = f"{planned.change.name}: {planned.change.kind}"
    lines = [f"  {line}" for line in planned.change.lines]
    return output.printable("\n".join([head, *lines, *(f"  ! {_concern(each)}" for each in planned.concerns)]))


def _concern(concern: Concern) -> str:
    return f"{concern.effect.direction}: {concern.effect.sentence}; {_holders(concern)}"


def _holders(concern: Concern) -> str:
    held = concern.holders
    more = held.credentials - len(held.names)
    names = [*held.names, *([f"and {more} more"] if more else [])]
    count = f"{held.credentials} live credential{'' if held.credentials == 1 else 's'}"
    listed = f"{count}: {', '.join(names)}" if names else count
    return f"{listed}; {held.projects} projects" if held.projects else listed
