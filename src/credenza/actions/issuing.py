"""Certificates from a certification request to the row that holds them; shared by every kind that is certified.

Nothing is signed that is not on record: `reserve` records the serial in the reserving transaction, `sign` runs outside
any transaction, `completing` is the second transaction. No certificate leaves before its commit; one that lost its race
is abandoned on record. A crash leaves a reserved serial and nothing else; a retry with the same Idempotency-Key goes on
with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from credenza.actions import issuers
from credenza.actions.context import Act, Attempt, Platform, acting, recording
from credenza.actions.issuers import Issuer, Places
from credenza.actions.once import outrun
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CredentialId, EnvironmentName
from credenza.protocol import csr, distinguished_name, issuance, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.store import certificates, idempotency
from credenza.store.engine import writing

log = structlog.get_logger()

_KEY_ID_TAIL = "0" * 16


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a caller sends to have a key certified: a name to know it by, and a request (PEM or DER)."""

    alias: str
    csr: bytes


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a signature will say, drawn before it is made. Times are whole seconds, both ends included."""

    key_id: CredentialId
    authority_id: str
    serial_hex: str
    not_before: datetime
    not_after: datetime

    @property
    def encoded(self) -> str:
        return msgspec.json.encode(self).decode()


@dataclass(frozen=True)
class Subject:
    """Whose key is certified: what a certificate takes over from a request, or from the certificate it follows."""

    name: x509.Name
    key: public_key.PublicKey

    @cached_property
    def text(self) -> str:
        return self.name.rfc4514_string()


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate (DER) as it was signed, on record and not stored yet."""

    reservation: Reservation
    subject: Subject
    der: bytes


def read_request(
    platform: Platform, attempt: Attempt, request: bytes, *, allow_p384: bool = False
) -> csr.CertificationRequest:
    """Read a certification request and judge its key. Refuses with INVALID_CSR and the cure."""
    with recording(platform, attempt):
        try:
            found = csr.parse(request, allow_p384=allow_p384, allow_sha1=platform.policy.allow_sha1_requests)
        except (Malformed, Refused) as error:
            raise Refusal(Code.INVALID_CSR, str(error), field="csr") from error
        weakness = platform.weak_keys.check(found.spki_der)
        if weakness is not None:
            raise Refusal(Code.INVALID_CSR, f"This key is known to be weak: {weakness}. Make a new one.", field="csr")
        return found


def subject_of(request: csr.CertificationRequest) -> Subject:
    return Subject(distinguished_name.to_name(request.subject), request.public_key)


def reserve(
    act: Act,
    earlier: str | None,
    environment: EnvironmentName,
    subject: Subject,
    *,
    ends_at: datetime,
    key_id: CredentialId | None = None,
) -> Reservation:
    """Put on record what will be signed, or go on with what an `earlier` attempt of the same request has recorded."""
    if earlier is not None:
        return msgspec.json.decode(earlier, type=Reservation)
    drawn = _draw(act, environment, ends_at=ends_at, key_id=key_id)
    certificates.reserve(act.connection, act.organization_id, _serial(drawn, subject.text), now=act.now)
    if act.attempt.once is not None:
        idempotency.reserve(act.connection, act.actor.id, act.attempt.once.key_hash, drawn.encoded)
    return drawn


def reserve_each(
    act: Act,
    earlier: str | None,
    environment: EnvironmentName,
    names: Sequence[Callable[[CredentialId], x509.Name]],
    *,
    ends_at: datetime,
) -> tuple[Reservation, ...]:
    """Put several on record that are stored together, all or none. Their ids are drawn here; each of `names` says what
    the one of an id is called."""
    if earlier is not None:
        return msgspec.json.decode(earlier, type=tuple[Reservation, ...])
    drawn = tuple(_draw(act, environment, ends_at=ends_at, key_id=CredentialId(act.platform.new_id())) for _ in names)
    for each, name in zip(drawn, names, strict=True):
        serial = _serial(each, name(each.key_id).rfc4514_string())
        certificates.reserve(act.connection, act.organization_id, serial, now=act.now)
    if act.attempt.once is not None:
        idempotency.reserve(act.connection, act.actor.id, act.attempt.once.key_hash, _encoded(drawn))
    return drawn


