"""A payload put through a project's keys, for whoever sets them up: encrypted as the client does it, decrypted as the
gate does it, and encrypted as an answer. Nothing is called, and nothing kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from credenza.actions import service_keys as actions
from credenza.actions.context import Act, Attempt, Platform, viewing
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.lists import ServiceKeyQuery
from credenza.domain.model import (
    Actor,
    Credential,
    CredentialKind,
    EnvironmentName,
    ProjectId,
    ServiceId,
    Status,
)
from credenza.domain.service_keys import purpose
from credenza.protocol import payload, payload_rules, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.payload import Recipient, Rules, Sealed
from credenza.store import service_keys, services
from credenza.store.schema import thumbprint

LONGEST_BODY = 20_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it travels, and what the API behind the gate reads. `key` is the one it was encrypted to."""

    key: Credential
    sealed: Sealed
    plain: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The same body as an answer: only the client can decrypt it, with the private half of `key`."""

    key: Credential
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a body. None: that direction travels in plain, or has no usable key (`lacks`)."""

    request: Request | None
    answer: Answer | None
    lacks: tuple[CredentialKind, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    """What a trial works with, read in one transaction."""

    rules: Rules
    ours: Credential | None
    theirs: Credential | None
    wrapped_private_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _OnlyKey:
    """The one private key that a message may be for."""

    credential: Credential
    private_key: RSAPrivateKey = field(repr=False)

    def find(self, fingerprint: str | None) -> RSAPrivateKey | None:
        held = self.credential
        names = (None, held.spki_sha256, thumbprint(held.certificate_der), held.id)
        return self.private_key if fingerprint in names else None


def try_out(
    platform: Platform,
    actor: Actor,
    project_id: ProjectId,
    service_id: ServiceId,
    environment: EnvironmentName,
    body: bytes,
    *,
    now: datetime,
) -> Trial:
    """Put a JSON body through the keys that are active, by the rules of the service."""
    if len(body) > LONGEST_BODY:
        raise Refusal(Code.INVALID, f"At most {LONGEST_BODY} bytes are tried out.", field="payload")
    if not body.strip():
        raise Refusal(Code.INVALID, "Put in the JSON that is to be encrypted.", field="payload")
    with viewing(platform, Attempt(actor, Action.SERVICE_KEY_VIEW, now, project_id=project_id)) as act:
        held = _held(act, service_id, environment)
    requests, responses = held.rules.requests, held.rules.responses
    lacking = ((requests, held.ours, CredentialKind.REQUEST_ENCRYPTION),
               (responses, held.theirs, CredentialKind.RESPONSE_ENCRYPTION))  # fmt: skip
    try:
        return Trial(
            _request(platform, held, body) if requests and held.ours else None,
            _answer(platform, held, body) if responses and held.theirs else None,
            tuple(kind for direction, key, kind in lacking if direction and key is None),
        )
    except (Malformed, Refused) as error:
        raise Refusal(Code.INVALID, str(error), field="payload") from error


def _held(act: Act, service_id: ServiceId, environment: EnvironmentName) -> _Held:
    place = actions.place_of(act.the_project, service_id, environment)
    service = services.find(act.connection, service_id)
    where = None if service is None else service.in_environment(place.name)
    rules = None if where is None or where.payload_rules is None else payload_rules.parse(where.payload_rules)
    if rules is None or rules.encryption is None:
        raise Refusal(Code.INVALID, "Payloads of this service travel as they are: nothing is encrypted.")
    wanted = ServiceKeyQuery(service_id, environment, status=Status.ACTIVE, limit=1000)
    active = service_keys.list_page(act.connection, act.the_project.id, wanted, now=act.now)
    ours = _newest(active, CredentialKind.REQUEST_ENCRYPTION)
    return _Held(
        rules.encryption,
        ours,
        _newest(active, CredentialKind.RESPONSE_ENCRYPTION),
        b"" if ours is None else service_keys.load_private_key(act.connection, ours.id),
    )


def _newest(active: tuple[Credential, ...], kind: CredentialKind) -> Credential | None:
    return max((each for each in active if each.kind is kind), key=lambda each: each.created_at, default=None)


def _request(platform: Platform, held: _Held, body: bytes) -> Request:
    key, direction = held.ours, held.rules.requests
    assert key is not None, "asked before"
    assert direction is not None, "asked before"
    sealed = payload.encrypt(body, held.rules, direction, recipient=_recipient(key), random=platform.random)
    private_key = load_der_private_key(platform.vault.unwrap(purpose(key.id), held.wrapped_private_key), None)
    assert isinstance(private_key, RSAPrivateKey), "requests are encrypted to RSA keys"
    keys = _OnlyKey(key, private_key)
    plain = payload.decrypt(
        sealed.body, sealed.headers.items(), held.rules, direction, keys=keys, random=platform.random
    )
    return Request(key, sealed, plain)


def _answer(platform: Platform, held: _Held, body: bytes) -> Answer:
    key, direction = held.theirs, held.rules.responses
    assert key is not None, "asked before"
    assert direction is not None, "asked before"
    return Answer(key, payload.encrypt(body, held.rules, direction, recipient=_recipient(key), random=platform.random))


def _recipient(key: Credential) -> Recipient:
    found = public_key.parse(key.public_key_der)
    assert isinstance(found, RSAPublicKey), "payloads are encrypted to RSA keys"
    return Recipient(found, thumbprint(key.certificate_der), key.id)
