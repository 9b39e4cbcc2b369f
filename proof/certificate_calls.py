"""TLS clients that say themselves what they send: calls with a certificate, on connections kept or new."""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.gate.certificate_scene import issuing, server_of
from tests.installation import SANDBOX

from credenza.actions import certificates, projects
from credenza.actions.certificate_admission import NewRequest
from credenza.actions.projects import NewProject
from credenza.domain.model import AuthenticationType, Credential, Project, ProjectType
from credenza.protocol import csr
from proof.calls import Line, request
from proof.stage import Stage

_AUTHORITY = issuing("Proof CA")


def server_files(directory: Path) -> dict[str, Any]:
    """Write what the gates' TLS needs; the settings that name it."""
    made = server_of(_AUTHORITY)
    certificate, private_key = directory / "server.pem", directory / "server.key"
    certificate.write_bytes(made.pem)
    private_key.write_bytes(made.key_pem)
    return {"tls_certificate": certificate, "tls_private_key": private_key}


@dataclass(frozen=True, slots=True)
class Till:
    """A certificate of a project that calls `prefix`, and the TLS that presents it."""

    held: Credential
    prefix: str
    tls: ssl.SSLContext

    def call(self) -> bytes:
        return request("GET", f"{self.prefix}/7")

    def line(self, port: int) -> Line:
        return Line(port, tls=self.tls)


class Tills:
    """A project that calls one API with certificates, and gets as many as it asks for."""

    def __init__(self, where: Stage, directory: Path) -> None:
        self._installation = where.installation
        self._directory = directory
        self._prefix = f"/tills-{secrets.token_hex(4)}"
        made = where.installation
        service = made.add_service(self._prefix, self._prefix, AuthenticationType.MTLS, where.upstream)
        new = NewProject(ProjectType.MTLS, f"Tills {secrets.token_hex(4)}", "EU", service.id, SANDBOX, _asked()[1])
        view = projects.create(made.platform, made.actor, made.organization_id, new, now=datetime.now(UTC))
        self.project: Project = view.project

    def add(self) -> Till:
        made, (key, new) = self._installation, _asked()
        held = certificates.add_by_csr(made.platform, made.actor, self.project.id, new, SANDBOX, now=datetime.now(UTC))
        pair = self._directory / f"{held.id}.pem"
        pair.write_bytes(
            x509.load_der_x509_certificate(held.certificate_der).public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        context = ssl.create_default_context(cadata=_AUTHORITY.chain[0].public_bytes(Encoding.DER))
        context.load_cert_chain(pair)
        pair.unlink()
        return Till(held, self._prefix, context)


def _asked() -> tuple[ec.EllipticCurvePrivateKey, NewRequest]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = f"till {secrets.token_hex(8)}"
    return key, NewRequest(name, csr.build(key, common_name=name))
