"""The product's words as types. Values only: parse once at the border, then trust.

The tree is organization, then account, then workspace; projects belong to an organization and use services
of one authentication type in a SANDBOX and a PRODUCTION environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from credenza.domain.catalog import NO_ENTRY, CatalogEntry

OrganizationId = NewType("OrganizationId", str)
UserId = NewType("UserId", str)
ProjectId = NewType("ProjectId", str)
ServiceId = NewType("ServiceId", int)
CredentialId = NewType("CredentialId", str)
AuthorityId = NewType("AuthorityId", str)
AccountId = NewType("AccountId", str)
WorkspaceId = NewType("WorkspaceId", str)
CustomRoleId = NewType("CustomRoleId", str)
ChangeNumber = NewType("ChangeNumber", int)

PLATFORM = OrganizationId("00000000-0000-0000-0000-000000000000")
"""Owner of what belongs to no organization: users, services, authorities, the platform's own audit chain."""


class EnvironmentName(StrEnum):
    SANDBOX = "SANDBOX"
    PRODUCTION = "PRODUCTION"


class AuthenticationType(StrEnum):
    """What a service takes."""

    OAUTH10A = "OAUTH10A"
    DUAL_OAUTH = "DUAL_OAUTH"
    OAUTH2_FAPI = "OAUTH2_FAPI"
    MTLS = "MTLS"
    CLIENT_SECRET = "CLIENT_SECRET"


class ProjectType(StrEnum):
    """What a project speaks; every service in it must take it."""

    OAUTH10A = "OAUTH10A"
    OAUTH2_FAPI = "OAUTH2_FAPI"
    MTLS = "MTLS"


class CredentialKind(StrEnum):
    """The product's kinds. `RESPONSE_ENCRYPTION` is the platform-named encryption key that the client owns."""

    SIGNING_KEY = "SIGNING_KEY"
    ACCOUNT_KEY = "ACCOUNT_KEY"
    MTLS_CERTIFICATE = "MTLS_CERTIFICATE"
    RESPONSE_ENCRYPTION = "RESPONSE_ENCRYPTION"
    REQUEST_ENCRYPTION = "REQUEST_ENCRYPTION"
    REQUEST_SIGNATURE = "REQUEST_SIGNATURE"
    CLIENT_SECRET = "CLIENT_SECRET"


SERVICE_KINDS = frozenset(
    {CredentialKind.RESPONSE_ENCRYPTION, CredentialKind.REQUEST_ENCRYPTION, CredentialKind.REQUEST_SIGNATURE}
)
"""Service credentials: they protect payloads between one project and one service in one environment."""


