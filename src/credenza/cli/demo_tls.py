"""Certificates for the demo's own listeners: an authority of its own, trusted by nobody else, and one for localhost."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from credenza.protocol import issuance

_LIVES = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """`authority` is for clients to trust."""

    authority: Path
    certificate: Path
    private_key: Path


def files_in(directory: Path) -> TlsFiles:
    return TlsFiles(directory / "tls-authority.pem", directory / "tls-certificate.pem", directory / "tls-key.pem")


def make(directory: Path, *, now: datetime) -> TlsFiles:
    files = files_in(directory)
    root_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    period = issuance.validity(now, ends_at=now + _LIVES)
    root = issuance.make_root(
        root_key,
        subject=_name("Credenza Demo TLS"),
        public_key=root_key.public_key(),
        serial_number=_serial(),
        validity=period,
    )
    server = issuance.make_leaf(
        root_key,
        root,
        profile=issuance.SERVER_LEAF,
        subject=_name("localhost"),
        public_key=server_key.public_key(),
        serial_number=_serial(),
        validity=period,
        hosts=("localhost", ip_address("127.0.0.1"), ip_address("::1")),
    )
    files.authority.write_bytes(root.public_bytes(Encoding.PEM))
    files.certificate.write_bytes(server.public_bytes(Encoding.PEM))
    pkcs8 = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(files.private_key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pkcs8)
    return files


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _serial() -> int:
    return issuance.serial_from(secrets.token_bytes(issuance.SERIAL_RANDOM_BYTES))
