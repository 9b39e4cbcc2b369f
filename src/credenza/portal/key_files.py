"""The files that belong to a key: its certificate and its public key, in the formats that tools read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from ssl import DER_cert_to_PEM_cert

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import Response

from credenza.actions import authorities
from credenza.actions.authorities import Role
from credenza.actions.context import Platform
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Credential
from credenza.portal import key_views
from credenza.portal.visit import Visit
from credenza.protocol import jose, public_key


def send(visit: Visit) -> Response:
    key, name = key_views.find(visit), visit.path("name")
    write = _FILES.get(name)
    if write is None:
        raise Refusal(Code.NOT_FOUND, "There is no such file.")
    headers = {
        "Cache-Control": "no-store",
        # The name is made of digits and ours: nothing that somebody chose gets into the header.
        "Content-Disposition": f'attachment; filename="{key.id[:8]}-{name}"',
    }
    return Response(write(visit.portal.platform, key), headers=headers, media_type="application/octet-stream")


def chain_pem(platform: Platform, key: Credential) -> str:
    """The key's certificate and that of its issuing authority."""
    return _certificate_pem(platform, key).decode() + _issuing_pem(platform, key)


def _certificate_pem(_platform: Platform, key: Credential) -> bytes:
    return DER_cert_to_PEM_cert(key.certificate_der).encode()


def _issuing_pem(platform: Platform, key: Credential) -> str:
    assert key.environment is not None, "a signing key belongs to an environment"
    return DER_cert_to_PEM_cert(authorities.certificate_of(platform, key.environment, Role.ISSUING))


def _public_pem(_platform: Platform, key: Credential) -> bytes:
    loaded = public_key.parse(key.public_key_der)
    return loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _jwk(_platform: Platform, key: Credential) -> bytes:
    members = {**jose.jwk(public_key.parse(key.public_key_der)), "kid": key.id, "use": "sig"}
    return json.dumps(members, indent=2).encode()


_FILES: Mapping[str, Callable[[Platform, Credential], bytes]] = {
    "certificate.pem": _certificate_pem,
    "chain.pem": lambda platform, key: chain_pem(platform, key).encode(),
    "certificate.cer": lambda _platform, key: key.certificate_der,
    "public-key.pem": _public_pem,
    "public-key.der": lambda _platform, key: key.public_key_der,
    "public-key.jwk": _jwk,
}
NAMES = tuple(_FILES)
