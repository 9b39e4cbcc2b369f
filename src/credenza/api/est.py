"""EST over HTTP (RFC 7030, RFC 8951), at its own place of an environment's origin (settled 1; decision 0013).

The origin is the gate's, because re-enrolment is proven by the client certificate that TLS has proven there, to our own
listener or to a proxy that is believed. Plain ASGI, as the gate that hands the request on; what it asks for is done by
actions. Answers to failures are text, for the person who sets the device up (RFC 7030 4.2.3).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import structlog
from anyio import to_thread

from credenza.actions import authorities, enrolment, enrolment_secrets
from credenza.actions.context import Platform
from credenza.api.errors import CODES, REASONS, RETRY_AFTER_S, RateLimited
from credenza.api.rate_limits import RateLimits
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Credential, EnvironmentName
from credenza.gate.answers import Send, send_answer
from credenza.gate.arrival import Arrival
from credenza.gate.body import ClientGone, Receive, TooLarge, read_body
from credenza.gate.metrics import Metrics
from credenza.protocol import est
from credenza.protocol.errors import Malformed

log = structlog.get_logger()

PLACE: Final = "/.well-known/est/"
_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "cacerts": ("GET", "HEAD"),
    "csrattrs": ("GET", "HEAD"),
    "simpleenroll": ("POST",),
    "simplereenroll": ("POST",),
}
_BODY_DEADLINE_S = 10.0
_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_CHALLENGE = ("WWW-Authenticate", 'Basic realm="est", charset="UTF-8"')

_HAS_NO_RIGHT = frozenset({Code.UNAUTHENTICATED, Code.PROJECT_NOT_FOUND, Code.PROJECT_FORBIDDEN})
_AGAIN = frozenset({Code.IDEMPOTENCY_IN_PROGRESS, Code.BUSY})
"""The same request may be answered in a moment. RFC 7030's 202 says that too, and means that a person must decide."""


@dataclass(frozen=True, slots=True)
class _Told:
    status: int
    body: bytes
    headers: Sequence[tuple[str, str]]


class _Outcome(StrEnum):
    """What is counted. Who guesses secrets leaves no trace in the audit log: nobody's organization is concerned."""

    CERTIFIED = "certified"
    NO_SECRET = "no_secret"
    UNKNOWN_SECRET = "unknown_secret"
    UNUSABLE_SECRET = "unusable_secret"
    NO_CERTIFICATE = "no_certificate"
    UNUSABLE_CERTIFICATE = "unusable_certificate"
    REFUSED = "refused"
    LIMITED = "limited"


class _Unfit(Exception):  # noqa: N818 - a verdict on the request, not an error of ours
    """The request is answered without being looked into any further."""

    def __init__(self, told: _Told) -> None:
        super().__init__(told.status)
        self.told = told


