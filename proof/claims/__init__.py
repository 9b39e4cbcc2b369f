"""One file a family of claims."""

from __future__ import annotations

from proof.claim import Claim
from proof.claims import revocation

CLAIMS: tuple[Claim, ...] = (*revocation.CLAIMS,)
