"""Authorities and TLS clients on the gate's scene. Certificates are valid for long, because TLS asks the real clock."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import insert
from tests.clock import NOON
from tests.gate.scene import ORGANIZATION, OWNER, PROJECT, SANDBOX, Scene, client_id

from credenza.domain.model import PLATFORM, EnvironmentName
from credenza.gate.mtls import CertificateVerifier
from credenza.gate.oauth1 import Verifier
from credenza.protocol import client_cert_header, issuance
from credenza.store import changes, schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import Database, writing

BEGIN, END = NOON - timedelta(days=1), NOON + timedelta(days=40 * 365)


@dataclass(frozen=True, slots=True)
class Party:
    """A certificate and its private key: of an authority, a client or a server. `chain` leads up, without the root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class Holder(Party):
    """A client whose certificate the platform knows."""

    credential_id: str = ""

    @property
    def thumbprint(self) -> str:
        return schema.thumbprint(self.der) or ""

    @property
    def named(self) -> str:
        """The value of Client-Cert."""
        return client_cert_header.write(self.der)


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@cache
def root(common_name: str) -> Party:
    key = ec.generate_private_key(ec.SECP256R1())
    made = issuance.make_root(key, subject=name(common_name), public_key=key.public_key(), **_usual())
    return Party(made, key)


@cache
def issuing(common_name: str) -> Party:
    """An authority that issues, below a root of its own."""
    above = root(f"{common_name} root")
    key = ec.generate_private_key(ec.SECP256R1())
    made = issuance.make_issuing(
        above.key, above.certificate, subject=name(common_name), public_key=key.public_key(), **_usual()
    )
    return Party(made, key, (above.certificate,))


def leaf(
    by: Party, common_name: str = "till 7", profile: issuance.Profile = issuance.CLIENT_LEAF, **said: Any
) -> Party:
    key = ec.generate_private_key(ec.SECP256R1())
    made = issuance.make_leaf(
        by.key,
        by.certificate,
        profile=profile,
        subject=name(common_name),
        public_key=key.public_key(),
        **{**_usual(), **said},
    )
    return Party(made, key, (by.certificate,))


def server_of(by: Party) -> Party:
    return leaf(by, "localhost", issuance.SERVER_LEAF, hosts=("localhost", "api.example.com"))


def _usual() -> dict[str, Any]:
    return {
        "serial_number": issuance.serial_from(secrets.token_bytes(issuance.SERIAL_RANDOM_BYTES)),
        "validity": issuance.Validity(BEGIN, END),
    }


def own(scene: Scene, environment: EnvironmentName = SANDBOX) -> Party:
    """Our own authority of an environment, put on record."""
    made = issuing(f"{environment} CA")
    for each, role in ((root(f"{environment} CA root"), "ROOT"), (made, "ISSUING")):
        scene.add(
            schema.authorities,
            organization_id=PLATFORM,
            id=str(uuid4()),
            environment=environment,
            role=role,
            certificate_der=each.der,
            wrapped_private_key=b"",
            created_at=NOON,
            signs_from=NOON,
        )
    return made


def foreign(scene: Scene, by: Party, *, environment: EnvironmentName = SANDBOX, is_anchor: bool = True) -> str:
    """Somebody else's authority, trusted; its id."""
    identity = str(uuid4())
    scene.add(schema.trusted_authorities, **_trusted(by, identity, environment, is_anchor=is_anchor))
    return identity


def foreign_anchor(database: Database, by: Party) -> None:
    """The same while gates are running."""
    identity = str(uuid4())
    with writing(database.records) as connection:
        connection.execute(insert(schema.trusted_authorities).values(**_trusted(by, identity, SANDBOX, is_anchor=True)))
        changes.record(connection, PLATFORM, ChangeKind.TRUST, identity)


def _trusted(by: Party, identity: str, environment: EnvironmentName, *, is_anchor: bool) -> dict[str, Any]:
    return {
        "organization_id": PLATFORM,
        "id": identity,
        "environment": environment,
        "name": "Others",
        "certificate_der": by.der,
        "certificate_sha256": schema.thumbprint(by.der),
        "is_anchor": is_anchor,
        "checks_revocation": False,
        "crl_url": "",
        "created_at": NOON,
    }


def hold(
    scene: Scene,
    made: Party,
    *,
    environment: EnvironmentName = SANDBOX,
    not_before: datetime = BEGIN,
    not_after: datetime = END,
    trusted_authority_id: str | None = None,
    **columns: Any,
) -> Holder:
    """Put a client's certificate on record."""
    identity = str(uuid4())
    public_key = made.certificate.public_key()
    row = {
        "organization_id": ORGANIZATION,
        "id": identity,
        "kind": "MTLS_CERTIFICATE",
        "project_id": PROJECT,
        "environment": environment,
        "client_id": client_id(environment),
        "alias": "till",
        "status": "ACTIVE",
        "key_algorithm": "EC-P256",
        "public_key_der": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "spki_sha256": secrets.token_hex(32),
        "certificate_der": made.der,
        "trusted_authority_id": trusted_authority_id,
        "not_before": not_before,
        "not_after": not_after,
        "owner_id": OWNER,
        "created_at": NOON,
        "revoked_reason": "",
    }
    scene.add(schema.credentials, **{**row, **columns})
    return Holder(made.certificate, made.key, made.chain, identity)


def verifier(scene: Scene) -> Verifier:
    """A verifier that takes certificates as well."""
    return Verifier(
        keyring=scene.keyring,
        routes=scene.routes,
        freshness=scene.freshness,
        replay=scene.replay,
        certificates=CertificateVerifier(keyring=scene.keyring, routes=scene.routes, freshness=scene.freshness),
    )