class EstApp:
    """Serves one environment. A path may name it as its CA label (RFC 7030 3.2.2); there is no other label.

    Failures are counted by address, outcomes in `metrics`, and `outages` become 503.
    """

    def __init__(
        self,
        platform: Platform,
        environment: EnvironmentName,
        *,
        clock: Callable[[], datetime],
        limits: RateLimits,
        metrics: Metrics,
        outages: tuple[type[Exception], ...] = (),
    ) -> None:
        self._platform = platform
        self._environment = environment
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._outages = outages

    def serves(self, path: str) -> bool:
        return path.startswith(PLACE)

    async def __call__(self, call_id: str, arrived: Arrival, receive: Receive, send: Send) -> None:
        try:
            told = await self._answer(arrived, receive)
        except _Unfit as unfit:
            told = unfit.told
        except RateLimited as limited:
            wait = ("Retry-After", str(limited.retry_after_s))
            told = _told(HTTPStatus.TOO_MANY_REQUESTS, f"The limit is {limited.limit}.", wait)
        except ClientGone:
            raise
        except self._outages as outage:
            log.warning("est.unavailable", call_id=call_id, error=type(outage).__name__)
            told = _again("The server cannot answer now. Try again in a few seconds.")
        except Exception:
            log.exception("est.failed", call_id=call_id)
            told = _told(
                HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed. Its log has this answer's Correlation-Id."
            )
        body = b"" if arrived.method == "HEAD" else told.body
        own = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Correlation-Id", call_id))
        await send_answer(send, told.status, [*told.headers, *own], body)

    async def _answer(self, arrived: Arrival, receive: Receive) -> _Told:
        self._limits.count_page(arrived.address)
        match self._operation(arrived):
            case "cacerts":
                return _certificates(await to_thread.run_sync(self._authorities))
            case "csrattrs":
                return _Told(HTTPStatus.NO_CONTENT, b"", ())  # RFC 7030 4.5.2: there is nothing to ask for
            case "simpleenroll":
                return await self._enrol(arrived, receive)
            case _:
                return await self._reenrol(arrived, receive)

    def _operation(self, arrived: Arrival) -> str:
        below = arrived.path.removeprefix(PLACE).removeprefix(f"{self._environment.lower()}/")
        allowed = _METHODS.get(below)
        if allowed is None:
            text = f"There is {', '.join(_METHODS)} at {PLACE}, and nothing else."
            raise _Unfit(_told(HTTPStatus.NOT_FOUND, text, _CLOSE))
        if arrived.method not in allowed:
            named = ("Allow", ", ".join(allowed))
            raise _Unfit(_told(HTTPStatus.METHOD_NOT_ALLOWED, "This method is not served here.", named, _CLOSE))
        return below

    def _authorities(self) -> tuple[bytes, ...]:
        # RFC 7030 4.1.3: the root and all below it, those that will sign next among them.
        return authorities.chains(self._platform, self._environment, now=self._clock())

    async def _enrol(self, arrived: Arrival, receive: Receive) -> _Told:
        self._check_attempts(arrived, "simpleenroll")
        csr, secret = await _request(arrived, receive), _secret(arrived)
        if not secret:
            self._count(arrived, "simpleenroll", _Outcome.NO_SECRET)
            return _unproven("Show an enrolment secret: HTTP Basic, the secret as the password.")
        try:
            made = await to_thread.run_sync(lambda: self._issue_first(secret, csr, arrived.address))
        except Refusal as refusal:
            if refusal.code not in _HAS_NO_RIGHT:
                self._tell("simpleenroll", _Outcome.REFUSED)
                return _refused(refusal)
            self._count(arrived, "simpleenroll", await to_thread.run_sync(self._wrong, secret))
            return _unproven(_NOT_VALID)
        self._tell("simpleenroll", _Outcome.CERTIFIED)
        return _certificates([made.certificate_der])

    async def _reenrol(self, arrived: Arrival, receive: Receive) -> _Told:
        self._check_attempts(arrived, "simplereenroll")
        csr = await _request(arrived, receive)
        if not arrived.certificate:
            self._count(arrived, "simplereenroll", _Outcome.NO_CERTIFICATE)
            return _forbidden("Present the certificate that is to be followed, in the TLS handshake.")
        try:
            made = await to_thread.run_sync(lambda: self._issue_next(arrived.certificate, csr, arrived.address))
        except Refusal as refusal:
            if refusal.code not in _HAS_NO_RIGHT:
                self._tell("simplereenroll", _Outcome.REFUSED)
                return _refused(refusal)
            self._count(arrived, "simplereenroll", _Outcome.UNUSABLE_CERTIFICATE)
            return _forbidden(refusal.message)
        self._tell("simplereenroll", _Outcome.CERTIFIED)
        return _certificates([made.certificate_der])

    def _check_attempts(self, arrived: Arrival, operation: str) -> None:
        try:
            self._limits.check_attempts(arrived.address)
        except RateLimited:
            self._tell(operation, _Outcome.LIMITED)
            raise

    def _count(self, arrived: Arrival, operation: str, outcome: _Outcome) -> None:
        """Count a failure to prove something against the address as well."""
        self._limits.count_attempt(arrived.address)
        self._tell(operation, outcome)

    def _tell(self, operation: str, outcome: _Outcome) -> None:
        self._metrics.enrolment(self._environment, operation, outcome)

    def _wrong(self, secret: str) -> _Outcome:
        known = enrolment_secrets.find(self._platform, secret) is not None
        return _Outcome.UNUSABLE_SECRET if known else _Outcome.UNKNOWN_SECRET

    def _issue_first(self, secret: str, csr: bytes, address: str) -> Credential:
        return enrolment.enrol(self._platform, self._environment, secret, csr, address=address, now=self._clock())

    def _issue_next(self, presented: bytes, csr: bytes, address: str) -> Credential:
        return enrolment.reenrol(self._platform, self._environment, presented, csr, address=address, now=self._clock())


