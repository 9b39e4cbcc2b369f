"""P2: the same decision asked for over HTTP, as nginx does it, from one worker on one core."""

from __future__ import annotations

from contextlib import ExitStack

from bench import decider, load, signing, stage
from bench.line import Line, judge, microseconds, rate
from bench.load import Load, server_core
from bench.measure import ROUNDS, Figure, alternate, figure
from bench.peers.servers import OauthlibServer
from bench.stage import TARGET, Gate
from credenza.protocol.oauth1 import RFC5849

_CALLS = 15_000
_PEER_CALLS = 3_000
_VERIFIES = 2_000
_SECONDS = 3
_GOAL_LIMIT = 0.28
_GOAL_PEER = 5


def measure() -> tuple[Line, ...]:
    loads: list[Load] = []
    with ExitStack() as stack:
        gate = stack.enter_context(stage.gate(core=server_core()))
        peer = stack.enter_context(OauthlibServer(gate.client, gate.server.origin))

        def decide() -> float:
            loads.append(gate.decide(_CALLS, seconds=_SECONDS))
            return loads[-1].per_second

        found = alternate(
            {
                "limit": lambda: _verifies_per_second(gate),
                "credenza": decide,
                "oauthlib": lambda: _peer(peer, gate).per_second,
            }
        )
    return _lines(found, figure(each.cpu_each_s for each in loads[-ROUNDS:]))


def _verifies_per_second(gate: Gate) -> float:
    calls = decider.calls(gate.client, _VERIFIES)
    return 1 / decider.verify_seconds(gate.client.private_key.public_key(), calls)


def _peer(peer: OauthlibServer, gate: Gate) -> Load:
    headers = signing.sign(gate.client, _PEER_CALLS, url=gate.server.origin + TARGET, reading=RFC5849)
    requests = [stage.check_request("/check", header) for header in headers]
    return load.send(peer.port, requests, pids=peer.pids, seconds=_SECONDS)


def _lines(found: dict[str, Figure], cpu: Figure) -> tuple[Line, ...]:
    ours, limit, peer = found["credenza"], found["limit"], found["oauthlib"]
    of_limit, of_peer = ours.median / limit.median, ours.median / peer.median
    what = "the same through the sub-request endpoint over HTTP, per core"
    said = f"{rate(ours.median)} {ours.spread}, {microseconds(cpu.median)} CPU a call"
    return (
        Line(
            id="P2",
            what=what,
            figure=said,
            compared=f"RSA-2048 verifies: {rate(limit.median)} {limit.spread}",
            ratio=f"{of_limit:.2f}",
            goal=f"≥ {_GOAL_LIMIT}",
            verdict=judge(of_limit >= _GOAL_LIMIT),
        ),
        Line(
            id="P2",
            what=what,
            figure=said,
            compared=f"oauthlib in Starlette: {rate(peer.median)} {peer.spread}",
            ratio=f"{of_peer:.1f} ×",
            goal=f"≥ {_GOAL_PEER} ×",
            verdict=judge(of_peer >= _GOAL_PEER),
        ),
    )
