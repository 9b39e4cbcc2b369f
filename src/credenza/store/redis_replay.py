"""Replay memory of several machines; `replay` says what one promises. Imported by those who have one: redis-py takes
a quarter of a second and 24 MB, which a gate with a memory of its own can do without.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b

from redis.asyncio import Redis
from redis.exceptions import RedisError

from credenza.store.replay import CLOCK_TOLERANCE_S, DIGEST_BYTES, ReplayUnavailable

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
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._client.set(self._birth_key, 0, nx=True)
        except (RedisError, OSError) as error:
            raise ReplayUnavailable("cannot establish replay memory") from error

    async def first_seen(self, key: bytes, now: float) -> bool:
        return bool(await self._question(key, now))

    async def first_seen_each(self, keys: Sequence[bytes], now: float) -> tuple[bool, ...]:
        """Ask about several keys, which travel together."""
        answers = await asyncio.gather(*[self._question(key, now) for key in keys])
        return tuple(map(bool, answers))

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

    def _question(self, key: bytes, now: float) -> asyncio.Future[bool]:
        digest = blake2b(key, digest_size=DIGEST_BYTES).digest()
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Question(digest, now, answer))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return answer

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
