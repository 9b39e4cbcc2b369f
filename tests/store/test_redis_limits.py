"""Limits of calls that several gates share: counted in one Redis, and by each gate alone without it."""

import asyncio
from datetime import timedelta

import pytest
from tests.servers import RedisServer

from credenza.domain.call_limits import CallLimits, Standing
from credenza.store.redis_limits import RedisLimits

pytestmark = pytest.mark.anyio


class Alone:
    """What a gate counts by itself, on a clock that stands still."""

    def __init__(self) -> None:
        self.asked = 0
        self._limits = CallLimits(most=10)

    def __call__(self, key: str, per_minute: int) -> Standing:
        self.asked += 1
        return self._limits.count(key, per_minute, now_us=0)


async def test_two_gates_share_one_limit(redis_server: RedisServer) -> None:
    alone = Alone()
    gates = [RedisLimits(redis_server.url, fallback=alone, deadline=timedelta(seconds=30)) for _ in range(2)]

    counted = [await gates[number % 2].count("a", 4) for number in range(5)]

    assert [each.wait_s > 0 for each in counted] == [False] * 4 + [True]
    assert [each.used for each in counted[:4]] == [1, 2, 3, 4]
    assert 0 < counted[4].wait_s <= 15
    assert alone.asked == 0
    for gate in gates:
        await gate.close()


async def test_calls_that_come_at_once_are_counted_one_by_one(redis_server: RedisServer) -> None:
    gate = RedisLimits(redis_server.url, fallback=Alone(), deadline=timedelta(seconds=30))

    counted = await asyncio.gather(*(gate.count(key, 3) for key in "aabaab"))

    assert [each.wait_s > 0 for each in counted] == [False, False, False, False, True, False]
    await gate.close()


async def test_without_its_redis_a_gate_counts_by_itself() -> None:
    alone = Alone()
    gate = RedisLimits("redis://127.0.0.1:9/0", fallback=alone)

    counted = [await gate.count("a", 1) for _ in range(2)]

    assert [each.wait_s > 0 for each in counted] == [False, True]
    assert alone.asked == 2
    await gate.close()
