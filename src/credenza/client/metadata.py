"""What an issuer says of itself (RFC 8414): where it says it, and whether it is the issuer that was asked.

An issuer's endpoints are known from here and from nowhere else (FAPI 2.0 5.3.3): one that was put together from its
name would be a guess, and one that somebody passed on could be anybody's. Nothing here fetches.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from credenza.client.errors import IssuerUnavailable

WELL_KNOWN: Final = "/.well-known/oauth-authorization-server"
_SHOWN = 200


class Aliases(msgspec.Struct, frozen=True):
    """RFC 8705 5: where clients with a certificate go instead."""

    token_endpoint: str = ""


class Metadata(msgspec.Struct, frozen=True):
    """RFC 8414 2, as far as it is used here. What the issuer does not offer is empty."""

    issuer: str
    token_endpoint: str = ""
    jwks_uri: str = ""
    introspection_endpoint: str = ""
    mtls_endpoint_aliases: Aliases = Aliases()

    @property
    def mtls_token_endpoint(self) -> str:
        return self.mtls_endpoint_aliases.token_endpoint or self.token_endpoint


def place(issuer: str) -> str:
    """Where an issuer publishes its metadata."""
    parts = urlsplit(issuer)
    # RFC 8414 3.1: between host and path.
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"


def read(issuer: str, status: int, body: bytes) -> Metadata:
    """Read what was answered at `place`. Raises IssuerUnavailable with what is wrong."""
    if status != 200:
        raise IssuerUnavailable(f"{place(issuer)} answers {status}, not with an issuer's metadata: {_cure(issuer)}")
    try:
        found = msgspec.json.decode(body, type=Metadata)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IssuerUnavailable(f"{place(issuer)} does not answer with metadata: {_cure(issuer)}") from error
    if found.issuer != issuer:  # RFC 8414 3.3: identical, or they must not be used
        named = found.issuer[:_SHOWN]
        raise IssuerUnavailable(
            f"{issuer} says that it is {named!r}. The two have to be the same, letter by letter (RFC 8414 3.3)."
        )
    return found


def _cure(issuer: str) -> str:
    return f"is {issuer} the issuer? It is the environment's origin, without a path."
