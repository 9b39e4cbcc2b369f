"""An OpenID Connect provider: its metadata, its keys, the code for an ID token. Needs the extra `sso` (authlib).

The provider is the operator's choice and may live in a private network; still nothing it says is followed blindly:
no redirect, no plain HTTP except on this machine, no answer that is large or slow. OpenID Connect Discovery 1.0,
RFC 7636 (PKCE), RFC 9207 (`iss`).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from threading import Lock
from typing import Final, TypeVar
from urllib.parse import quote_plus, urlsplit

import httpx
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from credenza.adapters import id_token
from credenza.adapters.id_token import KEY_TYPES, Claims, Expected, Jwk, UnknownKey
from credenza.domain.single_sign_on import Answer, Departure, ProvenAccount, ProviderAway
from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused

DEADLINE: Final = timedelta(seconds=5)
LARGEST_ANSWER: Final = 256 * 1024
_METADATA_KEPT: Final = timedelta(hours=1)
_KEYS_ASKED_EVERY: Final = timedelta(minutes=1)
_AWAY_FOR: Final = timedelta(seconds=10)
_SCOPE: Final = "openid email profile"
_FORM: Final = "application/x-www-form-urlencoded"

_Typed = TypeVar("_Typed")


class Metadata(msgspec.Struct, frozen=True):
    """OpenID Connect Discovery 1.0 section 3, RFC 9207 section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _KeySet(msgspec.Struct, frozen=True):
    keys: tuple[Jwk, ...]


class _Tokens(msgspec.Struct, frozen=True):
    """RFC 6749 5.1, OpenID Connect Core 1.0 section 3.1.3.3."""

    id_token: str
    access_token: str


@dataclass(frozen=True, slots=True)
class Client:
    """How this installation is registered at the provider. Without a secret it is a public client."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was fetched, and when."""

    metadata: Metadata
    keys: Sequence[Jwk]
    at: datetime


