"""An organization with a tree, and the catalog of the seed: the Profile, Platform and Data Planning APIs."""

from typing import Any

from sqlalchemy import insert, update
from tests.actions.stage import SANDBOX, Person, Stage

from credenza.actions import accounts, api_credentials, workspaces
from credenza.actions.api_credentials import ApiCredentialEdit, IssuedApiCredential, NewApiCredential
from credenza.domain.api_credentials import ApiCredential, ApiGrant
from credenza.domain.catalog import ScopeLevel
from credenza.domain.model import (
    PLATFORM,
    Account,
    AuthenticationType,
    Organization,
    OrganizationRole,
    Service,
    Workspace,
)
from credenza.store import schema
from credenza.store.engine import writing


class ApiCatalog:
    """An admin, two workspaces in one account, and the three APIs."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.organization: Organization = stage.organization()
        self.admin: Person = stage.member(self.organization, OrganizationRole.ADMIN)
        self.account = self.new_account("Web")
        self.eu = self.new_workspace("Web-EU")
        self.us = self.new_workspace("Web-US")
        self.profile = self.api("Profile", ScopeLevel.WORKSPACE, read="Read profiles")
        self.platform = self.api("Platform", ScopeLevel.ACCOUNT, fixed=True, admin="", user="")
        self.planning = self.api("Data Planning", ScopeLevel.WORKSPACE, read="Read data plans", write="")

    def api(self, name: str, level: ScopeLevel, *, fixed: bool = False, **permissions: str) -> Service:
        """A service with permissions; each by its name and what it is for."""
        service = self.stage.service(AuthenticationType.CLIENT_SECRET)
        with writing(self.stage.platform.database.records) as connection:
            named = {"name": f"{name} {service.id}", "scope_level": level.value, "scope_fixed": fixed}
            connection.execute(update(schema.services).where(schema.services.c.id == service.id).values(named))
            for position, (permission, description) in enumerate(permissions.items()):
                row = {"name": permission, "position": position, "description": description}
                row |= {"organization_id": PLATFORM, "service_id": service.id}
                connection.execute(insert(schema.service_permissions).values(row))
        return service

    def new_account(self, name: str) -> Account:
        return accounts.create(
            self.stage.platform, self.admin.actor, self.organization.id, name=name, now=self.stage.now
        )

    def new_workspace(self, name: str) -> Workspace:
        return workspaces.create(
            self.stage.platform,
            self.admin.actor,
            self.organization.id,
            account_id=self.account.id,
            name=name,
            now=self.stage.now,
        )

    @property
    def reads_profiles(self) -> ApiGrant:
        return ApiGrant(self.profile.id, frozenset({"read"}), frozenset({self.eu.id, self.us.id}))

    def new(self, **named: Any) -> NewApiCredential:
        return NewApiCredential(
            **{"name": "Web analytics", "environment": SANDBOX, "grants": (self.reads_profiles,), **named}
        )

    def create(self, **named: Any) -> IssuedApiCredential:
        arguments = (self.admin.actor, self.organization.id, self.new(**named))
        return self.stage.done("api_credential.create", api_credentials.create, *arguments)

    def edit_of(self, found: ApiCredential, **named: Any) -> ApiCredentialEdit:
        """An edit that changes what is named."""
        return ApiCredentialEdit(
            **{
                "version": found.version,
                "name": found.name,
                "grants": found.grants,
                "note": found.note,
                "networks": found.networks,
                "ends_at": found.ends_at,
                **named,
            }
        )

    def get(self, issued: IssuedApiCredential) -> ApiCredential:
        identity = issued.view.credential.id
        asked = (self.admin.actor, self.organization.id, identity)
        return self.stage.looked(api_credentials.get, *asked).credential
