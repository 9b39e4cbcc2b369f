"""What the demo shows of payloads: a service whose bodies are encrypted both ways, and service credentials of all three
types in several states, made by the actions themselves.

The partner's side is written to files: its private keys, and the certificates that it encrypts requests with. A file
has one of the two, because mastercard-client-encryption reads no more of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_certificate

from credenza.actions import project_services, service_keys, services
from credenza.actions.context import Platform
from credenza.actions.service_key_admission import ByRequest, MadeHere
from credenza.actions.services import NewService
from credenza.cli.demo_seed import Seeded
from credenza.domain.expiry import add_months
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    Credential,
    CredentialKind,
    EnvironmentName,
    ProjectId,
    Service,
    ServiceEnvironment,
)
from credenza.protocol import csr

_OPERATOR = Actor(ActorKind.OPERATOR, "demo")
_SANDBOX = EnvironmentName.SANDBOX
_DAY = timedelta(days=1)
_RULES = '{"encryption": {"mode": "JWE"}}'
"""Whole bodies, in requests and in responses."""


@dataclass(frozen=True, slots=True)
class _Counter:
    """Where the partner's keys for the service are made, and kept."""

    platform: Platform
    directory: Path
    owner: Actor
    project_id: ProjectId
    service: Service
    now: datetime

    def theirs(self, kind: CredentialKind, alias: str, age: timedelta) -> Credential:
        """A key of the partner's; its file has the private half."""
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        new = ByRequest(kind, alias, csr.build(private_key, common_name=alias, organization="Acme Payments"))
        made = self._add(new, age)
        pkcs8 = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._keep(alias, pkcs8)
        return made

    def ours(self, alias: str, age: timedelta) -> None:
        """A key that is the platform's; the partner's file has its certificate."""
        made = self._add(MadeHere(alias), age)
        self._keep(alias, load_der_x509_certificate(made.certificate_der).public_bytes(Encoding.PEM))

    def activate(self, key: Credential, age: timedelta) -> None:
        place = (self.project_id, self.service.id, key.id)
        service_keys.activate(self.platform, self.owner, *place, now=self.now - age)

    def revoke(self, key: Credential, reason: str) -> None:
        place = (self.project_id, self.service.id, key.id)
        service_keys.revoke(self.platform, self.owner, *place, reason=reason, now=self.now - _DAY)

    def _add(self, new: ByRequest | MadeHere, age: timedelta) -> Credential:
        place = (self.project_id, self.service.id)
        return service_keys.add(self.platform, self.owner, *place, new, _SANDBOX, now=self.now - age)

    def _keep(self, alias: str, pem: bytes) -> None:
        path = self.directory / f"{alias}.pem"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)


def seed(platform: Platform, directory: Path, seeded: Seeded, *, upstream: str, now: datetime) -> None:
    """Let the project of the demo use a service whose payloads are encrypted."""
    service = _offer(platform, upstream, now=now)
    project_id, begin = seeded.project.id, add_months(now, -12)
    project_services.add(platform, seeded.owner, project_id, _SANDBOX, service.id, now=begin)
    counter = _Counter(platform, directory, seeded.owner, project_id, service, now)
    _responses(counter)
    _requests(counter)
    _signatures(counter)


def _offer(platform: Platform, upstream: str, *, now: datetime) -> Service:
    places = tuple(ServiceEnvironment(each, "/tokenize", upstream, 13, None, _RULES) for each in EnvironmentName)
    new = NewService("Tokenize", AuthenticationType.DUAL_OAUTH, "Put a token in a card number's place.", places)
    return services.create(platform, _OPERATOR, new, now=add_months(now, -14))


def _responses(counter: _Counter) -> None:
    """One that was replaced, the one in its place, and one that never got so far."""
    kind = CredentialKind.RESPONSE_ENCRYPTION
    counter.theirs(kind, "tokenize-responses-2025", 340 * _DAY)
    lost = counter.theirs(kind, "tokenize-responses-laptop", 100 * _DAY)
    current = counter.theirs(kind, "tokenize-responses-2026", 30 * _DAY)
    counter.activate(current, 29 * _DAY)
    counter.revoke(lost, "laptop stolen")


def _requests(counter: _Counter) -> None:
    """Two side by side, the older about to end."""
    counter.ours("tokenize-requests-2025", 370 * _DAY)
    counter.ours("tokenize-requests-2026", 20 * _DAY)


def _signatures(counter: _Counter) -> None:
    """The active one, and the next."""
    kind = CredentialKind.REQUEST_SIGNATURE
    counter.theirs(kind, "tokenize-signatures-2026", 200 * _DAY)
    counter.theirs(kind, "tokenize-signatures-2027", 3 * _DAY)
