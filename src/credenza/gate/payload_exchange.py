"""Payloads on their way through the reverse proxy: the upstream reads and writes plain JSON, and sees no key.

A request is opened whole before anything goes on, an answer is read whole before anything goes back. What cannot be
protected as the rules want it becomes an error, never a plain answer; when that can be known beforehand, the upstream
is not called. What the gate answers itself is not encrypted: it says nothing of the payload.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from credenza.domain.model import EnvironmentName
from credenza.gate.arrival import Arrival, Headers
from credenza.gate.body import Body
from credenza.gate.decision import Admitted, Call, Code, Evidence, Refused
from credenza.gate.desk import Desk
from credenza.gate.keyring import UNLOADED, Entry, GateClosed, Keyring
from credenza.gate.payload import (
    DESCRIPTIONS,
    Message,
    PayloadFailure,
    Payloads,
    minified,
    own_headers,
    rules_of,
    steps,
)
from credenza.gate.payload_keys import PairKeys
from credenza.protocol.payload_rules import PayloadRules
from credenza.store.lookup import KeyRecord
from credenza.store.payload_lookup import Parties
from credenza.wire.decisions import folded

_JSON = b"application/json"
# They describe the bytes that were sent, and a coding of those.
_DIGESTS = frozenset({b"content-digest", b"repr-digest", b"digest", b"content-md5"})
_OF_REQUEST_BYTES = _DIGESTS | frozenset({b"content-type", b"content-encoding"})
# What is encrypted or signed is a whole, and uncoded: nothing else may be asked for.
_OF_CHOICE = frozenset({b"accept-encoding", b"range", b"if-range"})
_OF_ANSWER_BYTES = _DIGESTS | frozenset(
    {b"content-length", b"content-type", b"content-range", b"etag", b"accept-ranges", b"last-modified"}
)
_WITHOUT_CONTENT = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class AnswerTooLong(Exception):  # noqa: N818 - a verdict on the answer
    """The upstream's answer is longer than is held in memory."""


class Held:
    """An answer as an upstream gives it, kept back until it is whole. Raises AnswerTooLong into the exchange."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._body = bytearray()
        self.status = 0
        self.headers: Headers = []
        self.is_whole = False

    @property
    def body(self) -> bytes:
        return bytes(self._body)

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
            return
        self._body += message["body"]
        if len(self._body) > self._limit_bytes:
            raise AnswerTooLong
        self.is_whole = not message.get("more_body", False)


@dataclass(frozen=True, slots=True)
class Opened:
    """A request in plain. `headers` are the client's, without those that spoke of its protection."""

    call: Call
    admitted: Admitted
    rules: PayloadRules
    parties: Parties
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Protected:
    """An answer as its rules want it."""

    status: int
    headers: Headers
    body: bytes


