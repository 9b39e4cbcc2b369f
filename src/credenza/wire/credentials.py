"""Project credentials (signing keys, TLS client certificates) and account-level API keys: a certified public key on
each, a private key on none."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AliasChoices, ConfigDict, Field
from pydantic.alias_generators import to_camel

from credenza.wire.shape import (
    AnswerShape,
    CertificateText,
    CsrText,
    EnvironmentName,
    KeyId,
    Moment,
    Name,
    RequestShape,
    Uuid,
)

Status: TypeAlias = Literal["ACTIVE", "INACTIVE", "REVOKED", "EXPIRED"]
CredentialType: TypeAlias = Literal["SIGNING", "MTLS_CSR", "MTLS_CERT"]
ListedKind: TypeAlias = Literal["SIGNING_KEY", "MTLS_CERTIFICATE"]


class NewProjectOAuthSigningCredential(RequestShape):
    """A signing key by its certification request. `description` is accepted in place of `alias`."""

    type: Literal["SIGNING"]
    alias: Annotated[Name, Field(validation_alias=AliasChoices("alias", "description"))]
    csr: CsrText


class NewProjectMTLSCsrCredential(RequestShape):
    """A TLS client certificate that is to be issued for a certification request."""

    type: Literal["MTLS_CSR"]
    alias: Annotated[Name, Field(validation_alias=AliasChoices("alias", "description"))]
    csr: CsrText


class NewProjectMTLSCertificateCredential(RequestShape):
    """A TLS client certificate that an authority trusted in the environment has issued (PEM). `chain` holds the
    authorities in between, one PEM block after another."""

    type: Literal["MTLS_CERT"]
    alias: Annotated[Name, Field(validation_alias=AliasChoices("alias", "description"))]
    certificate: CertificateText
    chain: CertificateText = ""


class UnsupportedCredential(RequestShape):
    """The original's other type. A project of today's types does not take it, whatever else the request says."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    type: Literal["PARTNER"]


NewCredential: TypeAlias = Annotated[
    NewProjectOAuthSigningCredential
    | NewProjectMTLSCsrCredential
    | NewProjectMTLSCertificateCredential
    | UnsupportedCredential,
    Field(discriminator="type"),
]


class AddSigningCredential(NewProjectOAuthSigningCredential):
    """A further key for a project. `environment` may be left out while the project has one only."""

    environment: EnvironmentName | None = None


class AddMTLSCsrCredential(NewProjectMTLSCsrCredential):
    """A further certificate for a project."""

    environment: EnvironmentName | None = None


class AddMTLSCertificateCredential(NewProjectMTLSCertificateCredential):
    """A further certificate for a project, issued elsewhere."""

    environment: EnvironmentName | None = None


AddCredential: TypeAlias = Annotated[
    AddSigningCredential | AddMTLSCsrCredential | AddMTLSCertificateCredential | UnsupportedCredential,
    Field(discriminator="type"),
]


class AddSigningCredentialAfter(AddSigningCredential):
    """A further key for a project. `predecessorId` is the key that it is to replace: notices about that one stop when
    this one is in use and that one has been quiet for 72 hours."""

    predecessor_id: KeyId | None = None


class AddMTLSCsrCredentialAfter(AddMTLSCsrCredential):
    """A further certificate for a project. `predecessorId` is the one that it is to replace: notices about that one
    stop when this one is in use and that one has been quiet for 72 hours."""

    predecessor_id: Uuid | None = None


class AddMTLSCertificateCredentialAfter(AddMTLSCertificateCredential):
    """A further certificate for a project, issued elsewhere. `predecessorId` is the one that it is to replace."""

    predecessor_id: Uuid | None = None


AddCredentialAfter: TypeAlias = Annotated[
    AddSigningCredentialAfter | AddMTLSCsrCredentialAfter | AddMTLSCertificateCredentialAfter | UnsupportedCredential,
    Field(discriminator="type"),
]
"""What our own API takes: the seeds' knows of no predecessor."""


class NewKey(RequestShape):
    """A key by its certification request, where its type goes without saying."""

    alias: Name
    csr: CsrText


class CredentialReference(AnswerShape):
    """A credential in a list of projects."""

    id: str
    type: CredentialType
    status: Status


class CertifiedFacts(AnswerShape):
    """Both fingerprints are SHA-256 in lower-case hex: of SubjectPublicKeyInfo, and of the certificate."""

    id: str
    status: Status
    alias: str
    client_id: str
    key_algorithm: str
    public_key_fingerprint: str
    certificate_fingerprint: str
    not_before: Moment
    not_after: Moment
    certificate: str
    created_at: Moment
    predecessor_id: str | None
    expiring: bool


class KeyFacts(CertifiedFacts):
    consumer_key: str
    kid: str


class Credential(KeyFacts):
    """A project's OAuth signing key."""

    type: Literal["SIGNING"] = "SIGNING"
    environment: EnvironmentName


class MtlsCertificate(CertifiedFacts):
    """A TLS client certificate. The type says how it came: MTLS_CSR was issued here, MTLS_CERT elsewhere. Names are
    written in the order of the certificate, the serial number in hex."""

    type: Literal["MTLS_CSR", "MTLS_CERT"]
    environment: EnvironmentName
    subject: str
    issuer: str
    serial_number: str


class MtlsCertificateDetails(MtlsCertificate):
    """`chain` are the certificates (PEM) of the authorities above it, its issuer first and the root last."""

    chain: tuple[str, ...]


ProjectCredential: TypeAlias = Annotated[Credential | MtlsCertificate, Field(discriminator="type")]
ProjectCredentialDetails: TypeAlias = Annotated[Credential | MtlsCertificateDetails, Field(discriminator="type")]


class ReleasedSubject(AnswerShape):
    """A subject that may be accepted again."""

    subject: str


class AccountKey(KeyFacts):
    """An account-level key: it signs calls of the management API itself."""

    type: Literal["ACCOUNT"] = "ACCOUNT"


class CsrCheck(RequestShape):
    """A certification request to look at: of a key for OAuth 1.0a (RSA alone) or 2.0, or for a TLS client
    certificate."""

    csr: CsrText
    project_type: Literal["OAUTH10A", "OAUTH2_FAPI", "MTLS"] = "OAUTH10A"


class CsrFinding(AnswerShape):
    """One rule and what came of it; `cure` is empty when it is met. `ok` is null where an earlier one that failed has
    left nothing to look at."""

    name: str
    ok: bool | None
    detail: str
    cure: str


class CsrReport(AnswerShape):
    acceptable: bool
    findings: tuple[CsrFinding, ...]


class Reach(AnswerShape):
    """How far a revocation had got when it was answered; it travels in two headers of the 204.

    `Credenza-Reach: gates=3, confirmed=2, lapsed=1` counts the gates of the fleet, those that confirmed that they admit
    the credential no more, and those whose lease had run out. `Credenza-Reach-Milliseconds: 12` is how long that took.
    """

    gates: int
    confirmed: int
    lapsed: int
    milliseconds: int
