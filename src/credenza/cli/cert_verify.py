"""`credenza cert verify`: what a gate would say of a certificate, step by step, on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer
from cryptography import x509

from credenza.cli import bundles, files, output, remote
from credenza.cli.checks import Check
from credenza.cli.failure import ExitCode
from credenza.protocol import certificate, certificate_path, crl, public_key
from credenza.protocol.errors import Malformed, Refused

app = typer.Typer()

_STEPS = {
    "dates": ("expired", "not_yet_valid"),
    "signature": ("weak_signature",),
    "key": ("key_type", "key_size", "weak_key"),
    "use": ("is_ca", "key_usage", "extended_key_usage"),
    "extensions": ("critical_extension",),
}
"""What is asked of the certificate alone, in the order in which it is asked, and what each step may find."""

_NEW_ONE = "Add a new certificate beside it and switch: credenza cert rotate"
_NEXT_TIME = "Have it issued again as a client's: digitalSignature, clientAuth, CA:FALSE, signed with SHA-256."
_CURES = {"dates": _NEW_ONE, "key": "Make a new key: RSA with 2048 to 4096 bits, P-256 or P-384.", "use": _NEXT_TIME}


@app.command()
def verify(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The certificate, PEM or DER; its chain may stand behind it.")
    ],
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authorities between the certificate and its root, PEM.")
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Roots to trust, PEM. Without it: the platform's own, in --env."),
    ] = None,
    crl_file: Annotated[
        Path | None,
        typer.Option("--crl", metavar="FILE", help="The issuer's revocation list. Without it: where it says itself."),
    ] = None,
) -> None:
    """Check a certificate: dates, key, use, chain, revocation. Exits with 1 when a step fails."""
    now = datetime.now(UTC)
    leaf, *sent = bundles.read(file)
    sent += bundles.read(chain) if chain else ()
    roots, between = _trusted(context, ca)
    checks = [*_alone(leaf, now)]
    path: certificate_path.Path = ()
    try:
        path = certificate_path.prove(leaf, (*sent, *between), roots, now=now)
        checks.append(Check("chain", ok=True, detail=" < ".join(map(_subject, path))))
    except Refused as refused:
        checks.append(Check("chain", ok=None if _failed(checks) else False, detail=str(refused)))
    checks.append(_revocation(context, leaf, path, crl_file, now))
    output.show_checks(context, checks)
    if _failed(checks):
        raise typer.Exit(ExitCode.ERROR)


def _trusted(
    context: typer.Context, ca: Path | None
) -> tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]:
    """The roots, and the authorities that only lead to them."""
    if ca is not None:
        return bundles.read(ca), ()
    environment = (remote.environment(context) or "SANDBOX").lower()
    with remote.client(context) as client:
        found = certificate.parse_bundle(client.raw("GET", f"/pki/{environment}/chain.pem").content)
    return tuple(each for each in found if each.subject == each.issuer), tuple(found)


def _alone(leaf: x509.Certificate, now: datetime) -> Iterator[Check]:
    """Report the steps up to the one that fails; those after it are not taken."""
    refused: Refused | None = None
    try:
        certificate_path.check_leaf(leaf, now=now)
    except Refused as error:
        refused = error
    found = {
        "dates": f"from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} to {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
        "key": public_key.algorithm_name(leaf.public_key()),
        "use": ", ".join(certificate.describe(leaf).extended_key_usage) or "any",
    }
    for name, reasons in _STEPS.items():
        if refused is not None and refused.reason in reasons:
            yield Check(name, ok=False, detail=str(refused), cure=_CURES.get(name, _NEXT_TIME))
            return
        yield Check(name, ok=True, detail=found.get(name, "as it should be"))


def _revocation(
    context: typer.Context,
    leaf: x509.Certificate,
    path: certificate_path.Path,
    crl_file: Path | None,
    now: datetime,
) -> Check:
    if not path:
        return Check("revocation", ok=None, detail="Not checked: nobody is proven to have issued the certificate.")
    try:
        listed = _list(context, leaf, crl_file)
        if listed is None:
            return Check(
                "revocation", ok=None, detail="Not checked: the certificate names no list. Give one: --crl FILE"
            )
        proven = crl.read(listed, path[1], now=now)
    except (Malformed, Refused, httpx.HTTPError) as error:
        return Check("revocation", ok=None, detail=f"Not checked: {error}")
    at = proven.revoked.get(leaf.serial_number)
    if at is None:
        return Check("revocation", ok=True, detail=f"not on the list of {proven.this_update:%Y-%m-%d %H:%M} UTC")
    return Check("revocation", ok=False, detail=f"It was revoked on {at:%Y-%m-%d %H:%M} UTC.", cure=_NEW_ONE)


def _list(context: typer.Context, leaf: x509.Certificate, crl_file: Path | None) -> bytes | None:
    """Read the list from a file, or fetch it from where the certificate says."""
    if crl_file is not None:
        return files.read(crl_file)
    url = next(_list_urls(leaf), None)
    if url is None:
        return None
    with httpx.stream("GET", url, verify=remote.trusting(context, None)) as answer:
        answer.raise_for_status()
        octets = b""
        for part in answer.iter_bytes():
            octets += part
            if len(octets) > crl.LARGEST_FOREIGN_BYTES:
                break  # `crl` says that it is too large
    return octets


def _list_urls(leaf: x509.Certificate) -> Iterator[str]:
    try:
        points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return
    for name in (name for point in points for name in point.full_name or ()):
        if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(("http://", "https://")):
            yield name.value


def _subject(each: x509.Certificate) -> str:
    return certificate.describe(each).subject


def _failed(checks: list[Check]) -> bool:
    return any(check.ok is False for check in checks)
