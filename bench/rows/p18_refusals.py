"""P18: what it costs to refuse, against one admitted call: a flood of bad calls must not be dearer than good ones."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import update
from tests.clock import NOON
from tests.gate.scene import AUTHORITY, Client, Scene

from bench import decider
from bench.line import Line, judge, microseconds
from bench.measure import Figure, alternate, cpu_seconds_each
from bench.rows import p18_hostile_tokens
from bench.rows.p01_decision import decision_seconds
from credenza.gate.decision import Call, Refused
from credenza.store import schema
from credenza.store.engine import writing

_CALLS = 400
_GARBAGE_GOAL = 0.4
_MOST_VERIFIES = 8

# All readings of the base string differ for this one: default port, escapes, a plus, and an order that depends.
_WORST_URL = f"https://{AUTHORITY}:443/orders/v1?a1=2&a=1+2&at=12:30&name=caf%C3%A9&z"
_GARBAGE = {
    "garbage header": lambda: "OAuth " + secrets.token_hex(64),
    "garbage of 8 kB": lambda: (
        "OAuth " + ",".join(f'{secrets.token_hex(4)}="{secrets.token_hex(112)}"' for _ in range(32))
    ),
}


def measure() -> tuple[Line, ...]:
    with decider.scene() as scene:
        client = scene.add_key()
        large = _with_large_key(scene, scene.add_key())
        bad = _bad_calls(client, large)
        verifier = scene.verifier()
        contestants: dict[str, Callable[[], float]] = {name: _turn(scene, make) for name, make in bad.items()}
        contestants["admitted"] = lambda: decision_seconds(verifier, decider.calls(client, _CALLS))
        contestants["verify"] = lambda: decider.verify_seconds(
            client.private_key.public_key(), decider.calls(client, _CALLS)
        )
        contestants["verify 4096"] = lambda: decider.verify_seconds(
            large.private_key.public_key(), decider.calls(large, 50)
        )
        found = alternate(contestants)
    return (*(_line(name, found) for name in bad), *p18_hostile_tokens.measure())


def _with_large_key(scene: Scene, client: Client) -> Client:
    private_key = generate_private_key(public_exponent=65537, key_size=4096)
    der = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with writing(scene.database.records) as connection:
        connection.execute(
            update(schema.credentials).where(schema.credentials.c.id == client.key_id).values(public_key_der=der)
        )
    return replace(client, private_key=private_key)


def _bad_calls(client: Client, large: Client) -> dict[str, Callable[[], Call]]:
    """By name, how to make one that is unlike the last."""

    def by(header: Callable[[], str]) -> Callable[[], Call]:
        return lambda: decider.call(client, authorization=header())

    forged = client.sign("GET", "https://elsewhere.example.com/")
    forged_large = large.sign("GET", "https://elsewhere.example.com/")
    return {
        **{name: by(header) for name, header in _GARBAGE.items()},
        "unknown key": lambda: decider.call(
            client, _WORST_URL, authorization=forged.replace(client.key_id, secrets.token_hex(24))
        ),
        "bad signature": lambda: decider.call(client, _WORST_URL, authorization=forged),
        "hostile key (RSA-4096, the largest allowed)": lambda: decider.call(
            large, _WORST_URL, authorization=forged_large
        ),
    }


def _turn(scene: Scene, make: Callable[[], Call]) -> Callable[[], float]:
    verifier = scene.verifier()

    def turn() -> float:
        calls = [make() for _ in range(_CALLS)]
        outcomes: list[object] = [None] * _CALLS

        def decide(index: int) -> None:
            outcomes[index] = verifier.decide_now(calls[index], now=NOON)

        taken = cpu_seconds_each(decide, _CALLS)
        assert all(isinstance(outcome, Refused) for outcome in outcomes), "one was not refused"
        return taken

    return turn


def _line(name: str, found: dict[str, Figure]) -> Line:
    cost, admitted = found[name], found["admitted"]
    verify = found["verify 4096" if "4096" in name else "verify"]
    times = cost.median / admitted.median
    verifies = cost.median / verify.median
    is_garbage = name in _GARBAGE
    return Line(
        id="P18",
        what=f"refusing: {name}",
        figure=f"{microseconds(cost.median)} {cost.spread}",
        compared=f"admitted call: {microseconds(admitted.median)}; one verify: {microseconds(verify.median)}",
        ratio=f"{times:.2f} calls, {verifies:.1f} verifies",
        goal=f"≤ {_GARBAGE_GOAL} calls" if is_garbage else f"≤ {_MOST_VERIFIES} verifies",
        verdict=judge(times <= _GARBAGE_GOAL if is_garbage else verifies <= _MOST_VERIFIES),
    )
