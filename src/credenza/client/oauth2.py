"""How a client gets an OAuth 2.0 token and shows it, without doing it: FAPI 2.0 with private_key_jwt or
tls_client_auth, and with tokens that are bound to a DPoP key or to a certificate.

What is to be sent comes out of `TokenClient`, what was answered goes into it; `client.auth` moves both over httpx. Each
message has an assertion and a proof of its own, a repeated one too: what is good once must not be sent twice. Where the
token endpoint is, the issuer's metadata say.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from urllib.parse import urlencode, urlsplit

import msgspec

from credenza.client import metadata
from credenza.client.errors import InsecureUrl, IssuerUnavailable, TokenRefused
from credenza.client.keys import KeySource
from credenza.protocol import client_assertion, dpop, jose
from credenza.protocol.jose import PrivateKey
from credenza.wire.decisions import DPOP_NONCE

RENEWED_AHEAD: Final = timedelta(seconds=60)
USE_NONCE: Final = "use_dpop_nonce"
REDIRECTED: Final = "The token endpoint redirects; an assertion is sent to no other place."
_NO_ENDPOINT = ("redirect", "unexpected_answer")
_ID_BYTES = 16
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

TokenPlace: TypeAlias = tuple[str, str, str, str]
"""Issuer, client id, scope, thumbprint of the DPoP key."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, bound to the key that proofs are made with, or to the certificate of the connection."""

    access_token: str = field(repr=False)
    expires_at: datetime
    scope: str

    def is_fresh(self, now: datetime) -> bool:
        """Whether there is no need yet to fetch the next one."""
        return now < self.expires_at - RENEWED_AHEAD


Tokens: TypeAlias = MutableMapping[TokenPlace, Token]
"""Tokens in memory, each where nobody else looks for it."""


class _Answer(msgspec.Struct):
    """RFC 6749 5.1 and 5.2."""

    access_token: str = ""
    token_type: str = ""
    expires_in: float = 0.0
    scope: str = ""
    error: str = ""
    error_description: str = ""


def new_id() -> str:
    """Draw a `jti`: 128 random bits."""
    return secrets.token_urlsafe(_ID_BYTES)


