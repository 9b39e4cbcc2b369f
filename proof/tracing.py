"""What a server writes and when it makes it durable, as the kernel saw it: the output of strace, read.

Only what is needed to say whether an answer came before its data was safe, and to build the files as a power cut would
have left them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_CALLS = ("pwrite64", "ftruncate", "fdatasync", "fsync", "write", "writev", "sendto", "sendmsg")
COMMAND = ("strace", "-D", "-f", "-q", "-y", "-xx", "-s", "70000", "-e", f"trace={','.join(_CALLS)}", "-o")

_UNFINISHED = re.compile(r"^(\d+) (.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) <\.\.\. \w+ resumed>(.*)$")
_CALL = re.compile(r"^\d+ +(\w+)\(\d+<([^>]*)>(.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_ANSWER = b"HTTP/1.1 2"


class Kind(Enum):
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Event:
    """`path` is a file's, or empty for an answer; `offset` is the new length of a truncated file."""

    kind: Kind
    path: str = ""
    offset: int = 0
    content: bytes = b""


def read(log: Path, files: Sequence[Path]) -> Iterator[Event]:
    """The writes and syncs of these files, and the answers of success, in the order in which they ended."""
    names = {str(path): path.name for path in files}
    for line in _whole_lines(log):
        match = _CALL.match(line)
        if match is None or int(match[4]) < 0:
            continue
        call, where, arguments = match[1], _path(match[2]), match[3]
        if where in names:
            yield from _of_file(call, names[where], arguments)
        elif any(text.startswith(_ANSWER) for text in _texts(arguments)):
            yield Event(Kind.ANSWER)


def _whole_lines(log: Path) -> Iterator[str]:
    """Calls that were interrupted by other threads' are put together again where they ended."""
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        if match := _UNFINISHED.match(line):
            begun[match[1]] = f"{match[1]} {match[2]}"
        elif match := _RESUMED.match(line):
            yield begun.pop(match[1], "") + match[2]
        else:
            yield line


def _of_file(call: str, name: str, arguments: str) -> Iterator[Event]:
    if call == "pwrite64":
        yield Event(Kind.WRITE, name, int(arguments.rpartition(", ")[2]), _texts(arguments)[0])
    elif call == "ftruncate":
        yield Event(Kind.TRUNCATE, name, int(arguments.rpartition(", ")[2]))
    elif call in ("fdatasync", "fsync"):
        yield Event(Kind.SYNC, name)


def _texts(arguments: str) -> list[bytes]:
    return [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(arguments)]


def _path(text: str) -> str:
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text