def _draw(act: Act, environment: EnvironmentName, *, ends_at: datetime, key_id: CredentialId | None) -> Reservation:
    """Draw serial, period and (for a new key) key id: 32 hex digits and 16 zeros, as consumer keys have them."""
    issuer = issuers.signing(act.platform, act.connection, environment)
    _check_issuer(issuer, environment, now=act.now)
    period = issuance.validity(act.now, ends_at=ends_at, issuer_not_after=issuer.certificate.not_valid_after_utc)
    serial = issuance.serial_from(act.platform.random(issuance.SERIAL_RANDOM_BYTES))
    return Reservation(
        key_id=key_id or CredentialId(act.platform.random(16).hex() + _KEY_ID_TAIL),
        authority_id=issuer.id,
        serial_hex=f"{serial:x}",
        not_before=period.not_before,
        not_after=period.not_after,
    )


def _check_issuer(issuer: Issuer, environment: EnvironmentName, *, now: datetime) -> None:
    """Our own authority has ended: nothing is wrong with the request, and nobody but an operator can help."""
    end = issuer.certificate.not_valid_after_utc
    if end > now:
        return
    log.error("issuing.authority_ended", environment=environment, authority=issuer.id, ended=end.isoformat())
    raise Refusal(
        Code.ISSUER_ENDED,
        f"No key can be certified in {environment}: the platform's issuing authority ended on {end:%Y-%m-%d}. "
        "Tell the operator of the platform; nothing was changed.",
    )


def sign(
    platform: Platform,
    attempt: Attempt,
    subject: Subject,
    reservation: Reservation,
    *,
    profile: issuance.Profile = issuance.CLIENT_LEAF,
) -> Issued:
    """Sign what is on record, by the authority that it names."""
    with recording(platform, attempt):
        issuer = issuers.get(platform, reservation.authority_id)
        places = Places(platform.pki_url, issuer.id)
        platform.failpoint("before_signature")
        with issuers.reaching(platform, issuer):
            certificate = issuance.make_leaf(
                issuer.private_key,
                issuer.certificate,
                profile=profile,
                subject=subject.name,
                public_key=subject.key,
                serial_number=int(reservation.serial_hex, 16),
                validity=issuance.Validity(reservation.not_before, reservation.not_after),
                ca_issuers_url=places.certificate,
                crl_url=places.revocation_list,
                ocsp_url=places.status,
            )
        platform.failpoint("after_signature")
    return Issued(reservation, subject, certificate.public_bytes(Encoding.DER))


@contextmanager
def completing(platform: Platform, attempt: Attempt, issued: Issued) -> Iterator[Act]:
    """Do the second half: inside, the credential is stored; then certificate and audit row are, all or nothing."""
    with _completing(platform, attempt, issued.reservation.encoded, (issued,)) as act:
        yield act


@contextmanager
def completing_each(platform: Platform, attempt: Attempt, issued: tuple[Issued, ...]) -> Iterator[Act]:
    """The same for several that were reserved together."""
    encoded = _encoded(tuple(each.reservation for each in issued))
    with _completing(platform, attempt, encoded, issued) as act:
        yield act


@contextmanager
def _completing(platform: Platform, attempt: Attempt, encoded: str, issued: tuple[Issued, ...]) -> Iterator[Act]:
    serials = [_serial(each.reservation, each.subject.text) for each in issued]
    try:
        with acting(platform, attempt) as act:
            # First, so that a slow attempt whose twin has answered, or was refused, is told so and nothing else.
            for serial, each in zip(serials, issued, strict=True):
                _store(act, serial, each.der)
            yield act
    except Exception:
        try:
            _give_up(platform, attempt, serials, encoded)
        except Exception:  # the first failure is the one to tell; the serials stay reserved and the key taken
            log.exception("issuing.serial_left_reserved", serials=[each.serial_hex for each in serials])
        raise


def _store(act: Act, serial: certificates.Serial, der: bytes) -> None:
    """Store the certificate, unless a twin of this attempt has done so, or has given the serial up."""
    if not certificates.mark_issued(act.connection, serial, der):
        raise outrun()


def _give_up(platform: Platform, attempt: Attempt, serials: Sequence[certificates.Serial], encoded: str) -> None:
    """Abandon the serials and free the Idempotency-Key, unless the commit had gone through after all."""
    with writing(platform.database.records) as connection:
        for serial in serials:
            certificates.mark_abandoned(connection, serial)
        if attempt.once is not None:
            idempotency.release(connection, attempt.actor.id, attempt.once.key_hash, encoded)


def _encoded(reservations: tuple[Reservation, ...]) -> str:
    return msgspec.json.encode(reservations).decode()


def _serial(reservation: Reservation, subject: str) -> certificates.Serial:
    return certificates.Serial(
        authority_id=reservation.authority_id,
        serial_hex=reservation.serial_hex,
        credential_id=reservation.key_id,
        subject=subject,
        not_before=reservation.not_before,
        not_after=reservation.not_after,
    )
