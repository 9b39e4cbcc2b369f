"""Private keys in files, with the certificates that stand beside them: PKCS#12, PEM and DER."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12 as pkcs12_format

from credenza.cli import files
from credenza.cli.failure import CommandFailed
from credenza.cli.passwords import PasswordSource
from credenza.protocol import certificate, pkcs12, public_key
from credenza.protocol.errors import Refused
from credenza.protocol.pkcs12 import PrivateKey

CertificateFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--certificate", metavar="FILE", help="The certificate of the key, PEM, where the key's file has none."
    ),
]

_DEFAULT_ALIAS = "keyalias"
"""What the samples of the client libraries call it."""


@dataclass(frozen=True, slots=True)
class KeyStore:
    """A private key and what else its file held. Nothing is proven about the certificates."""

    private_key: PrivateKey
    certificates: tuple[x509.Certificate, ...] = ()
    alias: str | None = None
    is_pkcs12: bool = False

    @property
    def own_certificate(self) -> x509.Certificate | None:
        return next((item for item in self.certificates if _belongs(item, self.private_key)), None)

    @property
    def other_certificates(self) -> tuple[x509.Certificate, ...]:
        own = self.own_certificate
        return tuple(item for item in self.certificates if item != own)


def read(path: Path, password: PasswordSource) -> KeyStore:
    """Read a private key and its certificates; the password is asked for only when the file needs one."""
    octets = files.read(path)
    try:
        return _parse(octets, None)
    except Refused as refused:
        if refused.reason != "password":
            raise
    return _parse(octets, password.ask(f"Password of {path}"))


def write_pkcs12(store: KeyStore, certificate_file: Path | None, *, alias: str | None, password: str) -> bytes:
    """Write a key store with the certificate of the file, else with the one that stood beside the key."""
    own = certificate.parse(files.read(certificate_file)) if certificate_file else store.own_certificate
    if own is None:
        raise CommandFailed(
            "PKCS#12 needs the certificate of the key as well: without it Java sees no key. Give --certificate FILE."
        )
    if not _belongs(own, store.private_key):
        raise CommandFailed(f"The certificate in {certificate_file} belongs to another key.")
    name = alias or store.alias or _DEFAULT_ALIAS
    return pkcs12.write_pkcs12(store.private_key, own, store.other_certificates, alias=name, password=password)


def _parse(octets: bytes, password: str | None) -> KeyStore:
    private_key = pkcs12.load_private_key(octets, password)
    if octets.lstrip().startswith(b"-----BEGIN"):
        return KeyStore(private_key, _pem_certificates(octets))
    try:
        store = pkcs12_format.load_pkcs12(octets, password.encode() if password else None)
    except ValueError:
        # The key has been read, so this is PKCS#8, PKCS#1 or SEC 1 as DER, which hold nothing else.
        return KeyStore(private_key)
    entries = [entry for entry in (store.cert, *store.additional_certs) if entry is not None]
    name = store.cert.friendly_name if store.cert else None
    alias = name.decode(errors="replace") if name else None
    return KeyStore(private_key, tuple(entry.certificate for entry in entries), alias, is_pkcs12=True)


def _pem_certificates(octets: bytes) -> tuple[x509.Certificate, ...]:
    if b"-----BEGIN CERTIFICATE-----" not in octets:
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(octets))
    except ValueError:
        raise CommandFailed("A certificate that stands beside the private key is damaged.") from None


def _belongs(own: x509.Certificate, private_key: PrivateKey) -> bool:
    return public_key.spki_der(own.public_key()) == public_key.spki_der(private_key.public_key())
