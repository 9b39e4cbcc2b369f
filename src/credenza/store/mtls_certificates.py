"""What is remembered of TLS client certificates beside their credentials: whose a subject and a key are, and who issued
what (product rows C4, C5, C8)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, or_, select, update

from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    AuthorityId,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectId,
)
from credenza.store.schema import (
    authorities,
    certificate_keys,
    certificate_subjects,
    certificates,
    credentials,
    trusted_authorities,
)
from credenza.store.upsert import insert_if_absent

_KIND = CredentialKind.MTLS_CERTIFICATE

_SPACED_EQUALS = re.compile(r"\s*=\s*")
_MOST_AUTHORITIES = 8
"""Of one path; the shape of the table would allow a loop."""


@dataclass(frozen=True, slots=True)
class SubjectClaim:
    """A subject that a credential takes in an environment: as it is shown, and in its canonical form (RFC 5280 7.1)."""

    environment: EnvironmentName
    shown: str
    canonical: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Anchor:
    """An authority that certificates of an environment may be proven to, or through. `trusted_authority_id` is None for
    one of our own."""

    trusted_authority_id: AuthorityId | None
    name: str
    certificate_der: bytes
    is_anchor: bool


def check_subject_free(connection: Connection, claim: SubjectClaim, *, successor_of: CredentialId | None) -> None:
    """Refuse a subject that was accepted in the environment before, unless it is the one of the credential that is
    succeeded (settled 12)."""
    query = select(certificate_subjects.c.credential_id).where(
        certificate_subjects.c.environment == claim.environment, certificate_subjects.c.subject_sha256 == claim.sha256
    )
    holder = connection.execute(query).scalar_one_or_none()
    if holder is not None and holder != successor_of:
        raise _subject_taken(claim)


def take_subject(
    connection: Connection,
    organization_id: OrganizationId,
    claim: SubjectClaim,
    credential_id: CredentialId,
    *,
    successor_of: CredentialId | None,
    now: datetime,
) -> None:
    """Give the subject to a credential for good. Refuses as `check_subject_free` does; the constraint decides races."""
    row = {
        "organization_id": organization_id,
        "environment": claim.environment,
        "subject_sha256": claim.sha256,
        "subject": claim.shown,
        "credential_id": credential_id,
        "created_at": now,
    }
    if insert_if_absent(connection, certificate_subjects, row):
        return
    inherited = update(certificate_subjects).where(
        certificate_subjects.c.environment == claim.environment,
        certificate_subjects.c.subject_sha256 == claim.sha256,
        certificate_subjects.c.credential_id == successor_of,
    )
    if successor_of is None or connection.execute(inherited.values(credential_id=credential_id)).rowcount != 1:
        raise _subject_taken(claim)


def release_subject(connection: Connection, credential_id: CredentialId) -> str | None:
    """Let the subject that a credential holds be taken again; returns it, or None when the credential holds none."""
    statement = delete(certificate_subjects).where(certificate_subjects.c.credential_id == credential_id)
    return connection.execute(statement.returning(certificate_subjects.c.subject)).scalar_one_or_none()


def subject_holds(text: str) -> ColumnElement[bool]:
    """Whether a certificate's subject has every part of `text`, however that was spelt: `till-7`, `CN=till-7`, or all
    of `C = DE, O = Acme`. In any case of ASCII letters; no index helps, so the query has to name a project."""
    parts = [_SPACED_EQUALS.sub("=", each.strip()) for each in text.split(",") if each.strip()] or [text]
    # Of what was issued here every subject is kept; of what was brought along, until an operator releases it.
    columns = (certificates, certificates.c.subject), (certificate_subjects, certificate_subjects.c.subject)
    return or_(
        *(
            exists().where(
                table.c.credential_id == credentials.c.id,
                *(column.icontains(part, autoescape=True) for part in parts),
            )
            for table, column in columns
        )
    )


def _subject_taken(claim: SubjectClaim) -> Refusal:
    # The same words whoever holds it, and whether or not it is still in use: a stranger learns nothing.
    return Refusal(
        Code.DUPLICATE_SUBJECT,
        f"Duplicate certificate: the Distinguished Name (DN) is not unique in {claim.environment}, a certificate with "
        "it was accepted before. Change one or more attributes of the DN, for example the Common Name (CN) from "
        "example-1682563200 to example-1682566800, and try again.",
        field="subject",
    )


def check_key_free(connection: Connection, spki_sha256: str, project_id: ProjectId) -> None:
    """Refuse a public key that another project, or an account-level key, has had certified: whoever holds a key is one
    party. A project may certify its own key again."""
    # Signing keys are looked up and not constrained: two of these at the same moment come from whoever holds the
    # private key, or copied somebody's public certificate, which then proves nothing in TLS.
    elsewhere = exists().where(
        credentials.c.spki_sha256 == spki_sha256,
        or_(credentials.c.project_id.is_(None), credentials.c.project_id != project_id),
        credentials.c.kind.in_([CredentialKind.SIGNING_KEY, CredentialKind.ACCOUNT_KEY, _KIND]),
    )
    if connection.execute(select(elsewhere)).scalar_one():
        raise _key_taken()


def take_key(
    connection: Connection,
    organization_id: OrganizationId,
    spki_sha256: str,
    project_id: ProjectId,
    *,
    now: datetime,
) -> None:
    """Note whose the key is. Refuses one that is another project's; the constraint decides races."""
    row = {
        "organization_id": organization_id,
        "spki_sha256": spki_sha256,
        "project_id": project_id,
        "created_at": now,
    }
    if insert_if_absent(connection, certificate_keys, row):
        return
    query = select(certificate_keys.c.project_id).where(certificate_keys.c.spki_sha256 == spki_sha256)
    if connection.execute(query).scalar_one() != project_id:
        raise _key_taken()


