"""Payloads for callers: requests leave encrypted and signed, responses are verified and arrive in plain.

    rules = payload_rules.parse(Path("payloads.json").read_bytes())
    payloads = Payloads(rules, recipient=recipient, keys=keys)
    with httpx.Client(transport=PayloadTransport(payloads, auth=OAuth1Auth(...))) as http:
        http.post("https://api.example.com/payments", json={"card": {...}}).json()

The transport authenticates, not the client: what is signed has to be what is sent. Encrypt first, then sign the
ciphertext, then authenticate; and back: verify, then decrypt. Without httpx the methods of `Payloads` do the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from credenza.client.payload_keys import DecryptionKeys, read_key_set
from credenza.protocol import detached_jws, payload
from credenza.protocol.errors import Refused
from credenza.protocol.jose import PrivateKey
from credenza.protocol.payload import Headers, Recipient, Sealed
from credenza.protocol.payload_rules import PayloadRules, SignatureAlgorithm, SignatureRules
from credenza.protocol.public_key import PublicKey
from credenza.wire.payloads import KEY_SET

_SKEW = timedelta(seconds=30)
_FRESH = timedelta(minutes=5)
_FRAMING = ("content-encoding", "content-length", "transfer-encoding")


def _system_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Signer:
    """Our half of a Client Signature Verification Key; `kid` is its credential's id."""

    private_key: PrivateKey = field(repr=False)
    kid: str
    algorithm: SignatureAlgorithm = "PS256"


@dataclass(frozen=True, slots=True)
class Payloads:
    """The rules of one service in one environment, and our keys for it. Raises ValueError where one is missing.

    `recipient` is the key that requests are encrypted to, `keys` are those that responses are decrypted with;
    `signer` signs requests, and `verifiers` prove responses, by their kid. Without `verifiers` the transports fetch
    what the origin of the call publishes.
    """

    rules: PayloadRules
    recipient: Recipient | None = None
    keys: DecryptionKeys | None = None
    signer: Signer | None = None
    verifiers: Mapping[str, PublicKey] | None = None
    clock: Callable[[], datetime] = _system_clock
    random: Callable[[int], bytes] = secrets.token_bytes

    def __post_init__(self) -> None:
        encryption, signature = self.rules.encryption, self.rules.signature
        missing = {
            "recipient": encryption and encryption.requests and not self.recipient,
            "keys": encryption and encryption.responses and not self.keys,
            "signer": signature and signature.requests and not self.signer,
        }
        for name, is_missing in missing.items():
            if is_missing:
                raise ValueError(f"The rules of the service ask for {name}, and there are none.")

    def seal_request(self, body: bytes, target: str) -> Sealed:
        """Encrypt and sign a request; the target is its path and query. Raises Malformed("body") and Refused."""
        sealed, encryption = Sealed(body), self.rules.encryption
        if encryption and encryption.requests and self.recipient:
            sealed = payload.encrypt(
                body, encryption, encryption.requests, recipient=self.recipient, random=self.random
            )
        return Sealed(sealed.body, {**sealed.headers, **self._signed(sealed.body, target)})

    def open_response(self, body: bytes, headers: Headers, target: str) -> bytes:
        """Verify and decrypt the answer of the service to a request for the target. Raises Refused where it proves
        nothing, Undecrypted where it cannot be read, and Malformed."""
        return self._opened(body, tuple(headers), target, self.rules)

    def open_error(self, body: bytes, headers: Headers, target: str) -> bytes:
        """Read a refusal. It may come from before the service, which neither encrypts nor signs; what it does carry of
        these is judged as in `open_response`."""
        sent = tuple(headers)
        encryption = self.rules.encryption and msgspec.structs.replace(self.rules.encryption, refuse_unencrypted=False)
        signature = self.rules.signature if _signatures(sent) else None
        if not _is_json(sent):
            encryption = None
        return self._opened(body, sent, target, PayloadRules(encryption=encryption, signature=signature))

    def _signed(self, body: bytes, target: str) -> dict[str, str]:
        if not (self.rules.signature and self.rules.signature.requests and self.signer):
            return {}
        signer, signed = self.signer, detached_jws.payload(body, target)
        value = detached_jws.sign(
            signed, signer.private_key, algorithm=signer.algorithm, kid=signer.kid, now=self.clock()
        )
        return {detached_jws.HEADER: value}

    def _opened(self, body: bytes, headers: tuple[tuple[str, str], ...], target: str, rules: PayloadRules) -> bytes:
        if rules.signature and rules.signature.responses:
            signed = detached_jws.payload(body, target)
            self._check_signature(signed, _signatures(headers), rules.signature)
        if rules.encryption and rules.encryption.responses and self.keys:
            return payload.decrypt(
                body, headers, rules.encryption, rules.encryption.responses, keys=self.keys, random=self.random
            )
        return body

    def _check_signature(self, signed: bytes, found: list[str], rules: SignatureRules) -> None:
        if len(found) != 1:
            raise Refused("signature", f"The response must carry {detached_jws.HEADER} once.")
        detached = detached_jws.parse(found[0])
        key = (self.verifiers or {}).get(detached.header.kid)
        if key is None:
            raise Refused("signature", f"The response is signed by {detached.header.kid[:64]!r}, which is not known.")
        detached_jws.check(
            detached,
            signed,
            key,
            algorithms=rules.algorithms,
            now=self.clock(),
            max_age=timedelta(seconds=rules.max_age_s),
            skew=_SKEW,
        )


