"""Service credentials by the names that they have on the wire (contracts 1.3), and in the vault."""

from __future__ import annotations

from typing import Final

from credenza.domain.model import CredentialKind

TYPES: Final = {
    CredentialKind.RESPONSE_ENCRYPTION: "MASTERCARD_ENCRYPTION",
    CredentialKind.REQUEST_ENCRYPTION: "CLIENT_ENCRYPTION",
    CredentialKind.REQUEST_SIGNATURE: "CLIENT_SIGNATURE_VERIFICATION",
}
KINDS: Final = {name: kind for kind, name in TYPES.items()}


def purpose(credential_id: str) -> str:
    """What the vault binds the private key of a Client Encryption Key to."""
    return f"service key {credential_id}"
