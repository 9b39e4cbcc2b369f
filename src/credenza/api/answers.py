"""The product's values as shapes of the wire, where more than the names differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from ssl import DER_cert_to_PEM_cert
from typing import Any

from starlette.responses import Response

from credenza.actions.authorities import AuthorityView
from credenza.actions.certificates import CertificateInContext
from credenza.actions.project_view import ProjectView
from credenza.actions.trusted_authorities import TrustView
from credenza.api import catalog_entries
from credenza.domain import model
from credenza.domain.access import PERMISSIONS, On
from credenza.domain.expiry import Ending, is_expiring
from credenza.domain.model import Actor, ProjectRole
from credenza.domain.notices import InboxItem
from credenza.domain.service_keys import TYPES
from credenza.protocol import certificate, public_key
from credenza.protocol.certificate import CertificateDescription
from credenza.wire import authorities, credentials, expiry, inbox, people, projects, service_keys, services


def credential(found: model.Credential, *, now: datetime) -> credentials.Credential:
    assert found.environment is not None, "a signing key belongs to an environment"
    return credentials.Credential(environment=found.environment.value, **_key_facts(found, now=now))


def project_credential(
    found: model.Credential, *, now: datetime
) -> credentials.Credential | credentials.MtlsCertificate:
    if found.kind is model.CredentialKind.SIGNING_KEY:
        return credential(found, now=now)
    return credentials.MtlsCertificate(**_certificate_facts(found, now=now))


def certificate_details(found: CertificateInContext, *, now: datetime) -> credentials.MtlsCertificateDetails:
    chain = tuple(map(DER_cert_to_PEM_cert, found.chain))
    return credentials.MtlsCertificateDetails(chain=chain, **_certificate_facts(found.credential, now=now))


def _certificate_facts(found: model.Credential, *, now: datetime) -> dict[str, Any]:
    assert found.environment is not None, "a certificate belongs to an environment"
    said = certificate.describe(certificate.parse(found.certificate_der))
    return {
        "type": _type(found),
        "environment": found.environment.value,
        "subject": said.subject,
        "issuer": said.issuer,
        "serial_number": said.serial_number_hex,
        **_certified_facts(found, now=now),
    }


def _type(found: model.Credential) -> credentials.CredentialType:
    """The type that a credential was added as."""
    if found.kind is model.CredentialKind.SIGNING_KEY:
        return "SIGNING"
    return "MTLS_CSR" if found.provenance is None else "MTLS_CERT"


def service_credential(found: model.Credential, *, now: datetime) -> service_keys.ServiceCredential:
    assert found.environment is not None, "a service credential belongs to an environment"
    assert found.service_id is not None, "and to a service"
    return service_keys.ServiceCredential(
        type=TYPES[found.kind],
        environment=found.environment.value,
        service_id=found.service_id,
        public_key=public_key.to_pem(found.public_key_der),
        inactive_since=found.replaced_at,
        **_certified_facts(found, now=now),
    )


def account_key(found: model.Credential, *, now: datetime) -> credentials.AccountKey:
    return credentials.AccountKey(**_key_facts(found, now=now))


def _key_facts(found: model.Credential, *, now: datetime) -> dict[str, Any]:
    return {"consumer_key": found.consumer_key, "kid": found.id, **_certified_facts(found, now=now)}


def _certified_facts(found: model.Credential, *, now: datetime) -> dict[str, Any]:
    status = found.status_at(now)
    return {
        "id": found.id,
        "status": status.value,
        "alias": found.alias,
        "client_id": found.client_id,
        "key_algorithm": found.key_algorithm,
        "public_key_fingerprint": found.spki_sha256,
        "certificate_fingerprint": hashlib.sha256(found.certificate_der).hexdigest(),
        "not_before": found.not_before,
        "not_after": found.not_after,
        "certificate": DER_cert_to_PEM_cert(found.certificate_der),
        "created_at": found.created_at,
        "predecessor_id": found.predecessor_id,
        "expiring": status is model.Status.ACTIVE and is_expiring(found.not_after, now=now),
    }


def reach(found: model.Reach) -> Response:
    """204, with how far the revocation has got (row E4)."""
    return Response(status_code=204, headers=reach_headers(found))


def reach_headers(found: model.Reach) -> dict[str, str]:
    return {
        "Credenza-Reach": f"gates={found.gates}, confirmed={found.confirmed}, lapsed={found.lapsed}",
        "Credenza-Reach-Milliseconds": str(round(found.took.total_seconds() * 1000)),
    }


def project(view: ProjectView, actor: Actor, *, now: datetime) -> projects.Project:
    return projects.Project(**_project_facts(view, actor, now=now))


def project_details(view: ProjectView, actor: Actor, *, now: datetime) -> projects.ProjectDetails:
    return projects.ProjectDetails(
        organization_id=view.project.organization_id,
        dual=view.project.dual,
        ambiguous_readings=view.project.ambiguous_readings,
        created_at=view.project.created_at,
        **_project_facts(view, actor, now=now),
    )


def _project_facts(view: ProjectView, actor: Actor, *, now: datetime) -> dict[str, Any]:
    found = view.project
    return {
        "id": found.id,
        "name": found.name,
        "type": found.type.value,
        "region": found.region,
        "environments": tuple(environment(view, each, now=now) for each in found.environments),
        "services": _services(found),
        "team_members": tuple(team_member(each, found, actor) for each in view.members),
        "company": _company(found),
        "commercial_countries": found.commercial_countries,
    }


def project_summary(view: ProjectView, *, now: datetime) -> projects.ProjectSummary:
    found = view.project
    return projects.ProjectSummary(
        id=found.id,
        name=found.name,
        type=found.type.value,
        region=found.region,
        environments=tuple(
            projects.EnvironmentSummary(
                name=each.name.value,
                credentials=tuple(
                    credentials.CredentialReference(id=key.id, type=_type(key), status=key.status_at(now).value)
                    for key in _project_credentials(view, each)
                ),
                project_services=_project_services(each),
            )
            for each in found.environments
        ),
        services=_services(found),
    )


def environment(view: ProjectView, place: model.Environment, *, now: datetime) -> projects.Environment:
    return projects.Environment(
        name=place.name.value,
        credentials=tuple(project_credential(key, now=now) for key in _project_credentials(view, place)),
        project_services=tuple(
            projects.ProjectServiceDetails(
                service_id=each.service_id,
                status=each.status.value,
                credentials=tuple(
                    service_credential(key, now=now)
                    for key in view.credentials
                    if (key.environment, key.service_id) == (place.name, each.service_id)
                ),
            )
            for each in place.services
        ),
    )


def _project_credentials(view: ProjectView, place: model.Environment) -> Iterator[model.Credential]:
    """What proves who calls; service credentials stand at their services."""
    of_services = model.SERVICE_KINDS
    return (key for key in view.credentials if key.environment is place.name and key.kind not in of_services)


def _project_services(place: model.Environment) -> tuple[projects.ProjectService, ...]:
    return tuple(
        projects.ProjectService(service_id=each.service_id, status=each.status.value) for each in place.services
    )


def _services(found: model.Project) -> tuple[projects.ServiceName, ...]:
    names = {each.service_id: each.name for place in found.environments for each in place.services}
    return tuple(projects.ServiceName(id=identity, name=name) for identity, name in sorted(names.items()))


def _company(found: model.Project) -> projects.Company | None:
    if found.company is None:
        return None
    address = found.company.address
    return projects.Company(
        id=found.organization_id,
        company_id="000000",
        name=found.company.name,
        verified=False,
        is_government_entity=found.company.is_government_entity,
        address=None if address is None else projects.CompanyAddress.model_validate(address),
    )


def team_member(found: model.ProjectMember, on: model.Project, actor: Actor) -> projects.TeamMember:
    """A member as the original shows one: its owner is an admin who is marked as such."""
    is_owner = on.owner_id == found.user.id
    role = ProjectRole.READ_ONLY if found.role is ProjectRole.READ_ONLY else ProjectRole.ADMIN
    return projects.TeamMember(
        id=found.user.id,
        email=found.user.email,
        role="read_only" if role is ProjectRole.READ_ONLY else "admin",
        permissions=_PERMISSIONS[role],
        is_current=actor.user_id == found.user.id,
        is_owner=is_owner,
        is_verified=True,
        status=_standing(found.user),
        can_become_owner=role is ProjectRole.ADMIN and not is_owner,
    )


_PERMISSIONS = {
    role: tuple(
        sorted(
            action.value for action, row in PERMISSIONS.items() if row.on is On.PROJECT and role in row.project_roles
        )
    )
    for role in ProjectRole
}


def member(found: model.Member | model.ProjectMember) -> people.Member:
    return people.Member(
        id=found.user.id,
        email=found.user.email,
        name=found.user.name,
        role=found.role.value,
        custom_role_id=found.custom_role_id if isinstance(found, model.Member) else None,
        custom_role=found.custom_role if isinstance(found, model.Member) else "",
        status=_standing(found.user),
    )


def _standing(user: model.User) -> projects.MemberStatus:
    return "ACTIVE" if user.disabled_at is None else "DISABLED"


def service(found: model.Service) -> services.Service:
    return services.Service(
        service_id=found.id,
        name=found.name,
        authentication_type=found.authentication.value,
        description=found.description,
        environments=tuple(
            services.ServicePlace(
                name=each.environment.value,
                path_prefix=each.path_prefix,
                validity_months=each.validity_months,
                validity_days=each.validity_days,
                payload_rules=None if each.payload_rules is None else json.loads(each.payload_rules),
            )
            for each in found.environments
        ),
        scopes=tuple(sorted(found.scopes)),
        catalog_entry=catalog_entries.shown(found.entry),
    )


def ending(found: Ending, *, now: datetime) -> expiry.Ending:
    return expiry.Ending(
        credential_id=found.credential_id,
        kind=found.kind.value,
        alias=found.alias,
        status=found.status_at(now).value,
        environment=None if found.environment is None else found.environment.value,
        project_id=found.project_id,
        project=found.project,
        not_after=found.not_after,
        days_left=max(0, (found.not_after - now).days),
    )


def inbox_item(found: InboxItem, *, now: datetime) -> inbox.InboxItem:
    return inbox.InboxItem(
        id=found.notice.id,
        organization_id=found.notice.organization_id,
        organization=found.organization,
        credential_id=found.notice.credential_id,
        kind=found.kind.value,
        alias=found.alias,
        status=found.status_at(now).value,
        project_id=found.project_id,
        project=found.project,
        environment=None if found.environment is None else found.environment.value,
        not_after=found.notice.not_after,
        days=found.notice.days,
        created_at=found.notice.created_at,
        read_at=found.read_at,
    )


def authority(view: AuthorityView) -> authorities.Authority:
    own = view.authority
    return authorities.Authority(
        id=own.id,
        environment=own.environment.value,
        state=view.state,
        parent_id=own.parent_id,
        key_in="token" if own.key_uri else "database" if own.has_key else "elsewhere",
        key_uri=own.key_uri,
        created_at=own.created_at,
        signs_from=own.signs_from,
        retired_at=own.retired_at,
        certificate_url=view.places.certificate,
        revocation_list_url=view.places.revocation_list,
        status_url=view.places.status,
        **_authority_facts(view.description, own.certificate_der),
    )


def trusted_authority(view: TrustView) -> authorities.TrustedAuthority:
    trusted = view.trusted
    return authorities.TrustedAuthority(
        id=trusted.id,
        environment=trusted.environment.value,
        name=trusted.name,
        is_anchor=trusted.is_anchor,
        checks_revocation=trusted.checks_revocation,
        crl_url=trusted.crl_url,
        created_at=trusted.created_at,
        disabled_at=trusted.disabled_at,
        revocation_lists=tuple(authorities.ForeignList.model_validate(each) for each in view.lists),
        **_authority_facts(view.description, trusted.certificate_der),
    )


def _authority_facts(described: CertificateDescription, der: bytes) -> dict[str, Any]:
    return {
        "subject": described.subject,
        "issuer": described.issuer,
        "serial_number": described.serial_number_hex,
        "not_before": described.not_before,
        "not_after": described.not_after,
        "key_algorithm": described.key_algorithm,
        "certificate_fingerprint": described.x5t_s256_hex,
        "certificate": DER_cert_to_PEM_cert(der),
    }
