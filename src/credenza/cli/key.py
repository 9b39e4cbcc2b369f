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
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from credenza.cli import files, habits, output, passwords, remote, revoking
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.client import operations
from credenza.client.management import ManagementClient
from credenza.client.operations import Operation
from credenza.protocol import csr as requests
from credenza.protocol import pkcs12, public_key
from credenza.wire.credentials import AddSigningCredentialAfter, Credential, NewKey

app = typer.Typer()

_COLUMNS = ("alias", "environment", "status", "expiring", "notAfter", "kid")
_RSA_BITS = 2048

KeyId = Annotated[str, typer.Argument(metavar="KID", help="Key id: credenza key list")]
Alias = Annotated[str, typer.Option(help="A name to know the key by.")]
Generate = Annotated[bool, typer.Option("--generate", help="Make the private key here; it is sent to nobody.")]
CsrFile = Annotated[
    Path | None, typer.Option("--csr", metavar="FILE", help="Certification request of an existing key; - is stdin.")
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help="With --generate: the PKCS#12 key store; else ALIAS.p12.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]


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
        callers = client.send(operations.list_callers(project, kid))
    if habits.of(context).output is not Output.TABLE:
        output.show(context, {**found.model_dump(mode="json", by_alias=True), "callers": callers})
        return
    _show(context, found)
    print("\nCallers" if callers else "\nNobody has called with this key yet.")
    if callers:
        columns = ("address", "userAgent", "serviceId", "admitted", "refused", "lastSeenAt")
        output.show_list(context, callers, columns=columns)


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
    store = out or Path(f"{alias}.p12")
    files.check_writable(store, overwrite=force)
    password = passwords.new(password_file).ask_new(f"New password of {store}")
    private_key = rsa.generate_private_key(public_exponent=public_key.RSA_EXPONENT, key_size=_RSA_BITS)
    request = requests.build(private_key, common_name=alias).decode()
    with remote.client(context) as client:
        made = client.send(operation(request))
        issuer = client.send(operations.get_authority_certificate(made.environment, "issuing"))
    _write_store(store, private_key, made, issuer, password=password, force=force)
    _show(context, made)
    output.note(context, f"Private key and certificate written to {store}. It was sent to nobody: keep a copy.")


def _show(context: typer.Context, key: Credential) -> None:
    """Print a key; a table leaves the certificate out, which `-o json` has."""
    table = habits.of(context).output is Output.TABLE
    output.show(context, key.model_dump(by_alias=True, exclude={"certificate"}) if table else key)


def _note_predecessor(context: typer.Context, kid: str) -> None:
    output.note(context, f"The old key still works. When nobody uses it any more: credenza key revoke {kid}")


def _write_store(
    path: Path, private_key: rsa.RSAPrivateKey, made: Credential, issuer: bytes, *, password: str, force: bool
) -> None:
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    chain = (x509.load_pem_x509_certificate(issuer),)
    octets = pkcs12.write_pkcs12(private_key, certificate, chain, alias=made.alias, password=password)
    files.write_secret(path, octets, overwrite=force)
