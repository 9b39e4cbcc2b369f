"""Revocation lists of other authorities, fetched from where their certificates say (RFC 5280 4.2.1.13).

The URL is a stranger's choice (threat 20): only public addresses and networks that the operator allows, plain GET, no
redirects, no proxies of the environment, bounded in size and time. The list itself proves where it is from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from ssl import SSLContext

import aiohttp
from yarl import URL

from credenza.adapters import guarded_connection
from credenza.adapters.guarded_connection import NotPublic
from credenza.adapters.unfetched import NotFetched
from credenza.domain.webhooks import Network

LARGEST_BYTES = 10 * 1024 * 1024
_SCHEMES = frozenset({"http", "https"})
_LONGEST_LINE_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class CrlFetcher:
    """`allowed` are networks that would be refused."""

    allowed: Sequence[Network]
    timeout_s: float
    context: SSLContext = field(repr=False)

    async def fetch(self, url: str) -> bytes:
        """Read what is at the URL. Raises NotFetched."""
        try:
            if URL(url).scheme not in _SCHEMES:
                raise NotFetched("The URL begins with neither http:// nor https://.")
            async with asyncio.timeout(self.timeout_s):
                return await self._get(url)
        except TimeoutError as error:
            raise NotFetched(f"There was no complete answer within {self.timeout_s:g} s.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = guarded_connection.cause_of(error)
            said = str(cause) if isinstance(cause, NotPublic) else f"It cannot be reached: {type(cause).__name__}"
            raise NotFetched(said) from error

    async def _get(self, url: str) -> bytes:
        async with (
            aiohttp.ClientSession(
                connector=guarded_connection.connector(self.context, self.allowed),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=_LONGEST_LINE_BYTES,
                max_field_size=_LONGEST_LINE_BYTES,
            ) as session,
            session.get(url, allow_redirects=False, headers={"User-Agent": "Credenza"}) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise NotFetched(f"The answer was {response.status}.")
            return await _bounded(response)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        read += chunk
        if len(read) > LARGEST_BYTES:
            raise NotFetched("The list is larger than 10 MiB.")
    return bytes(read)
