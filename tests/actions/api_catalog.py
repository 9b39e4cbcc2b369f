"""An organization with a tree, and the catalog of the seed: the Profile, Platform and Data Planning APIs."""

from typing import Any

from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Person, Stage

from credenza.actions import accounts, api_credentials, services, workspaces
from credenza.actions.api_credentials import ApiCredentialEdit, IssuedApiCredential, NewApiCredential
from credenza.actions.services import NewService
from credenza.domain.api_credentials import ApiCredential, ApiGrant
from credenza.domain.catalog import CatalogEntry, Permission, ScopeLevel
from credenza.domain.model import (
    Account,
    AuthenticationType,
    Organization,
    OrganizationRole,
    Service,
    Workspace,
)
from credenza.store import schema


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
        entry = CatalogEntry(
            scope_level=level,
            scope_fixed=fixed,
            permissions=tuple(Permission(each, description) for each, description in permissions.items()),
        )
        places = (self.stage.place(SANDBOX), self.stage.place(PRODUCTION))
        number = len(self.stage.rows(schema.services))
        new = NewService(f"{name} {number}", AuthenticationType.CLIENT_SECRET, "", places, entry=entry)
        return services.create(self.stage.platform, OPERATOR, new, now=self.stage.now)

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
