"""Credentials by the hundred thousand, written past the actions: rows as large as real ones, whose keys are noise."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import insert, text
from tests.installation import Installation

from credenza.domain.model import Project
from credenza.store import schema
from credenza.store.engine import writing

_BATCH = 1_000
# Of each thousand, the first hundred: whichever project has every hundredth has revoked ones, too.
_THOUSAND, _REVOKED = 1_000, 100


def add(
    installation: Installation, projects: tuple[Project, ...], numbers: range, apart: timedelta, *, now: datetime
) -> None:
    """Add a signing key for each number, to the projects in turn: a tenth is revoked; they end `apart`."""
    database = installation.platform.database
    rows = _rows(projects, numbers, apart, now)
    with writing(database.records) as connection:
        while batch := list(islice(rows, _BATCH)):
            connection.execute(insert(schema.credentials), batch)
        if not database.embedded:
            # Autovacuum does it within a minute; a benchmark does not wait for that.
            connection.execute(text("ANALYZE"))


def key_id(number: int) -> str:
    """Spread as those of real keys are, and known without a look."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" * 3


def thumbprint(number: int) -> str:
    """Of the key: its SHA-256 (SPKI)."""
    return key_id(number + 1)[1:] + "0" * 17


def alias(number: int) -> str:
    return f"Key {number:08}"


def _rows(
    projects: tuple[Project, ...], numbers: range, apart: timedelta, now: datetime
) -> Iterator[Mapping[str, object]]:
    # Lists read neither: what matters is their size.
    key, certificate = secrets.token_bytes(294), secrets.token_bytes(760)
    for number in numbers:
        project, revoked = projects[number % len(projects)], number % _THOUSAND < _REVOKED
        yield {
            "organization_id": project.organization_id,
            "id": key_id(number),
            "kind": "SIGNING_KEY",
            "project_id": project.id,
            "environment": "SANDBOX",
            "client_id": project.environments[0].client_id,
            "alias": alias(number),
            "status": "REVOKED" if revoked else "ACTIVE",
            "key_algorithm": "RSA-2048",
            "public_key_der": key,
            "spki_sha256": thumbprint(number),
            "certificate_der": certificate,
            "certificate_sha256": secrets.token_hex(32),
            "not_before": now - timedelta(days=30),
            "not_after": now + timedelta(days=30) + number * apart,
            "created_at": now,
            "revoked_at": now if revoked else None,
            "revoked_reason": "unused" if revoked else "",
        }
