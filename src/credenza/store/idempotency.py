"""What was already answered under an Idempotency-Key. Keys are kept hashed, answers sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from credenza.domain.model import OrganizationId
from credenza.store.schema import idempotency
from credenza.store.upsert import insert_if_absent

GONE = b""
"""What stands in place of an answer that is no longer kept. An answer that is not there yet is None."""

_IS = (idempotency.c.actor_id == bindparam("of_actor"), idempotency.c.key_hash == bindparam("of_key"))
_IS_OPEN = (
    *_IS,
    idempotency.c.reservation == bindparam("of_reservation"),
    idempotency.c.sealed_answer.is_(None),
)
_FIND = (
    select(
        idempotency.c.request_hash,
        idempotency.c.reservation,
        idempotency.c.sealed_answer,
        idempotency.c.touched_at,
        idempotency.c.answer_until,
    )
    .where(*_IS)
    .with_for_update()
)
_FREE = delete(idempotency).where(*_IS, idempotency.c.expires_at < bindparam("now"))
_CHANGE = update(idempotency).where(*_IS)
_FIND_OPEN = select(idempotency.c.key_hash).where(*_IS_OPEN)
_ANSWER = update(idempotency).where(*_IS, idempotency.c.sealed_answer.is_(None))
_RELEASE = delete(idempotency).where(*_IS_OPEN)


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier request with the same key. `reservation` is what it had put on record before it was answered."""

    request_hash: str
    reservation: str | None
    sealed_answer: bytes | None
    touched_at: datetime
    answer_until: datetime


def find(connection: Connection, actor_id: str, key_hash: str) -> Earlier | None:
    """Read what stands under a key; the row is held to the commit."""
    row = connection.execute(_FIND, _is(actor_id, key_hash)).one_or_none()
    if row is None:
        return None
    return Earlier(row.request_hash, row.reservation, row.sealed_answer, row.touched_at, row.answer_until)


def claim(
    connection: Connection,
    organization_id: OrganizationId,
    actor_id: str,
    key_hash: str,
    *,
    request_hash: str,
    expires_at: datetime,
    now: datetime,
) -> bool:
    """Take a key for a request; say whether it was free. Waits for another transaction that is taking it.

    A key that has been kept its time is free again.
    """
    connection.execute(_FREE, {**_is(actor_id, key_hash), "now": now})
    row = {
        "organization_id": organization_id,
        "actor_id": actor_id,
        "key_hash": key_hash,
        "request_hash": request_hash,
        "reservation": None,
        "sealed_answer": None,
        "touched_at": now,
        "expires_at": expires_at,
        "answer_until": expires_at,
    }
    return insert_if_absent(connection, idempotency, row)


def reserve(connection: Connection, actor_id: str, key_hash: str, reservation: str) -> None:
    """Keep with the key what the request has put on record, for an attempt that has to go on with it."""
    connection.execute(_CHANGE, {**_is(actor_id, key_hash), "reservation": reservation})


def is_open(connection: Connection, actor_id: str, key_hash: str, reservation: str) -> bool:
    """Say whether the request that reserved this is still under way."""
    found = connection.execute(_FIND_OPEN, {**_is(actor_id, key_hash), "of_reservation": reservation})
    return found.one_or_none() is not None


def touch(connection: Connection, actor_id: str, key_hash: str, *, now: datetime) -> None:
    """Take over a request whose first attempt died."""
    connection.execute(_CHANGE, {**_is(actor_id, key_hash), "touched_at": now})


def answer(
    connection: Connection, actor_id: str, key_hash: str, sealed_answer: bytes, *, answer_until: datetime
) -> bool:
    """Store the answer, once; say whether this was the first."""
    row = {**_is(actor_id, key_hash), "sealed_answer": sealed_answer, "answer_until": answer_until}
    return connection.execute(_ANSWER, row).rowcount == 1


def release(connection: Connection, actor_id: str, key_hash: str, reservation: str) -> None:
    """Free the key of a request that was refused: nothing changed, so it may be tried again."""
    connection.execute(_RELEASE, {**_is(actor_id, key_hash), "of_reservation": reservation})


def delete_expired(connection: Connection, *, now: datetime) -> int:
    """Delete keys that were kept their time, and the answers with secrets that were kept theirs; their keys stay."""
    connection.execute(
        update(idempotency)
        .where(idempotency.c.answer_until < now, idempotency.c.sealed_answer != GONE)
        .values(sealed_answer=GONE)
    )
    return connection.execute(delete(idempotency).where(idempotency.c.expires_at < now)).rowcount


def _is(actor_id: str, key_hash: str) -> dict[str, object]:
    return {"of_actor": actor_id, "of_key": key_hash}
