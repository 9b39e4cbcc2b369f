"""The token server over HTTP, at its own places of an environment's origin (settled 1).

RFC 6749 5 for answers, RFC 7662 and RFC 7009 for tokens that were given, RFC 8414 for metadata, RFC 7517 for the key
set. Plain ASGI, as the gate it is part of.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from credenza.domain.model import EnvironmentName
from credenza.domain.token_keys import CACHE_TIME, IssuerKind
from credenza.gate.answers import JSON, Reply, Send, encoded, fields, send_answer, send_encoded
from credenza.gate.arrival import Arrival
from credenza.gate.body import Receive, TooLarge, read_body
from credenza.gate.compat import ROOT
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import GateClosed
from credenza.gate.token_desk import TokenDesk
from credenza.gate.token_faults import Fault
from credenza.gate.token_request import LONGEST_FORM
from credenza.gate.token_server import Denial, Granted, TokenCall
from credenza.protocol.jose import Algorithm
from credenza.wire.decisions import DPOP_NONCE, REFUSAL_ID


@dataclass(frozen=True, slots=True)
class Places:
    """Where an issuer is served at its origin: its own path, and what is below."""

    kind: IssuerKind
    root: str
    token: str
    introspect: str
    revoke: str
    key_set: str
    metadata: str

    @classmethod
    def below(cls, root: str, kind: IssuerKind) -> Places:
        return cls(
            kind=kind,
            root=root,
            token=root + TOKEN,
            introspect=root + INTROSPECT,
            revoke=root + REVOKE,
            key_set=root + KEY_SET,
            metadata=METADATA + root,  # RFC 8414 3.1: the issuer's own path comes last
        )

    @property
    def forms(self) -> frozenset[str]:
        return frozenset((self.token, self.introspect, self.revoke))


TOKEN = "/oauth/token"
INTROSPECT = "/oauth/introspect"
REVOKE = "/oauth/revoke"
KEY_SET = "/oauth/jwks"
METADATA = "/.well-known/oauth-authorization-server"

# RFC 6749 5.2 and RFC 9449 8.1: what may stand in an error_description.
_NOT_FOR_DESCRIPTIONS = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_BODY_DEADLINE_S = 10.0
_ALWAYS = tuple(encoded([("Content-Type", JSON), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]))
_OWN_FIELDS = fields(_ALWAYS) + b"correlation-id: %b\r\ncontent-length: %d\r\n"


FAPI2 = Places.below("", IssuerKind.FAPI2)
COMPAT = Places.below(ROOT, IssuerKind.COMPAT)


class _Told(NamedTuple):
    """An answer, without what is the same in all of them."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]]


class _TokenAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 6749 5.1. `scope` is left out where none is asked for, and not where none was granted."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str | None = None


