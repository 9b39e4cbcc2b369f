"""What the commands of `credenza debug` share: which request is meant, and whose key has signed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from credenza.cli import files
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.protocol import certificate

RefusalId: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="REFUSAL_ID", help="A refusal that the server has kept, for an hour.")
]
Last: TypeAlias = Annotated[bool, typer.Option("--last", help="The last refusal that a command of yours met.")]
RequestFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--request",
        metavar="FILE",
        help="Check here: an HTTP message as text or a curl command; - reads standard input.",
    ),
]
CertificateFile: TypeAlias = Annotated[
    Path | None, typer.Option("--certificate", metavar="FILE", help="Certificate of the key that signed.")
]
PublicKeyFile: TypeAlias = Annotated[
    Path | None, typer.Option("--public-key", metavar="FILE", help="The public key that signed, PEM.")
]
Origin: TypeAlias = Annotated[
    str | None,
    typer.Option("--origin", metavar="URL", help="Scheme and host as the client saw them, where a proxy changed them."),
]
Now: TypeAlias = Annotated[
    str | None,
    typer.Option("--now", metavar="TIME", help="Check as of this time: ISO 8601 with zone, or seconds."),
]


@dataclass(frozen=True, slots=True)
class ReadKey:
    """A public key, and how long its certificate counts, where it was in one."""

    public_key: PublicKeyTypes
    not_before: datetime | None = None
    not_after: datetime | None = None


def read_key(certificate_file: Path | None, public_key_file: Path | None) -> ReadKey | None:
    if certificate_file is not None and public_key_file is not None:
        raise CommandFailed("Give --certificate or --public-key, not both.", ExitCode.USAGE)
    if certificate_file is not None:
        parsed = certificate.parse(files.read(certificate_file))
        return ReadKey(parsed.public_key(), parsed.not_valid_before_utc, parsed.not_valid_after_utc)
    return ReadKey(_load_public_key(files.read(public_key_file))) if public_key_file is not None else None


def parse_time(text: str | None) -> datetime:
    """Read the value of --now; now, where there is none."""
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise CommandFailed(f"{text} is no time; 2025-01-31T12:00:00Z is one.", ExitCode.USAGE) from None
    if moment.tzinfo is None:
        raise CommandFailed(f"{text} has no zone; add Z for UTC.", ExitCode.USAGE)
    return moment.astimezone(UTC)


def _load_public_key(pem: bytes) -> PublicKeyTypes:
    try:
        return load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise CommandFailed(
            "That is no public key. Write it with: openssl x509 -in certificate.pem -pubkey -noout"
        ) from None
