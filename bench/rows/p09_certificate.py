"""P9: a certificate from a P-256 request through the management API, durable, recorded before and after it is signed.

PostgreSQL and the peer, Debian's cfssl, come with the certificates.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.installation import NOWHERE, CredenzaServer, Installation, furnish, request_for, settings

from bench import load
from bench.line import Line, judge, microseconds, rate
from bench.load import Load, server_core
from bench.measure import Figure, alternate, cpu_seconds_each
from credenza.domain.model import AuthenticationType, Project, ProjectType
from credenza.wire.credentials import AddSigningCredential

_CERTIFICATES = 90
_CONNECTIONS = 8
_SECONDS = 6
_GOAL = 0.12
_KEYS_A_PROJECT = 100


def measure() -> tuple[Line, ...]:
    loads: list[Load] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-bench-")))
        chosen = settings(directory, oauth2_key_limit=_KEYS_A_PROJECT)
        server = stack.enter_context(CredenzaServer(chosen, core=server_core()))
        installation = stack.enter_context(furnish(chosen))
        service = installation.add_service("Ledger", "/ledger", AuthenticationType.OAUTH2_FAPI, NOWHERE)

        def issue() -> float:
            project, _ = installation.add_project(ProjectType.OAUTH2_FAPI, service)
            loads.append(_issue(server, installation, project))
            return loads[-1].per_second

        found = alternate({"limit": _limit, "certificates": issue})
    return (_line(found, sorted(each.cpu_each_s for each in loads)[len(loads) // 2]),)


def _limit() -> float:
    """Requests whose signature is verified, and certificates signed, per second of one core."""
    key = ec.generate_private_key(ec.SECP256R1())
    requests = [x509.load_pem_x509_csr(request_for(key)) for _ in range(200)]

    def verify_and_sign(index: int) -> None:
        assert requests[index].is_signature_valid
        key.sign(b"certificate", ec.ECDSA(SHA256()))

    return 1 / cpu_seconds_each(verify_and_sign, len(requests))


def _issue(server: CredenzaServer, installation: Installation, project: Project) -> Load:
    requests = [_request(installation, project) for _ in range(_CERTIFICATES)]
    return load.send(server.manage_port, requests, pids=server.worker_pids, seconds=_SECONDS, connections=_CONNECTIONS)


def _request(installation: Installation, project: Project) -> bytes:
    csr = request_for(ec.generate_private_key(ec.SECP256R1())).decode()
    new = AddSigningCredential.model_validate({"type": "SIGNING", "alias": secrets.token_hex(8), "csr": csr})
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


def _line(found: dict[str, Figure], cpu_each_s: float) -> Line:
    ours, limit = found["certificates"], found["limit"]
    ratio = ours.median / limit.median
    return Line(
        id="P9",
        what="certificate from a P-256 request over HTTP, recorded before and after signing, audited, durable; SQLite",
        figure=f"{rate(ours.median)} {ours.spread}, {microseconds(cpu_each_s)} CPU each",
        compared=f"verify request and sign: {rate(limit.median)} {limit.spread}; cfssl comes later",
        ratio=f"{ratio:.3f}",
        goal=f"≥ {_GOAL}; ≥ 3 × cfssl",
        verdict=judge(ratio >= _GOAL),
    )
