"""How a client proves who it is, as httpx.Auth: pure generators that sync and async clients share."""

from __future__ import annotations

import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from datetime import UTC, datetime
from typing import TypeAlias
from weakref import WeakKeyDictionary

import anyio
import httpx
from anyio.lowlevel import current_token
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from credenza.client.errors import IssuerUnavailable, TokenRefused
from credenza.client.keys import KeySource
from credenza.client.oauth2 import (
    REDIRECTED,
    USE_NONCE,
    SecretClient,
    Token,
    TokenClient,
    Tokens,
    challenge_error,
    check_secure,
)
from credenza.protocol import oauth1
from credenza.protocol.jose import PrivateKey
from credenza.protocol.oauth1 import SignatureMethod

_NONCE_BYTES = 12  # 16 characters

_Flow: TypeAlias = Generator[httpx.Request | None, httpx.Response, None]


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


class _TokenFlow(httpx.Auth):
    """Get tokens of one client, and show them.

    A token is fetched when it is first needed and a minute before its end, once for all calls that wait for it. What
    asks for a nonce is sent once more, and so is a call whose token has died before its time; never more often. The
    token endpoint is found in the issuer's metadata (RFC 8414), once. Raises TokenRefused, and IssuerUnavailable where
    these are not the issuer's own.
    """

    def __init__(self, client: TokenClient) -> None:
        self._client = client
        self._turns = _Turns()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client.client_id!r})"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        flow = self._flow(request)
        with suppress(StopIteration), ExitStack() as turn:
            wanted = next(flow)
            while True:
                if wanted is None:
                    turn.enter_context(self._turns.of_threads)
                    wanted = next(flow)
                elif wanted is request:
                    turn.close()
                    wanted = flow.send((yield request))
                else:
                    response = yield wanted
                    response.read()
                    wanted = flow.send(response)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        flow = self._flow(request)
        with suppress(StopIteration):
            async with AsyncExitStack() as turn:
                wanted = next(flow)
                while True:
                    if wanted is None:
                        await turn.enter_async_context(self._turns.of_tasks())
                        wanted = next(flow)
                    elif wanted is request:
                        await turn.aclose()
                        wanted = flow.send((yield request))
                    else:
                        response = yield wanted
                        await response.aread()
                        wanted = flow.send(response)

    def _flow(self, request: httpx.Request) -> _Flow:
        """The whole conversation. None asks for a turn at the issuer, which ends when the request is sent; answers of
        the issuer, and those alone, come with their body read."""
        client = self._client
        check_secure(str(request.url))
        held = client.token()
        token = held or (yield from self._in_turn())
        response = yield self._signed(request, token)
        new_nonce = client.note_nonce(str(request.url), response.headers)
        if response.status_code != 401 or not isinstance(request.stream, httpx.ByteStream):
            return  # a body that streams is gone, and the caller has to send it again
        error = challenge_error(response.headers.get_list("WWW-Authenticate"))
        if error == "invalid_token" and held is not None:
            client.forget(held)
            token = yield from self._in_turn()
        elif not (error == USE_NONCE and new_nonce):
            return
        response = yield self._signed(request, token)
        client.note_nonce(str(request.url), response.headers)

    def _in_turn(self) -> Generator[httpx.Request | None, httpx.Response, Token]:
        """Get a token unless somebody else has, while this call waited for its turn."""
        yield None
        return self._client.token() or (yield from self._fetch())

    def get_token(self, http: httpx.Client) -> Token:
        """Get a token for other hands. Raises TokenRefused and IssuerUnavailable."""
        flow = self._fetch()
        wanted = next(flow)
        while True:
            response = http.send(wanted, auth=None)
            try:
                wanted = flow.send(response)
            except StopIteration as done:
                token: Token = done.value
                return token

    def _fetch(self) -> Generator[httpx.Request, httpx.Response, Token]:
        client = self._client
        if not client.token_endpoint:
            yield from self._find()
        response = yield self._token_request()
        new_nonce = client.note_nonce(client.token_endpoint, response.headers)
        if new_nonce and client.wants_nonce(response.status_code, response.content):
            response = yield self._token_request()
            client.note_nonce(client.token_endpoint, response.headers)
        return client.read_token(response.status_code, response.headers, response.content)

    def _find(self) -> Generator[httpx.Request, httpx.Response, None]:
        place = httpx.URL(self._client.metadata_url)
        response = yield httpx.Request("GET", place, headers={"Accept": "application/json"})
        # Whoever may redirect could name an endpoint of their own, and use what is sent there at the issuer's.
        if response.url != place:
            raise IssuerUnavailable(f"{place} redirects to {response.url.host}; an issuer speaks for itself.")
        self._client.read_metadata(response.status_code, response.content)

    def _token_request(self) -> httpx.Request:
        headers, body = self._client.token_request()
        url = httpx.URL(self._client.token_endpoint)
        # httpx adds these to requests that it has made itself, not to one with a stream of its own.
        headers |= {"Host": url.netloc.decode("ascii"), "Content-Length": str(len(body))}
        return httpx.Request("POST", url, headers=headers, stream=_Once(body))

    def _signed(self, request: httpx.Request, token: Token) -> httpx.Request:
        request.headers.update(self._client.sign(request.method, _url_on_the_wire(request.url), token))
        return request


