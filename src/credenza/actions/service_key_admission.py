"""What a service credential must be before a project may hold it, and how it is stored; the steps of every action that
adds some.

Order of use: `read` outside any transaction, `reserve` in the first, `certify` outside again, `insert` in the second.
A key that is made here is made anew by every attempt: its private half is written in the transaction that stores it,
and what a crash leaves behind holds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from credenza.actions import issuing
from credenza.actions.context import Act, Attempt, Platform, recording
from credenza.actions.issuing import Issued, Reservation, Subject
from credenza.domain import lifecycle
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Credential,
    CredentialId,
    CredentialKind,
    Environment,
    Service,
    ServiceId,
    Status,
)
from credenza.domain.service_keys import TYPES, purpose
from credenza.protocol import distinguished_name, issuance, pem, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.public_key import PublicKey
from credenza.store import changes, credentials, service_keys
from credenza.store.service_keys import Place

_RSA_BITS = 2048
_PROFILES = {
    CredentialKind.RESPONSE_ENCRYPTION: issuance.ENCRYPTION_LEAF,
    CredentialKind.REQUEST_ENCRYPTION: issuance.ENCRYPTION_LEAF,
    CredentialKind.REQUEST_SIGNATURE: issuance.SIGNATURE_LEAF,
}


@dataclass(frozen=True, slots=True)
class ByRequest:
    """A key of the client's by its certification request (PEM or DER)."""

    kind: CredentialKind
    alias: str
    csr: bytes


@dataclass(frozen=True, slots=True)
class ByPublicKey:
    """A key of the client's by its SubjectPublicKeyInfo (PEM or DER)."""

    kind: CredentialKind
    alias: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class MadeHere:
    """A Client Encryption Key: its private half is the platform's."""

    alias: str


NewServiceKey: TypeAlias = ByRequest | ByPublicKey | MadeHere


@dataclass(frozen=True, slots=True)
class Offered:
    """A new service credential, read. No `key`: one is made here. No `name`: its certificate is named by its id."""

    kind: CredentialKind
    alias: str
    key: PublicKey | None = None
    name: x509.Name | None = None

    def named(self, credential_id: CredentialId) -> x509.Name:
        return self.name or distinguished_name.to_name((("CN", credential_id),))


@dataclass(frozen=True, slots=True)
class Certified:
    offered: Offered
    key: PublicKey
    issued: Issued
    wrapped_private_key: bytes | None


def read(platform: Platform, attempt: Attempt, new: NewServiceKey) -> Offered:
    """Read a new key and judge it. Refuses with INVALID_CSR and the cure."""
    match new:
        case MadeHere():
            return Offered(CredentialKind.REQUEST_ENCRYPTION, new.alias)
        case ByRequest():
            with recording(platform, attempt):
                _check_owner(new.kind)
            request = issuing.read_request(platform, attempt, new.csr)
            name = distinguished_name.to_name(request.subject)
            offered = Offered(new.kind, new.alias, request.public_key, name)
        case ByPublicKey():
            with recording(platform, attempt):
                _check_owner(new.kind)
                offered = Offered(new.kind, new.alias, _public_key(platform, new.public_key))
    with recording(platform, attempt):
        _check_algorithm(offered)
    return offered


def admit(act: Act, environment: Environment, service_id: ServiceId, offered: Offered) -> None:
    """Refuse a key that was given for the same purpose before: by its fingerprint the two could not be told apart, and
    one that was revoked must not come back."""
    if offered.key is None:
        return
    place = _place(act, environment, service_id, offered.kind)
    if service_keys.is_key_known(act.connection, place, public_key.spki_sha256(offered.key)):
        raise Refusal(
            Code.DUPLICATE_KEY,
            "This public key is or was used for the service here already. Make a new key pair and send that one.",
            field="csr",
        )


def reserve(
    act: Act, earlier: str | None, environment: Environment, service: Service, offered: Sequence[Offered]
) -> tuple[Reservation, ...]:
    """Admit the keys, and put on record what will be signed for them."""
    for each in offered:
        admit(act, environment, service.id, each)
    ends_at = lifecycle.ends(act.now, service.in_environment(environment.name))
    names = [each.named for each in offered]
    return issuing.reserve_each(act, earlier, environment.name, names, ends_at=ends_at)


