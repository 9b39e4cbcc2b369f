"""`credenza`: reads the command line, runs one command and turns what went wrong into a sentence and a number.

Data goes to stdout, everything else to stderr. Nobody who uses the command line sees a traceback.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # what add_completion does

from credenza.cli import commands
from credenza.cli.ending import ending, failed
from credenza.cli.failure import ExitCode
from credenza.cli.habits import Habits
from credenza.cli.importing import lasting


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `credenza ARGUMENTS` and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no check mark gets a question mark, not an exception.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    return ending(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    if "_CREDENZA_COMPLETE" in os.environ:
        completion_init()
    try:
        # Without arguments they are those of a process of our own; with some it is somebody else's.
        importing = lasting if arguments is None else nullcontext
        outcome = commands.root(importing).main(arguments, prog_name="credenza", standalone_mode=False, obj=Habits())
    except typer.TyperException as error:
        return failed(_usage(error), ExitCode(error.exit_code))
    except typer.Abort:
        return failed("Stopped; nothing was changed.", ExitCode.ERROR)
    sys.stdout.flush()
    # Without standalone mode the number of a typer.Exit is returned, and None by a command that just ends.
    return outcome if isinstance(outcome, int) else ExitCode.OK


def _usage(error: typer.TyperException) -> str:
    # pydantic, which typer asks to read values, says what kind of error it is before it says which.
    message = error.format_message().replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    if message.startswith("Usage:") or context is None:
        return message
    return f"{message}\nSee: {context.command_path} --help"
