"""A look at SQLite's shared memory: has anybody committed since the last one? (SQLite, "WAL-mode File Format", 2.2)

A commit is over when it has written both copies of the WAL-index header, the first 96 bytes of the `-shm` file. Every
reader compares them with what it saw last, `PRAGMA data_version` too; but that asks inside a read transaction, which
takes system calls for two locks and 4 us. Here the same bytes are read from a map, in a tenth of one.

The map is kept until the process ends, and so is its descriptor: when a process closes any descriptor of a file, POSIX
takes all of its locks on that file away (fcntl(2)), among them those by which SQLite keeps other processes from
truncating the file under our connections. Open it once, for a database that the process has open all its life.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from mmap import PAGESIZE, PROT_READ, mmap
from pathlib import Path

_HEADERS_BYTES = 96
_KNOWN_FORMAT = 3_007_000


def open_header(database: Path) -> Callable[[], bytes]:
    """Map the header; the answer reads it. Empty bytes say that it is in a format that we do not know.

    A connection of this process must have read from the database before, and stay open for as long as is looked.
    """
    shared_memory = Path(f"{database}-shm")
    place = shared_memory.stat()
    found = _map(shared_memory, place.st_dev, place.st_ino)
    if int.from_bytes(found[:4], sys.byteorder) != _KNOWN_FORMAT:
        return bytes
    return lambda: found[:_HEADERS_BYTES]


@cache  # what keeps the map until the process ends; and as long as it does, no other file can have this number
def _map(shared_memory: Path, _device: int, _inode: int) -> mmap:
    descriptor = os.open(shared_memory, os.O_RDONLY | os.O_CLOEXEC)
    return mmap(descriptor, PAGESIZE, prot=PROT_READ)
