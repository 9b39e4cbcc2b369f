"""The identity that a gate hands on, as a JWT (RFC 7519) that an upstream can check itself.

It has a `typ` of its own (RFC 8725 3.11): whoever checks types takes it neither for an access token nor for a client
assertion, although the same key signs. It says who made one call, to one service, and is good for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from credenza.protocol import jose
from credenza.protocol.jose import PrivateKey

TYPE: Final = "credenza-identity+jwt"
LONGEST_LIFE: Final = timedelta(seconds=60)


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """`iss` is the environment's origin, `aud` the service, `jti` the id of the call. `htm` and `htu` name the call as
    a DPoP proof does (RFC 9449 4.2): the method, and the URL without its query. Times are seconds since 1970.
    Permission, account and workspace are there for calls with API credentials alone."""

    iss: str
    aud: str
    sub: str
    iat: int
    exp: int
    jti: str
    htm: str
    htu: str
    client_id: str
    key_id: str
    organization_id: str
    project_id: str | None
    environment: str
    service_id: int
    permission: str = ""
    account_id: str = ""
    workspace_id: str = ""


def audience(service_id: int) -> str:
    """Name a service as `aud`: a URI, as RFC 7519 4.1.3 wants of what has a colon, and nobody's issuer."""
    return f"urn:credenza:service:{service_id}"


def issue(claims: Claims, key: PrivateKey, *, kid: str) -> str:
    """Sign an identity. `kid` names the key among those the issuer publishes."""
    members: Mapping[str, Any] = msgspec.to_builtins(claims)
    return jose.sign({"typ": TYPE, "kid": kid}, members, key)
