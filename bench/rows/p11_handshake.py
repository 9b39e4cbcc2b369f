"""P11: TLS 1.3 handshakes with a client certificate at our own listener, against nginx with the same certificates.

Each is a new connection, its certificate asked for, sent and verified; it is over when the server's tickets have come,
for until then nothing tells a client that its certificate was taken. Rates are per CPU second of the server.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.gate.certificate_scene import foreign_anchor, issuing, leaf, server_of
from tests.installation import CredenzaServer, full_settings, furnish
from tests.servers import HOST

from bench.line import Line, judge, microseconds, rate
from bench.load import server_core
from bench.measure import alternate, cpu_seconds
from bench.peers.servers import PinnedNginx

_HANDSHAKES = 400
_WARM = 20
_GOAL = 0.5
_AUTHORITY = issuing("Bench CA")


@dataclass(frozen=True, slots=True)
class _Place:
    port: int
    pids: Callable[[], Iterable[int]]


def measure() -> tuple[Line, ...]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-bench-")))
        context = _written(directory)
        ours = stack.enter_context(_ours(directory))
        nginx = stack.enter_context(PinnedNginx(_nginx(directory), server_core()))
        theirs = _Place(nginx.port, nginx.pids)
        for place in (ours, theirs):
            _shake_hands(place, context, _WARM)
        found = alternate(
            {
                "our listener": lambda: _shake_hands(ours, context, _HANDSHAKES),
                "nginx": lambda: _shake_hands(theirs, context, _HANDSHAKES),
            }
        )
    listener, peer = found["our listener"], found["nginx"]
    ratio = listener.median / peer.median
    return (
        Line(
            id="P11",
            what="TLS 1.3 handshake with a client certificate, P-256 all over: per CPU second of the server",
            figure=f"{rate(listener.median)} {listener.spread}, {microseconds(1 / listener.median)} CPU each",
            compared=f"nginx with the same certificates: {rate(peer.median)} {peer.spread}",
            ratio=f"{ratio:.2f}",
            goal=f"≥ {_GOAL}",
            verdict=judge(ratio >= _GOAL),
        ),
    )


def _written(directory: Path) -> ssl.SSLContext:
    """Write everybody's files; what the client goes by."""
    server, client = server_of(issuing("Server CA")), leaf(_AUTHORITY)
    files = {
        "server.pem": server.pem,
        "server.key": server.key_pem,
        "client.pem": client.pem + client.key_pem,
        "authorities.pem": _AUTHORITY.pem,
        "trusted.pem": issuing("Server CA").pem,
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    context = ssl.create_default_context(cafile=directory / "trusted.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(directory / "client.pem")
    return context


@contextmanager
def _ours(directory: Path) -> Iterator[_Place]:
    files = {"tls_certificate": directory / "server.pem", "tls_private_key": directory / "server.key"}
    chosen = full_settings(directory, **files)
    with CredenzaServer(chosen, role="gate", core=server_core()) as server, furnish(chosen) as installation:
        foreign_anchor(installation.platform.database, _AUTHORITY)
        yield _Place(server.port, server.worker_pids)


def _nginx(directory: Path) -> str:
    return (
        f"server {{ listen {HOST}:{{port}} ssl; ssl_protocols TLSv1.3; ssl_session_cache none;"
        f" ssl_certificate {directory}/server.pem; ssl_certificate_key {directory}/server.key;"
        f" ssl_verify_client on; ssl_verify_depth 3; ssl_client_certificate {directory}/authorities.pem;"
        " location / { return 204; } }"
    )


def _shake_hands(place: _Place, context: ssl.SSLContext, count: int) -> float:
    """Make new connections one after the other; how many a second of the server's CPU would do."""
    before = cpu_seconds(place.pids())
    for _ in range(count):
        _connect(place.port, context)
    return count / (cpu_seconds(place.pids()) - before)


def _connect(port: int, context: ssl.SSLContext) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection((HOST, port)) as connection:
        while not _is_done(secured):
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65_536))
        connection.sendall(outgoing.read())
        incoming.write(connection.recv(65_536))
        try:
            secured.read(1)  # raises the alert of a server that has not taken the certificate
        except ssl.SSLWantReadError:
            return
    raise RuntimeError("a server spoke first")


def _is_done(secured: ssl.SSLObject) -> bool:
    try:
        secured.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
