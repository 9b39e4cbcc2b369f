"""P1: one OAuth 1.0a decision in process: header in, identity out, replay memory written, the caller counted."""

from __future__ import annotations

from tests.clock import NOON

from bench import decider
from bench.line import Line, judge, microseconds
from bench.measure import alternate, cpu_seconds_each
from credenza.gate.decision import Admitted, Call
from credenza.gate.oauth1 import Verifier

_CALLS = 3_000
_GOAL = 0.45


def measure() -> tuple[Line, ...]:
    with decider.scene() as scene:
        client = scene.add_key()
        verifier = scene.verifier()
        found = alternate(
            {
                "limit": lambda: decider.verify_seconds(client.private_key.public_key(), decider.calls(client, _CALLS)),
                "decision": lambda: decision_seconds(verifier, decider.calls(client, _CALLS)),
            }
        )
    limit, decision = found["limit"], found["decision"]
    ratio = limit.median / decision.median
    return (
        Line(
            id="P1",
            what="OAuth 1.0a decision in process, RSA-2048, usual reading, warm",
            figure=f"{microseconds(decision.median)} {decision.spread}",
            compared=f"one RSA-2048 verify: {microseconds(limit.median)} {limit.spread}",
            ratio=f"{ratio:.2f}",
            goal=f"≥ {_GOAL}",
            verdict=judge(ratio >= _GOAL),
        ),
    )


def decision_seconds(verifier: Verifier, calls: list[Call]) -> float:
    """CPU seconds of a decision; every call is new and is admitted."""
    outcomes: list[object] = [None] * len(calls)

    def decide(index: int) -> None:
        outcomes[index] = verifier.decide_now(calls[index], now=NOON)

    taken = cpu_seconds_each(decide, len(calls))
    assert all(isinstance(outcome, Admitted) for outcome in outcomes), "a refused call costs another time"
    return taken
