"""What the token rows measure: a gate that gives tokens and takes them, and a project that speaks OAuth 2.0."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from tests.installation import NOWHERE, SANDBOX, CredenzaServer, Installation, full_settings, furnish, now, request_for

from bench import load, stage, token_requests
from bench.load import Load, raw_request
from bench.token_requests import Partner
from credenza.actions import projects, resource_servers, services
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewProject
from credenza.actions.services import NewService
from credenza.cli import local
from credenza.domain.model import AuthenticationType, EnvironmentName, ProjectType, ServiceEnvironment
from credenza.gate.token_app import INTROSPECT, TOKEN
from credenza.protocol.jose import PrivateKey

SCOPE = "parcels:read"
TARGET = "/parcels/v1/accounts?status=open&limit=50"


@dataclass(frozen=True, slots=True)
class TokenGate:
    server: CredenzaServer
    installation: Installation
    partner: Partner

    def grant(self, count: int, *, seconds: int) -> Load:
        """Ask for `count` tokens, with assertions and proofs that were never seen before."""
        requests = token_requests.token_requests(self.partner, count)
        return load.send(self.server.port, requests, pids=self.server.worker_pids, seconds=seconds)

    def decide(self, count: int, *, seconds: int) -> Load:
        """Ask for `count` decisions on calls with one token, each with a proof of its own."""
        token = self.token()
        proofs = token_requests.proofs(
            self.partner, count, url=self.server.origin + TARGET.partition("?")[0], access_token=token
        )
        requests = [
            stage.check_request("/check/SANDBOX", f"DPoP {token}", target=TARGET, more=[("DPoP", proof)])
            for proof in proofs
        ]
        return load.send(self.server.decision_port, requests, pids=self.server.worker_pids, seconds=seconds)

    def token(self) -> str:
        """Fetch a token over HTTP."""
        head, _, body = token_requests.token_requests(self.partner, 1)[0].partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        answer = httpx.post(f"{self.server.origin}{self.partner.path}", content=body, headers=headers, trust_env=False)
        token: str = answer.raise_for_status().json()["access_token"]
        return token

    def introspection(self, token: str) -> bytes:
        """Write a question about a token as a new resource server asks it."""
        added = resource_servers.add(
            self.installation.platform, local.OPERATOR, environment=SANDBOX, name=f"bench {secrets.token_hex(4)}",
            now=now(),
        )  # fmt: skip
        basic = b64encode(f"{added.server.id}:{added.secret}".encode()).decode()
        headers = [
            ("Host", self.server.origin.partition("://")[2]),
            ("Authorization", f"Basic {basic}"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
        ]
        return raw_request("POST", INTROSPECT, headers, f"token={token}".encode())


@contextmanager
def token_gate(private_key: PrivateKey, *, workers: int = 1, core: int | None = None) -> Iterator[TokenGate]:
    """`credenza serve --role gate` with the key-encryption key, so that it gives tokens."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-bench-")))
        chosen = full_settings(directory)
        with CredenzaServer(chosen):
            """The first start makes the installation, its keys included."""
        server = CredenzaServer(chosen, role="gate", workers=workers, core=core)
        made = stack.enter_context(furnish(chosen))
        partner = _partner(made, server.origin, private_key)
        stack.enter_context(server)
        yield TokenGate(server, made, partner)


def as_client_of(partner: Partner, issuer: str, path: str) -> Partner:
    """The same client at another issuer."""
    return replace(partner, issuer=issuer, path=path)


def _partner(made: Installation, issuer: str, private_key: PrivateKey) -> Partner:
    places = tuple(ServiceEnvironment(each, "/parcels", NOWHERE, 13, None) for each in EnvironmentName)
    parcels = services.create(
        made.platform,
        local.OPERATOR,
        NewService("Parcels", AuthenticationType.DUAL_OAUTH, "", places, frozenset({SCOPE})),
        now=now(),
    )
    key = NewKey("bench", request_for(private_key))
    new = NewProject(ProjectType.OAUTH2_FAPI, "Bench", "EU", parcels.id, SANDBOX, key)
    view = projects.create(made.platform, made.actor, made.organization_id, new, now=now())
    credential = view.credentials[0]
    proof_key = ec.generate_private_key(ec.SECP256R1())
    return Partner(credential.client_id, credential.id, private_key, proof_key, issuer, TOKEN, SCOPE)
