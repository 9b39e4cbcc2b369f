"""P8: is this token good? asked over HTTP by a resource server, against an empty answer to the same question."""

from __future__ import annotations

from contextlib import ExitStack

from cryptography.hazmat.primitives.asymmetric import ec

from bench import load, token_stage
from bench.line import Line, judge, microseconds, rate
from bench.load import Load, server_core
from bench.measure import ROUNDS, alternate, figure
from bench.peers.servers import EmptyServer

_CALLS = 15_000
_SECONDS = 3
_GOAL = 0.35


def measure() -> tuple[Line, ...]:
    loads: list[Load] = []
    with ExitStack() as stack:
        key = ec.generate_private_key(ec.SECP256R1())
        gate = stack.enter_context(token_stage.token_gate(key, core=server_core()))
        empty = stack.enter_context(EmptyServer())
        questions = [gate.introspection(gate.token())] * _CALLS

        def introspect() -> float:
            loads.append(load.send(gate.server.port, questions, pids=gate.server.worker_pids, seconds=_SECONDS))
            return loads[-1].per_second

        found = alternate(
            {
                "empty": lambda: load.send(empty.port, questions, pids=empty.pids, seconds=_SECONDS).per_second,
                "credenza": introspect,
            }
        )
    ours, nothing = found["credenza"], found["empty"]
    cpu = figure(each.cpu_each_s for each in loads[-ROUNDS:])
    ratio = ours.median / nothing.median
    return (
        Line(
            id="P8",
            what="introspection of a good token over HTTP, per core",
            figure=f"{rate(ours.median)} {ours.spread}, {microseconds(cpu.median)} CPU a call",
            compared=f"empty answers of uvicorn to the same form: {rate(nothing.median)} {nothing.spread}",
            ratio=f"{ratio:.2f}",
            goal=f"≥ {_GOAL}",
            verdict=judge(ratio >= _GOAL),
        ),
    )
