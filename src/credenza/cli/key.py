"""`credenza key`: signing keys of a project, through the management API.

`--generate` makes the private key on this machine; the server gets the certification request and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from credenza.cli import callers, habits, output, own_key, passwords, remote, revoking
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.cli.own_key import CsrFile, Force, Generate, Out
from credenza.client import operations
from credenza.client.management import ManagementClient
from credenza.client.operations import Operation
from credenza.protocol import csr as requests
from credenza.wire.credentials import AddSigningCredentialAfter, Credential, NewKey

app = typer.Typer()

_COLUMNS = ("alias", "environment", "status", "expiring", "notAfter", "kid")

KeyId = Annotated[str, typer.Argument(metavar="KID", help="Key id: credenza key list")]
Alias = Annotated[str, typer.Option(help="A name to know the key by.")]


def _key_id(text: str | None) -> str | None:
    if text is not None and not re.fullmatch("[0-9a-f]{48}", text):
        raise typer.BadParameter(f"{text} is no key id, which has 48 hexadecimal digits: credenza key list")
    return text


Replaces = Annotated[
    str | None,
    typer.Option(
        metavar="KID",
        help="The key that it is to replace: notices about that one stop when it falls silent.",
        callback=_key_id,
    ),
]


@app.command("list")
def list_keys(
    context: typer.Context,
    status: Annotated[
        Literal["ACTIVE", "REVOKED", "EXPIRED"] | None, typer.Option(help="ACTIVE, REVOKED or EXPIRED.")
    ] = None,
    expiring: Annotated[bool, typer.Option("--expiring", help="Only those with 90 days or less to go.")] = False,
) -> None:
    """List the keys of the project, in one environment with --env."""
    listing = partial(
        operations.list_keys,
        remote.project(context),
        environment=remote.environment(context),
        status=status,
        expiring=expiring,
    )
    with remote.client(context) as client:
        found = list(client.each(listing))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def view(context: typer.Context, kid: KeyId) -> None:
    """Show one key and who calls with it."""
    project = remote.project(context)
    with remote.client(context) as client:
        found = _get(client, project, kid)
        calling = client.send(operations.list_callers(project, kid))
    if habits.of(context).output is not Output.TABLE:
        output.show(context, {**found.model_dump(mode="json", by_alias=True), "callers": calling})
        return
    _show(context, found)
    callers.show(context, calling, called_with="key")


@app.command()
def add(
    context: typer.Context,
    alias: Alias,
    replaces: Replaces = None,
    generate: Generate = False,
    csr: CsrFile = None,
    out: Out = None,
    password_file: passwords.NewPasswordFile = None,
    force: Force = False,
) -> None:
    """Add a key, made here (--generate) or by its certification request (--csr FILE)."""
    project, environment = remote.project(context), remote.environment(context)

    def operation(request: str) -> Operation[Credential]:
        new = AddSigningCredentialAfter(
            type="SIGNING", alias=alias, csr=request, environment=environment, predecessorId=replaces
        )
        return operations.add_credential(project, new)

    _certify(context, operation, alias, generate=generate, csr=csr, out=out, password_file=password_file, force=force)
    if replaces is not None:
        _note_predecessor(context, replaces)


@app.command()
def rotate(
    context: typer.Context,
    kid: KeyId,
    alias: Alias,
    generate: Generate = False,
    csr: CsrFile = None,
    out: Out = None,
    password_file: passwords.NewPasswordFile = None,
    force: Force = False,
) -> None:
    """Add a new key beside an old one (OAuth 1.0a). Both work until you revoke the old one."""
    project = remote.project(context)

    def operation(request: str) -> Operation[Credential]:
        return operations.rotate_credential(project, kid, NewKey(alias=alias, csr=request))

    _certify(context, operation, alias, generate=generate, csr=csr, out=out, password_file=password_file, force=force)
    _note_predecessor(context, kid)


@app.command()
def renew(context: typer.Context, kid: KeyId) -> None:
    """Extend the certificate of a key in its last 90 days (OAuth 1.0a). Less secure than rotating it."""
    habit = habits.of(context)
    if not habit.yes:
        typer.confirm("Renewing keeps the old private key in use; rotating is safer. Renew?", abort=True, err=True)
    with remote.client(context) as client:
        _show(context, client.send(operations.renew_credential(remote.project(context), kid)))


@app.command()
def revoke(
    context: typer.Context,
    kid: KeyId,
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
) -> None:
    """Revoke a key. The very next call with it is refused, everywhere."""
    project = remote.project(context)
    with remote.client(context) as client:
        revoking.revoke(context, client, project, _get(client, project, kid), reason=reason)


def _get(client: ManagementClient, project: str, kid: str) -> Credential:
    """Read a key. The id of a certificate has dashes, and is another command's."""
    if "-" in kid:
        raise CommandFailed(f"{kid} is no key id. Is it a certificate? credenza cert view {kid}", ExitCode.USAGE)
    return client.send(operations.get_key(project, kid))


def _certify(
    context: typer.Context,
    operation: Callable[[str], Operation[Credential]],
    alias: str,
    *,
    generate: bool,
    csr: Path | None,
    out: Path | None,
    password_file: Path | None,
    force: bool,
) -> None:
    """Have a key certified: one made now, or the one of a certification request."""
    if generate == (csr is not None):
        raise CommandFailed("Give --generate or --csr FILE, one of the two.", ExitCode.USAGE)
    if csr is not None:
        with remote.client(context) as client:
            _show(context, client.send(operation(remote.csr_text(csr))))
        return
    store = own_key.open_store(own_key.path_of(out, alias), password_file, overwrite=force)
    private_key = own_key.make()
    # A common name is shorter than an alias may be (RFC 5280, upper bounds).
    request = requests.build(private_key, common_name=alias[:64].strip()).decode()
    with remote.client(context) as client:
        made = client.send(operation(request))
        issuer = client.send(operations.get_authority_certificate(made.environment, "issuing"))
    store.write(private_key, made, [issuer])
    _show(context, made)
    output.note(context, f"Private key and certificate written to {store.path}. It was sent to nobody: keep a copy.")


def _show(context: typer.Context, key: Credential) -> None:
    output.show_but(context, key, "certificate")


def _note_predecessor(context: typer.Context, kid: str) -> None:
    output.note(context, f"The old key still works. When nobody uses it any more: credenza key revoke {kid}")
