"""Is this certificate good? Answered for everybody (RFC 6960), from the record of what we have issued.

Good is only what we have issued and not revoked; what was reserved, abandoned or never heard of is unknown. An answer
without a nonce is remembered as long as nothing has changed, and a minute at most; of one with a nonce what it says is
remembered, and signed anew for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, Generic, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection

from credenza.actions import issuers
from credenza.actions.context import Platform
from credenza.actions.revocation_reasons import reason_of
from credenza.domain.bounded_memory import BoundedMemory
from credenza.domain.errors import Refusal
from credenza.domain.model import PLATFORM, AuthorityId, CredentialId, Status
from credenza.protocol import issuance, ocsp
from credenza.protocol.crl import Reason
from credenza.protocol.errors import Malformed
from credenza.protocol.ocsp import CertId, Failure, Good, IssuerHashes, Responder, Revoked, Unknown
from credenza.store import authorities, certificates, changes, revocation_lists, status_responders
from credenza.store.authorities import Authority
from credenza.store.certificates import AuthorityRole
from credenza.store.engine import reading, writing
from credenza.store.revocation_lists import RESPONDER, Standing
from credenza.store.status_responders import StatusResponder

LIFE: Final = timedelta(minutes=10)
"""How long a client may rely on an answer."""
REMEMBERED: Final = timedelta(minutes=1)
RESPONDER_LIFE: Final = timedelta(days=7)
RESPONDER_RENEWED: Final = timedelta(days=3)
"""Left of its life when a responder is followed by another."""
LONGEST_REMEMBERED: Final = 1024
"""Room for ten certificates; in bytes of a request."""
USUAL_NONCES: Final = (32, 16)
"""What clients send, in bytes: RFC 9654 2.1, and what was usual before it. The others are looked up each time."""
_MOST_REMEMBERED: Final = 10_000
_MOST_REMEMBERED_BYTES: Final = 16 * 1024 * 1024
_OBJECT_BYTES: Final = 1_000
"""Roughly what is kept around the bytes of an answer, and of each certificate that was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`kept_for`: how long caches may keep it; nothing for one with a nonce, and for failures."""

    der: bytes = field(repr=False)
    kept_for: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What an answer says, whoever signs it; to `request` and to others like it."""

    request: ocsp.Request
    statuses: Mapping[CertId, ocsp.Status]
    authority_id: AuthorityId


@dataclass(frozen=True, slots=True)
class _Known:
    responder: Responder
    renewed_at: datetime


_Said = TypeVar("_Said", Answer, _Finding)


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[_Said]):
    said: _Said
    change_number: int
    since: datetime
    until: datetime


