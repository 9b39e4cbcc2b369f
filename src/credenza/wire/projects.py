"""Projects, their environments and their people: contracts 1.4."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StrictBool, StringConstraints

from credenza.wire.credentials import CredentialReference, NewCredential, ProjectCredential
from credenza.wire.service_keys import NewServiceCredential, ServiceCredential
from credenza.wire.services import ServiceNumber
from credenza.wire.shape import AnswerShape, Country, Email, EnvironmentName, Moment, Name, RequestShape, Text, told

ProjectType: TypeAlias = Literal["OPEN_BANKING_PARTNER", "OAUTH10A", "MTLS", "OAUTH2_FAPI"]
Countries: TypeAlias = Annotated[tuple[Country, ...], Field(max_length=250)]
MemberStatus: TypeAlias = Literal["ACTIVE", "DISABLED"]
_REGION = told(r"^[A-Za-z0-9 _-]*$", "letters and digits of ASCII, blanks, _ and -")
Region: TypeAlias = Annotated[str, StringConstraints(max_length=64, pattern=_REGION)]


class Address(RequestShape):
    type: Text = ""
    address_line1: Text
    address_line2: Text = ""
    city: Text
    state: Text = ""
    postal_code: Text = ""
    country_code: Country


class NewCompany(RequestShape):
    name: Name
    is_government_entity: StrictBool = False
    address: Address | None = None


class ServiceChoice(RequestShape):
    service_id: ServiceNumber


class NewProject(RequestShape):
    """A project with its first environment and its first credential."""

    type: ProjectType
    name: Name
    region: Region = ""
    service: ServiceChoice
    environment: EnvironmentName
    credential: NewCredential
    company: NewCompany | None = None
    commercial_countries: Countries = ()


class ProjectEdit(RequestShape):
    """What is absent stays as it is. `ambiguousReadings` lets `+` in a signed query stand for a plus sign too."""

    name: Name | None = None
    company: NewCompany | None = None
    commercial_countries: Countries | None = None
    ambiguous_readings: StrictBool | None = None


TlsNameKind: TypeAlias = Literal["subject_dn", "san_dns", "san_uri", "san_ip", "san_email"]


class NewTlsClientName(RequestShape):
    """A name in certificates; a subject as RFC 4514 writes it, its last attribute first: `CN=till 7,O=Acme,C=DE`."""

    kind: TlsNameKind
    value: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class TlsClientName(AnswerShape):
    """The one name that a project's TLS clients are known by at the token endpoint of an environment."""

    kind: TlsNameKind
    value: str


class NewEnvironment(RequestShape):
    name: EnvironmentName
    credential: NewCredential


class ServiceDetails(RequestShape):
    """The service credentials to begin with. No service takes configuration of its own; what would be lost is
    refused."""

    credentials: Annotated[tuple[NewServiceCredential, ...], Field(max_length=10)] = ()
    config: dict[str, Any] = Field(default_factory=dict, max_length=0)


class ServiceInEnvironment(RequestShape):
    name: EnvironmentName
    service_details: ServiceDetails | None = None


class NewProjectService(RequestShape):
    service_id: ServiceNumber
    environment: ServiceInEnvironment | None = None


class ProjectService(AnswerShape):
    service_id: int
    status: Literal["APPROVED", "PENDING_APPROVAL"]


class ProjectServiceDetails(ProjectService):
    """`credentials` protect the payloads between the project and the service."""

    credentials: tuple[ServiceCredential, ...] = ()


class ServiceName(AnswerShape):
    id: int
    name: str


class Environment(AnswerShape):
    name: EnvironmentName
    credentials: tuple[ProjectCredential, ...]
    project_services: tuple[ProjectServiceDetails, ...]


class EnvironmentSummary(AnswerShape):
    name: EnvironmentName
    credentials: tuple[CredentialReference, ...]
    project_services: tuple[ProjectService, ...]


class TeamMember(AnswerShape):
    id: str
    email: str
    role: Literal["admin", "read_only"]
    permissions: tuple[str, ...]
    is_current: bool
    is_owner: bool
    is_verified: bool
    status: MemberStatus
    can_become_owner: bool


class CompanyAddress(AnswerShape):
    type: str
    address_line1: str
    address_line2: str
    city: str
    state: str
    postal_code: str
    country_code: str


class Company(AnswerShape):
    """`companyId` is 000000 until the company is verified."""

    id: str
    company_id: str
    name: str
    verified: bool
    is_government_entity: bool
    address: CompanyAddress | None


class ProjectSummary(AnswerShape):
    id: str
    name: str
    type: Literal["OAUTH10A", "MTLS", "OAUTH2_FAPI"]
    region: str
    environments: tuple[EnvironmentSummary, ...]
    services: tuple[ServiceName, ...]


class Project(AnswerShape):
    id: str
    name: str
    type: Literal["OAUTH10A", "MTLS", "OAUTH2_FAPI"]
    region: str
    environments: tuple[Environment, ...]
    services: tuple[ServiceName, ...]
    team_members: tuple[TeamMember, ...]
    company: Company | None
    commercial_countries: tuple[str, ...]


class ProjectDetails(Project):
    """A project as our own API shows it."""

    organization_id: str
    dual: bool
    ambiguous_readings: bool
    created_at: Moment


class NewTeamMember(RequestShape):
    """A member of the organization who joins the project, or changes role on it."""

    email: Email
    role: Literal["admin", "read_only"]
