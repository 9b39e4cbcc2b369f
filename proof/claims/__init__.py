"""One file a family of claims."""

from __future__ import annotations

from proof.claim import Claim
from proof.claims import audit, forgery, replay, revocation

CLAIMS: tuple[Claim, ...] = (*forgery.CLAIMS, *replay.CLAIMS, *revocation.CLAIMS, *audit.CLAIMS)
