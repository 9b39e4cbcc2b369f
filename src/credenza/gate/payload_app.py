"""The payload API: for resource servers whose calls no reverse proxy of ours carries (sub-requests, middleware).

- `POST /oauth/payload/verify` and `/decrypt` open a request, `/encrypt` and `/sign` protect an answer, each as the
  rules of the service say; a step that they do not want changes nothing. Private keys never leave.
- `GET /.well-known/payload-keys`: what answers are signed with, as a JWK Set (RFC 7517 5).

Both are places of an environment's origin, like the token server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import msgspec

from credenza.domain.model import EnvironmentName
from credenza.domain.token_keys import CACHE_TIME, IssuerKind
from credenza.gate.answers import JSON, Send, send_answer, send_refusal
from credenza.gate.arrival import Arrival
from credenza.gate.body import Receive, TooLarge, read_body
from credenza.gate.decision import Call, Code, Evidence, Refused
from credenza.gate.desk import Desk
from credenza.gate.issuers import Issuers
from credenza.gate.keyring import Entry, GateClosed, Keyring, RouteTable
from credenza.gate.payload import DESCRIPTIONS, Message, PayloadFailure, Payloads, minified, own_headers, rules_of
from credenza.gate.payload_keys import PairKeys
from credenza.gate.resource_servers import Asker, ResourceServers
from credenza.protocol.oauth1 import Request
from credenza.protocol.payload_rules import PayloadRules
from credenza.store.payload_lookup import Parties
from credenza.wire.payloads import DECRYPT, ENCRYPT, KEY_SET, PLACE, STEPS, VERIFY, Done, Task

_BODY_DEADLINE_S = 10.0
_BESIDES_BYTES = 128 * 1024
_CHALLENGE = (("WWW-Authenticate", 'Basic realm="payload"'),)


class _Refusal(Exception):  # noqa: N818 - an answer
    def __init__(
        self,
        code: Code,
        description: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        task: Task | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(description)
        self.code = code
        self.headers = headers
        self.task = task
        self.hint = hint


class PayloadApp:
    """A corner of one environment's origin."""

    def __init__(
        self,
        environment: EnvironmentName,
        payloads: Payloads,
        servers: ResourceServers,
        routes: RouteTable,
        issuers: Issuers,
        keyring: Keyring,
        desk: Desk,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._environment = environment
        self._payloads = payloads
        self._servers = servers
        self._routes = routes
        self._issuers = issuers
        self._keyring = keyring
        self._desk = desk
        self._clock = clock
        # Base64 has four characters for three bytes.
        self._longest = payloads.limit_bytes * 4 // 3 + _BESIDES_BYTES

    def serves(self, path: str) -> bool:
        return path == KEY_SET or path.removeprefix(PLACE) in STEPS

    async def __call__(self, call_id: str, arrived: Arrival, receive: Receive, send: Send) -> None:
        allowed = ("GET", "HEAD") if arrived.path == KEY_SET else ("POST",)
        if arrived.method not in allowed:
            headers = [("Allow", ", ".join(allowed)), ("Content-Type", JSON), ("Connection", "close")]
            await send_answer(send, 405, headers, b"{}")
        elif arrived.path == KEY_SET:
            await self._key_set(send)
        else:
            await self._serve(call_id, arrived, receive, send)

    async def _key_set(self, send: Send) -> None:
        with suppress(GateClosed):  # then as it was known last: whoever verifies may keep it for as long anyway
            self._desk.look()
        body = self._issuers.key_set(self._environment, IssuerKind.PAYLOAD, now=self._clock())
        lasting = ("Cache-Control", f"public, max-age={CACHE_TIME.seconds}")
        await send_answer(send, 200, [("Content-Type", JSON), lasting], body)

    async def _serve(self, call_id: str, arrived: Arrival, receive: Receive, send: Send) -> None:
        try:
            done = await self._done(arrived, receive)
        except _Refusal as refusal:
            evidence = None if refusal.task is None else self._evidence(call_id, arrived, refusal.task, refusal.hint)
            refused = Refused(call_id, refusal.code, str(refusal), evidence, refusal.headers)
        except GateClosed:
            refused = Refused(call_id, Code.GATE_CLOSED, "The gate cannot tell who asks. Try again shortly.")
        else:
            headers = [("Content-Type", JSON), ("Cache-Control", "no-store")]
            await send_answer(send, 200, headers, msgspec.json.encode(done))
            return
        self._desk.note_further(refused, self._environment)  # the call itself was counted when it was admitted
        await send_refusal(send, refused, unread_body=refused.code in (Code.RESOURCE_SERVER, Code.BODY_TOO_LARGE))

    async def _done(self, arrived: Arrival, receive: Receive) -> Done:
        """Do what is asked. Whoever asks is looked at again after every wait, as keys are."""
        asker = await self._servers.find(self._environment, arrived.authorization)
        if asker is None:
            raise _Refusal(Code.RESOURCE_SERVER, "No resource server has this id and secret.", headers=_CHALLENGE)
        task = _task(await self._body(receive))
        try:
            rules = self._rules(task.service_id)
            pair = await self._payloads.keys(Parties(task.project_id, task.service_id, self._environment))
            self._check_known(asker)
            return self._take(arrived.path.removeprefix(PLACE), rules, pair, task)
        except PayloadFailure as failure:
            self._check_known(asker)
            raise _Refusal(failure.code, DESCRIPTIONS[failure.code], task=task, hint=failure.hint) from None

    def _check_known(self, asker: Asker) -> None:
        if not self._servers.is_known(asker):
            raise _Refusal(Code.RESOURCE_SERVER, "The resource server was removed.", headers=_CHALLENGE)

    def _evidence(self, call_id: str, arrived: Arrival, task: Task, hint: str) -> Evidence | None:
        """Say whose call it was, where the key that is named is one of the project's."""
        try:
            found = self._keyring.peek(task.key_id) if task.key_id else None
        except GateClosed:
            return None
        if not isinstance(found, Entry) or found.record.project_id != task.project_id:
            return None
        path, _, query = task.target.partition("?")
        request = Request(task.method, "https", arrived.host, path, query)
        call = Call(
            id=call_id,
            request=request,
            authorization=(task.scheme,),
            environment=self._environment,
            body_sha256=None,
        )
        return Evidence(call, self._clock(), None, found.record, hint, (arrived.path.removeprefix(PLACE),))

    async def _body(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(_BODY_DEADLINE_S):
                body = await read_body(receive, limit_bytes=self._longest, memory_bytes=self._longest)
        except TooLarge:
            text = f"A payload may have {self._payloads.limit_bytes} bytes at most."
            raise _Refusal(Code.BODY_TOO_LARGE, text) from None
        except TimeoutError:
            raise _Refusal(Code.BODY_TIMEOUT, "The body did not arrive in time.") from None
        return body.in_memory or b""

    def _rules(self, service_id: int) -> PayloadRules:
        route = self._routes.of_service(self._environment, service_id)
        if route is None:
            raise _Refusal(Code.BAD_REQUEST, f"{self._environment} has no service {service_id}.")
        return PayloadRules() if route.payload_rules is None else rules_of(route.payload_rules)

    def _take(self, step: str, rules: PayloadRules, pair: PairKeys, task: Task) -> Done:
        if len(task.payload) > self._payloads.limit_bytes:
            text = f"A payload may have {self._payloads.limit_bytes} bytes at most."
            raise _Refusal(Code.BODY_TOO_LARGE, text)
        if step in (VERIFY, DECRYPT):
            self._payloads.check_ready(rules, pair, self._environment, now=self._clock())
            return self._verified(rules, pair, task) if step == VERIFY else self._decrypted(rules, pair, task)
        return self._encrypted(rules, pair, task) if step == ENCRYPT else self._signed(rules, task)

    def _verified(self, rules: PayloadRules, pair: PairKeys, task: Task) -> Done:
        if rules.signature is not None and rules.signature.requests:
            self._payloads.verify(rules.signature, pair, _message(task), now=self._clock())
        return Done(task.payload, removed=_removed(rules))

    def _decrypted(self, rules: PayloadRules, pair: PairKeys, task: Task) -> Done:
        if rules.encryption is None:
            return Done(task.payload)
        plain = self._payloads.decrypt(rules.encryption, pair, _message(task), now=self._clock())
        return Done(plain, removed=_removed(rules))

    def _encrypted(self, rules: PayloadRules, pair: PairKeys, task: Task) -> Done:
        if rules.encryption is None or not task.payload:
            return Done(task.payload)
        sealed = self._payloads.encrypt(rules.encryption, pair, task.payload, status=task.status, now=self._clock())
        return Done(sealed.body, tuple(sealed.headers.items()), _removed(rules))

    def _signed(self, rules: PayloadRules, task: Task) -> Done:
        if rules.signature is None or not rules.signature.responses:
            return Done(task.payload)
        body = minified(task.payload)
        value = self._payloads.sign(rules.signature, self._environment, body, task.target, now=self._clock())
        return Done(body, (("x-jws-signature", value),), ("x-jws-signature",))


def _task(body: bytes) -> Task:
    try:
        return msgspec.json.decode(body, type=Task)
    except msgspec.MsgspecError as error:
        raise _Refusal(Code.BAD_REQUEST, f"The body cannot be read: {error}") from error


def _message(task: Task) -> Message:
    return Message(task.payload, task.headers, task.target)


def _removed(rules: PayloadRules) -> tuple[str, ...]:
    return tuple(sorted(own_headers(rules)))
