"""P17: two workers against one, asked as in P2 and as in P4.

On two cores the second worker shares its core with the load generator, which no real caller does: the figure by CPU
time says what two workers would reach on two cores of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from cryptography.hazmat.primitives.asymmetric import ec

from bench import stage, token_stage
from bench.line import Line, judge, rate
from bench.load import Load
from bench.measure import alternate

_CALLS = 15_000
_TOKENS = 10_000
_SECONDS = 3
_GOAL = 1.75


def measure() -> tuple[Line, ...]:
    return (_decisions(), _tokens())


def _decisions() -> Line:
    with ExitStack() as stack:
        one = stack.enter_context(stage.gate())
        two = stack.enter_context(stage.gate(workers=2))
        return _line(
            "as P2",
            lambda: one.decide(_CALLS, seconds=_SECONDS),
            lambda: two.decide(_CALLS, seconds=_SECONDS),
        )


def _tokens() -> Line:
    with ExitStack() as stack:
        key = ec.generate_private_key(ec.SECP256R1())
        one = stack.enter_context(token_stage.token_gate(key))
        two = stack.enter_context(token_stage.token_gate(key, workers=2))
        return _line(
            "as P4",
            lambda: one.grant(_TOKENS, seconds=_SECONDS),
            lambda: two.grant(_TOKENS, seconds=_SECONDS),
        )


def _line(what: str, one: Callable[[], Load], two: Callable[[], Load]) -> Line:
    loads: dict[str, list[Load]] = {"one": [], "two": []}

    def turn(name: str, ask: Callable[[], Load]) -> float:
        loads[name].append(ask())
        return loads[name][-1].per_second

    found = alternate({"one": lambda: turn("one", one), "two": lambda: turn("two", two)})
    cpu = _by_cpu_time(loads)
    times = found["two"].median / found["one"].median
    return Line(
        id="P17",
        what=f"two workers against one, {what}; on two cores the load generator competes with the second",
        figure=f"{rate(found['two'].median)} {found['two'].spread}",
        compared=f"one worker: {rate(found['one'].median)} {found['one'].spread}",
        ratio=f"{times:.2f} ×; by CPU time {cpu:.2f} ×",
        goal=f"≥ {_GOAL} ×",
        verdict=judge(times >= _GOAL),
    )


def _by_cpu_time(loads: dict[str, list[Load]]) -> float:
    """Twice the rate per CPU second of two workers, against the one of one."""
    one, two = (sorted(each.per_cpu_second for each in loads[name])[len(loads[name]) // 2] for name in ("one", "two"))
    return 2 * two / one