class CertificateStatus:
    """The responder of this process. `change_number` tells the last change of the sequence that is known here."""

    def __init__(self, platform: Platform, change_number: Callable[[], int] | None = None) -> None:
        self._platform = platform
        self.change_number = change_number or self._look_up_change_number
        self._responders: dict[AuthorityId, _Known] = {}
        self._hashes: dict[AuthorityId, IssuerHashes] = {}
        self._answers: BoundedMemory[_Remembered[Answer]] = _memory()
        self._findings: BoundedMemory[_Remembered[_Finding]] = _memory()
        self._one_at_a_time = Lock()
        self._remembering = Lock()

    def read_path(self, path: str) -> bytes:
        """Take a request out of a path; what is none comes out empty, and is answered as malformed."""
        try:
            return ocsp.parse_path(path)
        except Malformed:
            return b""

    def at_once(self, encoded: bytes, *, now: datetime) -> Answer | None:
        """Answer from memory, or not at all. Never waits where the change number is at hand."""
        return self.remembered(encoded, now=now) or self._signed_anew(encoded, now=now)

    def remembered(self, encoded: bytes, *, now: datetime) -> Answer | None:
        """The answer that was given before, if it is still true."""
        return self._still_true(self._answers.get(encoded), now)

    def answer(self, encoded: bytes, *, now: datetime, change_number: int | None = None) -> Answer:
        """Answer a request (DER), whatever it is. `change_number` was read before; else it is read here."""
        try:
            request = ocsp.parse(encoded)
        except Malformed:
            return Answer(ocsp.failure(Failure.MALFORMED_REQUEST))
        number = self.change_number() if change_number is None else change_number
        with reading(self._platform.database.records) as connection:
            authority = self._authority_of(connection, request.ids)
            if authority is None:
                return Answer(ocsp.failure(Failure.UNAUTHORIZED))
            statuses = self._statuses(connection, authority, request.ids)
        try:
            responder = self._responder(authority, now=now)
        except Refusal:  # the authority's key is away, and it has nobody else to answer
            return Answer(ocsp.failure(Failure.TRY_LATER))
        answer = _signed(request, statuses, responder, now=now)
        self._remember(encoded, _Finding(request, statuses, authority.id), answer, number, now)
        return answer

    def _signed_anew(self, encoded: bytes, *, now: datetime) -> Answer | None:
        """Sign what was said to a request that differs in its nonce alone, if it is still true."""
        for length in USUAL_NONCES:
            finding = self._still_true(self._findings.get(encoded[:-length]), now)
            if finding is not None and len(finding.request.nonce) == length:
                responder = self._ready_responder(finding.authority_id, now)
                request = ocsp.Request(finding.request.ids, encoded[-length:])
                return None if responder is None else _signed(request, finding.statuses, responder, now=now)
        return None

    def _still_true(self, found: _Remembered[_Said] | None, now: datetime) -> _Said | None:
        if found is None or not found.since <= now < found.until or self.change_number() != found.change_number:
            return None
        return found.said

    def _look_up_change_number(self) -> int:
        with reading(self._platform.database.records) as connection:
            return changes.current(connection)

    def _remember(self, encoded: bytes, finding: _Finding, answer: Answer, change_number: int, now: datetime) -> None:
        unknown = any(isinstance(each, Unknown) for each in finding.statuses.values())
        if unknown or len(encoded) > LONGEST_REMEMBERED:
            return
        nonce, until = finding.request.nonce, now + REMEMBERED
        size_bytes = len(encoded) + len(answer.der) + _OBJECT_BYTES * (1 + len(finding.request.ids))
        with self._remembering:
            if not nonce:
                self._answers.put(encoded, _Remembered(answer, change_number, now, until), size_bytes=size_bytes)
            elif len(nonce) in USUAL_NONCES and (stem := ocsp.stem(encoded, finding.request)):
                self._findings.put(stem, _Remembered(finding, change_number, now, until), size_bytes=size_bytes)

    def _authority_of(self, connection: Connection, ids: tuple[CertId, ...]) -> Authority | None:
        """The authority of the first certificate that is one of ours; answers speak for one authority."""
        for each in authorities.list_all(connection):
            if each.role is AuthorityRole.ISSUING and any(self._names(each, wanted) for wanted in ids):
                return each
        return None

    def _names(self, authority: Authority, wanted: CertId) -> bool:
        hashes = self._hashes.get(authority.id)
        if hashes is None:
            hashes = IssuerHashes.of(x509.load_der_x509_certificate(authority.certificate_der))
            self._hashes[authority.id] = hashes
        return hashes.name(wanted)

    def _statuses(
        self, connection: Connection, authority: Authority, ids: tuple[CertId, ...]
    ) -> dict[CertId, ocsp.Status]:
        ours = {each: f"{each.serial_number:x}" for each in ids if self._names(authority, each)}
        found = revocation_lists.standings(connection, authority.id, set(ours.values()))
        return {each: _status(found.get(ours.get(each, ""))) for each in ids}

    def _responder(self, authority: Authority, *, now: datetime) -> Responder:
        known = self._ready_responder(authority.id, now)
        if known is not None:
            return known
        with self._one_at_a_time:
            return self._find_responder(authority, now=now)

    def _ready_responder(self, identity: AuthorityId, now: datetime) -> Responder | None:
        """The responder that signs without a look for the one that follows it."""
        known = self._responders.get(identity)
        return known.responder if known is not None and now < known.renewed_at else None

    def _find_responder(self, authority: Authority, *, now: datetime) -> Responder:
        with reading(self._platform.database.records) as connection:
            found = status_responders.find(connection, authority.id)
        if found is None or now >= found.not_after - RESPONDER_RENEWED:
            found = _renew(self._platform, authority, found, now=now)
        made = _open(self._platform, found)
        self._responders[authority.id] = _Known(made, found.not_after - RESPONDER_RENEWED)
        return made


