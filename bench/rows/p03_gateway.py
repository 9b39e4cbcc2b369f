"""P3: a call of 1 kB through the reverse proxy, its body hashed and checked, against nginx before the same upstream.

Rates are per CPU second of the proxy: nginx is so fast that on two cores the load generator and the upstream, which
share the other core, would be what is measured.
"""

from __future__ import annotations

from contextlib import ExitStack

from tests.servers import HOST

from bench import load, signing, stage
from bench.line import Line, judge, microseconds, milliseconds, rate
from bench.load import Load, server_core
from bench.measure import alternate
from bench.peers import servers
from bench.peers.servers import PinnedNginx
from bench.stage import Gate

_TARGET = "/orders/v1/refunds"
_BODY = b"x" * 1024
_CALLS = 6_000
_ONE_BY_ONE = 1_000
_SECONDS = 3
_GOAL_ADDED_S = 0.001
_GOAL_RATE = 0.15


def measure() -> tuple[Line, ...]:
    with ExitStack() as stack:
        upstream = stack.enter_context(servers.upstream())
        proxy = stack.enter_context(servers.proxy(upstream.port))
        gate = stack.enter_context(stage.gate(core=server_core(), upstream=f"http://{HOST}:{upstream.port}"))
        found = alternate(
            {
                "gateway, one by one": lambda: _through(gate, gate, _ONE_BY_ONE, connections=1).p50_s,
                "nginx, one by one": lambda: _through(proxy, gate, _ONE_BY_ONE, connections=1).p50_s,
                "gateway": lambda: _through(gate, gate, _CALLS).per_cpu_second,
                "nginx": lambda: _through(proxy, gate, _CALLS).per_cpu_second,
            }
        )
    ours, theirs = found["gateway, one by one"], found["nginx, one by one"]
    added = ours.median - theirs.median
    gateway, nginx = found["gateway"], found["nginx"]
    ratio = gateway.median / nginx.median
    return (
        Line(
            id="P3",
            what="a call through the gateway, 1 kB body, hash checked: latency p50, one connection",
            figure=f"{milliseconds(ours.median)} {ours.spread}",
            compared=f"nginx proxy_pass: {milliseconds(theirs.median)} {theirs.spread}",
            ratio=f"{milliseconds(added)} added",
            goal="≤ 1 ms added",
            verdict=judge(added <= _GOAL_ADDED_S),
        ),
        Line(
            id="P3",
            what="the same: calls per CPU second of the proxy, 32 connections",
            figure=f"{rate(gateway.median)} {gateway.spread}, {microseconds(1 / gateway.median)} CPU a call",
            compared=f"nginx proxy_pass: {rate(nginx.median)} {nginx.spread}",
            ratio=f"{ratio:.2f}",
            goal=f"≥ {_GOAL_RATE}",
            verdict=judge(ratio >= _GOAL_RATE),
        ),
    )


def _through(proxy: Gate | PinnedNginx, gate: Gate, count: int, *, connections: int = load.CONNECTIONS) -> Load:
    """nginx gets the same requests as the gate; it passes the signature on and looks at none of it."""
    headers = signing.sign(gate.client, count, url=gate.server.origin + _TARGET, method="POST", body=_BODY)
    requests = [
        load.raw_request(
            "POST",
            _TARGET,
            [("Host", "127.0.0.1"), ("Authorization", header), ("Content-Type", "application/json")],
            _BODY,
        )
        for header in headers
    ]
    port, pids = (proxy.server.port, proxy.server.worker_pids) if isinstance(proxy, Gate) else (proxy.port, proxy.pids)
    return load.send(port, requests, pids=pids, seconds=_SECONDS, connections=connections)
