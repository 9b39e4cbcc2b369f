"""What a client's certificate must be before a project may hold it, and how it is stored; the steps of every action
that adds one.

Order of use: read outside any transaction; `admit_request` when a serial is reserved and `insert_issued` when it is
signed, or `insert_brought` alone. The subject is looked up first and taken by a constraint last: of two who ask at
once, one has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, product

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from credenza.actions import issuing
from credenza.actions.context import Act, Attempt, Platform, recording
from credenza.actions.issuing import Issued
from credenza.domain import lifecycle, subject_policy
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Credential,
    CredentialId,
    CredentialKind,
    Environment,
    EnvironmentName,
    Project,
    Provenance,
    Status,
    UserId,
)
from credenza.domain.subject_policy import Owner
from credenza.protocol import certificate, certificate_path, crl, distinguished_name, public_key
from credenza.protocol.csr import CertificationRequest
from credenza.protocol.distinguished_name import DistinguishedName
from credenza.protocol.errors import Malformed, Refused
from credenza.store import credentials, mtls_certificates, people, trusted_authorities
from credenza.store.mtls_certificates import Anchor, SubjectClaim

_KIND = CredentialKind.MTLS_CERTIFICATE


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A certification request (PEM or DER) and a name to know the certificate by. `predecessor_id` is the certificate
    that it is to replace: notices about that one stop when this one is in use."""

    alias: str
    csr: bytes
    predecessor_id: CredentialId | None = None


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """A certificate of a trusted authority (PEM or DER), with the authorities in between (PEM blocks, in any order)."""

    alias: str
    certificate: bytes
    chain: bytes = b""
    predecessor_id: CredentialId | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """A certificate that was brought along, read; nothing is proven yet."""

    alias: str
    leaf: x509.Certificate
    subject: DistinguishedName
    intermediates: tuple[x509.Certificate, ...]
    predecessor_id: CredentialId | None


def read_request(platform: Platform, attempt: Attempt, request: bytes) -> CertificationRequest:
    return issuing.read_request(platform, attempt, request, allow_p384=True)


def read_certificate(platform: Platform, attempt: Attempt, new: NewCertificate) -> Brought:
    """Read what was brought, and judge its key. Refuses with INVALID_CERTIFICATE and the cure."""
    with recording(platform, attempt):
        with _refusing("certificate"):
            leaf = certificate.parse(new.certificate)
            key = certificate.public_key_of(leaf)
            public_key.check_key_policy(key, allow_ec=True, allow_p384=True)
            subject = certificate.subject_of(leaf)
        with _refusing("chain"):
            intermediates = certificate.parse_bundle(new.chain) if new.chain.strip() else ()
        spki_der = public_key.spki_der(key)
        weakness = platform.weak_keys.check(spki_der)
        if weakness is not None:
            raise _unfit(f"Its key is known to be weak: {weakness}. Have a new one made for a new key.", "certificate")
        return Brought(new.alias, leaf, subject, intermediates, new.predecessor_id)


def admit_request(
    act: Act,
    project: Project,
    environment: EnvironmentName,
    request: CertificationRequest,
    *,
    successor_of: CredentialId | None = None,
) -> None:
    """Let the project have a certificate for the key and the subject of a request. A subject that was accepted before
    is refused but for the successor of the credential that holds it (settled 12), which re-enrolment alone makes."""
    name = _issued_name(request)
    _admit(act, project, environment, name, request.spki_sha256, code=Code.INVALID_CSR, field="csr")
    mtls_certificates.check_subject_free(act.connection, _claim(environment, name), successor_of=successor_of)


def insert_issued(
    act: Act,
    project: Project,
    place: Environment,
    new: NewRequest,
    request: CertificationRequest,
    issued: Issued,
    *,
    owner_id: UserId | None,
    successor_of: CredentialId | None = None,
) -> Credential:
    """Store a signed certificate. It is admitted again under the lock: only now are subject and key taken."""
    admit_request(act, project, place.name, request, successor_of=successor_of)
    made = Credential(
        id=issued.reservation.key_id,
        organization_id=act.organization_id,
        kind=_KIND,
        project_id=project.id,
        environment=place.name,
        client_id=place.client_id,
        alias=new.alias,
        status=Status.ACTIVE,
        key_algorithm=request.key_algorithm,
        public_key_der=request.spki_der,
        spki_sha256=request.spki_sha256,
        certificate_der=issued.der,
        not_before=issued.reservation.not_before,
        not_after=issued.reservation.not_after,
        owner_id=owner_id,
        predecessor_id=new.predecessor_id,
        created_at=act.now,
    )
    _insert(act, made, _claim(place.name, _issued_name(request)), successor_of=successor_of)
    return made


def insert_brought(act: Act, project: Project, place: Environment, brought: Brought) -> Credential:
    """Prove a certificate that was brought along to an authority that the environment trusts, and store it."""
    spki_der = public_key.spki_der(brought.leaf.public_key())
    spki_sha256 = public_key.spki_sha256(brought.leaf.public_key())
    provenance = _prove(act, place.name, brought)
    _admit(act, project, place.name, brought.subject, spki_sha256, code=Code.INVALID_CERTIFICATE, field="certificate")
    held = Credential(
        id=CredentialId(act.platform.new_id()),
        organization_id=act.organization_id,
        kind=_KIND,
        project_id=project.id,
        environment=place.name,
        client_id=place.client_id,
        alias=brought.alias,
        status=Status.ACTIVE,
        key_algorithm=public_key.algorithm_name(brought.leaf.public_key()),
        public_key_der=spki_der,
        spki_sha256=spki_sha256,
        certificate_der=brought.leaf.public_bytes(Encoding.DER),
        not_before=brought.leaf.not_valid_before_utc,
        not_after=brought.leaf.not_valid_after_utc,
        owner_id=act.actor.user_id,
        predecessor_id=brought.predecessor_id,
        created_at=act.now,
        provenance=provenance,
    )
    _insert(act, held, _claim(place.name, brought.subject), successor_of=None)
    return held


