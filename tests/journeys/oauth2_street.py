"""`credenza serve` over TLS with an API behind its gate, and partners who call it with OAuth 2.0.

partner = street.partner(ec.generate_private_key(ec.SECP256R1()))
with street.library(partner, scopes=["parcels:read"]) as library:
    library.call()
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO, Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.forked import ForkedServer
from tests.gate.street import Upstream, served
from tests.installation import SANDBOX, Installation, furnish, request_for, settings, upgrade
from tests.oidc_provider import NODE

from credenza.actions import certificates, oauth_keys, project_services, projects, services
from credenza.actions.certificate_admission import NewRequest
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewProject
from credenza.actions.services import NewService
from credenza.cli import demo_tls, local
from credenza.client.auth import PrivateKeyJwtAuth
from credenza.client.keys import ClientKey, GivenKey
from credenza.domain.model import (
    AuthenticationType,
    CredentialId,
    EnvironmentName,
    Project,
    ProjectType,
    Service,
    ServiceEnvironment,
)
from credenza.protocol import csr
from credenza.protocol.jose import PrivateKey

ROOT = Path(__file__).parents[2]
CLIENTS_PYTHON = ROOT / ".clients" / "bin" / "python"
OPENID_CLIENT = ROOT / "assets" / "node_modules" / "openid-client" / "build" / "index.js"
PARCELS, LETTERS = "/parcels", "/letters"
SCOPES = frozenset({"parcels:read", "parcels:write"})
LETTERS_SCOPES = frozenset({"letters:read"})
PATIENCE_S = 60.0  # httpx's own 5 s are too few on a busy machine

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Partner:
    """A client with the key that it has in SANDBOX, and the certificate with its key (PEM) once it is `certified`."""

    project: Project
    client_id: str
    key_id: CredentialId
    private_key: PrivateKey
    certificate: Path | None = None
    certificate_id: CredentialId | None = None

    @property
    def consumer_key(self) -> str:
        return f"{self.client_id}!{self.key_id}"

    @property
    def pem(self) -> str:
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Library:
    """A process with an unmodified client library. It keeps its token from call to call."""

    def __init__(self, writing: IO[str], reading: IO[str]) -> None:
        self._writing = writing
        self._reading = reading

    def call(self, url: str, method: str = "GET") -> dict[str, Any]:
        self._writing.write(json.dumps({"method": method, "url": url}) + "\n")
        self._writing.flush()
        told: dict[str, Any] = json.loads(self._reading.readline())
        return told


@dataclass(frozen=True, slots=True)
class Street:
    server: ForkedServer
    installation: Installation
    parcels: Service
    letters: Service
    authority: Path

    @property
    def parcel(self) -> str:
        return f"{self.server.origin}{PARCELS}/7"

    @property
    def letter(self) -> str:
        """Of an API that partners may use once they `add_letters`."""
        return f"{self.server.origin}{LETTERS}/7"

    def partner(self, private_key: PrivateKey, project_type: ProjectType = ProjectType.OAUTH2_FAPI) -> Partner:
        """Make a project with a key, of the kind given."""
        made = self.installation
        name = f"Partner {next(_numbers)}"
        new = NewProject(project_type, name, "EU", self.parcels.id, SANDBOX, NewKey(name, request_for(private_key)))
        view = projects.create(made.platform, made.actor, made.organization_id, new, now=now())
        return Partner(view.project, view.credentials[0].client_id, view.credentials[0].id, private_key)

    def certify(self, partner: Partner, common_name: str = "") -> Partner:
        """Add a certificate to a partner's project; the answer is the partner that uses it."""
        made, key = self.installation, ec.generate_private_key(ec.SECP256R1())
        name = common_name or f"client {next(_numbers)}"
        new = NewRequest(name, csr.build(key, common_name=name))
        held = certificates.add_by_csr(made.platform, made.actor, partner.project.id, new, SANDBOX, now=now())
        path = self.authority.with_name(f"{held.id}.pem")
        leaf = x509.load_der_x509_certificate(held.certificate_der).public_bytes(Encoding.PEM)
        path.write_bytes(leaf + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return replace(partner, certificate=path, certificate_id=held.id)

    def revoke_certificate(self, partner: Partner) -> None:
        made = self.installation
        assert partner.certificate_id is not None
        place = (made.platform, made.actor, partner.project.id, partner.certificate_id)
        certificates.revoke(*place, keep_last=False, reason="lost", now=now())

    def add_letters(self, partner: Partner) -> None:
        made = self.installation
        project_services.add(made.platform, made.actor, partner.project.id, SANDBOX, self.letters.id, now=now())

    def revoke(self, partner: Partner) -> None:
        made = self.installation
        oauth_keys.revoke(
            made.platform, made.actor, partner.project.id, partner.key_id, keep_last=False, reason="lost", now=now()
        )

    def client(self, auth: httpx.Auth | None = None, *, certificate: Path | None = None) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.authority)
        if certificate is not None:
            context.load_cert_chain(certificate)
        return httpx.Client(verify=context, auth=auth, timeout=PATIENCE_S, trust_env=False)

    def sdk(self, partner: Partner, *, scopes: Sequence[str] = (), dpop_key: PrivateKey | None = None) -> httpx.Client:
        return self.client(self.auth(partner, scopes=scopes, dpop_key=dpop_key))

    def auth(
        self, partner: Partner, *, scopes: Sequence[str] = (), dpop_key: PrivateKey | None = None
    ) -> PrivateKeyJwtAuth:
        key = GivenKey(ClientKey(partner.private_key, partner.key_id))
        return PrivateKeyJwtAuth(self.server.origin, partner.client_id, key, scopes=scopes, dpop_key=dpop_key)

    @contextmanager
    def library(
        self, partner: Partner, *, scopes: Sequence[str] = (), through: str = "requests", one_key: bool = False
    ) -> Iterator[Library]:
        """mastercard-oauth2-client, over one of two HTTP libraries."""
        who = self._who(partner) | {"through": through, "scopes": list(scopes), "one_key": one_key}
        with _started([str(CLIENTS_PYTHON), str(Path(__file__).with_name("partner_program.py"))], who) as library:
            yield library

    @contextmanager
    def openid_client(
        self,
        partner: Partner,
        *,
        scopes: Sequence[str] = (),
        algorithm: str = "ES256",
        one_key: bool = False,
        ahead_s: int = 0,
        method: str = "private_key_jwt",
        binding: str = "DPoP",
    ) -> Iterator[Library]:
        """npm's openid-client; its DPoP key is of `algorithm`, or the partner's own, and its clock that far ahead. It
        connects with the partner's certificate, if there is one."""
        if not OPENID_CLIENT.exists():
            raise FileNotFoundError(f"{OPENID_CLIENT.parents[1]} is not there: `make setup` brings it")
        who = self._who(partner) | {"algorithm": algorithm, "scopes": list(scopes), "one_key": one_key}
        who |= {"ahead_s": ahead_s, "method": method, "binding": binding}
        who |= {"certificate": str(partner.certificate or "")}
        program = [str(NODE), str(Path(__file__).with_name("openid_client.mjs")), OPENID_CLIENT.as_uri()]
        with _started(program, who, NODE_EXTRA_CA_CERTS=str(self.authority)) as library:
            yield library

    def _who(self, partner: Partner) -> dict[str, object]:
        return {
            "pem": partner.pem, "client_id": partner.client_id, "key_id": partner.key_id,
            "issuer": self.server.origin, "ca": str(self.authority),
        }  # fmt: skip


