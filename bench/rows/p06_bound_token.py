"""P6: may this call pass? asked for calls with a DPoP-bound token, as nginx asks, from one worker on one core."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from bench import token_stage
from bench.line import Line, judge, microseconds, rate
from bench.load import Load, server_core
from bench.measure import ROUNDS, alternate, cpu_seconds_each, figure

_CALLS = 15_000
_VERIFIES = 2_000
_SECONDS = 3
_GOAL = 0.62
_SIGNED = b"x" * 400  # as long as a proof
_ECDSA = ec.ECDSA(SHA256())


def measure() -> tuple[Line, ...]:
    loads: list[Load] = []
    key = ec.generate_private_key(ec.SECP256R1())
    with token_stage.token_gate(key, core=server_core()) as gate:

        def decide() -> float:
            loads.append(gate.decide(_CALLS, seconds=_SECONDS))
            return loads[-1].per_second

        found = alternate({"limit": lambda: 1 / _verify_seconds(key), "credenza": decide})
    ours, limit = found["credenza"], found["limit"]
    cpu = figure(each.cpu_each_s for each in loads[-ROUNDS:])
    ratio = ours.median / limit.median
    return (
        Line(
            id="P6",
            what="gate decision on a DPoP-bound token, ES256, through the sub-request endpoint over HTTP, per core",
            figure=f"{rate(ours.median)} {ours.spread}, {microseconds(cpu.median)} CPU a call",
            compared=f"P-256 verifies: {rate(limit.median)} {limit.spread}",
            ratio=f"{ratio:.2f}",
            goal=f"≥ {_GOAL}",
            verdict=judge(ratio >= _GOAL),
        ),
    )


def _verify_seconds(key: ec.EllipticCurvePrivateKey) -> float:
    public, signature = key.public_key(), key.sign(_SIGNED, _ECDSA)
    return cpu_seconds_each(lambda _: public.verify(signature, _SIGNED, _ECDSA), _VERIFIES)
