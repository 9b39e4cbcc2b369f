"""`credenza decrypt`: makes a plain body of what came over the wire, or says why that cannot be done."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, passwords, signing
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.payload import Kind, RulesFile, parse_header, read_rules
from credenza.client import payload_keys
from credenza.client.payload_keys import DecryptionKey, DecryptionKeys
from credenza.protocol import payload
from credenza.protocol.errors import Refused

app = typer.Typer()


@app.command()
def decrypt(
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Private key: PKCS#12, PEM, DER or JWK.")],
    password_file: passwords.PasswordFile = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of the key, where messages name it by its certificate.")
    ] = None,
    key_id: Annotated[str | None, typer.Option(metavar="ID", help="Of the key, where messages name it so.")] = None,
    rules: RulesFile = None,
    kind: Annotated[Kind, typer.Option("--as", metavar="KIND", help="request or response.")] = Kind.RESPONSE,
    body: signing.Body = None,
    body_text: signing.BodyText = None,
    header: Annotated[
        list[str] | None,
        typer.Option("-H", "--header", metavar="HEADER", help="Name: value of the message. May be given again."),
    ] = None,
) -> None:
    """Decrypt a JSON body that a service has encrypted, and print it."""
    sent = signing.read_body(body, body_text)
    if not sent.strip():
        raise CommandFailed("There is nothing to decrypt. Give --body FILE or --body-text TEXT.", ExitCode.USAGE)
    encryption, direction = read_rules(rules, kind)
    keys = DecryptionKeys((_read_key(key, password_file, certificate, key_id),))
    headers = [parse_header(line) for line in header or ()]
    plain = payload.decrypt(sent, headers, encryption, direction, keys=keys, random=secrets.token_bytes)
    sys.stdout.buffer.write(plain + b"\n")
    sys.stdout.buffer.flush()


def _read_key(path: Path, password_file: Path | None, certificate: Path | None, key_id: str | None) -> DecryptionKey:
    octets, beside = files.read(path), files.read(certificate) if certificate is not None else None
    try:
        return payload_keys.read_decryption_key(octets, certificate=beside, key_id=key_id)
    except Refused as refused:
        if refused.reason != "password":
            raise
    password = passwords.existing(password_file).ask(f"Password of {path}")
    return payload_keys.read_decryption_key(octets, password=password, certificate=beside, key_id=key_id)
