"""`credenza p12`: PKCS#12 key stores, read and written. `credenza key export` writes the other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from credenza.cli import files, keystores, output, passwords
from credenza.protocol import certificate, public_key

app = typer.Typer()


@app.command()
def inspect(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The key store; - reads standard input.")],
    password_file: passwords.PasswordFile = None,
) -> None:
    """Show the alias, the key and the certificates of a key store. The private key itself is never shown."""
    store = keystores.read(file, passwords.existing(password_file))
    own = store.own_certificate
    output.show(
        context,
        {
            "alias": store.alias,
            "keyAlgorithm": public_key.algorithm_name(store.private_key.public_key()),
            "publicKeySha256": public_key.spki_sha256(store.private_key.public_key()),
            "certificate": _facts(own) if own else None,
            "chain": [certificate.describe(other).subject for other in store.other_certificates],
        },
    )


def _facts(own: x509.Certificate) -> dict[str, object]:
    described = certificate.describe(own)
    return {
        "subject": described.subject,
        "issuer": described.issuer,
        "serialNumber": described.serial_number_hex,
        "notBefore": described.not_before,
        "notAfter": described.not_after,
        "sha256": described.x5t_s256_hex,
    }


@app.command()
def convert(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A key store or private key of any format.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the new key store goes.")],
    certificate_file: keystores.CertificateFile = None,
    alias: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the key; else it keeps its own.")] = None,
    password_file: passwords.PasswordFile = None,
    new_password_file: passwords.NewPasswordFile = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Write a key and its certificate as a new key store, with a password of its own.

    Old key stores (RC2, 3DES) become AES-256 with 100,000 iterations, which Java 8u301 and OpenSSL 1.1 open.
    """
    files.check_writable(out, overwrite=force)
    store = keystores.read(file, passwords.existing(password_file))
    password = passwords.new(new_password_file).ask_new(f"New password of {out}")
    secret = keystores.write_pkcs12(store, certificate_file, alias=alias, password=password)
    files.write_secret(out, secret, overwrite=force)
    output.note(context, f"Key store written to {out}.")