def certify(
    platform: Platform, attempt: Attempt, offered: Sequence[Offered], reservations: Sequence[Reservation]
) -> tuple[Certified, ...]:
    return tuple(map(partial(_certify, platform, attempt), offered, reservations))


def insert(act: Act, environment: Environment, service_id: ServiceId, certified: Certified) -> Credential:
    """Store a certified key. It is admitted again under the lock, and starts as what is active then allows."""
    offered, reservation = certified.offered, certified.issued.reservation
    admit(act, environment, service_id, offered)
    status = _first_status(act, _place(act, environment, service_id, offered.kind))
    made = Credential(
        id=reservation.key_id,
        organization_id=act.organization_id,
        kind=offered.kind,
        project_id=act.the_project.id,
        environment=environment.name,
        client_id=environment.client_id,
        alias=offered.alias,
        status=status,
        key_algorithm=public_key.algorithm_name(certified.key),
        public_key_der=public_key.spki_der(certified.key),
        spki_sha256=public_key.spki_sha256(certified.key),
        certificate_der=certified.issued.der,
        not_before=reservation.not_before,
        not_after=reservation.not_after,
        owner_id=act.actor.user_id,
        created_at=act.now,
        service_id=service_id,
        inactive_since=act.now if status is Status.INACTIVE else None,
    )
    credentials.insert_credential(act.connection, made)
    if certified.wrapped_private_key is not None:
        service_keys.insert_private_key(act.connection, act.organization_id, made.id, certified.wrapped_private_key)
    # Told of at once: gates remember all keys of a project and a service together.
    changes.record(act.connection, act.organization_id, changes.ChangeKind.SERVICE_KEY, act.the_project.id)
    return made


def _certify(platform: Platform, attempt: Attempt, offered: Offered, reservation: Reservation) -> Certified:
    key, wrapped = offered.key, None
    if key is None:
        private_key = rsa.generate_private_key(public_exponent=public_key.RSA_EXPONENT, key_size=_RSA_BITS)
        pkcs8 = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        key, wrapped = private_key.public_key(), platform.vault.wrap(purpose(reservation.key_id), pkcs8)
    subject = Subject(offered.named(reservation.key_id), key)
    issued = issuing.sign(platform, attempt, subject, reservation, profile=_PROFILES[offered.kind])
    return Certified(offered, key, issued, wrapped)


def _first_status(act: Act, place: Place) -> Status:
    usable = service_keys.count_usable(act.connection, place, now=act.now) > 0
    status = lifecycle.first_status(place.kind, usable=usable)
    if status is Status.ACTIVE and lifecycle.RULES[place.kind].one_active:
        service_keys.make_room(act.connection, place, now=act.now)  # an expired one still has the place
    return status


def _place(act: Act, environment: Environment, service_id: ServiceId, kind: CredentialKind) -> Place:
    return Place(act.the_project.id, service_id, environment.name, kind)


def _check_owner(kind: CredentialKind) -> None:
    if kind is CredentialKind.REQUEST_ENCRYPTION:
        raise Refusal(
            Code.KEY_TYPE, "A CLIENT_ENCRYPTION key is made here: send neither a request nor a key.", field="type"
        )


def _public_key(platform: Platform, offered: bytes) -> PublicKey:
    try:
        key = public_key.parse(pem.read(offered, labels=("PUBLIC KEY",), field="public key"))
        public_key.check_key_policy(key, allow_ec=True)
    except (Malformed, Refused) as error:
        raise _unfit(str(error)) from error
    weakness = platform.weak_keys.check(public_key.spki_der(key))
    if weakness is not None:
        raise _unfit(f"This key is known to be weak: {weakness}. Make a new one.")
    return key


def _check_algorithm(offered: Offered) -> None:
    """RSA-OAEP wraps with RSA alone (RFC 7518 4.3); signatures are made with RSA or on P-256."""
    if offered.kind is CredentialKind.RESPONSE_ENCRYPTION and not isinstance(offered.key, rsa.RSAPublicKey):
        raise Refusal(
            Code.INVALID_CSR,
            f"A {TYPES[offered.kind]} key is an RSA key of 2048 to 4096 bits. Make one with: "
            "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem",
            field="csr",
        )


def _unfit(why: str) -> Refusal:
    return Refusal(Code.INVALID_CSR, why, field="publicKey")
