"""Values that more than one file of these tests looks at."""

from tests.clock import NOON

from credenza.domain.expiry import add_months
from credenza.domain.model import (
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    Project,
    ProjectId,
    ProjectType,
    Status,
)

KEY = Credential(
    id=CredentialId("0123456789abcdef0123456789abcdef0000000000000000"),
    organization_id=OrganizationId("o"),
    kind=CredentialKind.SIGNING_KEY,
    project_id=ProjectId("p"),
    environment=EnvironmentName.SANDBOX,
    client_id="c" * 48,
    alias="billing",
    status=Status.ACTIVE,
    key_algorithm="RSA-2048",
    public_key_der=b"",
    spki_sha256="",
    certificate_der=b"",
    not_before=NOON,
    not_after=add_months(NOON, 13),
    owner_id=None,
    created_at=NOON,
)

PROJECT = Project(
    id=ProjectId("p"),
    organization_id=OrganizationId("o"),
    name="Billing",
    type=ProjectType.OAUTH10A,
    region="",
    company=None,
    commercial_countries=(),
    owner_id=None,
    dual=False,
    ambiguous_readings=False,
    created_at=NOON,
    environments=(),
)
