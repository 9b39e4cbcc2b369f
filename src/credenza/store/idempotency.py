"""What was already answered under an Idempotency-Key. Keys are kept hashed, answers sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, bindparam, delete, select, update

from credenza.domain.model import OrganizationId
from credenza.store.prepared import Prepared
from credenza.store.schema import Instant, idempotency
from credenza.store.upsert import insert_on

GONE = b""
"""What stands in place of an answer that is no longer kept. An answer that is not there yet is None."""

_CLAIMED = idempotency.c.keys()
_PRIMARY = idempotency.primary_key.columns.keys()
_IS = (idempotency.c.actor_id == bindparam("of_actor"), idempotency.c.key_hash == bindparam("of_key"))
_IS_OPEN = (
    *_IS,
    idempotency.c.reservation == bindparam("of_reservation"),
    idempotency.c.sealed_answer.is_(None),
)
_FIND = Prepared(
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
_RESERVE = Prepared(update(idempotency).where(*_IS), sets=("reservation",))
_TOUCH = Prepared(update(idempotency).where(*_IS), sets=("touched_at",))
_ANSWER = Prepared(
    update(idempotency).where(*_IS, idempotency.c.sealed_answer.is_(None)), sets=("sealed_answer", "answer_until")
)
_RELEASE = Prepared(delete(idempotency).where(*_IS_OPEN))


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
    row = _FIND.first(connection, _is(actor_id, key_hash))
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
        "now": now,
    }
    return _claim(connection.dialect.name).run(connection, row) == 1


@cache
def _claim(dialect: str) -> Prepared:
    claimed = insert_on(dialect, idempotency)
    anew = {name: claimed.excluded[name] for name in _CLAIMED if name not in _PRIMARY}
    return Prepared(
        claimed.on_conflict_do_update(
            index_elements=_PRIMARY, set_=anew, where=idempotency.c.expires_at < bindparam("now", type_=Instant)
        ),
        sets=_CLAIMED,
    )


def reserve(connection: Connection, actor_id: str, key_hash: str, reservation: str) -> None:
    """Keep with the key what the request has put on record, for an attempt that has to go on with it."""
    _RESERVE.run(connection, {**_is(actor_id, key_hash), "reservation": reservation})


def touch(connection: Connection, actor_id: str, key_hash: str, *, now: datetime) -> None:
    """Take over a request whose first attempt died."""
    _TOUCH.run(connection, {**_is(actor_id, key_hash), "touched_at": now})


def answer(
    connection: Connection, actor_id: str, key_hash: str, sealed_answer: bytes, *, answer_until: datetime
) -> bool:
    """Store the answer, once; say whether this was the first."""
    row = {**_is(actor_id, key_hash), "sealed_answer": sealed_answer, "answer_until": answer_until}
    return _ANSWER.run(connection, row) == 1


def release(connection: Connection, actor_id: str, key_hash: str, reservation: str) -> None:
    """Free the key of a request that was refused: nothing changed, so it may be tried again."""
    _RELEASE.run(connection, {**_is(actor_id, key_hash), "of_reservation": reservation})


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
