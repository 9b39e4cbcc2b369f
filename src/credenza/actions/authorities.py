"""Our own certificate authorities: a root and one issuing authority per environment, made at the first start."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection

from credenza.actions.context import Issuer, Platform, Vault
from credenza.domain.expiry import add_months
from credenza.domain.model import AuthorityId, EnvironmentName
from credenza.protocol import issuance
from credenza.store import certificates
from credenza.store.certificates import Authority, AuthorityRole
from credenza.store.engine import reading

Role: TypeAlias = AuthorityRole
_ROOT_YEARS = 20
_ISSUING_YEARS = 8


class Draw(Protocol):
    """n random bytes."""

    def __call__(self, size: int, /) -> bytes: ...


def ensure(
    connection: Connection, vault: Vault, environment: EnvironmentName, *, random: Draw, pki_url: str, now: datetime
) -> Issuer:
    """Load the issuing authority of an environment, made together with its root where there is none yet."""
    issuing = certificates.find_authority(connection, environment, AuthorityRole.ISSUING)
    if issuing is None:
        issuing = _make(connection, vault, environment, random=random, pki_url=pki_url, now=now)
    key = load_der_private_key(vault.unwrap(purpose(issuing.id), issuing.wrapped_private_key), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "authorities are made with EC keys"
    return Issuer(issuing.id, x509.load_der_x509_certificate(issuing.certificate_der), key)


def certificate(platform: Platform, environment: EnvironmentName, role: AuthorityRole) -> bytes:
    """Read the certificate (DER) of an environment's authority; it is public."""
    with reading(platform.database.records) as connection:
        found = certificates.find_authority(connection, environment, role)
    assert found is not None, "made at the first start"
    return found.certificate_der


def purpose(identity: AuthorityId) -> str:
    """What an authority's private key is wrapped for."""
    return f"authority {identity}"


def _make(
    connection: Connection, vault: Vault, environment: EnvironmentName, *, random: Draw, pki_url: str, now: datetime
) -> Authority:
    root_key, issuing_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_certificate = issuance.make_root(
        root_key,
        subject=_name(environment, "Root CA"),
        public_key=root_key.public_key(),
        serial_number=_serial(random),
        validity=issuance.validity(now, ends_at=add_months(now, 12 * _ROOT_YEARS)),
    )
    issuing_certificate = issuance.make_issuing(
        root_key,
        root_certificate,
        subject=_name(environment, "Issuing CA 1"),
        public_key=issuing_key.public_key(),
        serial_number=_serial(random),
        validity=issuance.validity(now, ends_at=add_months(now, 12 * _ISSUING_YEARS)),
        ca_issuers_url=f"{pki_url}/{environment.lower()}/root.cer",
    )
    root = _authority(vault, environment, AuthorityRole.ROOT, None, root_certificate, root_key, random)
    issuing = _authority(vault, environment, AuthorityRole.ISSUING, root.id, issuing_certificate, issuing_key, random)
    for each in (root, issuing):
        certificates.insert_authority(connection, each, now=now)
    return issuing


def _authority(
    vault: Vault,
    environment: EnvironmentName,
    role: AuthorityRole,
    parent_id: AuthorityId | None,
    made: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    random: Callable[[int], bytes],
) -> Authority:
    identity = AuthorityId(str(uuid.UUID(bytes=random(16), version=4)))
    pkcs8 = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    wrapped = vault.wrap(purpose(identity), pkcs8)
    return Authority(identity, environment, role, parent_id, made.public_bytes(Encoding.DER), wrapped)


def _name(environment: EnvironmentName, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Credenza"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Credenza {environment.capitalize()} {role}"),
        ]
    )


def _serial(random: Draw) -> int:
    return issuance.serial_from(random(issuance.SERIAL_RANDOM_BYTES))
