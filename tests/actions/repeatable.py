"""Every action that takes an Idempotency-Key, ready to be asked twice in the very same words."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.actions.api_catalog import ApiCatalog
from tests.actions.foreign import Foreign
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop
from tests.clock import Clock

from credenza.actions import (
    access_tokens,
    account_keys,
    accounts,
    api_credentials,
    certificates,
    invitations,
    oauth_keys,
    organizations,
    people,
    project_members,
    project_services,
    projects,
    roles,
    service_keys,
    services,
    workspaces,
)
from credenza.actions.context import Once, Platform
from credenza.actions.service_key_admission import ByRequest, MadeHere
from credenza.actions.services import NewService
from credenza.domain.access import Scope
from credenza.domain.model import (
    Actor,
    AuthenticationType,
    CredentialKind,
    OrganizationRole,
    ProjectId,
    ProjectRole,
    ProjectType,
    ServiceId,
)

PATIENCE = timedelta(seconds=15)
"""After this an attempt without an answer is taken over."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of an action, named as the audit log names it. It can be pickled, to be made by another process."""

    action: str
    actor: Actor
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    clock: Clock

    def ask(self, platform: Platform, once: Once | None) -> Any:
        return self.call(platform, self.actor, *self.arguments, now=self.clock.now(), once=once, **self.named)


def _request(shop: Shop, action: str, actor: Actor, call: Callable[..., Any], *arguments: Any, **named: Any) -> Request:
    return Request(action, actor, call, arguments, named, shop.stage.clock)


def organization_create(shop: Shop) -> Request:
    return _request(shop, "organization.create", OPERATOR, organizations.create, name="Beta")


def user_create(shop: Shop) -> Request:
    return _request(shop, "user.create", OPERATOR, people.create_user, email="bob@example.org", name="Bob")


def service_create(shop: Shop) -> Request:
    new = NewService("Cards", AuthenticationType.OAUTH10A, "", (shop.stage.place(),))
    return _request(shop, "service.create", OPERATOR, services.create, new)


def member_set(shop: Shop) -> Request:
    member, admin = (
        shop.stage.member(shop.organization, OrganizationRole.READ_ONLY),
        shop.stage.member(shop.organization),
    )
    named = {"email": member.user.email, "role": OrganizationRole.USER}
    return _request(shop, "member.set", admin.actor, people.set_member, shop.organization.id, **named)


def account_create(shop: Shop) -> Request:
    admin = shop.stage.member(shop.organization)
    return _request(shop, "account.create", admin.actor, accounts.create, shop.organization.id, name="Europe")


def workspace_create(shop: Shop) -> Request:
    admin = shop.stage.member(shop.organization)
    place = (shop.stage.platform, admin.actor, shop.organization.id)
    (account,) = accounts.list_all(*place, now=shop.stage.now)
    named = {"account_id": account.id, "name": "Web"}
    return _request(shop, "workspace.create", admin.actor, workspaces.create, shop.organization.id, **named)


def role_create(shop: Shop) -> Request:
    admin = shop.stage.member(shop.organization)
    named = {"name": "Viewers", "actions": ("api_credential.view",)}
    return _request(shop, "role.create", admin.actor, roles.create, shop.organization.id, **named)


def invitation_send(shop: Shop) -> Request:
    admin = shop.stage.member(shop.organization)
    named = {"email": "eve@example.org", "role": OrganizationRole.USER}
    return _request(shop, "invitation.send", admin.actor, invitations.invite, shop.organization.id, **named)


def access_token_create(shop: Shop) -> Request:
    named = {"name": "ci", "scopes": frozenset({Scope.READ}), "days": 30}
    return _request(shop, "access_token.create", shop.owner.actor, access_tokens.create, shop.organization.id, **named)


def api_credential_create(shop: Shop) -> Request:
    desk = ApiCatalog(shop.stage)
    asked = (api_credentials.create, desk.organization.id, desk.new())
    return _request(shop, "api_credential.create", desk.admin.actor, *asked)


def account_key_add(shop: Shop) -> Request:
    new = shop.stage.new_key()
    return _request(shop, "account_key.add", shop.owner.actor, account_keys.add, shop.organization.id, new)