class TokenApp:
    """Serves one issuer. `origin` is as the outside spells it, without a path; `mutual_tls` the one where clients
    present certificates, which may be the same; None where they cannot."""

    def __init__(
        self,
        environment: EnvironmentName,
        origin: str,
        desk: TokenDesk,
        issuers: Issuers,
        *,
        clock: Callable[[], datetime],
        mutual_tls: str | None = None,
        places: Places = FAPI2,
    ) -> None:
        self._environment = environment
        self._usual_origin = origin
        self._issuer = f"{origin}{places.root}"
        self._places = places
        self._served = places.forms | {places.key_set, places.metadata}
        self._desk = desk
        self._issuers = issuers
        self._clock = clock
        told = metadata(origin, mutual_tls) if places is FAPI2 else compat_metadata(origin)
        self._metadata = msgspec.json.encode(told)
        self._alias = mutual_tls if mutual_tls != origin else None
        self._alias_host = (self._alias or "").partition("://")[2]

    def serves(self, path: str) -> bool:
        return path in self._served

    @property
    def forms(self) -> frozenset[bytes]:
        """The targets that take a form, which `reply` answers."""
        return frozenset(path.encode() for path in self._places.forms)

    async def __call__(self, call_id: str, arrived: Arrival, receive: Receive, send: Send) -> None:
        public = arrived.path in (self._places.key_set, self._places.metadata)
        allowed = ("GET", "HEAD") if public else ("POST",)
        if arrived.method not in allowed:
            told = _told(405, _error("This method is not served here."), (("Allow", ", ".join(allowed)),))
            await _send(send, call_id, told)
        elif public:
            await self._public(call_id, arrived.path, send)
        else:
            await self._form(call_id, arrived, receive, send)

    async def reply(self, call_id: str, arrived: Arrival, form: bytes) -> Reply:
        """Answer a form that has come whole."""
        told = await self._decide(call_id, arrived, form)
        own = _OWN_FIELDS % (call_id.encode("ascii"), len(told.body))
        return Reply(told.status, own + (fields(encoded(told.headers)) if told.headers else b""), told.body)

    async def _form(self, call_id: str, arrived: Arrival, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(_BODY_DEADLINE_S):
                body = await read_body(receive, limit_bytes=LONGEST_FORM, memory_bytes=LONGEST_FORM)
        except (TooLarge, TimeoutError):
            text = f"The body has to come at once, and have {LONGEST_FORM} bytes at most."
            await _send(send, call_id, _told(400, _error(text), (("Connection", "close"),)))
            return
        await _send(send, call_id, await self._decide(call_id, arrived, body.in_memory or b""))

    async def _decide(self, call_id: str, arrived: Arrival, form: bytes) -> _Told:
        call = self._call(call_id, arrived, form)
        if arrived.path == self._places.token:
            answer = await self._desk.grant(call)
            if isinstance(answer, Granted):
                return _Told(200, _granted(answer), self._nonce(needed=False))
            return self._denied(call, answer)
        asks = arrived.path == self._places.introspect
        said = await (self._desk.introspect(call) if asks else self._desk.revoke(call))
        return self._denied(call, said) if isinstance(said, Denial) else _told(200, said)

    def _denied(self, call: TokenCall, denial: Denial) -> _Told:
        headers = [*_said_with(denial, call), *self._nonce(needed=denial.fault is Fault.NONCE)]
        return _told(denial.ruling.status, _denied(denial), headers)

    async def _public(self, call_id: str, path: str, send: Send) -> None:
        if path == self._places.metadata:
            body = self._metadata
        else:
            with suppress(GateClosed):  # then as it was known last: clients may keep it for as long anyway
                self._desk.look()
            body = self._issuers.key_set(self._environment, self._places.kind, now=self._clock())
        lasting = ("Cache-Control", f"public, max-age={CACHE_TIME.seconds}")
        await send_answer(send, 200, [("Content-Type", JSON), lasting, ("Correlation-Id", call_id)], body)

    def _nonce(self, *, needed: bool) -> tuple[tuple[str, str], ...]:
        """Clients keep one nonce for token server and gate, from whichever answer they saw last."""
        return ((DPOP_NONCE, self._desk.nonce()),) if needed or self._desk.requires_nonce else ()

    def _origin(self, arrived: Arrival) -> str:
        """Of the origins that are ours, the one that was called: a proof names it. Host chooses, and names none."""
        is_alias = self._alias is not None and arrived.host.lower() == self._alias_host
        return self._alias or "" if is_alias else self._usual_origin

    def _call(self, call_id: str, arrived: Arrival, body: bytes) -> TokenCall:
        return TokenCall(
            id=call_id,
            environment=self._environment,
            issuer=self._issuer,
            uri=f"{self._origin(arrived)}{arrived.path}",
            query=arrived.query,
            content_type=b",".join(arrived.content_types).decode("latin-1"),
            body=body,
            authorization=arrived.authorization,
            proofs=arrived.proofs,
            certificate=arrived.certificate,
            address=arrived.address,
            user_agent=arrived.user_agent,
        )


def metadata(issuer: str, mutual_tls: str | None) -> dict[str, object]:
    """RFC 8414 2 and RFC 8705 3.3 and 5. Response types are left out: a list that would be empty has to be."""
    algorithms = [each.value for each in Algorithm]
    methods = ["private_key_jwt", *(["tls_client_auth"] if mutual_tls else [])]
    usual = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}{TOKEN}",
        "jwks_uri": f"{issuer}{KEY_SET}",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": algorithms,
        "introspection_endpoint": f"{issuer}{INTROSPECT}",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint": f"{issuer}{REVOKE}",
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
    }
    return usual | (_by_certificate(issuer, mutual_tls) if mutual_tls else {})


def compat_metadata(origin: str) -> dict[str, object]:
    """The same for the issuer that takes client secrets: nothing of FAPI is in here, and nothing of this in FAPI's."""
    issuer, methods = f"{origin}{COMPAT.root}", ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "token_endpoint": f"{origin}{COMPAT.token}",
        "jwks_uri": f"{origin}{COMPAT.key_set}",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": f"{origin}{COMPAT.introspect}",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint": f"{origin}{COMPAT.revoke}",
        "revocation_endpoint_auth_methods_supported": methods,
    }


def _by_certificate(issuer: str, mutual_tls: str) -> dict[str, object]:
    # RFC 8705 5: aliases are for endpoints that stand elsewhere; without any, clients use the ones above.
    places = {"token_endpoint": TOKEN, "revocation_endpoint": REVOKE, "introspection_endpoint": INTROSPECT}
    aliases = {name: f"{mutual_tls}{place}" for name, place in places.items()} if mutual_tls != issuer else {}
    return {
        "tls_client_certificate_bound_access_tokens": True,
        **({"mtls_endpoint_aliases": aliases} if aliases else {}),
    }


def _error(description: str) -> dict[str, object]:
    return {"error": "invalid_request", "error_description": description}


def _granted(granted: Granted) -> bytes:
    return msgspec.json.encode(
        _TokenAnswer(granted.access_token, granted.token_type, granted.expires_in_s, granted.scope)
    )


def _denied(denial: Denial) -> dict[str, object]:
    return {"error": denial.ruling.error, "error_description": _NOT_FOR_DESCRIPTIONS.sub("?", denial.told)}


def _said_with(denial: Denial, call: TokenCall) -> Iterator[tuple[str, str]]:
    yield REFUSAL_ID, denial.id
    if denial.fault is Fault.RESOURCE_SERVER or (denial.ruling.status == 401 and call.authorization):
        yield "WWW-Authenticate", 'Basic realm="token"'  # RFC 6749 5.2: the scheme that was tried
    if denial.ruling.status == 503 or denial.retry_after_s:
        yield "Retry-After", str(denial.retry_after_s or 1)


def _told(status: int, content: Mapping[str, object], headers: Sequence[tuple[str, str]] = ()) -> _Told:
    return _Told(status, msgspec.json.encode(content), headers)


async def _send(send: Send, call_id: str, told: _Told) -> None:
    own = [*_ALWAYS, (b"correlation-id", call_id.encode("ascii")), *encoded(told.headers)]
    await send_encoded(send, told.status, own, told.body)
