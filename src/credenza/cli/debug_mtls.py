"""`credenza debug mtls`: says step by step why a call with a client certificate is refused."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from sqlalchemy import Connection

from credenza.cli import bundles, databases, debugging, habits, installation, mtls_diagnosis, output, refusals, remote
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.cli.mtls_diagnosis import Asked, Installed, Verdict
from credenza.domain.model import EnvironmentName
from credenza.gate.keyring import RouteTable
from credenza.gate.trust import Trust
from credenza.protocol import certificate
from credenza.store import lookup
from credenza.store.engine import reading

app = typer.Typer()


@app.command("mtls")
def debug_mtls(
    context: typer.Context,
    refusal_id: debugging.RefusalId = None,
    last: debugging.Last = False,
    certificate_file: Annotated[
        Path | None,
        typer.Option(
            "--certificate", metavar="FILE", help="Check here: the client's certificate, its chain behind it."
        ),
    ] = None,
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authorities that the client sends along, PEM.")
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Authorities to trust, PEM. Without it: those of this installation's gate."),
    ] = None,
    path: Annotated[str | None, typer.Option(metavar="PATH", help="What is called, such as /vault/1.")] = None,
    now: debugging.Now = None,
) -> None:
    """Ask the server why it refused a call, or check a certificate here as a gate and its handshake do.

    The check needs no server. On a gate's machine it goes by what the gate of --env goes by: whom it trusts, whose
    certificate it is, what its project may call; with --trust FILE elsewhere, by chain, dates and purpose alone. It
    exits with 1 when the call would be refused.
    """
    if [refusal_id is not None, last, certificate_file is not None].count(True) != 1:
        raise CommandFailed("Which call? Give the id of a refusal, --last, or --certificate FILE.", ExitCode.USAGE)
    if certificate_file is None:
        refusals.explain(context, refusal_id or refusals.last(), offline="credenza debug mtls --certificate FILE")
        return
    leaf, *sent = bundles.read(certificate_file)
    environment = EnvironmentName(remote.environment(context) or EnvironmentName.SANDBOX)
    asked = Asked(leaf, (*sent, *(bundles.read(chain) if chain else ())), environment, path)
    moment = debugging.parse_time(now)
    trusted, known = _of_installation(asked, moment) if trust is None else (bundles.read(trust), None)
    verdict = mtls_diagnosis.explain(asked, trusted, known, now=moment)
    _print(context, verdict)
    if not verdict.ok:
        raise typer.Exit(ExitCode.ERROR)


def _of_installation(asked: Asked, now: datetime) -> tuple[tuple[x509.Certificate, ...], Installed]:
    """Read what a gate of this installation would."""
    with databases.database(installation.load_settings()) as database, reading(database.records) as connection:
        trust, routes = Trust(), RouteTable()
        trust.replace(lookup.trust_snapshot(_rows(connection, lookup.TRUST)))
        routes.replace(lookup.route_snapshot(_rows(connection, lookup.ROUTES)))
        mark = "?" if database.embedded else "%s"
        asked_for = certificate.x5t_s256_hex(asked.leaf)
        found = lookup.key_snapshot(_rows(connection, lookup.CERTIFICATE.format(sha256=mark), asked_for))
    return trust.certificates(asked.environment, now=now), Installed(found.record, routes)


def _rows(connection: Connection, statement: str, *parameters: str) -> lookup.Rows:
    return [tuple(row) for row in connection.exec_driver_sql(statement, parameters)]


def _print(context: typer.Context, verdict: Verdict) -> None:
    if habits.of(context).output is Output.TABLE:
        output.show_checks(context, verdict.steps)
    else:
        output.show(context, verdict)
