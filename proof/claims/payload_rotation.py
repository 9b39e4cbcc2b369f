"""Keys of payloads are rolled under constant traffic: Client Encryption Keys side by side, the Encryption Key by a
swap, the signature key with a grace. No call is lost, and every answer can be read."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from tests.gate.scene import Client
from tests.installation import SANDBOX, now
from tests.servers import HOST, NginxServer

from credenza.actions import service_keys, services
from credenza.actions.service_key_admission import ByPublicKey, MadeHere
from credenza.cli import local
from credenza.domain.model import AuthenticationType, Credential, CredentialKind, ProjectId, ServiceId
from credenza.protocol import detached_jws, payload, payload_rules
from credenza.protocol.payload import Recipient
from proof import stage
from proof.calls import ADMITTED, Line, authorization, make_keys, request
from proof.claim import Claim, Progress, hold
from proof.stage import Stage

_CLIENTS = 4
_PATIENCE_S = 120.0
_PREFIX = "/cards"
_TARGET = f"{_PREFIX}/7"
_RULES = '{"encryption":{"mode":"JWE"},"signature":{"graceS":3600}}'
_ANSWER = {"card": "5105105105105100"}


@dataclass(frozen=True, slots=True)
class _Signer:
    key: Credential
    private_key: RSAPrivateKey


@dataclass(slots=True)
class _Keys:
    """What the partner uses: any of `ours` to encrypt and any of `signers` to sign, all of `theirs` to decrypt."""

    ours: list[Credential] = field(default_factory=list)
    signers: list[_Signer] = field(default_factory=list)
    theirs: dict[str, RSAPrivateKey] = field(default_factory=dict)

    def find(self, fingerprint: str | None) -> RSAPrivateKey | None:
        return None if fingerprint is None else self.theirs.get(fingerprint)


@dataclass(slots=True)
class _Traffic:
    """How many calls each client has made; a call that began before a key was put aside may still use it."""

    calls: list[int] = field(default_factory=lambda: [0] * _CLIENTS)
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class _Partner:
    where: Stage
    project_id: ProjectId
    service_id: ServiceId
    client: Client

    def add(self, kind: CredentialKind) -> tuple[Credential, RSAPrivateKey | None]:
        made, key = self.where.installation, None
        new: ByPublicKey | MadeHere = MadeHere(secrets.token_hex(4))
        if kind is not CredentialKind.REQUEST_ENCRYPTION:
            (key,) = make_keys(1)
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            new = ByPublicKey(kind, secrets.token_hex(4), pem)
        place = (made.platform, made.actor, self.project_id, self.service_id)
        return service_keys.add(*place, new, SANDBOX, now=now()), key

    def activate(self, key: Credential) -> None:
        made = self.where.installation
        place = (made.platform, made.actor, self.project_id, self.service_id)
        service_keys.activate(*place, key.id, now=now())

    def revoke(self, key: Credential) -> None:
        made = self.where.installation
        place = (made.platform, made.actor, self.project_id, self.service_id)
        service_keys.revoke(*place, key.id, reason="rolled", now=now())


def on_sqlite(rotations: int) -> str:
    with stage.on_sqlite(workers=4) as where:
        return _proven(where, rotations)


def on_postgresql(rotations: int) -> str:
    with stage.on_postgresql(gates=2) as where:
        return _proven(where, rotations)


def _proven(where: Stage, rotations: int) -> str:
    with ExitStack() as stack:
        answer = json.dumps(_ANSWER)
        place = f"location / {{ default_type application/json; return 200 '{answer}'; }}"
        upstream = stack.enter_context(NginxServer(f"server {{ listen {HOST}:{{port}}; {place} }}"))
        made = where.installation
        service = made.add_service("Cards", _PREFIX, AuthenticationType.OAUTH10A, f"http://{HOST}:{upstream.port}")
        services.set_payload_rules(made.platform, local.OPERATOR, service.id, SANDBOX, _RULES, now=now())
        project, client = made.add_project(service=service)
        return asyncio.run(_prove(_Partner(where, project.id, service.id, client), rotations))


async def _prove(partner: _Partner, rotations: int) -> str:
    keys, traffic, progress = _Keys(), _Traffic(), Progress("rotations", rotations)
    active = await asyncio.to_thread(_begin, partner, keys)
    await _await_admission(partner, keys)
    clients = [asyncio.create_task(_use(partner, keys, traffic, number)) for number in range(_CLIENTS)]
    try:
        for _ in range(rotations):
            active = await _rotate(partner, keys, active, traffic, clients)
            progress.add()
    finally:
        traffic.stopping = True
        await asyncio.gather(*clients)
    return f"0 of {sum(traffic.calls):,} calls lost, and every answer read, while {3 * rotations:,} keys took over"


def _begin(partner: _Partner, keys: _Keys) -> Credential:
    ours, _ = partner.add(CredentialKind.REQUEST_ENCRYPTION)
    keys.ours.append(ours)
    keys.signers.append(_new_signer(partner))
    return _new_recipient(partner, keys)


def _new_signer(partner: _Partner) -> _Signer:
    key, private_key = partner.add(CredentialKind.REQUEST_SIGNATURE)
    assert private_key is not None, "the partner's own"
    return _Signer(key, private_key)


def _new_recipient(partner: _Partner, keys: _Keys) -> Credential:
    key, private_key = partner.add(CredentialKind.RESPONSE_ENCRYPTION)
    assert private_key is not None, "the partner's own"
    keys.theirs[Recipient(private_key.public_key()).named("PUBLIC_KEY")] = private_key
    return key


# --------------------------------------------------------------------------------------------------------------- calls


async def _await_admission(partner: _Partner, keys: _Keys) -> None:
    """An OAuth key that is new may be unknown to a gate for a second."""
    deadline = time.monotonic() + _PATIENCE_S
    for gate in partner.where.gates:
        async with Line(gate.port) as line:
            while (answer := await line.ask(_call(partner, keys))).status != ADMITTED:
                hold(time.monotonic() < deadline, f"no call is admitted: {answer.status} {answer.body[:300]!r}")
                await asyncio.sleep(0.1)


async def _use(partner: _Partner, keys: _Keys, traffic: _Traffic, number: int) -> None:
    """Call, at any of the gates, and read the answer."""
    ports = [gate.port for gate in partner.where.gates]
    while not traffic.stopping:
        async with Line(random.choice(ports)) as line:
            answer = await line.ask(_call(partner, keys))
        hold(answer.status == ADMITTED, f"a call was lost: {answer.status} {answer.body[:300]!r}")
        hold(_read(answer.body, answer.headers, keys) == _ANSWER, "an answer was not the API's")
        traffic.calls[number] += 1


def _call(partner: _Partner, keys: _Keys) -> bytes:
    rules = payload_rules.parse(_RULES).encryption
    assert rules is not None
    assert rules.requests is not None
    public_key = load_der_x509_certificate(random.choice(keys.ours).certificate_der).public_key()
    assert isinstance(public_key, RSAPublicKey)
    body = payload.encrypt(
        b'{"amount":1}', rules, rules.requests, recipient=Recipient(public_key), random=secrets.token_bytes
    ).body
    signer = random.choice(keys.signers)
    signature = detached_jws.sign(body, signer.private_key, algorithm="PS256", kid=signer.key.id, now=now())
    url = partner.where.gate.origin + _TARGET
    proof = authorization(partner.client, url, "POST", body)
    return request("POST", _TARGET, body=body, Authorization=proof, x_jws_signature=signature)


def _read(body: bytes, headers: dict[str, str], keys: _Keys) -> object:
    rules = payload_rules.parse(_RULES).encryption
    assert rules is not None
    assert rules.responses is not None
    plain = payload.decrypt(body, headers.items(), rules, rules.responses, keys=keys, random=secrets.token_bytes)
    return json.loads(plain)


# -------------------------------------------------------------------------------------------------------------- rotate


async def _rotate(
    partner: _Partner, keys: _Keys, active: Credential, traffic: _Traffic, clients: Sequence[asyncio.Task[None]]
) -> Credential:
    """Roll every kind once; the answer is the key that answers are encrypted to then."""
    next_ours, _ = await asyncio.to_thread(partner.add, CredentialKind.REQUEST_ENCRYPTION)
    next_signer = await asyncio.to_thread(_new_signer, partner)
    following = await asyncio.to_thread(_new_recipient, partner, keys)
    keys.ours.append(next_ours)
    await _let_all_call(traffic, clients)
    await asyncio.to_thread(partner.activate, following)
    await asyncio.to_thread(partner.activate, next_signer.key)
    keys.signers.append(next_signer)
    await _let_all_call(traffic, clients)
    # From here on nobody begins a call with the old ones; when all have called once more, nobody uses them.
    before, signed = keys.ours.pop(0), keys.signers.pop(0)
    await _let_all_call(traffic, clients)
    for key in (before, active, signed.key):
        await asyncio.to_thread(partner.revoke, key)
    await _let_all_call(traffic, clients)
    return following


async def _let_all_call(traffic: _Traffic, clients: Sequence[asyncio.Task[None]]) -> None:
    """Wait until every client has begun a call after now, and ended it."""
    since = list(traffic.calls)
    await _await(lambda: all(now >= then + 2 for now, then in zip(traffic.calls, since, strict=True)), clients)


async def _await(reached: Callable[[], bool], clients: Sequence[asyncio.Task[None]]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not reached():
        for client in clients:
            if client.done():
                client.result()  # says what broke
        hold(time.monotonic() < deadline, f"nothing came of it for {_PATIENCE_S:.0f} s")
        await asyncio.sleep(0.02)


CLAIMS = (
    Claim(
        "payload rotation, SQLite",
        "all three kinds of service credentials are rolled under constant traffic: no call lost; 4 workers",
        50,
        "rotations",
        on_sqlite,
        in_tests=1,
    ),
    Claim(
        "payload rotation, PostgreSQL",
        "the same with two gates on PostgreSQL",
        50,
        "rotations",
        on_postgresql,
        in_tests=1,
    ),
)
