"""Reading what a command is given and writing what it makes: whole files or none, secrets for their owner alone."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from credenza.cli.failure import CommandFailed, ExitCode

STANDARD = Path("-")
"""Standard input or output, where a command takes a file."""

_LARGEST_BYTES = 64 * 1024 * 1024


def read(path: Path) -> bytes:
    """Read a file, or standard input for `-`. Raises CommandFailed with the cure."""
    if path == STANDARD:
        return sys.stdin.buffer.read(_LARGEST_BYTES)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CommandFailed(f"There is no file {path}.", ExitCode.NOT_FOUND) from None
    except IsADirectoryError:
        raise CommandFailed(f"{path} is a directory; a file is needed.") from None
    except PermissionError:
        raise CommandFailed(f"You may not read {path}.") from None


def read_text(path: Path) -> str:
    try:
        return read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(f"{path} is not text in UTF-8.") from None


def check_writable(*paths: Path, overwrite: bool) -> None:
    """Fail before any work is done. `write_secret` and `write_public` hold the same rule against a race."""
    for path in paths:
        if path != STANDARD and not path.parent.is_dir():
            raise _no_directory(path)
        if path != STANDARD and not overwrite and path.exists():
            raise _taken(path)


def write_secret(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write with mode 0600; to standard output only where no terminal shows it."""
    if path == STANDARD and sys.stdout.isatty():
        raise CommandFailed("A secret is not written to a terminal, where it would stay on the screen. Give a file.")
    _write(path, content, mode=0o600, overwrite=overwrite)


def write_public(path: Path, content: bytes, *, overwrite: bool) -> None:
    _write(path, content, mode=0o644, overwrite=overwrite)


def _write(path: Path, content: bytes, *, mode: int, overwrite: bool) -> None:
    if path == STANDARD:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        if not overwrite:
            _reserve(path)
        _replace(path, content, mode=mode)
    except (FileNotFoundError, NotADirectoryError):
        raise _no_directory(path) from None
    except PermissionError:
        raise CommandFailed(f"You may not write {path}.") from None


def _reserve(path: Path) -> None:
    # An empty file that only one process can have made: hard links, the other way, are not on every file system.
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise _taken(path) from None


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _no_directory(path: Path) -> CommandFailed:
    return CommandFailed(f"There is no directory {path.parent}.", ExitCode.NOT_FOUND)


def _taken(path: Path) -> CommandFailed:
    return CommandFailed(f"{path} exists and is left as it is. Give another name, or --force to overwrite it.")
