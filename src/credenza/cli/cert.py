"""`credenza cert`: TLS client certificates of a project, through the management API.

`--generate` makes the private key on this machine; the server gets the certification request and nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from credenza.cli import bundles, callers, habits, output, own_key, passwords, remote, revoking
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.cli.own_key import CsrFile, Force, Generate, Out
from credenza.client import operations
from credenza.client.management import ManagementClient
from credenza.protocol import certificate, csr
from credenza.wire.credentials import (
    AddMTLSCertificateCredentialAfter,
    AddMTLSCsrCredentialAfter,
    MtlsCertificateDetails,
)

app = typer.Typer()

_COLUMNS = ("alias", "subject", "environment", "status", "expiring", "notAfter", "id")

CertificateId = Annotated[str, typer.Argument(metavar="ID", help="Its id: credenza cert list")]
Alias = Annotated[str, typer.Option(help="A name to know the certificate by.")]
CertFile = Annotated[
    Path | None,
    typer.Option("--cert", metavar="FILE", help="Certificate of a trusted authority; its chain may stand behind it."),
]
CommonName = Annotated[
    str | None,
    typer.Option("--common-name", "--cn", metavar="NAME", help="With --generate: CN; else the alias and the time."),
]
Organization = Annotated[str | None, typer.Option(metavar="NAME", help="With --generate: O.")]
Unit = Annotated[str | None, typer.Option("--organizational-unit", metavar="NAME", help="With --generate: OU.")]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the options say: exactly one of `generate`, `csr` and `cert`, and whom it is to replace."""

    alias: str
    predecessor_id: str | None
    generate: bool
    csr: Path | None
    cert: Path | None
    common_name: str | None
    organization: str | None
    unit: str | None
    out: Path | None
    password_file: Path | None
    force: bool

    @property
    def store(self) -> Path:
        return own_key.path_of(self.out, self.alias)


@app.command("list")
def list_certificates(
    context: typer.Context,
    text: Annotated[
        str, typer.Argument(help="A part of the subject, such as CN=till-7, or how alias or id begins.")
    ] = "",
    status: Annotated[
        Literal["ACTIVE", "REVOKED", "EXPIRED"] | None, typer.Option(help="ACTIVE, REVOKED or EXPIRED.")
    ] = None,
    expiring: Annotated[bool, typer.Option("--expiring", help="Only those with 90 days or less to go.")] = False,
) -> None:
    """List the certificates of the project, in one environment with --env."""
    listing = partial(
        operations.list_certificates,
        remote.project(context),
        environment=remote.environment(context),
        status=status,
        expiring=expiring,
        text=text,
    )
    with remote.client(context) as client:
        found = list(client.each(listing))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def view(context: typer.Context, certificate_id: CertificateId) -> None:
    """Show one certificate, the authorities above it, and who calls with it."""
    project = remote.project(context)
    with remote.client(context) as client:
        found = _get(client, project, certificate_id)
        calling = client.send(operations.list_callers(project, certificate_id))
    if habits.of(context).output is not Output.TABLE:
        output.show(context, {**found.model_dump(mode="json", by_alias=True), "callers": calling})
        return
    above = [certificate.describe(certificate.parse(each)).subject for each in found.chain]
    output.show(context, {**found.model_dump(by_alias=True, exclude={"certificate", "chain"}), "chain": above})
    callers.show(context, calling, called_with="certificate")


@app.command()
def add(
    context: typer.Context,
    alias: Alias,
    generate: Generate = False,
    csr_file: CsrFile = None,
    cert: CertFile = None,
    common_name: CommonName = None,
    organization: Organization = None,
    unit: Unit = None,
    out: Out = None,
    password_file: passwords.NewPasswordFile = None,
    force: Force = False,
) -> None:
    """Add a certificate: of a key made here (--generate), by a request (--csr), or issued elsewhere (--cert)."""
    wanted = _Wanted(alias, None, generate, csr_file, cert, common_name, organization, unit, out, password_file, force)
    _add(context, wanted)


