"""`credenza db`: for operators, on the server. Backup and check go on beside a server at work; so does a restore."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import make_url
from sqlalchemy.exc import DatabaseError, OperationalError

from credenza.actions import backups
from credenza.actions.backups import Restored
from credenza.adapters.vault import LocalVault, WrongKey
from credenza.cli import database_checks, files, habits, local, output
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.domain.model import ChangeNumber, CredentialId
from credenza.settings import Settings
from credenza.store import enforced, migrate
from credenza.store.archive import DamagedArchive
from credenza.store.enforced import OlderDatabase
from credenza.store.engine import Database, open_database

app = typer.Typer()

_HELD_COLUMNS = ("organization", "project", "alias", "kind", "notAfter", "id")


@app.command()
def upgrade(context: typer.Context) -> None:
    """Bring the database to this release. The embedded one is brought there by every command."""
    settings = local.load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _answering(settings) as database:
        pending = migrate.pending(database)
        migrate.upgrade(database)
    output.note(context, "The database was brought to this release." if pending else "The database is up to date.")


@app.command()
def check(context: typer.Context) -> None:
    """Check tables, audit log, everything wrapped with the key-encryption key, and whether RSA keys share primes.

    Changes nothing. With 10,000 RSA keys the last takes half a minute.
    """
    settings = local.load_settings()
    with _as_it_is(settings) as database:
        checks = [database_checks.schema_check(database)]
        if checks[0].ok:
            checks += database_checks.tables_checks(database)
            checks += database_checks.audit_checks(database)
            checks += database_checks.key_checks(database, settings)
            checks += database_checks.shared_primes_checks(database)
            checks.append(database_checks.age_check(database, settings))
    output.show_checks(context, checks)
    if not all(each.ok for each in checks):
        raise typer.Exit(ExitCode.ERROR)


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where it goes.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Write everything into one file, while the server runs.

    Keep the key-encryption key apart from it: the file opens with that key alone and does not hold it. What gates
    counted (last use, refused calls) is not in it.
    """
    files.check_writable(file, overwrite=force)
    settings = local.load_settings()
    with _as_it_is(settings) as database:
        if migrate.pending(database):
            raise CommandFailed("The database is of an older release, or empty. Run: credenza db upgrade")
        try:
            manifest = backups.back_up(database, _vault(settings), file, now=local.now())
        except FileNotFoundError:
            raise CommandFailed(f"There is no directory {file.parent}.", ExitCode.NOT_FOUND) from None
    facts = {"takenAt": manifest.origin.taken_at, "changeNumber": manifest.origin.change_number}
    output.show(context, {"file": str(file), **facts, "rows": sum(manifest.rows.values()), "sha256": manifest.sha256})


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `credenza db backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what the database holds. Back it up before.")
    ] = False,
) -> None:
    """Bring back a backup, of either kind of database into either kind. Nothing that was revoked since comes back.

    A database that goes on from the backup knows what was revoked since, and that stays revoked. Where none is left
    that knows, every credential is held until you release it: credenza db quarantine, credenza db release
    """
    settings = local.load_settings()
    vault = _vault(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _answering(settings) as database:
        if database.embedded:
            migrate.upgrade(database)
        elif migrate.pending(database):
            raise CommandFailed("The database is of an older release, or empty. Run: credenza db upgrade")
        restored = _restore(settings, database, vault, file, overwrite=replace)
    enforced.write(settings.data_dir, restored.number)
    origin = restored.manifest.origin
    output.show(context, {"takenAt": origin.taken_at, "changeNumber": restored.number, "held": restored.held})
    if restored.held is not None:
        print(_warning(restored), file=sys.stderr)


@app.command()
def quarantine(context: typer.Context) -> None:
    """List the credentials that a restore brought back and that are refused until they are released."""
    with local.platform(local.load_settings()) as platform:
        held = local.attempt(lambda: backups.list_held(platform, local.OPERATOR, now=local.now()))
    output.show_list(context, held, columns=_HELD_COLUMNS)


@app.command()
def release(
    context: typer.Context,
    key_ids: Annotated[list[str] | None, typer.Argument(help="Which credentials; or name a --project.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are held.")] = False,
) -> None:
    """Let restored credentials in again, once you know that they were not revoked after the backup."""
    project = habits.of(context).project
    if sum(map(bool, (key_ids, everything, project))) != 1:
        raise CommandFailed("Say which: key ids, or --project ID, or --all.", ExitCode.USAGE)
    with local.platform(local.load_settings()) as platform:
        named = None if everything else [CredentialId(each) for each in key_ids or ()]
        if project is not None:
            held = local.attempt(lambda: backups.list_held(platform, local.OPERATOR, now=local.now()))
            named = [each.id for each in held if each.project_id == project]
        released = local.attempt(lambda: backups.release(platform, local.OPERATOR, named, now=local.now()))
    output.show_list(context, released.credentials, columns=_HELD_COLUMNS)


@contextmanager
def _answering(settings: Settings) -> Iterator[Database]:
    database = open_database(settings.database)
    try:
        yield database
    except OperationalError as error:
        raise CommandFailed(f"The database does not answer: {str(error.orig).strip()}") from error
    except DatabaseError as error:
        if not database.embedded:
            raise
        raise CommandFailed(
            f"The database cannot be read: {str(error.orig).strip()}. Move {database.records.url.database} and its "
            "-wal and -shm files away and bring it back from a backup with: credenza db restore"
        ) from error
    finally:
        database.close()


@contextmanager
def _as_it_is(settings: Settings) -> Iterator[Database]:
    """Open a database that must be there, of whatever release it is."""
    path = make_url(settings.database).database
    if not settings.database_url and path is not None and not Path(path).exists():
        raise CommandFailed(f"There is no database {path} yet.", ExitCode.NOT_FOUND)
    with _answering(settings) as database:
        yield database


def _vault(settings: Settings) -> LocalVault:
    try:
        return local.existing_vault(settings)
    except (WrongKey, OSError) as error:
        raise CommandFailed(f"{error} Backups are sealed with the key-encryption key: give it.") from error


def _restore(settings: Settings, database: Database, vault: LocalVault, file: Path, *, overwrite: bool) -> Restored:
    try:
        return local.attempt(
            lambda: backups.restore(
                database,
                vault,
                file,
                actor=local.OPERATOR,
                enforced=_enforced(settings),
                overwrite=overwrite,
                lease=timedelta(seconds=settings.lease_s),
                now=local.now(),
            )
        )
    except DamagedArchive as error:
        raise CommandFailed(f"{error} Nothing was changed.") from error
    except FileNotFoundError:
        raise CommandFailed(f"There is no file {file}.", ExitCode.NOT_FOUND) from None


def _enforced(settings: Settings) -> ChangeNumber:
    try:
        return enforced.read(settings.data_dir)
    except OlderDatabase as error:
        raise CommandFailed(f"{error} Remove it: every credential will be held until you release it.") from error


def _warning(restored: Restored) -> str:
    return (
        f"IN QUARANTINE: {restored.held} credentials, and every access token was revoked.\n"
        f"Nothing here knows what was revoked after {restored.manifest.origin.taken_at:%Y-%m-%d %H:%M:%S} UTC, so no "
        "credential is accepted.\n"
        "See them with: credenza db quarantine; revoke what was revoked since; then: credenza db release"
    )