def _key_taken() -> Refusal:
    return Refusal(
        Code.DUPLICATE_KEY,
        "This public key is in use or was used before by somebody else. Make a new key pair and send a request for "
        "that one.",
        field="csr",
    )


def list_anchors(connection: Connection, environment: EnvironmentName) -> tuple[Anchor, ...]:
    """List our own authorities of an environment, retired ones included until they end, and those that are trusted."""
    own = select(authorities.c.role, authorities.c.certificate_der).where(authorities.c.environment == environment)
    trusted = (
        select(
            trusted_authorities.c.id,
            trusted_authorities.c.name,
            trusted_authorities.c.certificate_der,
            trusted_authorities.c.is_anchor,
        )
        .where(trusted_authorities.c.environment == environment, trusted_authorities.c.disabled_at.is_(None))
        .order_by(trusted_authorities.c.name, trusted_authorities.c.id)
    )
    ours = (
        Anchor(None, "", row.certificate_der, row.role == "ROOT")
        for row in connection.execute(own.order_by(authorities.c.created_at))
    )
    theirs = (
        Anchor(AuthorityId(row.id), row.name, row.certificate_der, row.is_anchor) for row in connection.execute(trusted)
    )
    return (*ours, *theirs)


def issuers_of(connection: Connection, credential_id: CredentialId) -> tuple[bytes, ...]:
    """The certificates (DER) of our own authorities above a credential's newest certificate, from its issuer up."""
    issuer = (
        select(certificates.c.authority_id)
        .where(certificates.c.credential_id == credential_id, certificates.c.state == "ISSUED")
        .order_by(certificates.c.not_after.desc())
        .limit(1)
    )
    authority_id = connection.execute(issuer).scalar_one_or_none()
    found: list[bytes] = []
    while authority_id is not None and len(found) < _MOST_AUTHORITIES:
        query = select(authorities.c.parent_id, authorities.c.certificate_der).where(authorities.c.id == authority_id)
        row = connection.execute(query).one()
        found.append(row.certificate_der)
        authority_id = row.parent_id
    return tuple(found)
