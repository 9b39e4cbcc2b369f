"""Whoever has the database itself can write anything into it; that it was done shows (product row E5)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update
from tests.installation import Installation, full_settings, furnish, now

from credenza.actions import audit_log, organizations
from credenza.cli import local
from credenza.domain import audit
from credenza.domain.model import OrganizationId
from credenza.store import audit as rows
from credenza.store.engine import reading
from credenza.store.schema import audit_entries as entries
from credenza.store.schema import audit_heads as heads
from proof.claim import Claim, Progress, hold

_ENTRIES = 100
_TEXTS = ("actor_kind", "actor_id", "user_id", "address", "action", "code", "project_id", "subject", "detail")

Damage: TypeAlias = Callable[[Connection, OrganizationId, random.Random], None]


def any_damage_is_found(damages: int) -> str:
    chance = random.Random(damages)
    with (
        TemporaryDirectory(prefix="credenza-proof-") as directory,
        furnish(full_settings(Path(directory))) as installation,
    ):
        kept = _lengthen(installation)
        progress, found = Progress("damages", damages), Counter[str]()
        for number in range(damages):
            name, damage = list(_DAMAGES.items())[number % len(_DAMAGES)]
            hold(_is_found(installation, kept, damage, chance), f"not noticed: {name}")
            found[name] += 1
            progress.add()
    return f"{found.total():,} of {damages:,} found: " + ", ".join(f"{count} {name}" for name, count in found.items())


def _lengthen(installation: Installation) -> audit.Checkpoint:
    """Let things happen to the organization; the checkpoint of its chain that somebody keeps elsewhere."""
    chain = installation.organization_id
    for limit in range(1, _ENTRIES):
        organizations.set_project_limit(installation.platform, local.OPERATOR, chain, limit, now=now())
    with reading(installation.platform.database.records) as connection:
        head = rows.head(connection, chain)
        assert head is not None, "something has happened"
        flaws = [each.flaw for each in audit_log.verdicts(connection, [head]) if each.flaw is not None]
    hold(not flaws, f"a sound log has flaws: {flaws}")
    return head


def _is_found(installation: Installation, kept: audit.Checkpoint, damage: Damage, chance: random.Random) -> bool:
    """Do damage in a transaction, look at the log in it, and undo it."""
    with installation.platform.database.records.connect() as connection, connection.begin() as transaction:
        damage(connection, OrganizationId(kept.chain), chance)
        verdicts = audit_log.verdicts(connection, [kept])
        transaction.rollback()
    return any(each.flaw is not None for each in verdicts)


# --------------------------------------------------------------------------------------------------------- the damages


def _edit(connection: Connection, chain: OrganizationId, chance: random.Random) -> None:
    name = chance.choice([*_TEXTS, "previous_hash", "hash"])
    place = _any(connection, chain, chance)
    old: str = connection.execute(select(entries.c[name]).where(_at(chain, place))).scalar_one()
    _set(connection, chain, place, **{name: _other(old, chance)})


def _edit_and_hash(connection: Connection, chain: OrganizationId, chance: random.Random) -> None:
    """By somebody who knows how entries are hashed, and who stops at one."""
    place = _any(connection, chain, chance)
    _set(connection, chain, place, detail="nothing to see here")
    _hash_again(connection, chain, place, place)


def _edit_and_hash_all(connection: Connection, chain: OrganizationId, chance: random.Random) -> None:
    """By somebody who does not stop: the rest of the chain and its head are made to fit. Only a checkpoint tells."""
    place = _any(connection, chain, chance)
    _set(connection, chain, place, detail="nothing to see here")
    _hash_again(connection, chain, place, _length(connection, chain))


def _delete(connection: Connection, chain: OrganizationId, chance: random.Random) -> None:
    connection.execute(delete(entries).where(_at(chain, _any(connection, chain, chance))))


def _cut_tail(connection: Connection, chain: OrganizationId, chance: random.Random) -> None:
    place = _any(connection, chain, chance)
    connection.execute(delete(entries).where(entries.c.organization_id == chain, entries.c.sequence >= place))


def _cut_tail_and_head(connection: Connection, chain: OrganizationId, chance: random.Random) -> None:
    """The same by somebody who winds the recorded head back. Only a checkpoint tells."""
    _cut_tail(connection, chain, chance)
    last = list(rows.entries(connection, chain))[-1:]
    new = {"sequence": last[0].sequence, "hash": last[0].hash} if last else {"sequence": 0, "hash": audit.GENESIS}
    connection.execute(update(heads).where(heads.c.organization_id == chain).values(**new))


def _swap(connection: Connection, chain: OrganizationId, chance: random.Random) -> None:
    one, other = chance.sample(range(1, _length(connection, chain) + 1), 2)
    for here, there in ((one, -1), (other, one), (-1, other)):
        connection.execute(update(entries).where(_at(chain, here)).values(sequence=there))


def _add(connection: Connection, chain: OrganizationId, chance: random.Random) -> None:
    """One more entry behind the last, hashed as it has to be; the head stays."""
    last = list(rows.entries(connection, chain))[-1]
    forged = audit.follow(chain, last.sequence, last.hash, last.record)
    row = {"sequence": forged.sequence, "previous_hash": forged.previous_hash, "hash": forged.hash}
    connection.execute(insert(entries).values(organization_id=chain, **row, **asdict(forged.record)))


_DAMAGES: Mapping[str, Damage] = {
    "edits": _edit,
    "deletions": _delete,
    "swaps": _swap,
    "edits hashed again": _edit_and_hash,
    "edits with the whole chain hashed again": _edit_and_hash_all,
    "tails cut": _cut_tail,
    "tails cut and the head wound back": _cut_tail_and_head,
    "additions": _add,
}


def _at(chain: OrganizationId, place: int) -> ColumnElement[bool]:
    return (entries.c.organization_id == chain) & (entries.c.sequence == place)


def _length(connection: Connection, chain: OrganizationId) -> int:
    query = select(func.max(entries.c.sequence)).where(entries.c.organization_id == chain)
    return int(connection.execute(query).scalar_one())


def _any(connection: Connection, chain: OrganizationId, chance: random.Random) -> int:
    return chance.randint(1, _length(connection, chain))


def _set(connection: Connection, chain: OrganizationId, place: int, **values: str) -> None:
    connection.execute(update(entries).where(_at(chain, place)).values(**values))


def _hash_again(connection: Connection, chain: OrganizationId, first: int, last: int) -> None:
    previous = None
    for entry in list(rows.entries(connection, chain)):
        if first <= entry.sequence <= last:
            before = entry.previous_hash if previous is None else previous
            previous = audit.entry_hash(chain, entry.sequence, entry.record, before)
            _set(connection, chain, entry.sequence, previous_hash=before, hash=previous)
    if last == _length(connection, chain):
        connection.execute(update(heads).where(heads.c.organization_id == chain).values(hash=previous))


def _other(text: str, chance: random.Random) -> str:
    """Change one character, or add one where there is none."""
    if not text:
        return "x"
    place = chance.randrange(len(text))
    return text[:place] + ("x" if text[place] != "x" else "y") + text[place + 1 :]


CLAIMS = (
    Claim(
        "R14, damage",
        "the audit log shows any random edit, deletion, swap, addition and cut-off tail",
        10_000,
        "damages",
        any_damage_is_found,
        in_tests=16,
    ),
)
