"""Service credentials: keys that protect the payloads between a project and a service."""

from __future__ import annotations


def purpose(credential_id: str) -> str:
    """What the private half of a key that we hold is wrapped for."""
    return f"service key {credential_id}"