def project_create(shop: Shop) -> Request:
    new = shop.stage.new_project()
    return _request(shop, "project.create", shop.owner.actor, projects.create, shop.organization.id, new)


def project_member_set(shop: Shop) -> Request:
    member = shop.stage.member(shop.organization, OrganizationRole.USER)
    named = {"email": member.user.email, "role": ProjectRole.ADMIN}
    return _request(shop, "project.member.set", shop.owner.actor, project_members.set_role, shop.project.id, **named)


def environment_add(shop: Shop) -> Request:
    new = projects.NewEnvironment(PRODUCTION, shop.stage.new_key())
    return _request(shop, "environment.add", shop.owner.actor, projects.add_environment, shop.project.id, new)


def environment_service_add(shop: Shop) -> Request:
    service = shop.stage.service()
    arguments = (shop.project.id, SANDBOX, service.id)
    return _request(shop, "environment.service.add", shop.owner.actor, project_services.add, *arguments)


def key_add(shop: Shop) -> Request:
    arguments = (shop.project.id, shop.stage.new_key(), None)
    return _request(shop, "key.add", shop.owner.actor, oauth_keys.add_by_csr, *arguments)


def certificate_add(shop: Shop) -> Request:
    """To a project of its own, of a type that takes one."""
    project = shop.stage.project(shop.owner, shop.organization, ProjectType.MTLS).project
    arguments = (project.id, shop.stage.new_request(), None)
    return _request(shop, "certificate.add", shop.owner.actor, certificates.add_by_csr, *arguments)


def certificate_bring(shop: Shop) -> Request:
    project = shop.stage.project(shop.owner, shop.organization, ProjectType.MTLS).project
    foreign = Foreign(shop.stage)
    foreign.trust()
    arguments = (project.id, foreign.new(), None)
    return _request(shop, "certificate.add", shop.owner.actor, certificates.add_issued_elsewhere, *arguments)


def mtls_project_create(shop: Shop) -> Request:
    new = shop.stage.new_project(ProjectType.MTLS)
    return _request(shop, "project.create", shop.owner.actor, projects.create, shop.organization.id, new)


def key_rotate(shop: Shop) -> Request:
    arguments = (shop.project.id, shop.key.id, shop.stage.new_key())
    return _request(shop, "key.rotate", shop.owner.actor, oauth_keys.rotate, *arguments)


def key_renew(shop: Shop) -> Request:
    shop.stage.clock.set(shop.key.not_after - timedelta(days=30))
    return _request(shop, "key.renew", shop.owner.actor, oauth_keys.renew, shop.project.id, shop.key.id)


def service_key_add(shop: Shop) -> Request:
    new = ByRequest(CredentialKind.REQUEST_SIGNATURE, "signer", shop.stage.new_key().csr)
    return _request(shop, "service_key.add", shop.owner.actor, service_keys.add, *_used(shop), new, None)


def service_key_make(shop: Shop) -> Request:
    """Its private half is made here, by each attempt anew."""
    new = MadeHere("ours")
    return _request(shop, "service_key.add", shop.owner.actor, service_keys.add, *_used(shop), new, None)


def service_add_with_keys(shop: Shop) -> Request:
    service = shop.stage.service()
    keys = (
        ByRequest(CredentialKind.RESPONSE_ENCRYPTION, "reader", shop.stage.new_key().csr),
        MadeHere("ours"),
    )
    arguments = (shop.project.id, SANDBOX, service.id)
    return _request(shop, "environment.service.add", shop.owner.actor, project_services.add, *arguments, keys=keys)


def _used(shop: Shop) -> tuple[ProjectId, ServiceId]:
    (environment,) = shop.project.environments
    return shop.project.id, environment.services[0].service_id


ISSUING = [
    account_key_add,
    project_create,
    mtls_project_create,
    environment_add,
    key_add,
    key_rotate,
    key_renew,
    certificate_add,
    service_key_add,
    service_key_make,
    service_add_with_keys,
]
"""Two transactions with a signature between them."""

REPEATABLE = [
    organization_create,
    user_create,
    service_create,
    member_set,
    account_create,
    workspace_create,
    role_create,
    invitation_send,
    access_token_create,
    api_credential_create,
    project_member_set,
    environment_service_add,
    certificate_bring,
    *ISSUING,
]
