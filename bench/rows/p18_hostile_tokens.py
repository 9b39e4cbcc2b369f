"""The part of P18 on hostile JWTs: each kind that `proof.claims.hostile` makes, and a header of 1 MB over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric import ec
from proof.claims import hostile
from tests.gate.scene import furnished
from tests.gate.token_scene import Desk
from tests.servers import HOST

from bench import token_stage
from bench.line import Line, judge, microseconds
from bench.load import raw_request, server_core
from bench.measure import ROUNDS, Figure, cpu_seconds, cpu_seconds_each, figure, progress
from bench.token_stage import TokenGate
from credenza.gate.begun import begin
from credenza.gate.token_app import TOKEN
from credenza.gate.token_server import Denial, TokenCall

_CALLS = 30
_LONG_HEADER = ("DPoP", "e" * 1_000_000)
_GOAL_S = 0.001


def measure() -> tuple[Line, ...]:
    costs = _costs()
    dearest = max(costs, key=lambda name: costs[name].median)
    usual = median(each.median for each in costs.values())
    with token_stage.token_gate(ec.generate_private_key(ec.SECP256R1()), core=server_core()) as gate:
        progress("  headers of 1 MB")
        over_http = figure(_long_header_seconds(gate) for _ in range(ROUNDS))
    return (
        _line(f"{len(costs)} kinds of hostile JWTs at the token server, the dearest: {dearest}", costs[dearest], usual),
        _line("a DPoP header of 1 MB over HTTP, with its connection", over_http, usual),
    )


def _line(what: str, cost: Figure, usual: float) -> Line:
    return Line(
        id="P18",
        what=f"refusing: {what}",
        figure=f"{microseconds(cost.median)} {cost.spread}",
        compared=f"the middle of all kinds: {microseconds(usual)}",
        ratio=f"{cost.median / usual:.1f} of those",
        goal="≤ 1 ms",
        verdict=judge(cost.median <= _GOAL_S),
    )


def _costs() -> dict[str, Figure]:
    """CPU seconds of one request of each kind, all of it but HTTP."""
    with TemporaryDirectory(prefix="credenza-bench-") as directory, furnished(Path(directory)) as scene:
        desk = Desk(scene)
        desk.granted()
        found: dict[str, list[float]] = {}
        for number in range(ROUNDS):
            progress(f"  round {number + 1} of {ROUNDS}: hostile JWTs")
            for name, make in hostile.kinds(desk).items():
                found.setdefault(name, []).append(_seconds_each(desk, make))
        return {name: figure(values) for name, values in found.items()}


def _seconds_each(desk: Desk, make: Callable[[], TokenCall]) -> float:
    calls = [make() for _ in range(_CALLS)]
    answers: list[object] = [None] * _CALLS

    def ask(index: int) -> None:
        answers[index] = begin(desk.server.grant(calls[index], clock=desk.scene.clock.now))

    taken = cpu_seconds_each(ask, _CALLS)
    assert all(isinstance(each, Denial) for each in answers), "one was not refused"
    return taken


def _long_header_seconds(gate: TokenGate) -> float:
    """CPU seconds of the server for one such request."""
    request = raw_request("POST", TOKEN, [("Host", HOST), _LONG_HEADER])
    before = cpu_seconds(gate.server.worker_pids())
    for _ in range(_CALLS):
        _send(gate, request)
    return (cpu_seconds(gate.server.worker_pids()) - before) / _CALLS


def _send(gate: TokenGate, request: bytes) -> None:
    with socket.create_connection((HOST, gate.server.port)) as connection, suppress(ConnectionError):
        connection.sendall(request)  # the server hangs up before it has read all of it
        assert b" 431 " in connection.recv(4096).splitlines()[0] + b" "
