"""Back up an installation and bring it back, without bringing back what was revoked since (R8, threat 24).

A restore proves the whole archive before it touches the database, and replaces everything in one transaction. Where the
replaced database goes on from the backup, unbroken, it knows what was withdrawn since: that stays withdrawn, and its
audit log, certificates and change sequence are kept as they are. Where it does not (a lost disk, an older copy, another
branch of history), nobody can know, and every credential is held until an operator releases it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError, StatementError

from credenza import __version__
from credenza.actions import audit_log, wrapped_keys
from credenza.actions.context import Attempt, Platform, Vault, acting, viewing
from credenza.domain import audit
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, Actor, ChangeNumber, CredentialId, Reach
from credenza.store import archive, backup, changes, leases, migrate, quarantine, withdrawals
from credenza.store import audit as audit_rows
from credenza.store.archive import Archive, DamagedArchive, Manifest, Origin
from credenza.store.backup import Values
from credenza.store.engine import Database, reading, writing
from credenza.store.quarantine import Held
from credenza.store.schema import (
    audit_entries,
    authorities,
    service_private_keys,
    status_responders,
    token_keys,
    webhooks,
    wrapped_secrets,
)
from credenza.store.withdrawals import Withdrawals

_LABEL = "backup"
_LEAP = 1_000_000_000
"""More changes than any installation will ever have made that we do not know of."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done. `held`: credentials in quarantine; None when the replaced database knew what was
    withdrawn since the backup."""

    manifest: Manifest
    held: int | None
    number: ChangeNumber
    reach: Reach


@dataclass(frozen=True, slots=True)
class Released:
    credentials: tuple[Held, ...]
    reach: Reach


def back_up(database: Database, vault: Vault, path: Path, *, now: datetime) -> Manifest:
    """Write everything but the key-encryption key and traces of calls into one file, while the server runs."""
    with reading(database.records) as connection, closing(backup.dump(connection)) as batches:
        return archive.write(path, _origin(connection, now), batches, key=vault.derive(_LABEL))


def restore(
    database: Database,
    vault: Vault,
    path: Path,
    *,
    actor: Actor,
    enforced: ChangeNumber,
    overwrite: bool,
    lease: timedelta,
    now: datetime,
) -> Restored:
    """Replace the records by those of a backup: all of them or none.

    `enforced` is the highest change number that this machine has enforced. Raises DamagedArchive, and Refusal when
    something would be overwritten unasked.
    """
    with archive.opened(path, key=vault.derive(_LABEL)) as found:
        _check_archive(found, vault)
        with writing(database.records) as connection:
            backup.hold(connection)
            if not overwrite and not backup.is_empty(connection):
                raise _occupied()
            goes_on = _goes_on(connection, found.manifest.origin, enforced)
            number = _next_number(connection, found.manifest.origin, enforced, goes_on=goes_on)
            held = _replace(connection, found, goes_on=goes_on, now=now)
            backup.begin_anew(connection, number)
            _record(connection, actor, found.manifest, held, now)
    reach = leases.await_reach(database.records, number, lease=lease)
    return Restored(found.manifest, held, number, reach)


def list_held(platform: Platform, actor: Actor, *, now: datetime) -> tuple[Held, ...]:
    with viewing(platform, Attempt(actor, Action.DATABASE_RELEASE, now)) as act:
        return quarantine.list_held(act.connection)


def release(
    platform: Platform, actor: Actor, credential_ids: Collection[CredentialId] | None, *, now: datetime
) -> Released:
    """Make credentials in quarantine active again, named ones or (None) all. Each leaves an audit row of its own."""
    with acting(platform, Attempt(actor, Action.DATABASE_RELEASE, now)) as act:
        held = quarantine.list_held(act.connection, credential_ids)
        _check_named(held, credential_ids)
        quarantine.lift(act.connection, credential_ids, now=now)
        number = ChangeNumber(changes.current(act.connection) + 2)
        backup.begin_anew(act.connection, number)
        for each in held:
            audit_rows.append(act.connection, each.organization_id, _release_record(actor, each, now))
        act.note("all" if credential_ids is None else "named", f"{len(held)} credentials")
    return Released(held, leases.await_reach(platform.database.records, number, lease=platform.policy.lease))


def _origin(connection: Connection, now: datetime) -> Origin:
    heads = (audit_rows.head(connection, chain) for chain in audit_rows.chains(connection))
    return Origin(
        release=__version__,
        revision=migrate.revision(connection) or "",
        taken_at=now,
        change_number=changes.current(connection),
        audit_heads=tuple(head for head in heads if head is not None),
        authorities=tuple(sorted(connection.execute(select(authorities.c.id)).scalars())),
    )


def _check_archive(found: Archive, vault: Vault) -> None:
    """Prove an archive from its own content; the database is not asked."""
    newest, *older = migrate.revisions()
    origin = found.manifest.origin
    if origin.revision in older:
        raise DamagedArchive(
            f"The archive is of release {origin.release}, which has other tables. Restore it with that release, and "
            "then run with this one: credenza db upgrade"
        )
    if origin.revision != newest:
        raise DamagedArchive(f"The archive is of release {origin.release}, which is newer than this. Upgrade Credenza.")
    if set(found.manifest.rows) != {table.name for table in backup.tables()}:
        raise DamagedArchive("The archive has not the tables of this release.")
    try:
        _check_rows(found, vault)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise DamagedArchive("The archive is damaged: a row does not fit its table.") from error


def _check_rows(found: Archive, vault: Vault) -> None:
    counts: Counter[str] = Counter()
    for batch in found.batches():
        rows = list(backup.values(batch))
        counts[batch.table] += len(rows)
        for sealed in _key_flaws(batch.table, rows, vault):
            raise DamagedArchive(f"{sealed} Give the key-encryption key that the backup was made with.")
    if counts != Counter(found.manifest.rows):
        raise DamagedArchive("The archive is damaged: rows are missing or were added.")
    flaw = _audit_flaw(found)
    if flaw is not None:
        raise DamagedArchive(f"The archive's audit log is broken: entry {flaw.sequence} of {flaw.chain} {flaw.what}.")


_KEY_FLAWS: Final[Mapping[str, Callable[[Vault, Values], Iterator[str]]]] = {
    wrapped_secrets.name: wrapped_keys.secret_flaws,
    authorities.name: wrapped_keys.authority_flaws,
    status_responders.name: wrapped_keys.responder_flaws,
    token_keys.name: wrapped_keys.token_key_flaws,
    webhooks.name: wrapped_keys.webhook_flaws,
    service_private_keys.name: wrapped_keys.service_key_flaws,
}


def _key_flaws(table: str, rows: Iterable[Values], vault: Vault) -> Iterator[str]:
    find = _KEY_FLAWS.get(table)
    if find is not None:
        for row in rows:
            yield from find(vault, row)


def _audit_flaw(found: Archive) -> audit.Flaw | None:
    heads = {each.chain: each for each in found.manifest.origin.audit_heads}
    entries = (
        audit_rows.entry_of(row)
        for batch in found.batches()
        if batch.table == audit_entries.name
        for row in backup.values(batch)
    )
    for chain, own in itertools.groupby(entries, key=lambda entry: entry.chain):
        head = heads.pop(chain, audit.Checkpoint(chain, 0, audit.GENESIS))
        flaw = audit.verify(chain, own, [head])
        if flaw is not None:
            return flaw
    return next((audit.Flaw(chain, 1, "is missing") for chain, head in heads.items() if head.sequence), None)


def _goes_on(connection: Connection, origin: Origin, enforced: ChangeNumber) -> bool:
    """Whether the database goes on from the backup, unbroken; then it knows all that was withdrawn since.

    It has every audit entry of the backup and no flaw after them, and it is no older than what was enforced here.
    """
    if not origin.audit_heads or changes.current(connection) < max(origin.change_number, enforced):
        return False
    return all(verdict.flaw is None for verdict in audit_log.verdicts(connection, origin.audit_heads))


def _next_number(connection: Connection, origin: Origin, enforced: ChangeNumber, *, goes_on: bool) -> ChangeNumber:
    """Numbers never go back, not even behind those that other machines may have enforced unknown to this one."""
    known = max(changes.current(connection), origin.change_number, enforced)
    return ChangeNumber(known + (2 if goes_on else _LEAP))


def _replace(connection: Connection, found: Archive, *, goes_on: bool, now: datetime) -> int | None:
    """Put the backup's rows in place; say how many credentials are held, or None when all withdrawals are known."""
    kept = backup.HISTORY if goes_on else frozenset()
    withdrawn = _withdrawn(connection, found.manifest.origin)
    backup.empty(connection, but=kept)
    try:
        backup.fill(connection, found.batches(), but=kept)
    except OperationalError:
        raise
    except StatementError as error:
        raise DamagedArchive("The archive is damaged: its rows contradict each other.") from error
    withdrawals.repeat(connection, withdrawn)
    backup.drop_openings(connection)
    if goes_on:
        withdrawals.narrow(connection, withdrawn)
        return None
    return quarantine.impose(connection, now=now)


