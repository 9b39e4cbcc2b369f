"""`credenza key export`: one private key, in the format that a tool asks for (seed 001: key formats)."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, keystores, output, passwords
from credenza.cli.keystores import KeyStore
from credenza.protocol import pkcs12
from credenza.protocol.pkcs12 import PrivateKeyFormat

app = typer.Typer()


class ExportFormat(StrEnum):
    PKCS1_PEM = "pkcs1-pem"
    PKCS8_PEM = "pkcs8-pem"
    PKCS8_DER = "pkcs8-der"
    ENCRYPTED_PEM = "encrypted-pem"
    P12 = "p12"


_PLAIN = {
    ExportFormat.PKCS1_PEM: PrivateKeyFormat.PKCS1_PEM,
    ExportFormat.PKCS8_PEM: PrivateKeyFormat.PKCS8_PEM,
    ExportFormat.PKCS8_DER: PrivateKeyFormat.PKCS8_DER,
}


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A PKCS#12 key store, or a private key as PEM or DER.")],
    key_format: Annotated[
        ExportFormat,
        typer.Option("--format", metavar="FORMAT", help="pkcs1-pem, pkcs8-pem, pkcs8-der, encrypted-pem or p12."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the key goes; - writes into a pipe.")],
    certificate_file: keystores.CertificateFile = None,
    alias: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the key in a p12.")] = None,
    password_file: passwords.PasswordFile = None,
    new_password_file: passwords.NewPasswordFile = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Write a private key in another format, and show the OpenSSL 3 command that does the same.

    encrypted-pem and p12 take a new password. The other formats are not encrypted: keep them where nobody else reads.
    """
    files.check_writable(out, overwrite=force)
    store = keystores.read(file, passwords.existing(password_file))
    if key_format in _PLAIN:
        secret = pkcs12.write_private_key(store.private_key, _PLAIN[key_format])
    else:
        password = passwords.new(new_password_file).ask_new(f"New password of {out}")
        secret = _encrypted(store, key_format, certificate_file, alias=alias, password=password)
    files.write_secret(out, secret, overwrite=force)
    if out != files.STANDARD:
        command = openssl_command(store, key_format, source=file, certificate_file=certificate_file, out=out)
        output.show(context, {"format": key_format, "file": str(out), "openssl": command})


def _encrypted(
    store: KeyStore, key_format: ExportFormat, certificate_file: Path | None, *, alias: str | None, password: str
) -> bytes:
    if key_format is ExportFormat.P12:
        return keystores.write_pkcs12(store, certificate_file, alias=alias, password=password)
    return pkcs12.write_encrypted_private_key(store.private_key, password=password)


def openssl_command(
    store: KeyStore, key_format: ExportFormat, *, source: Path, certificate_file: Path | None, out: Path
) -> str:
    """Spell the command of OpenSSL 3 that writes this key in this format."""
    name, target = shlex.quote(str(source)), shlex.quote(str(out))
    if key_format is ExportFormat.P12:
        return _openssl_export(store, name, certificate_file, target)
    convert = _OPENSSL_CONVERT[key_format]
    if store.is_pkcs12:
        return f"openssl pkcs12 -in {name} -nocerts -noenc | openssl {convert} -out {target}"
    return f"openssl {convert} -in {name} -out {target}"


# Without -traditional, `openssl rsa` of OpenSSL 3 writes PKCS#8 under the name of PKCS#1.
_OPENSSL_CONVERT = {
    ExportFormat.PKCS1_PEM: "rsa -traditional",
    ExportFormat.PKCS8_PEM: "pkcs8 -topk8 -nocrypt",
    ExportFormat.PKCS8_DER: "pkcs8 -topk8 -nocrypt -outform DER",
    ExportFormat.ENCRYPTED_PEM: f"pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -iter {pkcs12.ITERATIONS}",
}


def _openssl_export(store: KeyStore, source: str, certificate_file: Path | None, target: str) -> str:
    parameters = f"-iter {pkcs12.ITERATIONS} -macalg sha256 -keypbe AES-256-CBC -certpbe AES-256-CBC -out {target}"
    if store.is_pkcs12:
        # -export reads its input twice, so a pipe will not do and the key has to lie open in a file for a moment.
        unlocked = f"{target}.unlocked"
        return (
            f"(umask 077; openssl pkcs12 -in {source} -noenc -out {unlocked} && "
            f"openssl pkcs12 -export -in {unlocked} {parameters}; rm -f {unlocked})"
        )
    certificates = shlex.quote(str(certificate_file)) if certificate_file else source
    return f"openssl pkcs12 -export -inkey {source} -in {certificates} {parameters}"
