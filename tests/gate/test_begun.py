"""A coroutine that is begun runs on from where it waits, as a task would have it."""

from __future__ import annotations

import asyncio

import pytest

from credenza.gate.begun import begin


async def _adds(numbers: list[int], *waits: asyncio.Future[int]) -> int:
    return sum([*numbers, *[await each for each in waits]])


def test_what_waits_for_nothing_is_done_when_it_is_begun() -> None:
    assert begin(_adds([1, 2])) == 3


def test_what_waits_goes_on_when_that_is_there() -> None:
    async def scene() -> int:
        first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
        asyncio.get_running_loop().call_soon(first.set_result, 1)
        asyncio.get_running_loop().call_later(0.01, second.set_result, 2)
        rest = begin(_adds([], first, second))
        assert not isinstance(rest, int)
        return await asyncio.create_task(rest)

    assert asyncio.run(scene()) == 3


def test_an_error_it_waits_for_is_raised_in_it_and_out_of_it() -> None:
    async def scene() -> None:
        wait = asyncio.get_running_loop().create_future()
        rest = begin(_adds([], wait))
        assert not isinstance(rest, int)
        wait.set_exception(LookupError("gone"))
        await rest

    with pytest.raises(LookupError, match="gone"):
        asyncio.run(scene())


def test_it_can_be_cancelled_while_it_waits() -> None:
    seen = []

    async def patient() -> int:
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def scene() -> None:
        rest = begin(patient())
        assert not isinstance(rest, int)
        task = asyncio.create_task(rest)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(scene())
    assert seen == ["cancelled"]
