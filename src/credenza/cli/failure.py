"""How a command ends when it does not end well: one or two plain sentences, and a number for scripts."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    EXPIRING = 5


class CommandFailed(Exception):  # noqa: N818 - what happened, not what class of thing it is
    """Ends the command. The message says what is wrong and what to do about it; it holds no secret."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(message)
        self.exit_code = exit_code
