"""Limits of calls that several gates share, in the Redis that also remembers replays; `domain.call_limits` says what
one is. Imported by those who have one, as `redis_replay` is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from credenza.domain.call_limits import Standing, interval_us, standing

# KEYS: the buckets. ARGV: for each, how long a call takes to flow back and how much the bucket holds, in microseconds.
# By the clock of Redis, which all gates share. A number of this size is written in whole digits, or Lua rounds it.
COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers = {}
for i = 1, #KEYS do
    local full = math.max(tonumber(redis.call('GET', KEYS[i]) or '0'), now)
    local after = full + ARGV[2 * i - 1]
    local wait = math.max(after - ARGV[2 * i] - now, 0)
    if wait == 0 then
        full = after
        redis.call('SET', KEYS[i], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
    end
    answers[2 * i - 1] = wait
    answers[2 * i] = full - now
end
return answers
"""


@dataclass(frozen=True, slots=True)
class _Question:
    key: str
    per_minute: int
    answer: asyncio.Future[Standing]


class RedisLimits:
    """Calls that wait when the event loop comes round are counted by one script, one at a time. While Redis does not
    answer each gate counts by itself, with `fallback`: a limit protects the API behind it, and no call is refused for
    want of a counter."""

    def __init__(
        self,
        url: str,
        *,
        fallback: Callable[[str, int], Standing],
        deadline: timedelta = timedelta(milliseconds=250),
        prefix: str = "credenza:limit:",
    ) -> None:
        self._client = Redis.from_url(url, retry=None, protocol=2)  # as in `redis_replay`
        self._fallback = fallback
        self._deadline_s = deadline.total_seconds()
        self._prefix = prefix
        self._waiting: list[_Question] = []
        self._flushing: asyncio.Task[None] | None = None

    async def count(self, key: str, per_minute: int) -> Standing:
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Question(key, per_minute, answer))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        found: Standing = await answer
        return found

    async def close(self) -> None:
        if self._flushing is not None and not self._flushing.done():
            await asyncio.wait([self._flushing])
        await self._client.aclose()

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            for question, found in zip(batch, await self._counted(batch), strict=True):
                if not question.answer.done():
                    question.answer.set_result(found)

    async def _counted(self, batch: Sequence[_Question]) -> list[Standing]:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._ask(batch)
        except (RedisError, OSError, TimeoutError):
            return [self._fallback(each.key, each.per_minute) for each in batch]

    async def _ask(self, batch: Sequence[_Question]) -> list[Standing]:
        keys = [self._prefix + each.key for each in batch]
        intervals = [interval_us(each.per_minute) for each in batch]
        arguments = [
            number
            for interval, each in zip(intervals, batch, strict=True)
            for number in (interval, interval * each.per_minute)
        ]
        asked = self._client.execute_command("EVAL", COUNT, len(keys), *keys, *arguments)  # type: ignore[no-untyped-call]
        answers = await asked
        return [
            standing(each.per_minute, wait_us=answers[2 * at], missing_us=answers[2 * at + 1])
            for at, each in enumerate(batch)
        ]
