"""The audit log, with everything an offline check of its hash chain needs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from credenza.wire.shape import AnswerShape, Moment


class AuditEntry(AnswerShape):
    """`at` keeps its microseconds: the hash is computed over them."""

    chain: str
    sequence: int
    at: datetime
    actor_kind: str
    actor_id: str
    user_id: str
    address: str
    action: str
    outcome: Literal["done", "refused", "failed"]
    code: str
    project_id: str
    subject: str
    detail: str
    previous_hash: str
    hash: str


class SignedCheckpoint(AnswerShape):
    """The head of the chain at `at`, signed (ECDSA with SHA-256, DER, base64) by the platform's checkpoint key."""

    chain: str
    sequence: int
    hash: str
    at: Moment
    signature: str
    public_key: str
