"""A private key that is made on this machine: the options of commands that make one, and the key store it ends in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

import typer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from credenza.cli import files, passwords
from credenza.protocol import pkcs12, public_key

_RSA_BITS = 2048

Generate = Annotated[bool, typer.Option("--generate", help="Make the private key here; it is sent to nobody.")]
CsrFile = Annotated[
    Path | None, typer.Option("--csr", metavar="FILE", help="Certification request of an existing key; - is stdin.")
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help="With --generate: the PKCS#12 key store; else ALIAS.p12.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]


class Certified(Protocol):
    """What the server has made of a request; `certificate` is PEM."""

    @property
    def alias(self) -> str: ...
    @property
    def certificate(self) -> str: ...


@dataclass(frozen=True, slots=True)
class KeyStore:
    """A PKCS#12 file that is going to be written."""

    path: Path
    password: str = field(repr=False)
    overwrite: bool

    def write(self, private_key: rsa.RSAPrivateKey, held: Certified, above: Iterable[bytes]) -> None:
        """Keep a key with its certificate and those `above` it (PEM)."""
        certificate = x509.load_pem_x509_certificate(held.certificate.encode())
        chain = tuple(x509.load_pem_x509_certificate(each) for each in above)
        octets = pkcs12.write_pkcs12(private_key, certificate, chain, alias=held.alias, password=self.password)
        files.write_secret(self.path, octets, overwrite=self.overwrite)


def path_of(out: Path | None, alias: str) -> Path:
    return out or Path(f"{alias}.p12")


def open_store(path: Path, password_file: Path | None, *, overwrite: bool) -> KeyStore:
    """Make sure that the file can be written and ask for its password, before anything is sent."""
    files.check_writable(path, overwrite=overwrite)
    return KeyStore(path, passwords.new(password_file).ask_new(f"New password of {path}"), overwrite)


def make() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=public_key.RSA_EXPONENT, key_size=_RSA_BITS)
