"""The files that belong to a key: its certificate and its public key, in the formats that tools read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from ssl import DER_cert_to_PEM_cert

from starlette.responses import Response

from credenza.actions import authorities
from credenza.actions.authorities import Role
from credenza.actions.context import Platform
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Credential
from credenza.portal import key_views, public_files
from credenza.portal.visit import Visit
from credenza.protocol import jose, public_key


def send(visit: Visit) -> Response:
    key, name = key_views.find(visit), visit.path("name")
    write = _FILES.get(name)
    if write is None:
        raise Refusal(Code.NOT_FOUND, "There is no such file.")
    return public_files.sent(write(visit.portal.platform, key), key.id, name)


def chain_pem(platform: Platform, key: Credential) -> str:
    """The key's certificate and that of its issuing authority."""
    return public_files.certificate_pem(key.certificate_der).decode() + _issuing_pem(platform, key)


def _issuing_pem(platform: Platform, key: Credential) -> str:
    assert key.environment is not None, "a signing key belongs to an environment"
    return DER_cert_to_PEM_cert(authorities.certificate_of(platform, key.environment, Role.ISSUING))


def _jwk(_platform: Platform, key: Credential) -> bytes:
    members = {**jose.jwk(public_key.parse(key.public_key_der)), "kid": key.id, "use": "sig"}
    return json.dumps(members, indent=2).encode()


_FILES: Mapping[str, Callable[[Platform, Credential], bytes]] = {
    "certificate.pem": lambda _platform, key: public_files.certificate_pem(key.certificate_der),
    "chain.pem": lambda platform, key: chain_pem(platform, key).encode(),
    "certificate.cer": lambda _platform, key: key.certificate_der,
    "public-key.pem": lambda _platform, key: public_files.public_key_pem(key.public_key_der),
    "public-key.der": lambda _platform, key: key.public_key_der,
    "public-key.jwk": _jwk,
}
NAMES = tuple(_FILES)
