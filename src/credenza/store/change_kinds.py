"""What can change that gates have to hear of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from credenza.domain.model import ChangeNumber


class ChangeKind(StrEnum):
    """What to forget: one credential; everything of a project, an organization or a user; the routes; what the token
    servers are made of (keys, resource servers); one token, by the hash of its `jti`; whose certificates are trusted;
    and the keys that protect a project's payloads, by the project."""

    CREDENTIAL = "credential"
    PROJECT = "project"
    ORGANIZATION = "organization"
    USER = "user"
    CATALOG = "catalog"
    ISSUER = "issuer"
    TOKEN = "token"
    TRUST = "trust"
    SERVICE_KEY = "service_key"


@dataclass(frozen=True, slots=True)
class Change:
    number: ChangeNumber
    kind: ChangeKind
    subject: str
