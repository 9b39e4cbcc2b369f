"""`credenza service-key`: keys that protect payloads between a project and a service, through the management API.

`--generate` makes the private key on this machine; the server gets the certification request and nothing else. Of a
CLIENT_ENCRYPTION key nothing is sent: the server makes it and keeps its private half.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from credenza.cli import files, habits, output, own_key, passwords, remote, revoking
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.own_key import CsrFile, Force, Generate, Out
from credenza.client import operations
from credenza.client.management import ManagementClient
from credenza.protocol import csr as requests
from credenza.protocol import pem, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.wire.credentials import Status
from credenza.wire.service_keys import (
    AddClientEncryptionKey,
    AddClientOwnedKey,
    AddServiceCredential,
    ServiceCredential,
    ServiceCredentialType,
)
from credenza.wire.shape import EnvironmentName

app = typer.Typer()

_COLUMNS = ("alias", "type", "serviceId", "environment", "status", "expiring", "notAfter", "id")

Named = Annotated[str, typer.Argument(metavar="KEY", help="Its alias or its id: credenza service-key list")]
ServiceNumber = Annotated[int, typer.Option("--service", metavar="NUMBER", help="The service: credenza project view")]
Type = Annotated[
    ServiceCredentialType,
    typer.Option(
        "--type",
        help="MASTERCARD_ENCRYPTION: we encrypt responses for you. CLIENT_ENCRYPTION: you encrypt requests for us. "
        "CLIENT_SIGNATURE_VERIFICATION: you sign, we verify.",
    ),
]
Alias = Annotated[str, typer.Option(help="A name to know the key by.")]
PublicKeyFile = Annotated[
    Path | None, typer.Option("--public-key", metavar="FILE", help="Public key of an existing key; - is stdin.")
]
Certificate = Annotated[
    Path | None, typer.Option("--certificate", metavar="FILE", help="Write its certificate there, as PEM.")
]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the options say."""

    service: int
    type: ServiceCredentialType
    alias: str
    csr: Path | None
    public_key: Path | None
    generate: bool
    out: Path | None
    certificate: Path | None
    password_file: Path | None
    force: bool

    @property
    def store(self) -> Path:
        return own_key.path_of(self.out, self.alias)

    @property
    def written(self) -> tuple[Path, ...]:
        """The files that the command writes."""
        stores = (self.store,) if self.generate else ()
        return stores if self.certificate is None else (*stores, self.certificate)


@app.command("list")
def list_keys(
    context: typer.Context,
    service: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Only those for this service: credenza project view")
    ] = None,
    key_type: Annotated[ServiceCredentialType | None, typer.Option("--type", help="Only those of this type.")] = None,
    status: Annotated[
        Literal["ACTIVE", "INACTIVE", "REVOKED", "EXPIRED"] | None,
        typer.Option(help="ACTIVE, INACTIVE, REVOKED or EXPIRED."),
    ] = None,
    expiring: Annotated[bool, typer.Option("--expiring", help="Only active ones with 90 days or less to go.")] = False,
) -> None:
    """List the project's service credentials, in one environment with --env."""
    with remote.client(context) as client:
        found = list(_each(context, client, service, key_type, status, expiring=expiring))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def view(context: typer.Context, key: Named, certificate: Certificate = None, force: Force = False) -> None:
    """Show one service credential; with --certificate write its certificate, which requests are encrypted with."""
    if certificate is not None:
        files.check_writable(certificate, overwrite=force)
    with remote.client(context) as client:
        found = _find(context, client, key)
    _write_certificate(context, found, certificate, force=force)
    if certificate != files.STANDARD:
        _show(context, found)


@app.command()
def add(
    context: typer.Context,
    service: ServiceNumber,
    key_type: Type,
    alias: Alias,
    generate: Generate = False,
    csr: CsrFile = None,
    public_key_file: PublicKeyFile = None,
    out: Out = None,
    certificate: Certificate = None,
    password_file: passwords.NewPasswordFile = None,
    force: Force = False,
) -> None:
    """Add a key of yours: made here (--generate), by a request (--csr) or a public key (--public-key); or, of the type
    CLIENT_ENCRYPTION, one that the server makes."""
    wanted = _Wanted(service, key_type, alias, csr, public_key_file, generate, out, certificate, password_file, force)
    _check_sources(wanted)
    files.check_writable(*wanted.written, overwrite=force)
    made = _generate(context, wanted) if generate else _send(context, wanted)
    _write_certificate(context, made, certificate, force=force)
    if certificate != files.STANDARD:
        _show(context, made)
    if made.status == "INACTIVE":
        output.note(
            context, f"Another one is active. To put this one in its place: credenza service-key activate {made.id}"
        )


@app.command()
def activate(context: typer.Context, key: Named) -> None:
    """Put a key in the place of the active one of its type, which becomes inactive at once."""
    project = remote.project(context)
    with remote.client(context) as client:
        found = _find(context, client, key)
        _show(context, client.send(operations.activate_service_key(project, found.service_id, found.id)))


