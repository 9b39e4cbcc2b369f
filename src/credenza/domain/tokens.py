"""What is known about tokens beside what they say themselves: who may ask, and which were taken back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from credenza.domain.model import EnvironmentName, OrganizationId

SECRET_PREFIXES: Final = {EnvironmentName.SANDBOX: "czs_sbx_", EnvironmentName.PRODUCTION: "czs_prd_"}
"""What the secrets of an environment begin with (settled 4)."""


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """An API that may introspect the tokens of one environment (RFC 7662 2.1). `prefix` recognises its secret."""

    id: str
    environment: EnvironmentName
    name: str
    prefix: str
    created_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class RevokedToken:
    """A token that was revoked before its end (RFC 7009), named by the hash of its `jti`."""

    jti_hash: str
    environment: EnvironmentName
    organization_id: OrganizationId
    expires_at: datetime


def hash_jti(jti: str) -> str:
    """Name a token by what does not tell its `jti`."""
    return hashlib.sha256(jti.encode()).hexdigest()
