"""Certificates in files: one, and those that may stand behind it as its chain."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from credenza.cli import files
from credenza.cli.failure import CommandFailed
from credenza.protocol import certificate
from credenza.protocol.errors import Malformed, Refused


def read(path: Path) -> tuple[x509.Certificate, ...]:
    """Read PEM blocks or one certificate in DER. A file with a private key in it goes nowhere."""
    try:
        return certificate.parse_bundle(files.read(path))
    except (Malformed, Refused) as error:
        raise CommandFailed(f"{path} cannot be used. {error}") from error


def texts(path: Path) -> tuple[str, str]:
    """Read a certificate and its chain as the JSON of the API carries them: PEM."""
    leaf, *chain = map(_pem, read(path))
    return leaf, "".join(chain)


def _pem(each: x509.Certificate) -> str:
    return each.public_bytes(Encoding.PEM).decode()