@contextmanager
def _started(program: Sequence[str], who: Mapping[str, object], **environment: str) -> Iterator[Library]:
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(who) + "\n")
        yield Library(process.stdin, process.stdout)
        process.stdin.close()


@contextmanager
def open_street(directory: Path, **changed: Any) -> Iterator[Street]:
    directory.mkdir(exist_ok=True)
    tls = demo_tls.make(directory, now=now())
    chosen = settings(directory, tls_certificate=tls.certificate, tls_private_key=tls.private_key, **changed)
    if chosen.database_url:
        upgrade(chosen.database_url)
    with (
        served(Upstream()) as port,
        ForkedServer(chosen) as server,
        furnish(chosen, upstream=f"http://127.0.0.1:{port}") as made,
    ):
        parcels = _service(made, "Parcels", PARCELS, SCOPES, port)
        letters = _service(made, "Letters", LETTERS, LETTERS_SCOPES, port)
        yield Street(server, made, parcels, letters, tls.authority)


def _service(made: Installation, name: str, prefix: str, scopes: frozenset[str], port: int) -> Service:
    places = tuple(ServiceEnvironment(each, prefix, f"http://127.0.0.1:{port}", 13, None) for each in EnvironmentName)
    new = NewService(name, AuthenticationType.DUAL_OAUTH, "", places, scopes)
    return services.create(made.platform, local.OPERATOR, new, now=now())


def now() -> datetime:
    return datetime.now(UTC)