def subject_faults(
    act: Act, project: Project, environment: EnvironmentName, subject: DistinguishedName
) -> tuple[str, ...]:
    """What the environment's policy has against a subject (contracts 33); nothing where there is no policy."""
    policy = act.platform.policy.subject_policies.get(environment)
    if policy is None:
        return ()
    values = [(attribute.name, attribute.value) for rdn in subject for attribute in rdn]
    return subject_policy.faults(policy, values, _owner(act, project, environment))


def suggest_subject(act: Act, project: Project, environment: EnvironmentName) -> dict[str, str]:
    policy = act.platform.policy.subject_policies.get(environment)
    return {} if policy is None else subject_policy.suggest(policy, _owner(act, project, environment))


def _admit(
    act: Act,
    project: Project,
    environment: EnvironmentName,
    subject: DistinguishedName,
    spki_sha256: str,
    *,
    code: Code,
    field: str,
) -> None:
    lifecycle.admit(_KIND, lifecycle.Standing(project.type, project.dual))
    faults = subject_faults(act, project, environment, subject)
    if faults:
        raise Refusal(code, " ".join(faults), field=field)
    mtls_certificates.check_key_free(act.connection, spki_sha256, project.id)


def _insert(act: Act, made: Credential, claim: SubjectClaim, *, successor_of: CredentialId | None) -> None:
    assert made.project_id is not None, "a certificate belongs to a project"
    connection, now = act.connection, made.created_at
    mtls_certificates.take_key(connection, act.organization_id, made.spki_sha256, made.project_id, now=now)
    mtls_certificates.take_subject(connection, act.organization_id, claim, made.id, successor_of=successor_of, now=now)
    credentials.insert_credential(connection, made)


def _prove(act: Act, environment: EnvironmentName, brought: Brought) -> Provenance:
    """Find the path to an anchor. Its authorities are verified inside the transaction, so that what is trusted is what
    is trusted at its commit; the path is short and its length is bounded."""
    trusted = mtls_certificates.list_anchors(act.connection, environment)
    known = {each.certificate_der: each for each in trusted}
    with _refusing("certificate"):
        if not brought.subject:
            raise Refused("subject", "The certificate has no subject, and certificates are told apart by theirs.")
        path = certificate_path.prove(
            brought.leaf,
            (*brought.intermediates, *_load(each for each in trusted if not each.is_anchor)),
            _load(each for each in trusted if each.is_anchor),
            now=act.now,
        )
        chain = tuple(each.public_bytes(Encoding.DER) for each in path[1:])
        provenance = Provenance(known[chain[-1]].trusted_authority_id, chain)
        _check_not_revoked(act, path, provenance)
    return provenance


def _check_not_revoked(act: Act, path: certificate_path.Path, provenance: Provenance) -> None:
    """Refuse what its authority, or one above that, says is revoked, by the lists that were found so far. There may be
    none yet: the next round looks again, and revokes."""
    if provenance.trusted_authority_id is None:
        return
    lists = trusted_authorities.lists_of(act.connection, provenance.trusted_authority_id)
    for (certified, issuer), each in product(pairwise(path), lists):
        if each.der is not None and certified.serial_number in _revoked(each.der, issuer, now=act.now):
            if certified != path[0]:
                raise Refused("revoked", "An authority above the certificate is revoked. Have one issued by another.")
            raise Refused("revoked", "The authority that issued the certificate has revoked it. Have a new one issued.")


def _revoked(der: bytes, issuer: x509.Certificate, *, now: datetime) -> Mapping[int, datetime]:
    """By serial number; nothing when the list is another authority's, or has run out."""
    try:
        return crl.read(der, issuer, now=now).revoked
    except (Malformed, Refused):
        return {}


def _load(anchors: Iterator[Anchor] | Sequence[Anchor]) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_der_x509_certificate(each.certificate_der) for each in anchors)


@contextmanager
def _refusing(field: str) -> Iterator[None]:
    try:
        yield
    except (Malformed, Refused) as error:
        raise _unfit(str(error), field) from error


def _unfit(why: str, field: str) -> Refusal:
    return Refusal(Code.INVALID_CERTIFICATE, why, field=field)


def _issued_name(request: CertificationRequest) -> DistinguishedName:
    """The subject as it will stand in the certificate."""
    return distinguished_name.of_name(distinguished_name.to_name(request.subject))


def _claim(environment: EnvironmentName, name: DistinguishedName) -> SubjectClaim:
    return SubjectClaim(environment, distinguished_name.describe(name), distinguished_name.canonical(name))


def _owner(act: Act, project: Project, environment: EnvironmentName) -> Owner:
    if project.company is not None:
        company = project.company.name
    else:
        organization = people.find_organization(act.connection, act.organization_id)
        company = organization.name if organization else ""
    return Owner(environment, company, subject_policy.UNVERIFIED_COMPANY, project.name)