@app.command()
def rotate(
    context: typer.Context,
    certificate_id: CertificateId,
    alias: Alias,
    generate: Generate = False,
    csr_file: CsrFile = None,
    cert: CertFile = None,
    common_name: CommonName = None,
    organization: Organization = None,
    unit: Unit = None,
    out: Out = None,
    password_file: passwords.NewPasswordFile = None,
    force: Force = False,
) -> None:
    """Add a certificate that is to replace another. Both work until you revoke the old one."""
    _check_id(certificate_id)
    wanted = _Wanted(
        alias, certificate_id, generate, csr_file, cert, common_name, organization, unit, out, password_file, force
    )
    _add(context, wanted)
    output.note(
        context, f"The old one still works. When nobody uses it any more: credenza cert revoke {certificate_id}"
    )


@app.command()
def revoke(
    context: typer.Context,
    certificate_id: CertificateId,
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")] = "",
) -> None:
    """Revoke a certificate. The very next request with it is refused, everywhere."""
    project = remote.project(context)
    with remote.client(context) as client:
        revoking.revoke(context, client, project, _get(client, project, certificate_id), reason=reason)


def _add(context: typer.Context, wanted: _Wanted) -> None:
    if [wanted.generate, wanted.csr is not None, wanted.cert is not None].count(True) != 1:
        raise CommandFailed("Give --generate, --csr FILE or --cert FILE, one of the three.", ExitCode.USAGE)
    if wanted.generate:
        _generate(context, wanted)
        return
    project, environment = remote.project(context), remote.environment(context)
    new: AddMTLSCsrCredentialAfter | AddMTLSCertificateCredentialAfter
    with remote.client(context) as client:
        if wanted.csr is not None:
            new = _by_request(wanted, remote.csr_text(wanted.csr), environment)
        else:
            new = _by_certificate(wanted, environment)
        output.show_but(context, client.send(operations.add_certificate(project, new)), "certificate")


def _generate(context: typer.Context, wanted: _Wanted) -> None:
    """Make a key, have it certified, and write both with the authorities above into a key store."""
    store = own_key.open_store(wanted.store, wanted.password_file, overwrite=wanted.force)
    private_key = own_key.make()
    request = csr.build(
        private_key,
        # A subject is accepted once: the seconds since 1970 make it one of its own.
        common_name=wanted.common_name or f"{wanted.alias[:50]}-{int(time.time())}",
        organization=wanted.organization,
        organizational_unit=wanted.unit,
    )
    project = remote.project(context)
    with remote.client(context) as client:
        new = _by_request(wanted, request.decode(), remote.environment(context))
        made = client.send(operations.add_certificate(project, new))
        details = client.send(operations.get_certificate(project, made.id))
    store.write(private_key, made, [each.encode() for each in details.chain])
    output.show_but(context, made, "certificate")
    output.note(context, f"Private key and certificates written to {wanted.store}. It was sent to nobody: keep a copy.")


def _by_request(
    wanted: _Wanted, request: str, environment: Literal["SANDBOX", "PRODUCTION"] | None
) -> AddMTLSCsrCredentialAfter:
    return AddMTLSCsrCredentialAfter(
        type="MTLS_CSR",
        alias=wanted.alias,
        csr=request,
        environment=environment,
        predecessorId=wanted.predecessor_id,
    )


def _by_certificate(
    wanted: _Wanted, environment: Literal["SANDBOX", "PRODUCTION"] | None
) -> AddMTLSCertificateCredentialAfter:
    assert wanted.cert is not None, "asked for by --cert"
    leaf, chain = bundles.texts(wanted.cert)
    return AddMTLSCertificateCredentialAfter(
        type="MTLS_CERT",
        alias=wanted.alias,
        certificate=leaf,
        chain=chain,
        environment=environment,
        predecessorId=wanted.predecessor_id,
    )


def _get(client: ManagementClient, project: str, certificate_id: str) -> MtlsCertificateDetails:
    _check_id(certificate_id)
    return client.send(operations.get_certificate(project, certificate_id))


def _check_id(certificate_id: str) -> None:
    """A key id has no dashes, and is another command's."""
    if "-" not in certificate_id:
        raise CommandFailed(f"{certificate_id} is no certificate's id. List them: credenza cert list", ExitCode.USAGE)
