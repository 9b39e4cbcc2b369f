"""P9: a certificate from a P-256 request through the management API, durable, recorded before and after it is signed.

The peer, Debian's cfssl, records a certificate once and does not ask who wants it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.installation import NOWHERE, CredenzaServer, Installation, full_settings, furnish, request_for, upgrade
from tests.servers import PostgreSQLServer

from bench import load
from bench.line import Line, judge, microseconds, rate
from bench.load import Load, server_core
from bench.measure import Figure, alternate, cpu_seconds_each
from bench.peers import cfssl
from bench.peers.cfssl import CfsslServer
from bench.rows.p10_status import Authority
from credenza.domain.model import AuthenticationType, Project, ProjectType, Service
from credenza.wire.credentials import AddSigningCredential

_PROJECTS = 4
_CERTIFICATES = 90  # of each
_PEER_CERTIFICATES = 2_000
_CONNECTIONS = 8
_SECONDS = 6
_GOAL = 0.12
_GOAL_PEER = 3.0
_KEYS_A_PROJECT = 100


@dataclass(frozen=True, slots=True)
class _Credenza:
    """`credenza serve` on one database. `loads` are what was sent so far."""

    server: CredenzaServer
    installation: Installation
    service: Service
    loads: list[Load] = field(default_factory=list)

    def issue(self) -> float:
        projects = [self.installation.add_project(ProjectType.OAUTH2_FAPI, self.service)[0] for _ in range(_PROJECTS)]
        requests = [_request(self.installation, project) for _ in range(_CERTIFICATES) for project in projects]
        port, pids = self.server.manage_port, self.server.worker_pids
        self.loads.append(load.send(port, requests, pids=pids, seconds=_SECONDS, connections=_CONNECTIONS))
        return self.loads[-1].per_second

    @property
    def cpu_each_s(self) -> float:
        return sorted(each.cpu_each_s for each in self.loads)[len(self.loads) // 2]


def measure() -> tuple[Line, ...]:
    with ExitStack() as stack:
        peer = stack.enter_context(_peer())
        database_url = stack.enter_context(PostgreSQLServer(durable=True)).create_database()
        upgrade(database_url)
        places = {
            "SQLite": stack.enter_context(_credenza()),
            "PostgreSQL": stack.enter_context(_credenza(database_url=database_url)),
        }
        found = alternate(
            {"limit": _limit, "cfssl": lambda: _ask_peer(peer), **{name: each.issue for name, each in places.items()}}
        )
    return tuple(_line(name, each.cpu_each_s, found) for name, each in places.items())


@contextmanager
def _credenza(**changed: Any) -> Iterator[_Credenza]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-bench-")))
        chosen = full_settings(directory, oauth2_key_limit=_KEYS_A_PROJECT, **changed)
        server = stack.enter_context(CredenzaServer(chosen, core=server_core()))
        installation = stack.enter_context(furnish(chosen))
        service = installation.add_service("Ledger", "/ledger", AuthenticationType.OAUTH2_FAPI, NOWHERE)
        yield _Credenza(server, installation, service)


@contextmanager
def _peer() -> Iterator[CfsslServer]:
    authority = Authority()
    with CfsslServer(authority.key, authority.certificate) as server:
        yield server


def _limit() -> float:
    """Requests whose signature is verified, and certificates signed, per second of one core."""
    key = ec.generate_private_key(ec.SECP256R1())
    requests = [x509.load_pem_x509_csr(request_for(key)) for _ in range(200)]

    def verify_and_sign(index: int) -> None:
        assert requests[index].is_signature_valid
        key.sign(b"certificate", ec.ECDSA(SHA256()))

    return 1 / cpu_seconds_each(verify_and_sign, len(requests))


def _ask_peer(peer: CfsslServer) -> float:
    requests = [cfssl.sign_request(_csr())] * _PEER_CERTIFICATES  # it keeps no key from being certified again
    # On more connections its writers wait for each other's lock, some for seconds.
    return load.send(peer.port, requests, pids=peer.pids, seconds=_SECONDS, connections=1).per_second


def _csr() -> str:
    return request_for(ec.generate_private_key(ec.SECP256R1())).decode()


def _request(installation: Installation, project: Project) -> bytes:
    new = AddSigningCredential.model_validate({"type": "SIGNING", "alias": secrets.token_hex(8), "csr": _csr()})
    return load.raw_request(
        "POST",
        f"/developer/projects/{project.id}/credentials",
        [
            ("Host", "127.0.0.1"),
            ("Authorization", f"Bearer {installation.token}"),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", secrets.token_hex(16)),
        ],
        new.model_dump_json(by_alias=True, exclude_none=True).encode(),
    )


def _line(place: str, cpu_each_s: float, found: dict[str, Figure]) -> Line:
    ours, limit, peer = found[place], found["limit"], found["cfssl"]
    ratio, to_peer = ours.median / limit.median, ours.median / peer.median
    return Line(
        id="P9",
        what="certificate from a P-256 request over HTTP, recorded before and after signing, audited, durable; "
        f"{place}",
        figure=f"{rate(ours.median)} {ours.spread}, {microseconds(cpu_each_s)} CPU each",
        compared=f"verify request and sign: {rate(limit.median)} {limit.spread}; cfssl with SQLite: "
        f"{rate(peer.median)} {peer.spread}",
        ratio=f"{ratio:.3f}; {to_peer:.2f} x",
        goal=f"≥ {_GOAL}; ≥ {_GOAL_PEER:g} x",
        verdict=judge(ratio >= _GOAL and to_peer >= _GOAL_PEER),
    )