class TokenClient:
    """One client id at one issuer. `tokens` may be shared; `dpop_key` proves possession and may be the client's own.

    Without `keys` the certificate of the connection says who the client is, and without `dpop_key` tokens are bound to
    it (RFC 8705); such tokens are nobody else's, whoever shares the memory.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        keys: KeySource | None,
        dpop_key: PrivateKey | None,
        *,
        scopes: Iterable[str] = (),
        tokens: Tokens | None = None,
        clock: Callable[[], datetime],
        draw_id: Callable[[], str] = new_id,
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.scope = " ".join(sorted(set(scopes)))
        self.token_endpoint = ""
        self._keys = keys
        self._dpop_key = dpop_key
        bound_to = draw_id() if dpop_key is None else jose.thumbprint(dpop_key.public_key())
        self._place = (issuer, client_id, self.scope, bound_to)
        self._tokens: Tokens = {} if tokens is None else tokens
        self._nonces: dict[str, str] = {}
        self._clock = clock
        self._draw_id = draw_id
        check_secure(issuer)

    def token(self) -> Token | None:
        """The token at hand, unless it is time for the next."""
        found = self._tokens.get(self._place)
        return found if found is not None and found.is_fresh(self._clock()) else None

    def forget(self, token: Token) -> None:
        """Let go of a token that was refused."""
        if self._tokens.get(self._place) is token:
            del self._tokens[self._place]

    @property
    def metadata_url(self) -> str:
        """What to GET while `token_endpoint` is empty; the answer goes to `read_metadata`."""
        return metadata.place(self.issuer)

    def read_metadata(self, status: int, body: bytes) -> None:
        """Learn where the token endpoint is. Raises IssuerUnavailable and InsecureUrl."""
        found = metadata.read(self.issuer, status, body)
        connects_with_certificate = self._keys is None or self._dpop_key is None
        endpoint = found.mtls_token_endpoint if connects_with_certificate else found.token_endpoint
        if not endpoint:
            raise IssuerUnavailable(f"{self.issuer} gives no tokens: its metadata name no token_endpoint.")
        check_secure(endpoint)
        self.token_endpoint = endpoint

    def token_request(self) -> tuple[dict[str, str], bytes]:
        """Write headers and body of a POST to the token endpoint."""
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        headers |= self._shown("POST", self.token_endpoint)
        form = {"grant_type": "client_credentials", "client_id": self.client_id}
        if self._keys is not None:
            form |= {
                "client_assertion_type": client_assertion.ASSERTION_TYPE,
                "client_assertion": self._assertion(self._keys),
            }
        return headers, urlencode(form | ({"scope": self.scope} if self.scope else {})).encode()

    def _assertion(self, keys: KeySource) -> str:
        """Sign an assertion, for one use."""
        key = keys.current()
        return client_assertion.write(
            client_id=self.client_id,
            kid=key.kid,
            issuer=self.issuer,
            key=key.private_key,
            jti=self._draw_id(),
            now=self._clock(),
        )

    def read_token(self, status: int, headers: Mapping[str, str], body: bytes) -> Token:
        """Read the token endpoint's answer, and keep the token. Raises TokenRefused."""
        try:
            answer = self._granted(status, headers, body)
        except TokenRefused as refused:
            if refused.error in _NO_ENDPOINT:
                self.token_endpoint = ""  # it may have moved: the metadata are read again
            raise
        token = Token(answer.access_token, self._clock() + timedelta(seconds=answer.expires_in), answer.scope)
        self._tokens[self._place] = token
        return token

    def _granted(self, status: int, headers: Mapping[str, str], body: bytes) -> _Answer:
        refusal_id = headers.get("Credenza-Refusal-Id", "")
        if 300 <= status < 400:
            raise TokenRefused(status, "redirect", REDIRECTED)
        answer = _read(body)
        if status != 200 or not answer.access_token:
            description = answer.error_description or ("" if answer.error else self._foreign())
            raise TokenRefused(status, answer.error or "unexpected_answer", description, refusal_id=refusal_id)
        wanted = "Bearer" if self._dpop_key is None else "DPoP"
        if answer.token_type.lower() != wanted.lower() or answer.expires_in <= 0:
            raise TokenRefused(
                status, "unexpected_answer", f"It is a {answer.token_type!r} token; one of the type {wanted} was asked."
            )
        return answer

    def _foreign(self) -> str:
        return (
            f"{self.token_endpoint} did not answer as a token endpoint does, though {self.issuer} names it as its own."
        )

    def wants_nonce(self, status: int, body: bytes) -> bool:
        """Whether the token endpoint wants the same again, with the nonce it has sent (RFC 9449 8)."""
        return status in (400, 401) and _read(body).error == USE_NONCE

    def sign(self, method: str, url: str, token: Token) -> dict[str, str]:
        """Write the headers that show a token, and that it is ours, with one request."""
        check_secure(url)
        scheme = "Bearer" if self._dpop_key is None else "DPoP"
        return {"Authorization": f"{scheme} {token.access_token}", **self._shown(method, url, token.access_token)}

    def note_nonce(self, url: str, headers: Mapping[str, str]) -> bool:
        """Keep the nonce of an answer for the next request to its origin; say whether it had one."""
        nonce = headers.get(DPOP_NONCE, "")
        if nonce:
            self._nonces[_origin(url)] = nonce
        return bool(nonce)

    def _shown(self, method: str, url: str, access_token: str = "") -> dict[str, str]:
        """Make a proof; a certificate has been shown before there were headers."""
        if self._dpop_key is None:
            return {}
        proof = dpop.write(
            key=self._dpop_key,
            method=method,
            uri=url,
            jti=self._draw_id(),
            now=self._clock(),
            access_token=access_token,
            nonce=self._nonces.get(_origin(url), ""),
        )
        return {"DPoP": proof}


class SecretClient(TokenClient):
    """One client id at one issuer, which a client secret proves (RFC 6749 2.3.1). Its tokens are bound to nothing."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        *,
        audience: str = "",
        tokens: Tokens | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(issuer, client_id, None, None, tokens=tokens, clock=clock)
        self._client_secret = client_secret
        self._audience = audience

    def token_request(self) -> tuple[dict[str, str], bytes]:
        """Write headers and body of a POST to the token endpoint."""
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self._client_secret,
            **({"audience": self._audience} if self._audience else {}),
        }
        return headers, urlencode(form).encode()


def check_secure(url: str) -> None:
    """Refuse to send credentials where anybody on the way could read them. Raises InsecureUrl."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InsecureUrl(f"{parts.scheme}://{parts.netloc} is not https; tokens are sent over TLS alone.")


def challenge_error(challenges: Iterable[str]) -> str:
    """Read the `error` of a DPoP or Bearer challenge out of WWW-Authenticate, as far as it is one that can be
    answered."""
    text = ", ".join(challenges)
    if "dpop" not in text.lower() and "bearer" not in text.lower():
        return ""
    return next((each for each in (USE_NONCE, "invalid_token") if f'error="{each}"' in text), "")


def _read(body: bytes) -> _Answer:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Answer()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