class PayloadTransport(httpx.BaseTransport):
    """Put between an `httpx.Client` and its own transport. Give `auth` here and not to the client, which would
    authenticate the plain request."""

    def __init__(
        self, payloads: Payloads, *, auth: httpx.Auth | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._published = _Published(payloads)
        self._auth = auth or httpx.Auth()
        self._transport = transport or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        flow = self._auth.sync_auth_flow(_sealed(request, self._published.payloads))
        try:
            wanted = next(flow)
            while True:
                response = self._transport.handle_request(wanted)
                response.request = wanted
                response.read()
                wanted = flow.send(response)
        except StopIteration:
            if self._published.is_wanted(response):
                answer = self._transport.handle_request(_key_set_request(response.request))
                answer.read()
                self._published.take(answer)
            return _opened(response, self._published.payloads)
        finally:
            flow.close()

    def close(self) -> None:
        self._transport.close()


class AsyncPayloadTransport(httpx.AsyncBaseTransport):
    """The same for an `httpx.AsyncClient`."""

    def __init__(
        self, payloads: Payloads, *, auth: httpx.Auth | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._published = _Published(payloads)
        self._auth = auth or httpx.Auth()
        self._transport = transport or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        flow = self._auth.async_auth_flow(_sealed(request, self._published.payloads))
        try:
            wanted = await anext(flow)
            while True:
                response = await self._transport.handle_async_request(wanted)
                response.request = wanted
                await response.aread()
                wanted = await flow.asend(response)
        except StopAsyncIteration:
            if self._published.is_wanted(response):
                answer = await self._transport.handle_async_request(_key_set_request(response.request))
                await answer.aread()
                self._published.take(answer)
            return _opened(response, self._published.payloads)
        finally:
            await flow.aclose()

    async def aclose(self) -> None:
        await self._transport.aclose()


class _Published:
    """The keys of the platform as they were published last, where the caller has given none."""

    def __init__(self, payloads: Payloads) -> None:
        self.payloads = payloads
        self._is_given = payloads.verifiers is not None
        self._fetched_at: datetime | None = None

    def is_wanted(self, response: httpx.Response) -> bool:
        """Whether the response is signed with a key that may not be known, or not be good any more."""
        signatures, rules = _signatures(response.headers.multi_items()), self.payloads.rules.signature
        if self._is_given or not signatures or rules is None or not rules.responses:
            return False
        # Either way: keys that a clock an hour ahead has fetched must not be believed until then.
        if self._fetched_at is None or abs(self.payloads.clock() - self._fetched_at) > _FRESH:
            return True
        return detached_jws.parse(signatures[0]).header.kid not in (self.payloads.verifiers or {})

    def take(self, answer: httpx.Response) -> None:
        """Raises Refused("signature") where the answer is no key set."""
        if answer.status_code != httpx.codes.OK:
            raise Refused("signature", f"The keys that prove responses are not published: {answer.status_code}.")
        self.payloads = replace(self.payloads, verifiers=read_key_set(answer.content))
        self._fetched_at = self.payloads.clock()


def _key_set_request(request: httpx.Request) -> httpx.Request:
    """Ask the origin of a call, and nobody whom a response might name."""
    url = request.url.copy_with(raw_path=KEY_SET.encode())
    return httpx.Request("GET", url, headers={"Host": request.headers["Host"]}, extensions=request.extensions)


def _sealed(request: httpx.Request, payloads: Payloads) -> httpx.Request:
    sealed = payloads.seal_request(request.content, _target(request))
    headers = httpx.Headers([pair for pair in request.headers.multi_items() if pair[0] not in _FRAMING])
    headers.update(sealed.headers)
    return httpx.Request(
        request.method, request.url, headers=headers, content=sealed.body or None, extensions=request.extensions
    )


def _opened(response: httpx.Response, payloads: Payloads) -> httpx.Response:
    opened = payloads.open_response if response.is_success else payloads.open_error
    headers = response.headers.multi_items()
    return httpx.Response(
        response.status_code,
        # The content is decoded already, and has another length in plain.
        headers=[pair for pair in headers if pair[0] not in _FRAMING],
        content=opened(response.content, headers, _target(response.request)),
        extensions=response.extensions,
    )


def _target(request: httpx.Request) -> str:
    return request.url.raw_path.decode("ascii")


def _signatures(headers: Iterable[tuple[str, str]]) -> list[str]:
    return [value for name, value in headers if name.lower() == detached_jws.HEADER]


def _is_json(headers: Iterable[tuple[str, str]]) -> bool:
    return any(name.lower() == "content-type" and "json" in value.lower() for name, value in headers)
