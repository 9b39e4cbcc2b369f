"""`credenza ca crl` and `credenza ca ocsp`: what authorities publish about certificates, read on the server itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from credenza.actions import authorities, revocation_lists
from credenza.actions.certificate_status import CertificateStatus
from credenza.actions.context import Platform
from credenza.cli import files, local, output
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.protocol import certificate
from credenza.protocol.errors import Malformed, Refused

app = typer.Typer()


@app.command()
def crl(
    context: typer.Context,
    authority_id: Annotated[str, typer.Argument(metavar="ID", help="The authority's id: credenza ca view")],
    out: Annotated[Path | None, typer.Option(help="Write the list to this file, as DER.")] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Read an authority's revocation list: its number, its times and what stands on it."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: revocation_lists.get(platform, authority_id, now=local.now()))
    if out is not None:
        files.write_public(out, found.der, overwrite=force)
    read = x509.load_der_x509_crl(found.der)
    output.show(
        context,
        {
            "authorityId": found.authority_id,
            "number": str(found.number),
            "thisUpdate": found.this_update,
            "nextUpdate": found.next_update,
            "revoked": len(read),
        },
    )


@app.command("ocsp")
def ask_status(
    context: typer.Context,
    certificate_file: Annotated[Path, typer.Argument(metavar="FILE", help="A certificate that was issued here.")],
) -> None:
    """Ask, as OCSP does, whether a certificate is good, revoked or unknown."""
    try:
        asked = certificate.parse(files.read(certificate_file))
    except (Malformed, Refused) as error:
        raise CommandFailed(str(error)) from error
    with local.platform(local.load_settings()) as platform:
        issuer = _issuer(platform, asked)
        request = ocsp.OCSPRequestBuilder().add_certificate(asked, issuer, SHA256()).build()
        answer = CertificateStatus(platform).answer(request.public_bytes(Encoding.DER), now=local.now())
    output.show(context, _said(ocsp.load_der_ocsp_response(answer.der)))


def _issuer(platform: Platform, asked: x509.Certificate) -> x509.Certificate:
    found = local.attempt(lambda: authorities.list_all(platform, local.OPERATOR, now=local.now()))
    known = (x509.load_der_x509_certificate(each.authority.certificate_der) for each in found)
    issuer = next((each for each in known if each.subject == asked.issuer), None)
    if issuer is None:
        raise CommandFailed(f"No authority here is called {asked.issuer.rfc4514_string()}.", ExitCode.NOT_FOUND)
    return issuer


def _said(answer: ocsp.OCSPResponse) -> dict[str, object]:
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return {"status": answer.response_status.name.lower()}
    reason = answer.revocation_reason
    return {
        "status": answer.certificate_status.name.lower(),
        "serialNumber": f"{answer.serial_number:x}",
        "revokedAt": answer.revocation_time_utc,
        "reason": None if reason is None else reason.value,
        "thisUpdate": answer.this_update_utc,
        "nextUpdate": answer.next_update_utc,
    }
