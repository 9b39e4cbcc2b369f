"""Replay memory: was this key seen before? One atomic question, asked after the proof and as the last check.

RFC 5849 3.3 (timestamp and nonce), RFC 7523 3 item 7 (`jti`), RFC 9449 11.1 (DPoP proofs). LmdbReplay serves all
processes of one machine, RedisReplay several machines. Both answer True to exactly one caller per key, outlive the
process that asked, and raise ReplayUnavailable instead of guessing.

A memory that is not as old as the installation may have forgotten keys. `remembers_since` says which calls it can
judge: one whose own time (`oauth_timestamp`, `iat`) is at or before it must be refused, whatever `first_seen` said.
Read it after `first_seen`, which keeps it up to date. `ahead` is how far in the future the time of an admitted call may
lie: a memory born at B cannot know of a call that was admitted just before B with the time B + ahead, so it vouches for
later times only. The first start of an installation would refuse everybody for that long, for no reason: nothing was
ever admitted. Whoever creates an installation therefore says so with `establish`, and nobody else does.

All times are seconds since the epoch and come from the caller.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
from redis.asyncio import Redis
from redis.exceptions import RedisError

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

# KEYS: the birth marker, then the keys in question. ARGV: now, the birth last seen, the life of a key in milliseconds.
# One script is one command: atomic, and a third of what redis-py takes for a pipeline of single ones.
ASK = """
local born = redis.call('GET', KEYS[1])
if not born or tonumber(born) < tonumber(ARGV[2]) then
    born = ARGV[1]
    redis.call('SET', KEYS[1], born)
end
local answers = {born}
for i = 2, #KEYS do
    answers[i] = redis.call('SET', KEYS[i], '', 'NX', 'PX', ARGV[3]) and 1 or 0
end
return answers
"""


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
                current, previous = self._slots_at(transaction, now)
                if transaction.get(digest, db=previous) is not None:
                    return False
                new = bool(transaction.put(digest, b"", db=current, overwrite=False))
                if new and transaction.stat(current)["entries"] > self._capacity:
                    raise ReplayUnavailable("replay memory is full")  # leaving by an exception undoes the insert
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


@dataclass(frozen=True, slots=True)
class _Question:
    digest: bytes
    now: float
    answer: asyncio.Future[bool]


class RedisReplay:
    """Replay memory of several machines: one Redis or Valkey with `appendonly yes` and `appendfsync always`.

    Questions that wait when the event loop comes round travel as one batch, one batch at a time. Each is SET NX PX, and
    each batch reads the birth marker, a key that says when this memory was born and is set when it is absent. A Redis
    that lost its memory lost the marker with it: the first gate to ask sets a new birth, and every gate learns it with
    its next answer. A marker older than the one seen before belongs to another memory, which is new to us and marked
    so. Refusing until the window has passed and refusing what is not later than birth + ahead admit the same replays,
    none; the latter lets honest calls back in sooner.

    Accepted: Redis expires keys by its own clock, which must not jump. A replica that is promoted, or an old copy that
    is restored, brings the old marker and lacks the newest keys: run neither, or delete the marker when you do.
    """

    def __init__(
        self,
        url: str,
        *,
        remember: timedelta,
        ahead: timedelta,
        deadline: timedelta = timedelta(milliseconds=500),
        prefix: str = "credenza:replay:",
    ) -> None:
        """Nothing is sent yet. deadline: how long a batch may take before all who wait are refused."""
        # No retry: a SET whose answer was lost, sent again, would call a first call a replay.
        # RESP2: with RESP3 redis-py expects notices on idle connections and no longer sees that one was closed.
        self._client = Redis.from_url(url, retry=None, protocol=2)
        self._lifetime_ms = math.ceil((remember.total_seconds() + CLOCK_TOLERANCE_S) * 1000)
        self._ahead_s = ahead.total_seconds()
        self._deadline_s = deadline.total_seconds()
        self._prefix = prefix.encode()
        self._birth_key = self._prefix + b"born"
        self._waiting: list[_Question] = []
        self._flushing: asyncio.Task[None] | None = None
        self._born = 0.0
        self.remembers_since = math.inf

    async def establish(self) -> None:
        """Say that the installation begins now: its memory has nothing to forget. Keeps the marker that is there."""
        with _fail_closed("cannot establish replay memory"):
            async with asyncio.timeout(self._deadline_s):
                await self._client.set(self._birth_key, 0, nx=True)

    async def first_seen(self, key: bytes, now: float) -> bool:
        digest = blake2b(key, digest_size=DIGEST_BYTES).digest()
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Question(digest, now, answer))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return bool(await answer)

    async def warnings(self) -> tuple[str, ...]:
        """What in this Redis's configuration lets it forget; for `credenza doctor`."""
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
        try:
            async with asyncio.timeout(self._deadline_s):
                found = await self._client.config_get(*wanted)
        except (RedisError, OSError) as error:
            return (f"the configuration of Redis cannot be read: {error}",)
        return tuple(
            f"Redis has {name} {found.get(name, 'unset')}: replay memory needs {value}"
            for name, value in wanted.items()
            if found.get(name) != value
        )

    async def close(self) -> None:
        if self._flushing is not None and not self._flushing.done():
            self._flushing.cancel()
            await asyncio.wait([self._flushing])
        await self._client.aclose()

    async def _flush(self) -> None:
        while batch := self._take():
            try:
                async with asyncio.timeout(self._deadline_s):
                    answers = await self._ask(batch)
            except BaseException as error:
                # Whoever waits behind this batch would only wait for the same Redis.
                _refuse([*batch, *self._take()], error)
                if not isinstance(error, RedisError | OSError | ValueError):
                    raise
            else:
                for question, new in zip(batch, answers, strict=True):
                    if not question.answer.done():
                        question.answer.set_result(new)

    def _take(self) -> list[_Question]:
        taken, self._waiting = self._waiting, []
        return taken

    async def _ask(self, batch: Sequence[_Question]) -> list[bool]:
        keys = (self._birth_key, *(self._prefix + question.digest for question in batch))
        now = max(question.now for question in batch)
        arguments = (repr(now), repr(self._born), self._lifetime_ms)
        # redis-py leaves this method without types
        asked = self._client.execute_command("EVAL", ASK, len(keys), *keys, *arguments)  # type: ignore[no-untyped-call]
        born, *answers = await asked
        self._born = float(born)
        self.remembers_since = self._born + self._ahead_s + CLOCK_TOLERANCE_S
        return [answer == 1 for answer in answers]


def _refuse(questions: Sequence[_Question], cause: BaseException) -> None:
    for question in questions:
        if not question.answer.done():
            refusal = ReplayUnavailable("replay memory does not answer")
            refusal.__cause__ = cause
            question.answer.set_exception(refusal)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@contextmanager
def _fail_closed(message: str) -> Iterator[None]:
    try:
        yield
    except (lmdb.Error, RedisError, OSError) as error:
        raise ReplayUnavailable(message) from error
