"""Replay memory: was this key seen before? One atomic question, asked after the proof and as the last check.

RFC 5849 3.3 (timestamp and nonce), RFC 7523 3 item 7 (`jti`), RFC 9449 11.1 (DPoP proofs). LmdbReplay serves all
processes of one machine, RedisReplay (`redis_replay`) several machines. Both answer True to exactly one caller per key,
outlive the process that asked, and raise ReplayUnavailable instead of guessing.

A memory that is not as old as the installation may have forgotten keys. `remembers_since` says which calls it can
judge: one whose own time (`oauth_timestamp`, `iat`) is at or before it must be refused, whatever `first_seen` said.
Read it after `first_seen`, which keeps it up to date. `ahead` is how far in the future the time of an admitted call may
lie: a memory born at B cannot know of a call that was admitted just before B with the time B + ahead, so it vouches for
later times only. The first start of an installation would refuse everybody for that long, for no reason: nothing was
ever admitted. Whoever creates an installation therefore says so with `establish`, and nobody else does.

All times are seconds since the epoch and come from the caller.
"""

from __future__ import annotations

import fcntl
import math
import os
import struct
from contextlib import contextmanager
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# Processes and machines that share a memory tell the same time to within this much.
CLOCK_TOLERANCE_S = 10.0

DIGEST_BYTES = 16

# Which slot is current, when it became so, and `remembers_since`.
STATE = struct.Struct("<Bdd")
STATE_KEY = b"state"

# A key takes 26 bytes in a page that is half full at worst, and branch pages above it. The reserve lets a full memory
# drop a generation: LMDB needs free pages to write down which pages became free.
BYTES_PER_KEY = 60
RESERVE_BYTES = 4 * 1024 * 1024

# To ask how full a slot is takes as long as to put a key into it. Who has found room for many puts a few of them in
# before asking again: a 64th of the room, and at most so many. When 64 processes do so at once, what they put in too
# much is a fourth of the reserve.
_SHARE_OF_ROOM = 64
_MOST_UNASKED = 256


def place_of(directory: Path) -> str:
    """Name a directory on this machine: processes that share it agree, and nobody else does, clones included."""
    found = directory.stat()
    running = BOOT_ID.read_text().strip()
    return blake2b(f"{running} {found.st_dev} {found.st_ino}".encode(), digest_size=DIGEST_BYTES).hexdigest()


class ReplayUnavailable(Exception):  # noqa: N818 - says what is the case, as the other refusals do
    """The memory cannot say whether a key is new: it is unreachable, full or damaged. The call must be refused."""


