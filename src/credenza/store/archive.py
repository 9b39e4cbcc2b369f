"""A backup in one file: a title, the rows a few hundred a line, and at the end the manifest; each line is JSON.

    {"archive":"credenza","format":1}
    {"table":"users","columns":["organization_id","id",…],"rows":[[…],…]}
    {"manifest":{…},"seal":"…"}

The manifest says what the backup is of, counts its rows and hashes every line before it. The seal is an HMAC-SHA-256
of the manifest under a key that derives from the key-encryption key: nothing in an archive is believed, not even to be
read, before the seal is proven. The key-encryption key itself is never in it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TypeAlias, TypeVar

import msgspec

from credenza.domain.audit import Checkpoint
from credenza.store.durable import replacing

FORMAT = 1
_TITLE = b'{"archive":"credenza","format":%d}\n'
_TITLE_START = b'{"archive":"credenza",'
_LONGEST_LINE_BYTES = 256 * 1024 * 1024

Cell: TypeAlias = str | int | bool | None
_T = TypeVar("_T")


class DamagedArchive(Exception):  # noqa: N818 - says what is the case
    """The archive is not what this installation once wrote, or cannot be read by this release. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one table. Times are microseconds since the epoch, bytes are base64."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a backup was taken of, all in one snapshot. `revision` is that of the tables, `authorities` are ids."""

    release: str
    revision: str
    taken_at: datetime
    change_number: int
    audit_heads: tuple[Checkpoint, ...]
    authorities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`key_id` tells which key-encryption key the seal derives from, without telling the key."""

    origin: Origin
    rows: Mapping[str, int]
    sha256: str
    key_id: str


@dataclass(frozen=True, slots=True)
class _End:
    manifest: Manifest
    seal: str


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive whose seal is proven. `batches` may be asked for more than once."""

    manifest: Manifest
    _file: IO[bytes]

    def batches(self) -> Iterator[Batch]:
        for line in _body(self._file):
            yield _decode(line, Batch)


def write(path: Path, origin: Origin, batches: Iterable[Batch], *, key: bytes) -> Manifest:
    """Write an archive, mode 0600, durably: all of it or nothing."""
    counts: Counter[str] = Counter()
    digest = hashlib.sha256()
    with replacing(path) as file:
        file.write(_TITLE % FORMAT)
        digest.update(_TITLE % FORMAT)
        for batch in batches:
            line = msgspec.json.encode(batch) + b"\n"
            file.write(line)
            digest.update(line)
            counts[batch.table] += len(batch.rows)
        manifest = Manifest(origin, dict(counts), digest.hexdigest(), _key_id(key))
        file.write(msgspec.json.encode(_End(manifest, _seal(manifest, key))) + b"\n")
    return manifest


@contextmanager
def opened(path: Path, *, key: bytes) -> Iterator[Archive]:
    """Open an archive and prove that it is whole and ours. Raises DamagedArchive with the reason."""
    with path.open("rb") as file:
        end, sha256 = _end(file)
        if end.manifest.key_id != _key_id(key):
            raise DamagedArchive("The archive was made with another key-encryption key. Give that one.")
        if not hmac.compare_digest(end.seal, _seal(end.manifest, key)):
            raise DamagedArchive("The archive's manifest was altered: its seal does not fit.")
        if end.manifest.sha256 != sha256:
            raise DamagedArchive("The archive was altered or damaged: its SHA-256 is not the manifest's.")
        yield Archive(end.manifest, file)


def _end(file: IO[bytes]) -> tuple[_End, str]:
    """Read the last line, and the digest of all lines before it."""
    title = file.readline(len(_TITLE) + 20)
    if not title.startswith(_TITLE_START):
        raise DamagedArchive("This is not a backup of Credenza.")
    if title != _TITLE % FORMAT:
        raise DamagedArchive("The archive's format is not this release's: a newer release wrote it.")
    digest, last = hashlib.sha256(title), b""
    for line in _lines(file):
        digest.update(last)
        last = line
    if not last.startswith(b'{"manifest":') or not last.endswith(b"\n"):
        raise DamagedArchive("The archive is cut off: its manifest is missing.")
    return _decode(last, _End), digest.hexdigest()


def _body(file: IO[bytes]) -> Iterator[bytes]:
    """The lines between title and manifest."""
    file.seek(0)
    file.readline()
    return (line for line in _lines(file) if not line.startswith(b'{"manifest":'))


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE_BYTES):
        yield line


def _decode(line: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedArchive("The archive is damaged: a line of it cannot be read.") from error


def _seal(manifest: Manifest, key: bytes) -> str:
    return hmac.new(key, b"manifest\n" + msgspec.json.encode(manifest), hashlib.sha256).hexdigest()


def _key_id(key: bytes) -> str:
    return hmac.new(key, b"key id", hashlib.sha256).hexdigest()[:16]
