"""An exported audit log, checked offline and strictly: each line is one entry, the last one the signed checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from credenza.actions import audit_log
from credenza.actions.audit_log import Verdict
from credenza.domain import audit
from credenza.domain.model import OrganizationId
from credenza.wire import audit as wire
from credenza.wire.shape import AnswerShape

_Shape = TypeVar("_Shape", bound=AnswerShape)


class Unreadable(Exception):  # noqa: N818 - says what is the case
    """A line is not what an export has there, or the checkpoint is not genuine. The message names the line."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What an export has shown. `public_key_pem` is the key that its checkpoint is signed with."""

    verdict: Verdict
    public_key_pem: str


def verify(lines: Iterable[bytes], *, pinned: bytes | None) -> Verified:
    """Walk the whole chain up to its checkpoint. `pinned` is the PEM of the key that must have signed it."""
    signed, entries = _parts(list(lines))
    _check_signature(signed, pinned)
    checkpoint = signed.checkpoint
    flaw = audit.verify(checkpoint.chain, entries, [checkpoint])
    if flaw is None and len(entries) > checkpoint.sequence:
        flaw = audit.Flaw(checkpoint.chain, checkpoint.sequence + 1, "stands behind the checkpoint")
    return Verified(Verdict(OrganizationId(checkpoint.chain), len(entries), flaw), signed.public_key_pem)


def _parts(lines: Sequence[bytes]) -> tuple[audit_log.SignedCheckpoint, Sequence[audit.Entry]]:
    if not lines:
        raise Unreadable("The file is empty.")
    signed = _checkpoint(_parse(wire.SignedCheckpoint, len(lines), lines[-1]))
    return signed, tuple(_entries(lines[:-1]))


def _entries(lines: Sequence[bytes]) -> Iterator[audit.Entry]:
    for number, line in enumerate(lines, 1):
        found = _parse(wire.AuditEntry, number, line)
        record = audit.Record(
            at=found.at,
            actor_kind=found.actor_kind,
            actor_id=found.actor_id,
            user_id=found.user_id,
            address=found.address,
            action=found.action,
            outcome=audit.Outcome(found.outcome),
            code=found.code,
            project_id=found.project_id,
            subject=found.subject,
            detail=found.detail,
        )
        yield audit.Entry(found.chain, found.sequence, record, found.previous_hash, found.hash)


def _checkpoint(found: wire.SignedCheckpoint) -> audit_log.SignedCheckpoint:
    checkpoint = audit.Checkpoint(found.chain, found.sequence, found.hash)
    return audit_log.SignedCheckpoint(checkpoint, found.at, found.public_key, found.signature)


def _check_signature(signed: audit_log.SignedCheckpoint, pinned: bytes | None) -> None:
    try:
        if pinned is not None and _spki(pinned) != _spki(signed.public_key_pem.encode()):
            raise Unreadable("The checkpoint is signed with another key than the given one.")
        genuine = audit_log.is_genuine(signed)
    except ValueError as error:
        raise Unreadable("A public key is not readable PEM.") from error
    if not genuine:
        raise Unreadable("The checkpoint's signature is wrong: it was altered, or never signed by this key.")


def _spki(pem: bytes) -> bytes:
    return load_pem_public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _parse(kind: type[_Shape], number: int, line: bytes) -> _Shape:
    """Read a line in which nothing can hide: every field once and none more, each spelled as an export spells it."""
    try:
        fields = json.loads(line, object_pairs_hook=_once_each)
        found = kind.model_validate_json(json.dumps(fields))
    except ValueError as error:  # those of pydantic, JSON and UTF-8 too
        raise _misplaced(kind, number) from error
    if fields != found.model_dump(mode="json", by_alias=True):
        raise _misplaced(kind, number)
    return found


def _misplaced(kind: type[AnswerShape], number: int) -> Unreadable:
    what = "the signed checkpoint" if kind is wire.SignedCheckpoint else "an audit entry"
    return Unreadable(f"Line {number} is not {what}.")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field twice")
    return fields
