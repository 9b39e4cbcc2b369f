"""A client of OAuth 2.0 that says itself what it signs: tokens, and calls with them, one message at a time."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from tests.installation import SANDBOX, request_for

from credenza.actions import oauth_keys
from credenza.actions.issuing import NewKey
from credenza.domain.model import AuthenticationType, Project, ProjectType
from credenza.protocol import client_assertion, dpop
from proof.calls import ADMITTED, Answer, Line, request
from proof.claim import hold
from proof.stage import Stage

TOKEN = "/oauth/token"
INTROSPECT = "/oauth/introspect"
REVOKE = "/oauth/revoke"
_PATIENCE_S = 120.0
_PAUSE_S = 0.1
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Partner:
    """A key of a project that calls `prefix` with tokens; the same key proves possession."""

    origin: str
    prefix: str
    client_id: str
    kid: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def assertion(self) -> str:
        return client_assertion.write(
            client_id=self.client_id, kid=self.kid, issuer=self.origin, key=self.key, jti=_id(), now=_now()
        )

    def proof(self, method: str, path: str, token: str = "") -> str:
        return dpop.write(
            key=self.key, method=method, uri=self.origin + path, jti=_id(), now=_now(), access_token=token
        )

    def token_request(self, *, assertion: str = "", proof: str = "") -> bytes:
        """Ask for a token; what is not given is made anew."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": client_assertion.ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
        }
        return _form(TOKEN, form, DPoP=proof or self.proof("POST", TOKEN))

    def revocation(self, token: str) -> bytes:
        form = {"token": token, "client_assertion_type": client_assertion.ASSERTION_TYPE}
        return _form(REVOKE, form | {"client_assertion": self.assertion()})

    def call(self, token: str, path: str) -> bytes:
        return request("GET", path, Authorization=f"DPoP {token}", DPoP=self.proof("GET", path, token))

    async def fetch(self, line: Line) -> str:
        """Get a token. A gate on PostgreSQL hears of a new key a moment later, and one without Redis knows nothing."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            answer = await line.ask(self.token_request())
            if answer.status == ADMITTED:
                return self.read(answer)
            hold(time.monotonic() < deadline, f"no token was given: {answer.status} {answer.body[:200]!r}")
            await asyncio.sleep(_PAUSE_S)

    def read(self, granted: Answer) -> str:
        return msgspec.json.decode(granted.body, type=_Granted).access_token

    async def await_admission(self, ports: Sequence[int]) -> None:
        """Wait until every gate knows the key and the way to the API."""
        deadline = time.monotonic() + _PATIENCE_S
        for port in ports:
            async with Line(port) as line:
                token = await self.fetch(line)
                while await line.status(self.call(token, self.prefix)) != ADMITTED:
                    hold(time.monotonic() < deadline, f"a gate does not know {self.prefix}")
                    await asyncio.sleep(_PAUSE_S)


class _Granted(msgspec.Struct):
    access_token: str


class Partners:
    """A project that calls one API with tokens, and gets keys for it."""

    def __init__(self, where: Stage) -> None:
        self._installation = where.installation
        self._origin = where.gate.origin
        self._prefix = f"/parcels-{secrets.token_hex(4)}"
        service = where.installation.add_service(
            self._prefix, self._prefix, AuthenticationType.OAUTH2_FAPI, where.upstream
        )
        self.project: Project = where.installation.add_project(ProjectType.OAUTH2_FAPI, service)[0]

    def add(self) -> Partner:
        """Add a key. A project has three at a time: revoke one before the next."""
        made, key = self._installation, ec.generate_private_key(ec.SECP256R1())
        new = NewKey(f"key {_id()}", request_for(key))
        found = oauth_keys.add_by_csr(made.platform, made.actor, self.project.id, new, SANDBOX, now=_now())
        return Partner(self._origin, self._prefix, found.client_id, found.id, key)


def introspection(token: str, authorization: str) -> bytes:
    return _form(INTROSPECT, {"token": token}, Authorization=authorization)


def _form(path: str, form: dict[str, str], **headers: str) -> bytes:
    return request("POST", path, body=urlencode(form).encode(), Content_Type=_FORM, **headers)


def _id() -> str:
    return secrets.token_hex(8)


def _now() -> datetime:
    return datetime.now(UTC)
