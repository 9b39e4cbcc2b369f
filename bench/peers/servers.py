"""Peers as processes, pinned to the core of the server under test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.gate.scene import Client
from tests.installation import children
from tests.oidc_provider import LIBRARY, NODE
from tests.servers import HOST, NginxServer, Server, find_program

from bench.load import load_core, server_core
from bench.token_requests import Partner
from credenza.protocol import jose

_OIDC_PROVIDER = Path(__file__).with_name("oidc_provider.mjs")


class UvicornServer(Server):
    """An application under uvicorn with uvloop and httptools, as Credenza's gate runs."""

    def __init__(self, app: str) -> None:
        super().__init__()
        self._app = app

    def variables(self) -> dict[str, str]:
        return {"PYTHONPATH": ":".join(sys.path)}

    def command(self) -> list[str]:
        program = [sys.executable, "-m", "uvicorn", self._app, "--host", HOST, "--port", str(self.port)]
        return [
            find_program("env", "coreutils"),
            *(f"{name}={value}" for name, value in self.variables().items()),
            *pinned(server_core()),
            *program,
            *("--no-access-log", "--log-level", "warning"),
        ]

    def pids(self) -> list[int]:
        return [self._running().pid]


class OauthlibServer(UvicornServer):
    """`bench.peers.oauthlib_app`."""

    def __init__(self, client: Client, origin: str) -> None:
        super().__init__("bench.peers.oauthlib_app:app")
        self._client = client
        self._origin = origin

    def prepare(self) -> None:
        key = self._client.private_key.public_key()
        (self.directory / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def variables(self) -> dict[str, str]:
        return {
            "PEER_KEY": str(self.directory / "key.pem"),
            "PEER_CONSUMER_KEY": self._client.consumer_key,
            "PEER_ORIGIN": self._origin,
            **super().variables(),
        }


class EmptyServer(UvicornServer):
    """`bench.peers.empty_app`: what uvicorn takes for a request that nobody does anything for."""

    def __init__(self) -> None:
        super().__init__("bench.peers.empty_app:app")


class DjangoServer(UvicornServer):
    """`bench.peers.django_app`: one client, for its secret."""

    PATH = "/o/token/"

    def __init__(self, client_id: str, client_secret: str) -> None:
        super().__init__("bench.peers.django_app:app")
        self._client_id = client_id
        self._client_secret = client_secret

    @property
    def issuer(self) -> str:
        return f"http://{HOST}:{self.port}"

    def variables(self) -> dict[str, str]:
        return {
            "PEER_DIRECTORY": str(self.directory),
            "PEER_CLIENT_ID": self._client_id,
            "PEER_CLIENT_SECRET": self._client_secret,
            **super().variables(),
        }


class OidcProviderServer(Server):
    """npm oidc-provider, which gives tokens to one client: for its assertions, or for a secret where it has one."""

    PATH = "/token"

    def __init__(self, partner: Partner, *, client_secret: str = "") -> None:
        super().__init__()
        self._partner = partner
        self._client_secret = client_secret

    @property
    def issuer(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        key = self._partner.private_key.public_key()
        algorithm = jose.algorithm_of(key)
        settings = {
            "client_id": self._partner.client_id,
            "algorithm": algorithm,
            "jwk": {**jose.jwk(key), "kid": self._partner.key_id, "alg": algorithm, "use": "sig"},
            "scope": self._partner.scope,
            **({"client_secret": self._client_secret} if self._client_secret else {}),
        }
        program = [str(NODE), str(_OIDC_PROVIDER), LIBRARY.as_uri(), str(self.port), json.dumps(settings)]
        return [find_program("env", "coreutils"), "NODE_ENV=production", *pinned(server_core()), *program]

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
