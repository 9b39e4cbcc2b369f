"""The audit log, with everything an offline check of its hash chain needs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from credenza.wire.shape import AnswerShape


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
    """The head of the chain at `at`, signed by the platform's checkpoint key: ECDSA P-256, SHA-256, base64 of DER.

    Both times keep their microseconds, because both are signed or hashed.
    """

    chain: str
    sequence: int
    hash: str
    at: datetime
    signature: str
    public_key: str
