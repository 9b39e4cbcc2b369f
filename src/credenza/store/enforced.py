"""The highest change number that this machine has enforced, kept beside the database and not in it (threat 24).

A copy of the database that is put back behind our back counts from lower, and would let in again what was revoked since
it was made. A gate writes the number when it moves; whoever starts compares.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from credenza.domain.model import ChangeNumber
from credenza.store.durable import replacing

FILE = "enforced"


class OlderDatabase(Exception):  # noqa: N818 - says what is the case
    """The database has not seen changes that this machine has enforced."""


def read(directory: Path) -> ChangeNumber:
    """Read the number; 0 where nothing was enforced yet. Raises OlderDatabase when the file does not hold one."""
    try:
        return ChangeNumber(int((directory / FILE).read_text()))
    except FileNotFoundError:
        return ChangeNumber(0)
    except ValueError as error:
        raise OlderDatabase(
            f"{directory / FILE} is damaged: it should hold the last enforced change number."
        ) from error


def write(directory: Path, number: ChangeNumber) -> None:
    """Keep a number durably, unless a higher one is kept: processes of one machine share the file."""
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if number > read(directory):
            with replacing(directory / FILE) as file:
                file.write(f"{number}\n".encode())
    finally:
        os.close(lock)


def check_not_older(directory: Path, found: ChangeNumber) -> None:
    """Let a start go on only with a database that knows of every change enforced here. Raises OlderDatabase."""
    known = read(directory)
    if found < known:
        raise OlderDatabase(
            f"The database is older than what this machine has enforced: it is at change {found}, and {known} was "
            "enforced. Whatever was revoked in between would be accepted again. Bring it back from a backup with: "
            "credenza db restore"
        )
