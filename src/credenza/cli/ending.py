"""How a command ends: what went wrong becomes a sentence and a number. Nobody sees a traceback."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from credenza.cli.failure import CommandFailed, ExitCode
from credenza.protocol.errors import Malformed, Refused

_PACKAGE = Path(__file__).parent.parent


def ending(run: Callable[[], int]) -> int:
    """Run a command and return its exit code."""
    try:
        return run()
    except (CommandFailed, Malformed, Refused) as failure:
        return failed(str(failure), failure.exit_code if isinstance(failure, CommandFailed) else ExitCode.ERROR)
    except OSError as error:
        return _system_failure(error)
    except Exception as error:  # noqa: BLE001 - whatever is left is a fault of ours, and no traceback explains it to a user
        return failed(_fault(error), ExitCode.ERROR)


def failed(message: str, exit_code: int) -> int:
    print(message if message.startswith("Usage:") else f"credenza: {message}", file=sys.stderr)
    return exit_code


def _system_failure(error: OSError) -> int:
    if error.errno == errno.EPIPE:
        # The reader of a pipe has seen enough (`credenza ... | head`). Python would complain again while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    what = error.strerror or type(error).__name__
    return failed(f"{error.filename}: {what}." if error.filename else f"{what}.", ExitCode.ERROR)


def _fault(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)][-1]
    # The message of an unexpected exception may hold what was being worked on, a secret for one.
    return (
        f"This is a fault of Credenza itself: {type(error).__name__} in {Path(place.filename).relative_to(_PACKAGE)}, "
        f"line {place.lineno}. Please report this line and the command."
    )