_NOT_VALID = (
    "The enrolment secret is not valid here: unknown, used, expired or revoked. Have a new one made in the portal, or "
    "with: credenza enrolment create"
)


def _secret(arrived: Arrival) -> str:
    """Read the password of HTTP Basic (RFC 7617 2), whatever the name; nothing when none is shown."""
    scheme, _, encoded = (arrived.authorization[0] if len(arrived.authorization) == 1 else "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


async def _request(arrived: Arrival, receive: Receive) -> bytes:
    """Read the certification request (DER) of a request. Raises _Unfit."""
    sent = [value.split(b";")[0].strip().lower() for name, value in arrived.headers if name == b"content-type"]
    if sent != [est.REQUEST.encode()]:
        raise _Unfit(_told(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send it as Content-Type: {est.REQUEST}", _CLOSE))
    if (arrived.content_length or 0) > est.LONGEST_BODY:
        raise _Unfit(_too_large())
    try:
        async with asyncio.timeout(_BODY_DEADLINE_S):
            body = await read_body(receive, limit_bytes=est.LONGEST_BODY, memory_bytes=est.LONGEST_BODY)
        return est.read_request(body.in_memory or b"")
    except TooLarge as error:
        raise _Unfit(_too_large()) from error
    except TimeoutError as error:
        raise _Unfit(_told(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time.", _CLOSE)) from error
    except Malformed as error:
        raise _Unfit(_told(HTTPStatus.BAD_REQUEST, str(error))) from error


_CLOSE = ("Connection", "close")
"""What was not read to its end must not be taken for the next request."""


def _too_large() -> _Told:
    text = f"A request has {est.LONGEST_BODY} bytes at most."
    return _told(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, _CLOSE)


def _certificates(ders: Sequence[bytes]) -> _Told:
    headers = (("Content-Type", est.CERTIFICATES), ("Content-Transfer-Encoding", "base64"))
    return _Told(HTTPStatus.OK, est.write_certificates(ders), headers)


def _refused(refusal: Refusal) -> _Told:
    if refusal.code in _AGAIN:
        return _again(refusal.message)
    status = REASONS[CODES[refusal.code]].status
    wait = [("Retry-After", str(RETRY_AFTER_S))] if status is HTTPStatus.SERVICE_UNAVAILABLE else []
    return _told(status, refusal.message, *wait)


def _again(text: str) -> _Told:
    return _told(HTTPStatus.SERVICE_UNAVAILABLE, text, ("Retry-After", str(RETRY_AFTER_S)))


def _unproven(text: str) -> _Told:
    return _told(HTTPStatus.UNAUTHORIZED, text, _CHALLENGE)


def _forbidden(text: str) -> _Told:
    """Not 401: no challenge of HTTP names what is missing, a certificate in TLS."""
    return _told(HTTPStatus.FORBIDDEN, text)


def _told(status: int, text: str, *headers: tuple[str, str]) -> _Told:
    return _Told(status, f"{text}\n".encode(), (_TEXT, *headers))
