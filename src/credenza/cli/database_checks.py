"""Checks of the database that `credenza db check` and `credenza doctor` share. Each reads and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy.exc import DatabaseError

from credenza.actions import audit_log, wrapped_keys
from credenza.adapters.vault import WrongKey
from credenza.cli import local
from credenza.cli.checks import Check
from credenza.protocol import shared_primes
from credenza.settings import Settings
from credenza.store import changes, enforced, integrity, leases, migrate, quarantine, registered_keys
from credenza.store.enforced import OlderDatabase
from credenza.store.engine import Database, reading
from credenza.store.replay import place_of

_FROM_BACKUP = "Bring the database back from a backup: credenza db restore"


def tables_checks(database: Database) -> Iterator[Check]:
    yield from _checks("tables", lambda: integrity.flaws(database), "sound, and every reference leads somewhere")


def schema_check(database: Database) -> Check:
    if migrate.pending(database):
        return Check("schema", ok=False, detail="of an older release, or empty", cure="Run: credenza db upgrade")
    return Check("schema", ok=True, detail="that of this release")


def audit_checks(database: Database) -> Iterator[Check]:
    try:
        verdicts = audit_log.verify(database)
    except (DatabaseError, ValueError) as error:
        yield Check("audit_log", ok=False, detail=f"cannot be read: {type(error).__name__}", cure=_FROM_BACKUP)
        return
    for verdict in verdicts:
        if verdict.flaw is not None:
            flaw = f"chain {verdict.chain}: entry {verdict.flaw.sequence} {verdict.flaw.what}"
            yield Check("audit_log", ok=False, detail=flaw, cure="Somebody changed the log, or a disk did. Keep it.")
    if all(verdict.flaw is None for verdict in verdicts):
        entries = sum(verdict.entries for verdict in verdicts)
        yield Check("audit_log", ok=True, detail=f"{len(verdicts)} chains of {entries} entries, unbroken")


def key_checks(database: Database, settings: Settings) -> Iterator[Check]:
    """Whether the key-encryption key is there, and opens everything."""
    name, cure = "key-encryption_key", f"Give the key of this installation ({settings.key_path})."
    try:
        vault = local.existing_vault(settings)
    except (WrongKey, OSError) as error:
        yield Check(name, ok=False, detail=str(error), cure=cure)
        return
    with reading(database.records) as connection:
        flaws = tuple(wrapped_keys.flaws(connection, vault))
    yield from _checks(name, lambda: flaws, "opens every secret and every authority's private key", cure)


def shared_primes_checks(database: Database) -> Iterator[Check]:
    """Whether registered RSA keys share a prime . A factor is the private key: none is told, kept or logged."""
    with reading(database.records) as connection:
        keys = registered_keys.list_rsa(connection)
    shared = shared_primes.find({key_id: _modulus(der) for key_id, der in keys})
    cure = (
        "Anybody can compute the private keys of all of these. Revoke them; the programs that made them are at fault."
    )
    yield from _checks(
        "shared_primes",
        lambda: tuple(f"key {key} shares a prime with {', '.join(others)}" for key, others in shared.items()),
        f"none among {len(keys)} RSA keys",
        cure,
    )


def _modulus(spki_der: bytes) -> int:
    key = load_der_public_key(spki_der)
    assert isinstance(key, RSAPublicKey), "registered as one"
    return key.public_numbers().n


def age_check(database: Database, settings: Settings) -> Check:
    with reading(database.records) as connection:
        number = changes.current(connection)
    try:
        enforced.check_not_older(settings.data_dir, number)
    except OlderDatabase as error:
        return Check("age", ok=False, detail=str(error))
    return Check("age", ok=True, detail=f"at change {number}, which is no older than what was enforced here")


def fleet_check(database: Database, settings: Settings) -> Check:
    """Whether all gates of this database, and those that could start here, remember calls in one place."""
    name = "replay_memory_of_the_fleet"
    if database.embedded:
        return Check(name, ok=True, detail="one machine")
    with reading(database.records) as connection:
        found = leases.memories(connection)
    directory = settings.data_dir / "replay"
    ours = leases.SHARED_MEMORY if settings.replay_url else place_of(directory) if directory.exists() else ""
    if len({memory for _, memory in found} | ({ours} if ours and found else set())) < 2:
        return Check(name, ok=True, detail=f"{len(found)} gates at work, which share it")
    gates = ", ".join(f"{gate} ({'Redis' if memory == leases.SHARED_MEMORY else memory[:8]})" for gate, memory in found)
    cure = "Give all machines one CREDENZA_REPLAY_URL: a call is admitted once for each memory."
    return Check(name, ok=False, detail=f"not shared: {gates}; here: {ours[:8] or 'none'}", cure=cure)


def quarantine_check(database: Database) -> Check:
    with reading(database.records) as connection:
        held = quarantine.count(connection)
    if held == 0:
        return Check("quarantine", ok=True, detail="empty")
    return Check(
        "quarantine",
        ok=False,
        detail=f"{held} credentials were restored from a backup and are refused until they are released",
        cure="See them with: credenza db quarantine; revoke what was revoked since, then: credenza db release",
    )


def _checks(name: str, find: Callable[[], tuple[str, ...]], sound: str, cure: str = _FROM_BACKUP) -> Iterator[Check]:
    try:
        flaws = find()
    except DatabaseError as error:
        flaws = (str(error.orig),)
    for flaw in flaws:
        yield Check(name, ok=False, detail=flaw, cure=cure)
    if not flaws:
        yield Check(name, ok=True, detail=sound)
