"""`credenza encrypt`: makes of a plain body what goes over the wire."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, habits, output, signing
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.cli.payload import Kind, RulesFile, read_rules
from credenza.client import payload_keys
from credenza.protocol import payload

app = typer.Typer()


@app.command()
def encrypt(
    context: typer.Context,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Certificate or public key to encrypt to.")],
    rules: RulesFile = None,
    kind: Annotated[Kind, typer.Option("--as", metavar="KIND", help="request or response.")] = Kind.REQUEST,
    body: signing.Body = None,
    body_text: signing.BodyText = None,
    key_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Id of the key, where the rules name keys by it.")
    ] = None,
) -> None:
    """Encrypt a JSON body as a service wants it; headers that go with it are shown on stderr, or with -o.

    Encrypt first, sign then: credenza encrypt --to key.pem --body plain.json | credenza call POST URL --body -
    """
    plain = signing.read_body(body, body_text)
    if not plain:
        raise CommandFailed("There is nothing to encrypt. Give --body FILE or --body-text TEXT.", ExitCode.USAGE)
    encryption, direction = read_rules(rules, kind)
    recipient = payload_keys.read_recipient(files.read(to), key_id=key_id)
    sealed = payload.encrypt(plain, encryption, direction, recipient=recipient, random=secrets.token_bytes)
    if habits.of(context).output is not Output.TABLE:
        output.show(context, {"body": sealed.body.decode(), "headers": dict(sealed.headers)})
        return
    print(sealed.body.decode())
    for name, value in sealed.headers.items():
        print(f"{name}: {value}", file=sys.stderr)
