"""One file a family of claims."""

from __future__ import annotations

from proof.claim import Claim
from proof.claims import (
    activation,
    actors,
    audit,
    authority,
    clients,
    disk,
    durability,
    faults,
    forgery,
    fuzzing,
    hostile,
    issuance,
    kills,
    notices,
    payload_rotation,
    payloads,
    replay,
    revocation,
    rotation,
    scopes,
    tokens,
)

CLAIMS: tuple[Claim, ...] = (
    *clients.CLAIMS,
    *forgery.CLAIMS,
    *tokens.CLAIMS,
    *payloads.CLAIMS,
    *hostile.CLAIMS,
    *fuzzing.CLAIMS,
    *scopes.CLAIMS,
    *replay.CLAIMS,
    *revocation.CLAIMS,
    *rotation.CLAIMS,
    *payload_rotation.CLAIMS,
    *faults.CLAIMS,
    *kills.CLAIMS,
    *issuance.CLAIMS,
    *authority.CLAIMS,
    *actors.CLAIMS,
    *activation.CLAIMS,
    *disk.CLAIMS,
    *durability.CLAIMS,
    *notices.CLAIMS,
    *audit.CLAIMS,
)
