"""`credenza serve`: prepares the installation and binds the sockets; then this process serves, or workers of it do."""

from __future__ import annotations

import os
import resource
import sys
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Annotated

import typer

from credenza.cli import habits, installation, logs
from credenza.cli.ending import ending
from credenza.cli.failure import ExitCode
from credenza.cli.roles import Role
from credenza.cli.workers import Pool
from credenza.settings import Settings

app = typer.Typer()

_OPEN_FILES = 65_536


@app.command()
def serve(
    context: typer.Context,
    role: Annotated[Role, typer.Option(help="Which plane: all, manage or gate.")] = Role.ALL,
    workers: Annotated[int, typer.Option(help="Worker processes on this machine.", min=1, max=64)] = 1,
) -> None:
    """Serve the management API and the gates of both environments."""
    run(context, installation.load_settings(), role, workers)


def run(context: typer.Context, settings: Settings, role: Role, workers: int) -> None:
    os.umask(0o077)  # what the server writes is for its own account alone
    _allow_open_files()
    logs.configure(settings.log_level)
    link = _prepared(settings, role)
    serving = _serving(role)
    sockets = serving.bind(settings, role)
    for each in serving.listening(settings, role):
        _note(context, f"{each.name} listens on {each.bind}")
    if link:
        _note(context, f"Make the first admin here, once, within 24 hours:\n  {link}")
    if workers == 1:
        serving.serve_here(serving.Started(settings, role, sockets))
    else:
        Pool(role, sockets, workers).run()


def _note(context: typer.Context, text: str) -> None:
    """As `output.note`, without all that draws tables: it would stay for as long as the server runs."""
    if not habits.of(context).quiet:
        print(text, file=sys.stderr)


def _allow_open_files() -> None:
    """Every connection is an open file, and shells usually allow 1,024; what the machine allows is ours to use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _prepared(settings: Settings, role: Role) -> str:
    """Have a child prepare while this process imports what it serves with. What preparing takes (SQLAlchemy; Alembic,
    when there is something to upgrade) the child takes with it when it is done."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(ending(partial(_tell_when_prepared, settings, role, writing)))
    os.close(writing)
    _serving(role)
    with os.fdopen(reading, encoding="utf-8") as told:
        link = told.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != ExitCode.OK:
        raise typer.Exit(status if status > 0 else ExitCode.ERROR)  # the child has said why
    return link


def _tell_when_prepared(settings: Settings, role: Role, writing: int) -> int:
    link = import_module("credenza.cli.preparing").prepare(settings, role)
    with os.fdopen(writing, "w", encoding="utf-8") as telling:
        telling.write(link or "")
    return ExitCode.OK


def _serving(role: Role) -> ModuleType:
    if role is not Role.GATE:
        import_module("credenza.cli.management_plane")
    return import_module("credenza.cli.serve")
