"""Project credentials and account-level API keys: a certified public key on each, a private key on none."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AliasChoices, ConfigDict, Field
from pydantic.alias_generators import to_camel

from credenza.wire.shape import AnswerShape, CsrText, EnvironmentName, Moment, Name, RequestShape

Status: TypeAlias = Literal["ACTIVE", "INACTIVE", "REVOKED", "EXPIRED"]


class NewProjectOAuthSigningCredential(RequestShape):
    """A signing key by its certification request. `description` is accepted in place of `alias`."""

    type: Literal["SIGNING"]
    alias: Annotated[Name, Field(validation_alias=AliasChoices("alias", "description"))]
    csr: CsrText


class UnsupportedCredential(RequestShape):
    """The original's other types. A project of today's types takes none of them, whatever else the request says."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    type: Literal["PARTNER", "MTLS_CERT", "MTLS_CSR"]


NewCredential: TypeAlias = Annotated[
    NewProjectOAuthSigningCredential | UnsupportedCredential, Field(discriminator="type")
]


class AddSigningCredential(NewProjectOAuthSigningCredential):
    """A further key for a project. `environment` may be left out while the project has one only."""

    environment: EnvironmentName | None = None


AddCredential: TypeAlias = Annotated[AddSigningCredential | UnsupportedCredential, Field(discriminator="type")]


class NewKey(RequestShape):
    """A key by its certification request, where its type goes without saying."""

    alias: Name
    csr: CsrText


class CredentialReference(AnswerShape):
    """A credential in a list of projects."""

    id: str
    type: Literal["SIGNING"]
    status: Status


class KeyFacts(AnswerShape):
    """Both fingerprints are SHA-256 in lower-case hex: of SubjectPublicKeyInfo, and of the certificate."""

    id: str
    status: Status
    alias: str
    consumer_key: str
    client_id: str
    kid: str
    key_algorithm: str
    public_key_fingerprint: str
    certificate_fingerprint: str
    not_before: Moment
    not_after: Moment
    certificate: str
    created_at: Moment
    predecessor_id: str | None
    expiring: bool


class Credential(KeyFacts):
    """A project's OAuth signing key."""

    type: Literal["SIGNING"] = "SIGNING"
    environment: EnvironmentName


class AccountKey(KeyFacts):
    """An account-level key: it signs calls of the management API itself."""

    type: Literal["ACCOUNT"] = "ACCOUNT"


class CsrCheck(RequestShape):
    """A certification request to look at, of a key for OAuth 1.0a (RSA alone) or 2.0."""

    csr: CsrText
    project_type: Literal["OAUTH10A", "OAUTH2_FAPI"] = "OAUTH10A"


class CsrFinding(AnswerShape):
    """One rule and what came of it; `cure` is empty when it is met."""

    name: str
    ok: bool
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
