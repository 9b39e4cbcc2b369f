"""What `credenza sign oauth1` and `credenza call` share: whose key signs, and what is signed."""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from cryptography.hazmat.primitives.asymmetric import rsa

from credenza.cli import files, habits, keystores, passwords, profiles
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.protocol import oauth1
from credenza.protocol.oauth1 import SignatureMethod

_NONCE_ALPHABET = string.ascii_letters + string.digits
_NONCE_LENGTH = 16

MethodArgument: TypeAlias = Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, ...")]
UrlArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="URL", help="As it goes over the wire, escapes included.")
]
ConsumerKey: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--consumer-key", metavar="KEY", envvar="CREDENZA_CONSUMER_KEY", help="Client id, !, key id. Or in the profile."
    ),
]
KeyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", envvar="CREDENZA_KEY_FILE", help="PKCS#12, PEM or DER. Or in the profile."),
]
Body: TypeAlias = Annotated[
    Path | None, typer.Option("--body", metavar="FILE", help="The file that is the body; - reads standard input.")
]
BodyText: TypeAlias = Annotated[str | None, typer.Option("--body-text", metavar="TEXT", help="The body itself.")]
SignatureMethodOption: TypeAlias = Annotated[
    SignatureMethod, typer.Option("--method", metavar="METHOD", help="RSA-SHA256 or RSA-PSS.")
]


@dataclass(frozen=True, slots=True)
class Signer:
    consumer_key: str
    private_key: rsa.RSAPrivateKey = field(repr=False)
    signature_method: SignatureMethod

    def authorization(self, method: str, url: str, body: bytes, *, timestamp: int, nonce: str) -> str:
        """Make the value of the Authorization header."""
        return oauth1.sign(
            consumer_key=self.consumer_key,
            key=self.private_key,
            method=method,
            url=url,
            body=body,
            timestamp=timestamp,
            nonce=nonce,
            signature_method=self.signature_method,
        )


def open_signer(
    context: typer.Context,
    consumer_key: str | None,
    key: Path | None,
    password_file: Path | None,
    signature_method: SignatureMethod,
) -> Signer:
    """Take the key from the options, their variables or the profile. Raises CommandFailed, saying what is missing."""
    profile = profiles.current(habits.of(context).profile)
    consumer_key = consumer_key or profile.consumer_key
    key = key or profile.key_file
    if consumer_key is None:
        raise CommandFailed(
            "Whose call is it? Give --consumer-key, or set consumer_key in the profile.", ExitCode.USAGE
        )
    if key is None:
        raise CommandFailed("Which key signs? Give --key FILE, or set key_file in the profile.", ExitCode.USAGE)
    private_key = keystores.read(key, passwords.existing(password_file)).private_key
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise CommandFailed(f"{key} holds an EC key; OAuth 1.0a calls are signed with RSA keys.")
    return Signer(consumer_key, private_key, signature_method)


def read_body(body: Path | None, body_text: str | None) -> bytes:
    if body is not None and body_text is not None:
        raise CommandFailed("Give --body or --body-text, not both.", ExitCode.USAGE)
    return files.read(body) if body is not None else (body_text or "").encode()


def check_url(url: str) -> None:
    if not url.startswith(("https://", "http://")):
        raise CommandFailed(f"{url} is not a whole URL; it starts with https:// or http://.", ExitCode.USAGE)


def new_nonce() -> str:
    return "".join(secrets.choice(_NONCE_ALPHABET) for _ in range(_NONCE_LENGTH))


def current_timestamp() -> int:
    return int(time.time())
