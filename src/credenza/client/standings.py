"""What an issuer says of tokens, asked again when it was said too long ago.

An answer is used for `max_age`, counted from before it was asked for: a token that the issuer has revoked is refused at
the latest when that has passed. Without an answer nobody is admitted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta

import anyio

from credenza.client.errors import IssuerUnavailable
from credenza.client.issuer import Standing

_REMEMBERED = 20_000


class _Question:
    """Asked once for all who wait. Neither answer nor failure: whoever asked has gone."""

    def __init__(self, asked_at: float) -> None:
        self.asked_at = asked_at
        self.over = anyio.Event()
        self.answer: Standing | None = None
        self.failure: IssuerUnavailable | None = None


class Standings:
    """`ticks` are seconds on a clock that nobody sets and that goes on while the machine sleeps."""

    def __init__(
        self, ask: Callable[[str], Awaitable[Standing]], *, max_age: timedelta, ticks: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._max_age_s = max_age.total_seconds()
        self._ticks = ticks
        self._questions: OrderedDict[str, _Question] = OrderedDict()

    async def of(self, token: str) -> Standing:
        """Say what a token is good for. Raises IssuerUnavailable."""
        while True:
            question = self._questions.get(token)
            if question is None or self._ticks() - question.asked_at >= self._max_age_s:
                return await self._ask_anew(token)
            if question.answer is not None:
                return question.answer
            await question.over.wait()
            if question.failure is not None:
                raise IssuerUnavailable(str(question.failure))

    async def _ask_anew(self, token: str) -> Standing:
        question = self._questions[token] = _Question(self._ticks())
        self._questions.move_to_end(token)
        if len(self._questions) > _REMEMBERED:
            self._questions.popitem(last=False)
        try:
            question.answer = await self._ask(token)
        except IssuerUnavailable as failure:
            question.failure = failure
            raise
        finally:
            question.over.set()
            if question.answer is None and self._questions.get(token) is question:
                del self._questions[token]
        return question.answer