class LmdbReplay:
    """Replay memory of one machine: an LMDB environment in a directory of its own, shared by all processes.

    Two slots hold the keys of two generations; when the current one is old enough, the other is emptied and becomes
    current. Nothing is synced to disk: the page cache outlives every process, and a machine that booted anew (another
    boot id) starts an empty memory. The file is written through the memory map, a third of the price of write(2), and
    is allocated in full when it is made, because a full disk under a map would kill the process.

    Accepted: a process that is stopped within the few microseconds of its transaction holds up the others, since LMDB's
    lock has no deadline; a killed one does not. A clock that jumps forward and back twice within the window makes the
    memory forget without noticing; once, it notices.
    """

    def __init__(
        self,
        directory: Path,
        *,
        remember: timedelta,
        ahead: timedelta,
        now: float,
        capacity: int = 4_000_000,
        boot_id: Path = BOOT_ID,
    ) -> None:
        """Open or make the memory, of up to `capacity` keys in a generation, which lasts a little over `remember`."""
        # A clock may go back by the tolerance after a turn; the keys that this makes due again must still be here.
        self._generation_s = remember.total_seconds() + CLOCK_TOLERANCE_S
        self._ahead_s = ahead.total_seconds()
        self._capacity = capacity
        self._unasked = 0  # how many keys may be put in before asking for room
        self.remembers_since = math.inf
        with _fail_closed("cannot open replay memory"):
            self._open(directory, now, boot_id.read_bytes())

    @staticmethod
    def establish(directory: Path, *, boot_id: Path = BOOT_ID) -> None:
        """Say that the installation begins now: its first memory, made before the next boot, has nothing to forget."""
        with _fail_closed("cannot establish replay memory"):
            directory.mkdir(parents=True, exist_ok=True)
            if not (directory / "boot").exists():
                (directory / "established").write_bytes(boot_id.read_bytes())

    def first_seen(self, key: bytes, now: float) -> bool:
        digest = blake2b(key, digest_size=DIGEST_BYTES).digest()
        try:
            with self._environment.begin(write=True) as transaction:
                slots = self._slots_at(transaction, now)
                new = _insert(transaction, slots, digest)
                if new:
                    self._check_room(transaction, slots, 1)
                return new
        except lmdb.Error as error:
            raise ReplayUnavailable("replay memory does not answer") from error

    def first_seen_each(self, keys: Sequence[bytes], now: float) -> tuple[bool, ...]:
        """Ask about several keys in one transaction: that takes most of the time. Each is used up by itself."""
        digests = [blake2b(key, digest_size=DIGEST_BYTES).digest() for key in keys]
        try:
            with self._environment.begin(write=True) as transaction:
                slots = self._slots_at(transaction, now)
                new = tuple([_insert(transaction, slots, digest) for digest in digests])
                self._check_room(transaction, slots, sum(new))
                return new
        except lmdb.Error as error:
            raise ReplayUnavailable("replay memory does not answer") from error

    def close(self) -> None:
        self._environment.close()

    def _open(self, directory: Path, now: float, boot: bytes) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "opening").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            since = now + self._ahead_s + CLOCK_TOLERANCE_S
            if _content(directory / "boot") != boot:
                # Pages that were never synced may be lost or torn: nothing of such a file can be trusted.
                for name in ("data.mdb", "lock.mdb"):
                    (directory / name).unlink(missing_ok=True)
                since = 0.0 if _content(directory / "established") == boot else since
            self._environment = self._allocate(directory)
            self._slots = (self._environment.open_db(b"0"), self._environment.open_db(b"1"))
            self._begin(now, since)
            (directory / "established").unlink(missing_ok=True)
            (directory / "boot").write_bytes(boot)

    def _allocate(self, directory: Path) -> Any:
        size = 2 * self._capacity * BYTES_PER_KEY + RESERVE_BYTES
        environment = lmdb.open(
            str(directory), map_size=size, max_dbs=2, sync=False, metasync=False, writemap=True, map_async=True
        )
        try:
            with (directory / "data.mdb").open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            environment.close()
            raise
        return environment

    def _begin(self, now: float, since: float) -> None:
        with self._environment.begin(write=True) as transaction:
            transaction.put(STATE_KEY, STATE.pack(0, now, since), overwrite=False)
            _, _, self.remembers_since = STATE.unpack(transaction.get(STATE_KEY))

    def _check_room(self, transaction: Any, slots: tuple[Any, Any], taken: int) -> None:
        """Raise ReplayUnavailable when the memory is full; who leaves a transaction so has undone its inserts."""
        self._unasked -= taken
        if self._unasked >= 0:
            return
        room = self._capacity - transaction.stat(slots[0])["entries"]
        if room < 0:
            raise ReplayUnavailable("replay memory is full")
        self._unasked = min(room // _SHARE_OF_ROOM, _MOST_UNASKED)

    def _slots_at(self, transaction: Any, now: float) -> tuple[Any, Any]:
        """Current and previous slot. The state is read each time, because another process may have turned them."""
        current, started, since = STATE.unpack(transaction.get(STATE_KEY))
        if now >= started + self._generation_s:
            current ^= 1
            transaction.drop(self._slots[current], delete=False)
            transaction.put(STATE_KEY, STATE.pack(current, now, since))
        elif now < started - CLOCK_TOLERANCE_S:
            # The clock was set back. A turn by the wrong clock may have dropped keys that are due again.
            since = max(since, now + self._ahead_s + CLOCK_TOLERANCE_S)
            transaction.put(STATE_KEY, STATE.pack(current, now, since))
        self.remembers_since = since
        return self._slots[current], self._slots[current ^ 1]


def _insert(transaction: Any, slots: tuple[Any, Any], digest: bytes) -> bool:
    """Say whether neither generation has it yet."""
    current, previous = slots
    if transaction.get(digest, db=previous) is not None:
        return False
    return bool(transaction.put(digest, b"", db=current, overwrite=False))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@contextmanager
def _fail_closed(message: str) -> Iterator[None]:
    try:
        yield
    except (lmdb.Error, OSError) as error:
        raise ReplayUnavailable(message) from error
