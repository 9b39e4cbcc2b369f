"""Read the audit log, export it with a signed checkpoint, and verify it (row E5)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from sqlalchemy import Connection

from credenza.actions.context import Attempt, Platform, viewing
from credenza.domain import audit
from credenza.domain.access import Action
from credenza.domain.model import Actor, OrganizationId, User, UserId
from credenza.store import audit as rows
from credenza.store import people
from credenza.store.engine import Database, reading


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """The head of a chain, signed with the platform's checkpoint key (ECDSA P-256, SHA-256, base64 of DER).

    Kept away from the server, it shows later that no entry up to it was altered and no tail cut off.
    """

    checkpoint: audit.Checkpoint
    at: datetime
    public_key_pem: str
    signature: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at one whole chain has shown."""

    chain: OrganizationId
    entries: int
    flaw: audit.Flaw | None


def latest(
    platform: Platform,
    actor: Actor,
    organization_id: OrganizationId,
    wanted: audit.Wanted = audit.EVERYTHING,
    *,
    before: int | None = None,
    limit: int,
    now: datetime,
) -> tuple[audit.Entry, ...]:
    """Read the newest entries that are wanted first, from the one before `before`."""
    with viewing(platform, Attempt(actor, Action.AUDIT_VIEW, now, organization_id=organization_id)) as act:
        return rows.latest(act.connection, organization_id, wanted, before=before, limit=limit)


def actors(
    platform: Platform, actor: Actor, organization_id: OrganizationId, entries: Iterable[audit.Entry], *, now: datetime
) -> tuple[User, ...]:
    """Find the people whom entries name, those too who have left."""
    with viewing(platform, Attempt(actor, Action.AUDIT_VIEW, now, organization_id=organization_id)) as act:
        named = sorted({each.record.user_id for each in entries if each.chain == organization_id})
        found = (people.find_user(act.connection, UserId(each)) for each in named)
        return tuple(each for each in found if each is not None)


def of_subject(
    platform: Platform, actor: Actor, organization_id: OrganizationId, subject: str, *, limit: int, now: datetime
) -> tuple[audit.Entry, ...]:
    """Read the newest entries about one thing, such as a credential by its id, newest first."""
    with viewing(platform, Attempt(actor, Action.AUDIT_VIEW, now, organization_id=organization_id)) as act:
        return rows.of_subject(act.connection, organization_id, subject, limit=limit)


@contextmanager
def export(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> Iterator[tuple[Iterator[audit.Entry], SignedCheckpoint]]:
    """Read a whole chain, in order, and the signed checkpoint of its head; valid inside the block."""
    with viewing(platform, Attempt(actor, Action.AUDIT_VIEW, now, organization_id=organization_id)) as act:
        head = rows.head(act.connection, organization_id)
        checkpoint = head or audit.Checkpoint(organization_id, 0, audit.GENESIS)
        yield rows.entries(act.connection, organization_id), sign(platform, checkpoint, now=now)


def sign(platform: Platform, checkpoint: audit.Checkpoint, *, now: datetime) -> SignedCheckpoint:
    signature = platform.checkpoint_key.sign(_signed_bytes(checkpoint, now), ec.ECDSA(SHA256()))
    public = platform.checkpoint_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return SignedCheckpoint(checkpoint, now, public.decode(), base64.b64encode(signature).decode())


def is_genuine(signed: SignedCheckpoint) -> bool:
    """Check a checkpoint's signature under the key that it names; whether the key is right is for its holder to say."""
    key = load_pem_public_key(signed.public_key_pem.encode())
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        signature = base64.b64decode(signed.signature, validate=True)
        key.verify(signature, _signed_bytes(signed.checkpoint, signed.at), ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def check(
    platform: Platform, actor: Actor, organization_id: OrganizationId, *, now: datetime
) -> tuple[Verdict, SignedCheckpoint]:
    """Walk the organization's chain from its first entry to its head, and sign the head."""
    with viewing(platform, Attempt(actor, Action.AUDIT_VIEW, now, organization_id=organization_id)) as act:
        verdict = _verdict(act.connection, organization_id, [])
        head = rows.head(act.connection, organization_id) or audit.Checkpoint(organization_id, 0, audit.GENESIS)
        return verdict, sign(platform, head, now=now)


def verify(database: Database) -> tuple[Verdict, ...]:
    """Walk every chain in the database from its first entry to its recorded head."""
    with reading(database.records) as connection:
        return verdicts(connection)


def verdicts(connection: Connection, checkpoints: Iterable[audit.Checkpoint] = ()) -> tuple[Verdict, ...]:
    """Walk every chain that the database or a checkpoint names."""
    kept: dict[str, list[audit.Checkpoint]] = {chain: [] for chain in rows.chains(connection)}
    for each in checkpoints:
        kept.setdefault(each.chain, []).append(each)
    return tuple(_verdict(connection, OrganizationId(chain), kept[chain]) for chain in sorted(kept))


def _verdict(connection: Connection, chain: OrganizationId, checkpoints: list[audit.Checkpoint]) -> Verdict:
    head = rows.head(connection, chain) or audit.Checkpoint(chain, 0, audit.GENESIS)
    flaw = audit.verify(chain, rows.entries(connection, chain), [head, *checkpoints])
    if flaw is None and rows.last_sequence(connection, chain) > head.sequence:
        flaw = audit.Flaw(chain, head.sequence + 1, "stands behind the recorded head")
    return Verdict(chain, head.sequence, flaw)


def _signed_bytes(checkpoint: audit.Checkpoint, at: datetime) -> bytes:
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    return f"credenza checkpoint 1\n{checkpoint.chain}\n{checkpoint.sequence}\n{checkpoint.hash}\n{moment}\n".encode()
