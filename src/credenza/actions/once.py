"""Idempotency-Key: the same key gives the same answer, also after a crash.

An action in one transaction claims the key, acts and keeps its answer, all or nothing. An action in two claims the key
with its reservation in the first and answers in the second, so that a retry after a crash goes on with the same serial
and key id. Only answers are kept: a refused request has changed nothing and may be tried again. The answer is sealed
under a key that needs both the key-encryption key and the Idempotency-Key (settled 29).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from credenza.actions.context import Act, Once, Platform
from credenza.domain.errors import Code, Refusal
from credenza.store import idempotency
from credenza.store.engine import writing

_PATIENCE = timedelta(seconds=15)
"""An unanswered attempt younger than this is taken to be alive."""

_NONCE_BYTES = 12

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Claim(Generic[Answer]):
    """What stands under the key: an answer to repeat, a reservation to go on with, or neither."""

    answer: Answer | None = None
    reservation: str | None = None


def claim(act: Act, answer_type: type[Answer]) -> Claim[Answer]:
    """Take the key for this attempt, or find what an earlier one with it has left. Comes before every rule that may
    have changed its mind since.

    Raises Refusal: another request was sent with the key; its answer, which held a secret, is gone; the first
    attempt is still under way.
    """
    once = act.attempt.once
    if once is None:
        return Claim()
    fresh = idempotency.claim(
        act.connection,
        act.organization_id,
        act.actor.id,
        once.key_hash,
        request_hash=once.request_hash,
        expires_at=act.now + act.platform.policy.answers_kept,
        now=act.now,
    )
    if fresh:
        return Claim()
    earlier = idempotency.find(act.connection, act.actor.id, once.key_hash)
    if earlier is None:
        raise _under_way()  # until a moment ago: it was refused just now and gave the key back
    if earlier.request_hash != once.request_hash:
        raise Refusal(
            Code.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was sent with another request. Choose a new key for a new request.",
            field="Idempotency-Key",
        )
    if earlier.sealed_answer is not None:
        act.repeated = True
        return Claim(answer=_repeat(act, once, earlier, answer_type))
    if act.now - earlier.touched_at < _PATIENCE:
        raise _under_way()
    idempotency.touch(act.connection, act.actor.id, once.key_hash, now=act.now)
    return Claim(reservation=earlier.reservation)


def _repeat(act: Act, once: Once, earlier: idempotency.Earlier, answer_type: type[Answer]) -> Answer:
    if not earlier.sealed_answer or act.now > earlier.answer_until:
        raise Refusal(
            Code.IDEMPOTENCY_ANSWER_GONE,
            "This request was done, and its answer held a secret that is no longer kept. Look the result up, and "
            "make a new secret if the first one did not arrive.",
            field="Idempotency-Key",
        )
    return msgspec.json.decode(_open(act, once, earlier.sealed_answer), type=answer_type)


def settle(act: Act, answer: Answer, *, secret: bool = False) -> Answer:
    """Keep the answer in the transaction that makes it true.

    An answer with a secret is kept for minutes only. Raises Refusal when a twin of this attempt was faster: what this
    one did is rolled back, and repeating it gives the twin's answer.
    """
    once, policy = act.attempt.once, act.platform.policy
    if once is None:
        return answer
    until = act.now + (policy.secret_answers_kept if secret else policy.answers_kept)
    sealed = _seal(act, once, msgspec.json.encode(answer))
    if not idempotency.answer(act.connection, act.actor.id, once.key_hash, sealed, answer_until=until):
        raise outrun()
    return answer


def outrun() -> Refusal:
    return Refusal(
        Code.IDEMPOTENCY_IN_PROGRESS,
        "Another request with this Idempotency-Key was faster. Repeat this one to get its answer.",
        field="Idempotency-Key",
    )


def _under_way() -> Refusal:
    return Refusal(
        Code.IDEMPOTENCY_IN_PROGRESS,
        "The first request with this Idempotency-Key is still under way. Repeat it in a few seconds.",
        field="Idempotency-Key",
    )


def _seal(act: Act, once: Once, answer: bytes) -> bytes:
    nonce = act.platform.random(_NONCE_BYTES)
    return nonce + _cipher(act, once).encrypt(nonce, answer, _bound_to(act, once))


def _open(act: Act, once: Once, sealed: bytes) -> bytes:
    return _cipher(act, once).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(act, once))


def _cipher(act: Act, once: Once) -> AESGCM:
    root = act.platform.vault.derive("idempotency")
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=once.key.encode()).derive(root))


def _bound_to(act: Act, once: Once) -> bytes:
    return f"{act.actor.id}\n{once.request_hash}".encode()


def forget_expired(platform: Platform, *, now: datetime) -> int:
    """Delete what has been kept its time; `serve` calls it every few minutes."""
    with writing(platform.database.records) as connection:
        return idempotency.delete_expired(connection, now=now)