def _memory() -> BoundedMemory[_Remembered[_Said]]:
    return BoundedMemory(most=_MOST_REMEMBERED, most_bytes=_MOST_REMEMBERED_BYTES // 2)


def _signed(
    request: ocsp.Request, statuses: Mapping[CertId, ocsp.Status], responder: Responder, *, now: datetime
) -> Answer:
    der = ocsp.answer(request, statuses, responder, now=now, until=now + LIFE)
    return Answer(der) if request.nonce else Answer(der, REMEMBERED)


def renew_responders(platform: Platform, *, now: datetime) -> None:
    """Give authorities a new responder before the old one's certificate ends, so that nobody waits for it."""
    with reading(platform.database.records) as connection:
        ours = [each for each in authorities.list_all(connection) if each.role is AuthorityRole.ISSUING]
        found = {each.id: status_responders.find(connection, each.id) for each in ours}
    for each in ours:
        present = found[each.id]
        if present is not None and now >= present.not_after - RESPONDER_RENEWED:
            _renew(platform, each, present, now=now)


def _renew(
    platform: Platform, authority: Authority, present: StatusResponder | None, *, now: datetime
) -> StatusResponder:
    """Have a responder certified, or keep the present one to its end when the authority's key is away."""
    try:
        return _make(platform, authority, now=now)
    except Refusal:
        if present is None or now >= present.not_after:
            raise
        return present


def _make(platform: Platform, authority: Authority, *, now: datetime) -> StatusResponder:
    """Have a responder certified. Its serial number is on record before anything is signed, as any other's."""
    issuer = issuers.opened(platform, authority)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(issuer.certificate)
    period = issuance.validity(
        now, ends_at=now + RESPONDER_LIFE, issuer_not_after=issuer.certificate.not_valid_after_utc
    )
    number = issuance.serial_from(platform.random(issuance.SERIAL_RANDOM_BYTES))
    serial = certificates.Serial(
        authority_id=authority.id,
        serial_hex=f"{number:x}",
        credential_id=CredentialId(RESPONDER),
        subject=subject.rfc4514_string(),
        not_before=period.not_before,
        not_after=period.not_after,
    )
    with writing(platform.database.records) as connection:
        certificates.reserve(connection, PLATFORM, serial, now=now)
    platform.failpoint("before_responder_signature")
    with issuers.reaching(platform, issuer):
        certified = issuance.make_leaf(
            issuer.private_key,
            issuer.certificate,
            profile=issuance.RESPONDER,
            subject=subject,
            public_key=key.public_key(),
            serial_number=number,
            validity=period,
        )
    der = certified.public_bytes(Encoding.DER)
    pkcs8 = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    wrapped = platform.vault.wrap(purpose(authority.id), pkcs8)
    made = StatusResponder(authority.id, der, wrapped, certified.not_valid_after_utc)
    with writing(platform.database.records) as connection:
        certificates.mark_issued(connection, serial, der)
        status_responders.replace(connection, made)
    return made


def purpose(identity: AuthorityId) -> str:
    """What the private key of an authority's responder is wrapped for."""
    return f"ocsp responder of {identity}"


def _open(platform: Platform, found: StatusResponder) -> Responder:
    key = load_der_private_key(platform.vault.unwrap(purpose(found.authority_id), found.wrapped_private_key), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "made by _make"
    return Responder.of(x509.load_der_x509_certificate(found.certificate_der), found.certificate_der, key)


def _subject(issuer: x509.Certificate) -> x509.Name:
    """The authority's own name, with a common name that says what this is."""
    kept = [each for each in issuer.subject if each.oid != NameOID.COMMON_NAME]
    names = issuer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common_name = f"{str(names[0].value)[:45]} OCSP responder" if names else "OCSP responder"
    return x509.Name([*kept, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _status(found: Standing | None) -> ocsp.Status:
    if found is None or not found.issued:
        return Unknown()
    if found.credential_id == RESPONDER or found.status is Status.ACTIVE:
        return Good()
    if found.revoked_at is not None:
        return Revoked(found.revoked_at, reason_of(found.reason))
    if found.status is Status.INACTIVE:
        return Revoked(found.not_before, Reason.CERTIFICATE_HOLD)  # as in the list
    return Unknown()
