"""What `credenza sign`, `call` and `token get` share: whose key signs, and what is signed."""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

import typer
from cryptography.hazmat.primitives.asymmetric import rsa

from credenza.cli import files, habits, keystores, passwords, profiles
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.client import keys
from credenza.client.keys import ClientKey
from credenza.protocol import oauth1
from credenza.protocol.errors import Refused
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


Issuer: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--issuer", metavar="URL", envvar="CREDENZA_ISSUER", help="Origin of the environment. Or in the profile."
    ),
]
CaFile: TypeAlias = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="The authority that signed the server's certificate, PEM.")
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
    consumer_key, key = _whose(context, consumer_key), _which(context, key)
    private_key = keystores.read(key, passwords.existing(password_file)).private_key
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise CommandFailed(f"{key} holds an EC key; OAuth 1.0a calls are signed with RSA keys.")
    return Signer(consumer_key, private_key, signature_method)


@dataclass(frozen=True, slots=True)
class OAuth2Client:
    """Who gets a token."""

    client_id: str
    key: ClientKey


def open_client(
    context: typer.Context, consumer_key: str | None, key: Path | None, password_file: Path | None
) -> OAuth2Client:
    """Take client id and key from the options, their variables or the profile. Raises CommandFailed, saying what is
    missing. A JWK that names its key id needs the client id alone."""
    client_id, _, kid = _whose(context, consumer_key).partition("!")
    path = _which(context, key)
    octets = files.read(path)
    try:
        found = keys.read(octets, kid=kid or None)
    except Refused as refused:
        if refused.reason != "password":
            raise
        found = keys.read(
            octets, password=passwords.existing(password_file).ask(f"Password of {path}"), kid=kid or None
        )
    return OAuth2Client(client_id, found)


def client_id_of(context: typer.Context, consumer_key: str | None) -> str:
    """Take the client id, a key id behind it or not, from the option, its variable or the profile."""
    return _whose(context, consumer_key).partition("!")[0]


def issuer_of(context: typer.Context, issuer: str | None, *, of_url: str | None = None) -> str:
    """The issuer in force: --issuer, else the profile's, else the origin that is called."""
    found = issuer or profiles.current(habits.of(context).profile).issuer
    if found is None and of_url is not None:
        parts = urlsplit(of_url)
        found = f"{parts.scheme}://{parts.netloc}"
    if found is None:
        raise CommandFailed(
            "Whose token? Give --issuer URL, the origin of the environment, or set issuer in the profile.",
            ExitCode.USAGE,
        )
    return found.rstrip("/")


def _whose(context: typer.Context, consumer_key: str | None) -> str:
    found = consumer_key or profiles.current(habits.of(context).profile).consumer_key
    if found is None:
        raise CommandFailed(
            "Whose call is it? Give --consumer-key, or set consumer_key in the profile.", ExitCode.USAGE
        )
    return found


def _which(context: typer.Context, key: Path | None) -> Path:
    found = key or profiles.current(habits.of(context).profile).key_file
    if found is None:
        raise CommandFailed("Which key signs? Give --key FILE, or set key_file in the profile.", ExitCode.USAGE)
    return found


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