class OpenIdProvider:
    """One provider, as this installation's client of it. Metadata and keys are kept for an hour."""

    def __init__(
        self, client: Client, *, name: str, allowed_domains: frozenset[str], deadline: timedelta = DEADLINE
    ) -> None:
        self.issuer = client.issuer
        self.name = name
        self.allowed_domains = allowed_domains
        self._client = client
        self._deadline_s = deadline.total_seconds()
        self._known: _Known | None = None
        self._away_since: datetime | None = None
        self._asking = Lock()
        self._http = httpx.Client(
            timeout=self._deadline_s,
            follow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    def authorization_url(self, departure: Departure, *, now: datetime) -> str:
        """Where the browser goes to sign in. Raises ProviderAway."""
        url: str = prepare_grant_uri(
            self._fresh(now).metadata.authorization_endpoint,
            client_id=self._client.client_id,
            response_type="code",
            redirect_uri=departure.redirect_uri,
            scope=_SCOPE,
            state=departure.state,
            nonce=departure.nonce,
            code_challenge=create_s256_code_challenge(departure.code_verifier),
            code_challenge_method="S256",
            # OpenID Connect Core 1.0 section 3.1.2.1: 0 asks the person again, whatever session there is.
            max_age=None if departure.proven_since is None else "0",
        )
        return url

    def redeem(self, departure: Departure, answer: Answer, *, now: datetime) -> ProvenAccount:
        """Exchange the code for a proven account. Raises ProviderAway, Malformed, and Refused with the reason."""
        metadata = self._fresh(now).metadata
        self._check_issuer(metadata, answer)
        tokens = self._exchange(metadata, departure, answer)
        claims = self._check_id_token(tokens.id_token, departure, now)
        # OpenID Connect Core 1.0 section 5.4: claims that a scope asks for may be at the userinfo endpoint alone.
        if not claims.email and metadata.userinfo_endpoint:
            claims = self._userinfo(metadata, tokens, claims)
        return ProvenAccount(self.issuer, claims.sub, claims.email, claims.email_verified, claims.name)

    def close(self) -> None:
        self._http.close()

    def _check_issuer(self, metadata: Metadata, answer: Answer) -> None:
        """RFC 9207 2.4: an answer of another provider must not be taken to this one."""
        if answer.iss != self.issuer and (answer.iss or metadata.authorization_response_iss_parameter_supported):
            raise Refused("iss", f"The answer is of {answer.iss[:200]!r}, not of {self.issuer}.")

    def _exchange(self, metadata: Metadata, departure: Departure, answer: Answer) -> _Tokens:
        body: str = prepare_token_request(
            "authorization_code",
            redirect_uri=departure.redirect_uri,
            code=answer.code,
            code_verifier=departure.code_verifier,
            **self._credentials_in_body(metadata),
        )
        request = self._http.build_request(
            "POST",
            metadata.token_endpoint,
            content=body,
            headers={"Content-Type": _FORM, **self._credentials_in_header(metadata)},
        )
        status, content = self._send(request)
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED):
            # RFC 6749 5.2: a spent code, or this installation is registered otherwise; the log says which.
            raise Refused("code", f"The token endpoint answers {status}: {content[:200]!r}")
        return _read(_content(request, status, content), _Tokens, "token endpoint's answer")

    def _posts_secret(self, metadata: Metadata) -> bool:
        methods = metadata.token_endpoint_auth_methods_supported
        return "client_secret_basic" not in methods and "client_secret_post" in methods

    def _credentials_in_body(self, metadata: Metadata) -> Mapping[str, str]:
        if not self._client.client_secret:
            return {"client_id": self._client.client_id}
        if self._posts_secret(metadata):
            return {"client_id": self._client.client_id, "client_secret": self._client.client_secret}
        return {}

    def _credentials_in_header(self, metadata: Metadata) -> Mapping[str, str]:
        if not self._client.client_secret or self._posts_secret(metadata):
            return {}
        # RFC 6749 2.3.1: both are form-encoded before they are put together.
        pair = f"{quote_plus(self._client.client_id)}:{quote_plus(self._client.client_secret)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _check_id_token(self, token: str, departure: Departure, now: datetime) -> Claims:
        known = self._fresh(now)
        algorithms = frozenset(known.metadata.id_token_signing_alg_values_supported) & KEY_TYPES.keys()
        expected = Expected(self.issuer, self._client.client_id, departure.nonce, algorithms, departure.proven_since)
        try:
            return id_token.check(token, known.keys, expected, now=now)
        except UnknownKey:
            return id_token.check(token, self._newer(known, now).keys, expected, now=now)

    def _userinfo(self, metadata: Metadata, tokens: _Tokens, proven: Claims) -> Claims:
        request = self._http.build_request(
            "GET", metadata.userinfo_endpoint, headers={"Authorization": f"Bearer {tokens.access_token}"}
        )
        found = _read(_content(request, *self._send(request)), Claims, "userinfo endpoint's answer")
        # OpenID Connect Core 1.0 section 5.3.2: an exchanged access token must not bring another person's claims.
        if found.sub != proven.sub:
            raise Refused("claims", "The userinfo endpoint speaks of another subject than the ID token.")
        return found

    def _fresh(self, now: datetime) -> _Known:
        known = self._known
        return known if known and abs(now - known.at) < _METADATA_KEPT else self._ask(known, now)

    def _newer(self, known: _Known, now: datetime) -> _Known:
        """Ask for the keys again, once a minute at most: tokens with invented keys must not flood the provider."""
        return known if abs(now - known.at) < _KEYS_ASKED_EVERY else self._ask(known, now)

    def _ask(self, before: _Known | None, now: datetime) -> _Known:
        with self._asking:
            if self._known is not None and self._known is not before:
                return self._known  # somebody else has asked while we waited
            # What lies ahead by as much was noted by a clock that was wrong, here as above.
            if self._away_since is not None and abs(now - self._away_since) < _AWAY_FOR:
                raise ProviderAway("it was away a moment ago")  # or a crowd would wait here, one deadline after another
            self._away_since = now
            metadata = self._metadata()
            keys = _read(self._get(metadata.jwks_uri), _KeySet, "key set").keys
            self._known, self._away_since = _Known(metadata, keys, now), None
            return self._known

    def _metadata(self) -> Metadata:
        url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = _read(self._get(url), Metadata, "metadata")
        # OpenID Connect Discovery 1.0 section 4.3.
        if found.issuer != self.issuer:
            raise ProviderAway(f"{url} is the metadata of {found.issuer[:200]!r}")
        for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint):
            if endpoint and not may_be_asked(endpoint):
                raise ProviderAway(f"the metadata names {endpoint[:200]!r}, which is not https")
        return found

    def _get(self, url: str) -> bytes:
        request = self._http.build_request("GET", url)
        return _content(request, *self._send(request))

    def _send(self, request: httpx.Request) -> tuple[int, bytes]:
        until = time.monotonic() + self._deadline_s
        content = bytearray()
        try:
            response = self._http.send(request, stream=True)
            try:
                for chunk in response.iter_raw():
                    content += chunk
                    if len(content) > LARGEST_ANSWER or time.monotonic() > until:
                        raise ProviderAway(f"{request.url.host} answers too much, or too slowly")
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise ProviderAway(f"{request.url.host}: {type(error).__name__} {error}") from error
        return response.status_code, bytes(content)


def may_be_asked(url: str) -> bool:
    """Whether a provider's address may be used: with TLS, or on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return True
    return parts.scheme == "http" and _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _content(request: httpx.Request, status: int, content: bytes) -> bytes:
    if status != httpx.codes.OK:
        raise ProviderAway(f"{request.url.host}{request.url.path} answers {status}")
    return content


def _read(content: bytes, shape: type[_Typed], what: str) -> _Typed:
    try:
        return jose.read(content, shape, what)
    except Malformed as error:
        raise ProviderAway(f"the {what} cannot be read: {error}") from error
