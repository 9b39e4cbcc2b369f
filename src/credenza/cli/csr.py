"""`credenza csr`: certification requests (PKCS#10), made here, read and checked before they are sent."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from credenza.cli import files, keystores, output, passwords
from credenza.cli.failure import ExitCode
from credenza.protocol import csr, distinguished_name, pem, pkcs12, public_key
from credenza.protocol.errors import Malformed
from credenza.protocol.pkcs12 import PrivateKey, PrivateKeyFormat

app = typer.Typer()


class KeyType(StrEnum):
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    P256 = "p-256"


_CURE = "Make one with: credenza csr create --common-name NAME"
_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_SIGNATURE_ALGORITHMS = {
    SignatureAlgorithmOID.RSA_WITH_SHA1: "sha1WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA256: "sha256WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "sha384WithRSAEncryption",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "sha512WithRSAEncryption",
    SignatureAlgorithmOID.RSASSA_PSS: "rsassaPss",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "ecdsa-with-SHA1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ecdsa-with-SHA256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ecdsa-with-SHA384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ecdsa-with-SHA512",
}
_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}

RequestFile = Annotated[Path, typer.Argument(metavar="FILE", help="The request, PEM or DER; - reads standard input.")]


@app.command()
def create(
    context: typer.Context,
    common_name: Annotated[
        str, typer.Option("--common-name", "--cn", metavar="NAME", help="CN, the one name that is needed.")
    ],
    organization: Annotated[str | None, typer.Option(metavar="NAME", help="O.")] = None,
    organizational_unit: Annotated[str | None, typer.Option(metavar="NAME", help="OU.")] = None,
    country: Annotated[str | None, typer.Option(metavar="CC", help="C, two capital letters.")] = None,
    serial_number: Annotated[str | None, typer.Option(metavar="TEXT", help="serialNumber.")] = None,
    key_type: Annotated[
        KeyType, typer.Option(metavar="TYPE", help="rsa-2048, rsa-3072, rsa-4096 or p-256.")
    ] = KeyType.RSA_2048,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Use this private key instead of making one.")
    ] = None,
    key_out: Annotated[Path, typer.Option(metavar="FILE", help="Where the new key goes.")] = Path("key.pem"),
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the request goes; - is standard output.")] = Path(
        "request.csr"
    ),
    password_file: passwords.PasswordFile = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="Write the new key unencrypted.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Make a private key and a request for a certificate of it.

    The key stays here; only the request is sent. The key is written encrypted (PKCS#8 with AES-256), or with
    --no-password as it is, readable for you alone.
    """
    files.check_writable(*((out,) if key else (key_out, out)), overwrite=force)
    password = passwords.existing(password_file)
    private_key = keystores.read(key, password).private_key if key else _generate(key_type)
    request = csr.build(
        private_key,
        common_name=common_name,
        organization=organization,
        organizational_unit=organizational_unit,
        country=country,
        serial_number=serial_number,
    )
    if key is None:
        secret = _unencrypted(private_key) if no_password else _encrypted(private_key, password, key_out)
        files.write_secret(key_out, secret, overwrite=force)
        output.note(
            context, f"Private key written to {key_out}. It goes to nobody; keep a copy where secrets are kept."
        )
    files.write_public(out, request, overwrite=force)
    if out != files.STANDARD:
        output.note(context, f"Request written to {out}. Add it with: credenza key add --csr {out}")


def _generate(key_type: KeyType) -> PrivateKey:
    if key_type is KeyType.P256:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=public_key.RSA_EXPONENT, key_size=_RSA_BITS[key_type])


def _unencrypted(private_key: PrivateKey) -> bytes:
    return pkcs12.write_private_key(private_key, PrivateKeyFormat.PKCS8_PEM)


def _encrypted(private_key: PrivateKey, password: passwords.PasswordSource, path: Path) -> bytes:
    return pkcs12.write_encrypted_private_key(private_key, password=password.ask_new(f"New password of {path}"))


@app.command()
def inspect(context: typer.Context, file: RequestFile) -> None:
    """Show what a request says: subject, key, signature and fingerprints. Nothing is judged; `lint` does that."""
    octets = files.read(file)
    request = _load(octets)
    output.show(
        context,
        {
            "subject": distinguished_name.describe(distinguished_name.of_name(request.subject)),
            **_key_facts(request),
            "signatureAlgorithm": _signature_algorithm(request),
            "signatureValid": _signature_valid(request),
            "sha256": hashlib.sha256(request.public_bytes(Encoding.DER)).hexdigest(),
        },
    )


def _load(octets: bytes) -> x509.CertificateSigningRequest:
    encoded = pem.read(octets, labels=_LABELS, field="csr")
    try:
        return x509.load_der_x509_csr(encoded)
    except (ValueError, x509.InvalidVersion):
        raise Malformed("csr", f"This is no PKCS#10 request. {_CURE}") from None


def _key_facts(request: x509.CertificateSigningRequest) -> dict[str, str | None]:
    try:
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return {"keyAlgorithm": None, "publicKeySha256": None}
    return {"keyAlgorithm": public_key.algorithm_name(key), "publicKeySha256": public_key.spki_sha256(key)}


def _signature_algorithm(request: x509.CertificateSigningRequest) -> str:
    return _SIGNATURE_ALGORITHMS.get(request.signature_algorithm_oid, request.signature_algorithm_oid.dotted_string)


def _signature_valid(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


@app.command()
def lint(
    context: typer.Context,
    file: RequestFile,
    rsa_only: Annotated[
        bool, typer.Option("--rsa-only", help="Check for OAuth 1.0a, which takes RSA keys only.")
    ] = False,
) -> None:
    """Check a request by the rules of the server, one by one. Exits with 1 when one of them fails."""
    checks = csr.lint(files.read(file), allow_ec=not rsa_only)
    output.show_checks(context, checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(ExitCode.ERROR)
