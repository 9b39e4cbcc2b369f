"""`credenza project tls-name`: which name in certificates authenticates the project's TLS clients (RFC 8705 2.1.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import bundles, output, remote
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.client import operations
from credenza.protocol import tls_client_name
from credenza.wire.projects import NewTlsClientName
from credenza.wire.shape import EnvironmentName

app = typer.Typer(help="The name in certificates that the project gets tokens by.")


@app.command()
def view(context: typer.Context) -> None:
    """Show the name that is registered in an environment (--env)."""
    with remote.client(context) as client:
        output.show(context, client.send(operations.get_tls_client_name(remote.project(context), _place(context))))


@app.command("set")
def register(
    context: typer.Context,
    subject_dn: Annotated[
        str | None, typer.Option(metavar="NAME", help="The subject, as RFC 4514 writes it: CN=till 7,O=Acme,C=DE")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--cert", metavar="FILE", help="The subject of this certificate; - is stdin.")
    ] = None,
    san_dns: Annotated[str | None, typer.Option(metavar="HOST", help="A DNS name of the certificate.")] = None,
    san_uri: Annotated[str | None, typer.Option(metavar="URI", help="A URI of the certificate.")] = None,
    san_ip: Annotated[str | None, typer.Option(metavar="ADDRESS", help="An IP address of the certificate.")] = None,
    san_email: Annotated[str | None, typer.Option(metavar="MAIL", help="A mail address of the certificate.")] = None,
) -> None:
    """Let only certificates with one name get tokens in an environment (--env), in place of a name that is registered.

    Without a name any certificate of the project does.
    """
    subject = subject_dn if certificate is None else tls_client_name.shown_subject(bundles.read(certificate)[0])
    named = {"subject_dn": subject, "san_dns": san_dns, "san_uri": san_uri, "san_ip": san_ip, "san_email": san_email}
    given = [{"kind": kind, "value": value} for kind, value in named.items() if value is not None]
    if len(given) != 1 or (subject_dn is not None and certificate is not None):
        raise CommandFailed("A client is known by exactly one name: give one of the options.", ExitCode.USAGE)
    operation = operations.register_tls_client_name(
        remote.project(context), _place(context), NewTlsClientName.model_validate(given[0])
    )
    with remote.client(context) as client:
        output.show(context, client.send(operation))


@app.command()
def remove(context: typer.Context) -> None:
    """Let any certificate of the project get tokens again in an environment (--env)."""
    with remote.client(context) as client:
        client.send(operations.remove_tls_client_name(remote.project(context), _place(context)))
    output.note(context, "Removed. Each certificate is known by its own subject.")


def _place(context: typer.Context) -> EnvironmentName:
    return remote.environment(context) or "SANDBOX"
