"""Coroutines that are run as far as they come without waiting: most answers are there before a task would be made."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def begin(coroutine: Coroutine[Any, Any, _Result]) -> _Result | Coroutine[Any, Any, _Result]:
    """Run a coroutine; the result, or what is left to be awaited. Needs a running loop, and no current task."""
    try:
        waited_for = coroutine.send(None)
    except StopIteration as done:
        result: _Result = done.value
        return result
    return _finish(_Rest(coroutine, waited_for))


async def _finish(rest: Awaitable[_Result]) -> _Result:
    return await rest


class _Rest(Awaitable[_Result]):
    """What is left of a coroutine that has begun: it waits for what it has yielded, and whoever awaits this does."""

    def __init__(self, coroutine: Coroutine[Any, Any, _Result], waited_for: Any) -> None:
        self._coroutine = coroutine
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, Any, _Result]:
        coroutine, waited_for = self._coroutine, self._waited_for
        try:
            while True:
                try:
                    sent = yield waited_for
                except BaseException as error:  # noqa: BLE001 - cancellation, too, is the coroutine's to see
                    waited_for = coroutine.throw(error)
                else:
                    waited_for = coroutine.send(sent)
        except StopIteration as done:
            result: _Result = done.value
            return result
