"""The certificate that a command shows in TLS, with its private key: PKCS#12 or PEM, in one file or in two."""

from __future__ import annotations

import secrets
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from credenza.cli import bundles, keystores, passwords
from credenza.cli.failure import CommandFailed
from credenza.cli.keystores import KeyStore
from credenza.protocol import public_key
from credenza.protocol.errors import Malformed

Certificate: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--cert",
        metavar="FILE",
        help="Show this certificate in TLS: PKCS#12 or PEM with its key, or PEM and --key FILE.",
    ),
]


def present(tls: ssl.SSLContext, certificate: Path, key: Path | None, password_file: Path | None) -> None:
    """Have connections made with a client certificate; a password is asked for where there is one to ask for. Raises
    CommandFailed with what is wrong with the files."""
    store = _read(certificate, key, passwords.existing(password_file))
    own = store.own_certificate
    if own is None:
        raise CommandFailed(f"{certificate} holds no certificate of the private key in {key or certificate}.")
    # OpenSSL takes files alone. The key is in this one for a moment, encrypted with what nobody else knows.
    password = secrets.token_bytes(32).hex().encode()
    encrypted = store.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in (own, *store.other_certificates))
    with tempfile.NamedTemporaryFile(prefix="credenza-", suffix=".pem") as both:
        both.write(encrypted + chain)
        both.flush()
        try:
            tls.load_cert_chain(both.name, password=password)
        except ssl.SSLError as error:
            raise CommandFailed(f"TLS does not take the certificate in {certificate}: {error.reason}.") from None


def _read(certificate: Path, key: Path | None, password: passwords.PasswordSource) -> KeyStore:
    """Read both from the certificate's file, and the key from a file of its own only where it is not there: --key may
    come from the environment, where the key that signs is named."""
    with suppress(Malformed):
        return keystores.read(certificate, password)
    if key is None:
        raise CommandFailed(f"{certificate} holds no private key. Give its file too: --key FILE.")
    held = keystores.read(key, password)
    store = KeyStore(held.private_key, bundles.read(certificate))
    if store.own_certificate is None:
        of = public_key.spki_sha256(held.private_key.public_key())
        raise CommandFailed(f"The certificate in {certificate} is of another key than {key} holds ({of[:16]}...).")
    return store
