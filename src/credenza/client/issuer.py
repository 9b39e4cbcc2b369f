"""One issuer, as an API asks it: metadata (RFC 8414), key set (RFC 7517) and introspection (RFC 7662).

Nobody else is ever asked. What the metadata name has to be of the issuer's own origin, redirects are not followed, and
an answer has a bounded length and time.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx
import msgspec

from credenza.client import metadata
from credenza.client.errors import IssuerUnavailable
from credenza.client.metadata import Metadata
from credenza.client.oauth2 import check_secure
from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.public_key import PublicKey

DEADLINE_S: Final = 5.0
_LONGEST_ANSWER = 256 * 1024

_Shape = TypeVar("_Shape")


class _KeySet(msgspec.Struct, frozen=True):
    keys: tuple[msgspec.Raw, ...]


class _Named(msgspec.Struct, frozen=True):
    kid: str


class Standing(msgspec.Struct, frozen=True):
    """What an issuer says of a token (RFC 7662 2.2). `scope` is what the token is good for."""

    active: bool
    scope: str = ""


class Issuer:
    """`credentials` are id and secret of a resource server, for those that introspect. Raises InsecureUrl."""

    def __init__(
        self, issuer: str, *, credentials: tuple[str, str] | None = None, verify: ssl.SSLContext | bool = True
    ) -> None:
        check_secure(issuer)
        self._issuer = issuer
        self._credentials = credentials
        self._metadata: Metadata | None = None
        self._http = httpx.AsyncClient(verify=verify, timeout=DEADLINE_S, follow_redirects=False)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def key_set(self) -> Mapping[str, PublicKey]:
        """Fetch the published keys by their `kid`. Raises IssuerUnavailable."""
        places = await self._places()
        found = _read(await self._fetch("GET", places.jwks_uri), _KeySet)
        return dict(each for raw in found.keys for each in _usable(bytes(raw)))

    async def introspect(self, token: str) -> Standing:
        """Ask what a token is good for now. Raises IssuerUnavailable."""
        places = await self._places()
        return _read(await self._fetch("POST", places.introspection_endpoint, {"token": token}), Standing)

    async def _places(self) -> Metadata:
        if self._metadata is None:
            body = await self._fetch("GET", metadata.place(self._issuer))
            self._metadata = metadata.read(self._issuer, 200, body)
        return self._metadata

    async def _fetch(self, method: str, url: str, form: Mapping[str, str] | None = None) -> bytes:
        if _origin(url) != _origin(self._issuer):
            raise IssuerUnavailable(f"{url[:200]!r} is another place than {self._issuer}.")
        auth = httpx.BasicAuth(*self._credentials) if form is not None and self._credentials else None
        try:
            with anyio.fail_after(DEADLINE_S):
                async with self._http.stream(method, url, data=form, auth=auth) as response:
                    return await _body(response)
        except (httpx.HTTPError, TimeoutError) as error:
            raise IssuerUnavailable(f"{url} does not answer: {type(error).__name__}.") from error


async def _body(response: httpx.Response) -> bytes:
    if response.status_code != 200:
        raise IssuerUnavailable(f"{response.url} answers {response.status_code}.")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LONGEST_ANSWER:
            raise IssuerUnavailable(f"{response.url} answers more than {_LONGEST_ANSWER} bytes.")
    return bytes(body)


def _usable(raw: bytes) -> list[tuple[str, PublicKey]]:
    """Read a key; one of a kind that signs no tokens here is left out, and does not hide the others."""
    try:
        return [(jose.read(raw, _Named, "jwk").kid, jose.parse_jwk(raw))]
    except (Malformed, Refused):
        return []


def _read(body: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IssuerUnavailable("The issuer's answer cannot be read.") from error


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
