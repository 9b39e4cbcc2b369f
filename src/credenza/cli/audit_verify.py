"""`credenza audit verify`: for operators on the server, and for anybody who has an export."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from credenza.actions import audit_log
from credenza.actions.audit_log import Verdict
from credenza.cli import audit_archive, files, local, output
from credenza.cli.failure import CommandFailed, ExitCode

app = typer.Typer()

_COLUMNS = ("chain", "entries", "outcome")


@app.command()
def verify(
    context: typer.Context,
    archive: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An exported log, checked offline; - is standard input.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM of the key that must have signed the export.")
    ] = None,
) -> None:
    """Verify every audit chain of this installation, or one that was exported."""
    if archive is not None:
        verdicts: tuple[Verdict, ...] = (_verify_archive(context, archive, public_key),)
    elif public_key is not None:
        raise CommandFailed("--public-key goes with --archive: the database has no signed checkpoint.", ExitCode.USAGE)
    else:
        with local.database(local.load_settings()) as database:
            verdicts = audit_log.verify(database)
    output.show_list(context, [_row(each) for each in verdicts], columns=_COLUMNS)
    if any(each.flaw for each in verdicts):
        raise typer.Exit(ExitCode.ERROR)


def _verify_archive(context: typer.Context, archive: Path, public_key: Path | None) -> Verdict:
    pinned = None if public_key is None else files.read(public_key)
    try:
        verified = audit_archive.verify(files.read(archive).splitlines(), pinned=pinned)
    except audit_archive.Unreadable as error:
        raise CommandFailed(str(error)) from error
    if pinned is None:
        output.note(
            context, f"Signed by {_fingerprint(verified.public_key_pem)}. Is it the platform's key? --public-key"
        )
    return verified.verdict


def _row(verdict: Verdict) -> dict[str, object]:
    flaw = verdict.flaw
    outcome = "ok" if flaw is None else f"entry {flaw.sequence} {flaw.what}"
    return {"chain": verdict.chain, "entries": verdict.entries, "outcome": outcome}


def _fingerprint(pem: str) -> str:
    spki = load_pem_public_key(pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"the key with SHA-256 {hashlib.sha256(spki).hexdigest()}"