class Status(StrEnum):
    """EXPIRED is never stored, it is read from `not_after`."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


class ServiceStatus(StrEnum):
    LIVE = "LIVE"
    RETIRED = "RETIRED"


class Approval(StrEnum):
    APPROVED = "APPROVED"
    PENDING_APPROVAL = "PENDING_APPROVAL"


class OrganizationRole(StrEnum):
    ADMIN = "admin"
    COMPLIANCE_ADMIN = "compliance_admin"
    USER = "user"
    READ_ONLY = "read_only"
    CUSTOM = "custom"
    """Made by the organization, of single actions."""


class ProjectRole(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    READ_ONLY = "read_only"


class ActorKind(StrEnum):
    """A visitor has not signed in: what it holds, a password or a one-time link, is what the action checks. A device
    asks for itself, with an enrolment secret or with the certificate that it has."""

    OPERATOR = "operator"
    ACCESS_TOKEN = "access_token"
    ACCOUNT_KEY = "account_key"
    SESSION = "session"
    VISITOR = "visitor"
    ENROLMENT_SECRET = "enrolment_secret"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for an action, proven. `scopes` limits what the proof may be used for; empty means no limit.

    An operator sits at the machine (the local CLI) and belongs to no organization. `organization_id` is set
    when the proof belongs to one organization (an account-level key, an access token). `fresh` is False when a
    person has signed in too long ago for the most sensitive actions.
    """

    kind: ActorKind
    id: str
    user_id: UserId | None = None
    organization_id: OrganizationId | None = None
    scopes: frozenset[str] = frozenset()
    address: str = ""
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Organization:
    id: OrganizationId
    name: str
    project_limit: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """A part of an organization, with workspaces in it."""

    id: AccountId
    organization_id: OrganizationId
    name: str
    created_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A leaf of the tree: what APIs keep lies in one of them."""

    id: WorkspaceId
    organization_id: OrganizationId
    account_id: AccountId
    name: str
    created_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class User:
    id: UserId
    email: str
    name: str
    created_at: datetime
    disabled_at: datetime | None


class SignInMethod(StrEnum):
    """How a person has proven who they are. LINK is the one-time link that an operator or the demo hands over."""

    PASSWORD = "password"
    PASSKEY = "passkey"
    SSO = "sso"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Session:
    """A person signed in at one browser. `proven_at` is the last proof of who they are, renewed before what is most
    sensitive."""

    id: str
    user: User
    method: SignInMethod
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    proven_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody at a mail address is asked into an organization, and onto a project when one is named. No `invited_by`
    means an operator. A custom role has an id and a name."""

    id: str
    organization_id: OrganizationId
    email: str
    role: OrganizationRole
    project_id: ProjectId | None
    project_role: ProjectRole | None
    invited_by: UserId | None
    created_at: datetime
    expires_at: datetime
    custom_role_id: CustomRoleId | None = None
    custom_role: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A user in an organization, with the role held there. A custom role has an id and a name."""

    user: User
    role: OrganizationRole
    custom_role_id: CustomRoleId | None = None
    custom_role: str = ""


@dataclass(frozen=True, slots=True)
class ProjectMember:
    """A user on a project, with the role held there."""

    user: User
    role: ProjectRole


@dataclass(frozen=True, slots=True)
class ServiceEnvironment:
    """Where a service is reached in one environment, and how long what it needs is valid there.

    `path_prefix` starts with a slash and has none at its end, except the lone slash. `validity_days`, when
    set, stands in place of `validity_months`. `payload_rules` say as JSON what of a payload is encrypted and signed
    (`protocol.payload_rules`); None: nothing is.
    """

    environment: EnvironmentName
    path_prefix: str
    upstream: str
    validity_months: int
    validity_days: int | None
    payload_rules: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """`scopes` are what a token may be narrowed to among what the service opens: `payments:read`. `entry` is what it
    offers to whoever comes with a client secret."""

    id: ServiceId
    name: str
    authentication: AuthenticationType
    status: ServiceStatus
    description: str
    environments: tuple[ServiceEnvironment, ...]
    scopes: frozenset[str] = frozenset()
    entry: CatalogEntry = NO_ENTRY

    def in_environment(self, name: EnvironmentName) -> ServiceEnvironment | None:
        return next((each for each in self.environments if each.environment is name), None)


@dataclass(frozen=True, slots=True)
class Address:
    type: str
    address_line1: str
    address_line2: str
    city: str
    state: str
    postal_code: str
    country_code: str


@dataclass(frozen=True, slots=True)
class Company:
    name: str
    is_government_entity: bool
    address: Address | None


@dataclass(frozen=True, slots=True)
class ProjectService:
    service_id: ServiceId
    name: str
    status: Approval


@dataclass(frozen=True, slots=True)
class Environment:
    name: EnvironmentName
    client_id: str
    services: tuple[ProjectService, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """`dual` is set by the upgrade: every key then works with OAuth 1.0a and 2.0. `ambiguous_readings` lets the
    gate read `+` in a query as a plus sign too, which makes it interchangeable with `%2B`."""

    id: ProjectId
    organization_id: OrganizationId
    name: str
    type: ProjectType
    region: str
    company: Company | None
    commercial_countries: tuple[str, ...]
    owner_id: UserId | None
    dual: bool
    ambiguous_readings: bool
    created_at: datetime
    environments: tuple[Environment, ...]

    def environment(self, name: EnvironmentName) -> Environment | None:
        return next((each for each in self.environments if each.name is name), None)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a certificate that was brought along comes from: `chain` are the certificates (DER) from its issuer to the
    anchor that it was proven to. No `trusted_authority_id` means an authority of our own."""

    trusted_authority_id: AuthorityId | None
    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """What every kind has. Key material is public: `public_key_der` is SubjectPublicKeyInfo.

    `id` is the key id for signing and account keys (48 lower-case hex), a UUID for the rest. `slot` is the
    place among a project's OAuth 2.0 keys. `predecessor_id` links a rotation. `provenance` is None for what was
    certified here. `service_id` is whose payloads a service credential protects; `inactive_since` is when another one
    took its place, or when it was made beside an active one, and None for what is INACTIVE because a restore holds it.
    """

    id: CredentialId
    organization_id: OrganizationId
    kind: CredentialKind
    project_id: ProjectId | None
    environment: EnvironmentName | None
    client_id: str
    alias: str
    status: Status
    key_algorithm: str
    public_key_der: bytes
    spki_sha256: str
    certificate_der: bytes
    not_before: datetime
    not_after: datetime
    owner_id: UserId | None
    created_at: datetime
    slot: int | None = None
    predecessor_id: CredentialId | None = None
    revoked_at: datetime | None = None
    revoked_reason: str = ""
    provenance: Provenance | None = None
    service_id: ServiceId | None = None
    inactive_since: datetime | None = None

    @property
    def consumer_key(self) -> str:
        return f"{self.client_id}!{self.id}"

    @property
    def replaced_at(self) -> datetime | None:
        """When another service credential took its place. None: it is active, or never was."""
        return None if self.inactive_since == self.created_at else self.inactive_since

    def status_at(self, now: datetime) -> Status:
        """Status as of `now`: what has ended is EXPIRED, unless it was revoked before."""
        if self.status in (Status.ACTIVE, Status.INACTIVE) and now > self.not_after:
            return Status.EXPIRED
        return self.status


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a revocation has got when it is answered: every gate confirmed, or its lease has run out."""

    gates: int
    confirmed: int
    lapsed: int
    took: timedelta
