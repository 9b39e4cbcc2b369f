"""`credenza doctor`: is this installation in order, from its settings to its last audit entry? Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from sqlalchemy.exc import DBAPIError

from credenza.cli import authority_checks, database_checks, enrolment_checks, local, machine_checks, output
from credenza.cli.checks import Check
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.roles import Role
from credenza.cli.serve import listening
from credenza.settings import Settings
from credenza.store.engine import Database, open_database

app = typer.Typer()


@app.command()
def doctor(context: typer.Context) -> None:
    """Check settings, files, database, clocks, replay memory, ports, certificates and audit log, with the cures."""
    checks = list(_checks())
    output.show_checks(context, checks)
    if any(each.ok is False for each in checks):
        raise typer.Exit(ExitCode.ERROR)


def _checks() -> Iterator[Check]:
    try:
        settings = local.load_settings()
    except CommandFailed as failure:
        yield Check("settings", ok=False, detail=str(failure), cure="See docs/reference/settings.md")
        return
    yield Check("settings", ok=True, detail="readable, none unknown")
    yield machine_checks.directory_check(settings)
    yield machine_checks.key_encryption_key_check(settings)
    yield from _database_checks(settings)
    yield from machine_checks.replay_checks(settings)
    for listener in listening(settings, Role.ALL):
        yield machine_checks.port_check(listener)
    yield from machine_checks.tls_checks(settings, now=local.now())
    yield machine_checks.weak_keys_check()


def _database_checks(settings: Settings) -> Iterator[Check]:
    if not settings.database_url and not (settings.data_dir / "credenza.db").exists():
        cure = "It is made by the first start: credenza serve"
        yield Check("database", ok=False, detail="there is none yet", cure=cure)
        return
    database = open_database(settings.database)
    try:
        schema = database_checks.schema_check(database)
        yield Check("database", ok=True, detail=database.records.url.render_as_string(hide_password=True))
        yield machine_checks.clock_check(database)
        yield from machine_checks.durability_checks(database)
        yield schema
        if schema.ok:
            yield from _content_checks(database, settings)
    except DBAPIError as error:
        # The driver's text names hosts and users, never a password.
        cure = "Start it, or correct CREDENZA_DATABASE_URL; a damaged file: credenza db check"
        yield Check("database", ok=False, detail=str(error.orig).strip(), cure=cure)
    finally:
        database.close()


def _content_checks(database: Database, settings: Settings) -> Iterator[Check]:
    yield from database_checks.key_checks(database, settings)
    yield from authority_checks.authority_checks(database, settings, now=local.now())
    yield from enrolment_checks.enrolment_checks(database, settings)
    yield from database_checks.audit_checks(database)
    yield database_checks.age_check(database, settings)
    yield database_checks.quarantine_check(database)
    yield database_checks.fleet_check(database, settings)