def _withdrawn(connection: Connection, origin: Origin) -> Withdrawals:
    """Another installation's database has nothing to say here: the same number means another service there."""
    own = connection.execute(select(authorities.c.id)).scalars()
    return withdrawals.NONE if set(own).isdisjoint(origin.authorities) else withdrawals.read(connection)


def _record(connection: Connection, actor: Actor, manifest: Manifest, held: int | None, now: datetime) -> None:
    known = "withdrawals since then kept" if held is None else f"{held} credentials held until released"
    record = audit.Record(
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        user_id="",
        address=actor.address,
        action=Action.DATABASE_RESTORE,
        outcome=audit.Outcome.DONE,
        code="",
        project_id="",
        subject=manifest.sha256,
        detail=f"backup of {manifest.origin.taken_at:%Y-%m-%dT%H:%M:%SZ}; {known}",
    )
    audit_rows.append(connection, PLATFORM, record)


def _release_record(actor: Actor, held: Held, now: datetime) -> audit.Record:
    return audit.Record(
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        user_id="",
        address=actor.address,
        action=Action.DATABASE_RELEASE,
        outcome=audit.Outcome.DONE,
        code="",
        project_id=held.project_id or "",
        subject=held.id,
        detail=held.alias,
    )


def _check_named(held: Iterable[Held], named: Collection[CredentialId] | None) -> None:
    absent = sorted(set(named or ()) - {each.id for each in held})
    if absent:
        raise Refusal(Code.CREDENTIAL_NOT_FOUND, f"Not in quarantine: {', '.join(absent)}.", field="credentialId")


def _occupied() -> Refusal:
    return Refusal(
        Code.INVALID,
        "The database is not empty. Back it up first (credenza db backup), then repeat with --replace.",
        field="replace",
    )
