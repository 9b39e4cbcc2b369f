"""Peers as processes, pinned to the core of the server under test."""

from __future__ import annotations

import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.gate.scene import Client
from tests.installation import children
from tests.servers import HOST, NginxServer, Server, find_program

from bench.load import load_core, server_core


class OauthlibServer(Server):
    """`bench.peers.oauthlib_app` under uvicorn with uvloop and httptools, as Credenza's gate runs."""

    def __init__(self, client: Client, origin: str) -> None:
        super().__init__()
        self._client = client
        self._origin = origin

    def prepare(self) -> None:
        key = self._client.private_key.public_key()
        (self.directory / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def command(self) -> list[str]:
        variables = {
            "PEER_KEY": str(self.directory / "key.pem"),
            "PEER_CONSUMER_KEY": self._client.consumer_key,
            "PEER_ORIGIN": self._origin,
            "PYTHONPATH": ":".join(sys.path),
        }
        return [
            find_program("env", "coreutils"),
            *(f"{name}={value}" for name, value in variables.items()),
            *pinned(server_core()),
            *(
                sys.executable,
                "-m",
                "uvicorn",
                "bench.peers.oauthlib_app:app",
                "--host",
                HOST,
                "--port",
                str(self.port),
            ),
            *("--no-access-log", "--log-level", "warning"),
        ]

    def pids(self) -> list[int]:
        return [self._running().pid]


class PinnedNginx(NginxServer):
    """nginx with one worker on one core."""

    def __init__(self, http: str, core: int) -> None:
        super().__init__(http)
        self._core = core

    def command(self) -> list[str]:
        return [*pinned(self._core), *super().command()]

    def pids(self) -> list[int]:
        return list(children(self._running().pid))


def upstream() -> PinnedNginx:
    """It answers without looking, on the load generator's core: it must not be what is measured."""
    return PinnedNginx(
        f"keepalive_requests 1000000;\n    server {{ listen {HOST}:{{port}}; location / {{ return 200 ok; }} }}",
        load_core(),
    )


def proxy(upstream_port: int) -> PinnedNginx:
    """The peer of P3: nginx in front of the same upstream, connections kept alive."""
    return PinnedNginx(
        "keepalive_requests 1000000;\n"
        f"    upstream peer {{ server {HOST}:{upstream_port}; keepalive 64; keepalive_requests 1000000; }}\n"
        f"    server {{ listen {HOST}:{{port}}; location / {{ proxy_pass http://peer; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; } }',
        server_core(),
    )


def pinned(core: int) -> list[str]:
    return [find_program("taskset", "util-linux"), "-c", str(core)]
