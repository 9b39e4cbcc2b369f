"""What the files of keys and certificates have in common: how they are sent, and the forms of a public key."""

from __future__ import annotations

from ssl import DER_cert_to_PEM_cert

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import Response

from credenza.domain.model import CredentialId
from credenza.protocol import public_key


def sent(content: bytes, credential_id: CredentialId, name: str) -> Response:
    """Send a file to be saved. Its name is digits and ours: nothing that somebody chose gets into the header."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{credential_id[:8]}-{name}"',
    }
    return Response(content, headers=headers, media_type="application/octet-stream")


def certificate_pem(der: bytes) -> bytes:
    return DER_cert_to_PEM_cert(der).encode()


def public_key_pem(der: bytes) -> bytes:
    return public_key.parse(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