class PrivateKeyJwtAuth(_TokenFlow):
    """Get tokens with `private_key_jwt` and show them with DPoP proofs: OAuth 2.0 as FAPI 2.0 has it.

    key = KeyFile(Path("client.jwk"))
    with httpx.Client(auth=PrivateKeyJwtAuth("https://api.example.com", client_id, key)) as http: ...
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        keys: KeySource,
        *,
        scopes: Iterable[str] = (),
        dpop_key: PrivateKey | None = None,
        tokens: Tokens | None = None,
        clock: Callable[[], datetime] = _system_clock,
    ) -> None:
        proving = dpop_key or ec.generate_private_key(ec.SECP256R1())
        super().__init__(TokenClient(issuer, client_id, keys, proving, scopes=scopes, tokens=tokens, clock=clock))


class CertificateBoundAuth(_TokenFlow):
    """Get tokens with `private_key_jwt` that are bound to the certificate of the connection (RFC 8705 3). The client is
    made with that one, as for `TlsClientAuth`."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        keys: KeySource,
        *,
        scopes: Iterable[str] = (),
        tokens: Tokens | None = None,
        clock: Callable[[], datetime] = _system_clock,
    ) -> None:
        super().__init__(TokenClient(issuer, client_id, keys, None, scopes=scopes, tokens=tokens, clock=clock))


class TlsClientAuth(_TokenFlow):
    """Get tokens with `tls_client_auth`: the certificate of the connection says who the client is (RFC 8705 2).

    context = ssl.create_default_context()
    context.load_cert_chain("client.pem", "client.key")
    with httpx.Client(verify=context, auth=TlsClientAuth("https://api.example.com", client_id)) as http: ...

    Tokens are bound to the certificate, or to `dpop_key` where one is given.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        scopes: Iterable[str] = (),
        dpop_key: PrivateKey | None = None,
        tokens: Tokens | None = None,
        clock: Callable[[], datetime] = _system_clock,
    ) -> None:
        super().__init__(TokenClient(issuer, client_id, None, dpop_key, scopes=scopes, tokens=tokens, clock=clock))


class ClientSecretAuth(_TokenFlow):
    """Get tokens with an API credential's client id and secret, and show them as Bearer tokens.

    with httpx.Client(auth=ClientSecretAuth("https://api.example.com/sso", client_id, client_secret)) as http: ...

    `audience` is what the tokens are for; left out it is the origin of the environment.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        *,
        audience: str = "",
        tokens: Tokens | None = None,
        clock: Callable[[], datetime] = _system_clock,
    ) -> None:
        super().__init__(SecretClient(issuer, client_id, client_secret, audience=audience, tokens=tokens, clock=clock))


class _Turns:
    """One at a time: threads, and the tasks of each event loop. A lock of tasks belongs to the loop it was made in, and
    an auth may serve several, one after the other."""

    def __init__(self) -> None:
        self.of_threads = threading.Lock()
        self._of_tasks: WeakKeyDictionary[object, anyio.Lock] = WeakKeyDictionary()

    def of_tasks(self) -> anyio.Lock:
        return self._of_tasks.setdefault(current_token().native_token, anyio.Lock())


class _Once(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is sent once: a client that follows redirects would take the assertion to another place."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._take()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._take()

    def _take(self) -> bytes:
        body, self._body = self._body, None
        if body is None:
            raise TokenRefused(307, "redirect", REDIRECTED)
        return body


def _url_on_the_wire(url: httpx.URL) -> str:
    """Spell the URL with the bytes of the request line and the Host header, which are what the server sees."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"
