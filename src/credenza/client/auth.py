"""How a client proves who it is, as httpx.Auth: pure generators that sync and async clients share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from datetime import UTC, datetime

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from credenza.protocol import oauth1
from credenza.protocol.oauth1 import SignatureMethod

_NONCE_BYTES = 12  # 16 characters


def _system_clock() -> datetime:
    return datetime.now(UTC)


def _random_nonce() -> str:
    return secrets.token_hex(_NONCE_BYTES)


class TokenAuth(httpx.Auth):
    """Send a personal access token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "TokenAuth()"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class OAuth1Auth(httpx.Auth):
    """Sign every request, its body included: OAuth 1.0a (RFC 5849) with the body-hash extension.

    A request that is sent again is signed again, with a new nonce.
    """

    requires_request_body = True

    def __init__(
        self,
        consumer_key: str,
        private_key: RSAPrivateKey,
        *,
        signature_method: SignatureMethod = SignatureMethod.RSA_SHA256,
        clock: Callable[[], datetime] = _system_clock,
        nonce: Callable[[], str] = _random_nonce,
    ) -> None:
        self._consumer_key = consumer_key
        self._private_key = private_key
        self._signature_method = signature_method
        self._clock = clock
        self._nonce = nonce

    def __repr__(self) -> str:
        return f"OAuth1Auth({self._consumer_key!r})"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = oauth1.sign(
            consumer_key=self._consumer_key,
            key=self._private_key,
            method=request.method,
            url=_url_on_the_wire(request.url),
            body=request.content,
            timestamp=int(self._clock().timestamp()),
            nonce=self._nonce(),
            signature_method=self._signature_method,
        )
        yield request


def _url_on_the_wire(url: httpx.URL) -> str:
    """Spell the URL with the bytes of the request line and the Host header, which are what the server sees."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"