class PayloadExchange:
    def __init__(self, payloads: Payloads, keyring: Keyring, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._payloads = payloads
        self._keyring = keyring
        self._desk = desk
        self._clock = clock

    def held(self) -> Held:
        """Make room for one answer."""
        return Held(self._payloads.limit_bytes)

    async def open(self, call: Call, admitted: Admitted, arrived: Arrival, body: Body) -> Opened | Refused:
        """Verify and decrypt the request of a call that was admitted just now. What is refused is noted."""
        if body.length > self._payloads.limit_bytes:
            text = f"A body of this API may have {self._payloads.limit_bytes} bytes at most."
            return self._noted(Refused(call.id, Code.BODY_TOO_LARGE, text), call)
        try:
            opened = await self._open(call, admitted, arrived, body)
        except PayloadFailure as failure:
            return self._noted(self._refused(call, admitted, failure), call)
        if isinstance(opened, Opened):
            self._desk.opened(call, admitted)
        return opened

    async def protect(self, opened: Opened, answer: Held) -> Protected | Refused:
        """Encrypt and sign what the upstream answers. What is refused is noted."""
        try:
            return await self._protect(opened, answer)
        except PayloadFailure as failure:
            return self._kept_back(opened, failure)

    def too_long(self, opened: Opened) -> Refused:
        text = f"The API's answer has more than {self._payloads.limit_bytes} bytes (payload_limit_bytes)."
        return self._kept_back(opened, PayloadFailure(Code.PAYLOAD_ANSWER, text))

    def _kept_back(self, opened: Opened, failure: PayloadFailure) -> Refused:
        """Refuse the answer to a call that was admitted, and counted so."""
        refused = self._refused(opened.call, opened.admitted, failure)
        self._desk.note_further(refused, opened.call.environment or "")
        return refused

    def _refused(self, call: Call, admitted: Admitted, failure: PayloadFailure) -> Refused:
        """Refuse in the words that all failures of a kind share; the rest is for the owner of the credential."""
        evidence = Evidence(call, self._clock(), None, self._record(admitted), failure.hint, _wanted(admitted))
        return Refused(call.id, failure.code, DESCRIPTIONS[failure.code], evidence)

    def _noted(self, refused: Refused, call: Call) -> Refused:
        self._desk.note(refused, call.environment or "")
        return refused

    # -------------------------------------------------------------------------------------------------------- requests

    async def _open(self, call: Call, admitted: Admitted, arrived: Arrival, body: Body) -> Opened | Refused:
        rules, parties = _rules(admitted), parties_of(call, admitted)
        pair = await self._keys_of_admitted(call, admitted, parties)
        if isinstance(pair, Refused):
            return pair
        now = self._clock()
        self._payloads.check_ready(rules, pair, parties.environment, now=now)
        message = Message(_content(body), _texts(arrived.headers), _target(call))
        if rules.signature is not None and rules.signature.requests:
            self._payloads.verify(rules.signature, pair, message, now=now)
        headers, plain = without(arrived.headers, _named(rules) | _OF_CHOICE), message.body
        if rules.encryption is not None:
            plain = self._payloads.decrypt(rules.encryption, pair, message, now=now)
        if plain is not message.body:
            headers = [*without(headers, _OF_REQUEST_BYTES), (b"content-type", _JSON)]
        return Opened(call, admitted, rules, parties, headers, plain)

    async def _keys_of_admitted(self, call: Call, admitted: Admitted, parties: Parties) -> PairKeys | Refused:
        """Find the keys. Whoever had to wait for them is asked again whether the call may still be admitted."""
        number = self._keyring.number
        while True:
            pair = await self._payloads.keys(parties)
            if number == self._keyring.number:
                return pair
            number = self._keyring.number
            await self._load(admitted)
            refused = self._desk.screen(call)
            if refused is not None:
                return refused

    async def _load(self, admitted: Admitted) -> None:
        try:
            if self._peek(admitted) is UNLOADED:
                thumbprint = admitted.identity.certificate_sha256
                if thumbprint:
                    await self._keyring.load_certificate(bytes.fromhex(thumbprint))
                else:
                    await self._keyring.load(admitted.identity.key_id)
        except GateClosed as closed:
            raise PayloadFailure(Code.PAYLOAD_UNAVAILABLE, "The gate cannot tell which keys are good.") from closed

    def _peek(self, admitted: Admitted) -> object:
        thumbprint = admitted.identity.certificate_sha256
        if thumbprint:
            return self._keyring.peek_certificate(bytes.fromhex(thumbprint))
        return self._keyring.peek(admitted.identity.key_id)

    def _record(self, admitted: Admitted) -> KeyRecord | None:
        try:
            found = self._peek(admitted)
        except GateClosed:
            return None
        return found.record if isinstance(found, Entry) else None

    # --------------------------------------------------------------------------------------------------------- answers

    async def _protect(self, opened: Opened, answer: Held) -> Protected:
        if not answer.body or answer.status in _WITHOUT_CONTENT:
            return await self._without_content(opened, answer)
        pair, now = await self._payloads.keys(opened.parties), self._clock()
        rules, body, own = opened.rules, answer.body, list[tuple[str, str]]()
        encrypts = rules.encryption is not None and rules.encryption.responses is not None
        if rules.encryption is not None and encrypts:
            _check_no_coding(answer.headers)
            sealed = self._payloads.encrypt(rules.encryption, pair, body, status=answer.status, now=now)
            body, own = sealed.body, list(sealed.headers.items())
        headers = without(answer.headers, _named(rules) | (_OF_ANSWER_BYTES if encrypts else frozenset()))
        if encrypts:
            headers.append((b"content-type", _JSON))
        if rules.signature is not None and rules.signature.responses:
            body = minified(body)
            own += self._signature(opened, body, now)
        if body != answer.body:
            headers = without(headers, _DIGESTS)
        headers = without(headers, frozenset({b"content-length"}))
        headers.append((b"content-length", b"%d" % len(body)))
        return Protected(answer.status, [*headers, *_octets(own)], body)

    async def _without_content(self, opened: Opened, answer: Held) -> Protected:
        """Pass on what has nothing to encrypt: no content, or that of a HEAD, of which lengths would tell."""
        headers = without(answer.headers, _named(opened.rules) | _OF_ANSWER_BYTES)
        own = list[tuple[str, str]]()
        if opened.rules.signature is not None and opened.rules.signature.responses:
            await self._payloads.keys(opened.parties)  # looks whether this gate still knows what signs
            own = self._signature(opened, b"", self._clock())
        if answer.status not in _WITHOUT_CONTENT and opened.call.request.method != "HEAD":
            headers.append((b"content-length", b"0"))
        return Protected(answer.status, [*headers, *_octets(own)], b"")

    def _signature(self, opened: Opened, body: bytes, now: datetime) -> list[tuple[str, str]]:
        signature = opened.rules.signature
        assert signature is not None, "asked for where answers are signed"
        environment = opened.parties.environment
        value = self._payloads.sign(signature, environment, body, _target(opened.call), now=now)
        return [("x-jws-signature", value)]


def parties_of(call: Call, admitted: Admitted) -> Parties:
    """Raises PayloadFailure for a caller who belongs to no project, and so has no keys."""
    environment, route, project = call.environment, admitted.route, admitted.identity.project_id
    if environment is None or route is None or project is None:
        raise PayloadFailure(Code.PAYLOAD_UNAVAILABLE, "Only projects have keys for payloads.")
    return Parties(project, route.service_id, EnvironmentName(environment))


def without(headers: Headers, names: Collection[bytes]) -> Headers:
    """Leave out these headers (folded names), in every spelling that some server takes for one of them."""
    return [header for header in headers if folded(header[0]) not in names]


def _rules(admitted: Admitted) -> PayloadRules:
    assert admitted.route is not None, "a call to an environment is admitted with its route"
    assert admitted.route.payload_rules is not None, "asked for services that have rules"
    return rules_of(admitted.route.payload_rules)


def _wanted(admitted: Admitted) -> tuple[str, ...] | None:
    assert admitted.route is not None, "a call to an environment is admitted with its route"
    try:
        return steps(admitted.route.payload_rules)
    except PayloadFailure:
        return None


def _named(rules: PayloadRules) -> frozenset[bytes]:
    return frozenset(folded(name.encode("ascii")) for name in own_headers(rules))


def _check_no_coding(headers: Headers) -> None:
    if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in headers):
        raise PayloadFailure(Code.PAYLOAD_ANSWER, "The API's answer has a Content-Encoding, and nobody asked for one.")


def _content(body: Body) -> bytes:
    return body.in_memory if body.in_memory is not None else bytes(body.content.read())  # type: ignore[union-attr]


def _target(call: Call) -> str:
    request = call.request
    return f"{request.path}?{request.query}" if request.query else request.path


def _texts(headers: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _octets(headers: list[tuple[str, str]]) -> Headers:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers]