@app.command()
def revoke(
    context: typer.Context,
    key: Named,
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
) -> None:
    """Revoke a key for good. The active one of its type is not revoked: activate or add another one first."""
    project = remote.project(context)
    with remote.client(context) as client:
        held = _find(context, client, key)
        if not habits.of(context).yes:
            revoking.ask(f"{held.alias}, {held.environment}, {held.type}, {held.status}, {held.id}.")
        reach = client.send(operations.revoke_service_key(project, held.service_id, held.id, reason=reason))
    output.note(context, f"Revoked. {revoking.told(reach)}")


def _check_sources(wanted: _Wanted) -> None:
    given = [wanted.generate, wanted.csr is not None, wanted.public_key is not None].count(True)
    if wanted.type == "CLIENT_ENCRYPTION" and given:
        raise CommandFailed(
            "A CLIENT_ENCRYPTION key is made by the server, which keeps its private half: leave --generate, --csr and "
            "--public-key out.",
            ExitCode.USAGE,
        )
    if wanted.type != "CLIENT_ENCRYPTION" and given != 1:
        raise CommandFailed("Give --generate, --csr FILE or --public-key FILE, one of the three.", ExitCode.USAGE)


def _new(context: typer.Context, wanted: _Wanted) -> AddServiceCredential:
    environment = remote.environment(context)
    if wanted.type == "CLIENT_ENCRYPTION":
        return AddClientEncryptionKey(type=wanted.type, alias=wanted.alias, environment=environment)
    csr = None if wanted.csr is None else remote.csr_text(wanted.csr)
    offered = None if wanted.public_key is None else _public_key_text(wanted.public_key)
    return AddClientOwnedKey(type=wanted.type, alias=wanted.alias, csr=csr, publicKey=offered, environment=environment)


def _generate(context: typer.Context, wanted: _Wanted) -> ServiceCredential:
    """Make a key, have it certified, and write both into a key store."""
    assert wanted.type != "CLIENT_ENCRYPTION", "that one is the server's"
    store = own_key.open_store(wanted.store, wanted.password_file, overwrite=wanted.force)
    private_key = own_key.make()
    request = requests.build(private_key, common_name=wanted.alias[:64]).decode()
    environment = remote.environment(context)
    with remote.client(context) as client:
        new = AddClientOwnedKey(type=wanted.type, alias=wanted.alias, csr=request, environment=environment)
        made = client.send(operations.add_service_key(remote.project(context), wanted.service, new))
        issuer = client.send(operations.get_authority_certificate(made.environment, "issuing"))
    store.write(private_key, made, [issuer])
    output.note(context, f"Private key and certificate written to {wanted.store}. It was sent to nobody: keep a copy.")
    return made


def _send(context: typer.Context, wanted: _Wanted) -> ServiceCredential:
    with remote.client(context) as client:
        return client.send(operations.add_service_key(remote.project(context), wanted.service, _new(context, wanted)))


def _public_key_text(path: Path) -> str:
    """Read a public key as the JSON of the API carries it: PEM, whatever the file holds."""
    try:
        return public_key.to_pem(pem.read(files.read(path), labels=("PUBLIC KEY",), field="public key"))
    except (Malformed, Refused) as error:
        raise CommandFailed(f"{path}: {error}") from error


def _each(
    context: typer.Context,
    client: ManagementClient,
    service: int | None = None,
    key_type: ServiceCredentialType | None = None,
    status: Status | None = None,
    *,
    expiring: bool = False,
) -> Iterator[ServiceCredential]:
    project, environment = remote.project(context), remote.environment(context)
    listing = (
        partial(operations.list_service_keys_of_project, project)
        if service is None
        else partial(operations.list_service_keys, project, service)
    )
    return client.each(partial(listing, type=key_type, environment=environment, status=status, expiring=expiring))


def _find(context: typer.Context, client: ManagementClient, named: str) -> ServiceCredential:
    """Find it by its id alone, or by an alias that means one: whoever copies one from a list need not say for which
    service it is."""
    listing = partial(operations.list_service_keys_of_project, remote.project(context))
    held = list(client.each(listing))
    found = [each for each in held if each.id == named] or _called(held, named, remote.environment(context))
    if not found:
        raise CommandFailed(
            f"The project has no service credential {named!r}. List them: credenza service-key list", ExitCode.NOT_FOUND
        )
    if len(found) > 1:
        each_of_them = "; ".join(f"{each.id} ({each.type}, {each.environment}, {each.status})" for each in found)
        raise CommandFailed(f"Several are named {named!r}. Name one by its id: {each_of_them}", ExitCode.USAGE)
    return found[0]


def _called(
    held: Sequence[ServiceCredential], alias: str, environment: EnvironmentName | None
) -> list[ServiceCredential]:
    """Find what has this alias. One that was revoked is meant only where no other has it: the successor may."""
    called = [each for each in held if each.alias == alias and environment in (None, each.environment)]
    return [each for each in called if each.status != "REVOKED"] or called


def _write_certificate(context: typer.Context, held: ServiceCredential, path: Path | None, *, force: bool) -> None:
    if path is None:
        return
    files.write_public(path, held.certificate.encode(), overwrite=force)
    if path != files.STANDARD:
        output.note(context, f"Certificate written to {path}.")


def _show(context: typer.Context, held: ServiceCredential) -> None:
    output.show_but(context, held, "certificate", "public_key")
