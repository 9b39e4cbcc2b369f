"""A house with one project in it, for tests of its pages: who owns it, its keys, and forms filled in."""

from __future__ import annotations

import re
from itertools import count

import httpx
from tests.actions.stage import FITTING, PRODUCTION, SANDBOX, client_request, request
from tests.portal.house import OPERATOR, Browser, House

from credenza.actions import certificates, oauth_keys, project_members, projects, services
from credenza.actions.certificate_admission import NewRequest
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewProject
from credenza.actions.services import NewService
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    Credential,
    EnvironmentName,
    OrganizationRole,
    ProjectRole,
    ProjectType,
    Service,
    ServiceEnvironment,
    User,
)


class Shop:
    """Ada administers the organization and owns the project."""

    def __init__(
        self,
        house: House,
        project_type: ProjectType = ProjectType.OAUTH10A,
        *,
        takes: AuthenticationType | None = None,
    ) -> None:
        self.house = house
        self._requests = count()
        self.ada = house.found()
        self.actor = Actor(ActorKind.SESSION, "tests", self.ada.id)
        self.service = self.add_service("Orders", takes or FITTING[project_type])
        first = self.new_request("first") if project_type is ProjectType.MTLS else self.new_key("first")
        new = NewProject(project_type, "Checkout", "", self.service.id, SANDBOX, first)
        view = projects.create(house.platform, self.actor, house.organization_id, new, now=house.clock.now())
        self.project, (self.key,) = view.project, view.credentials

    def add_service(self, name: str, takes: AuthenticationType) -> Service:
        places = tuple(
            ServiceEnvironment(each, f"/{name.lower()}", "http://127.0.0.1:9", 13, None) for each in EnvironmentName
        )
        new = NewService(name, takes, "", places)
        return services.create(self.house.platform, OPERATOR, new, now=self.house.clock.now())

    def csr(self) -> str:
        """The request of another key, none twice."""
        return request(next(self._requests)).decode()

    def new_key(self, alias: str) -> NewKey:
        return NewKey(alias, self.csr().encode())

    def new_request(self, alias: str) -> NewRequest:
        return NewRequest(alias, client_request(next(self._requests)))

    def certify(self, alias: str) -> Credential:
        """Add a certificate."""
        place = (self.house.platform, self.actor, self.project.id, self.new_request(alias), SANDBOX)
        return certificates.add_by_csr(*place, now=self.house.clock.now())

    def add(self, alias: str) -> Credential:
        return oauth_keys.add_by_csr(
            self.house.platform, self.actor, self.project.id, self.new_key(alias), SANDBOX, now=self.house.clock.now()
        )

    def put_on(self, name: str) -> User:
        """Put a new member of the organization on the project, to read."""
        user = self.house.join(name, OrganizationRole.USER)
        project_members.set_role(
            self.house.platform,
            self.actor,
            self.project.id,
            email=user.email,
            role=ProjectRole.READ_ONLY,
            now=self.house.clock.now(),
        )
        return user

    def browser(self) -> Browser:
        return self.house.visit(self.ada)

    def path(self, rest: str = "") -> str:
        return f"/projects/{self.project.id}{rest}"

    def key_path(self, rest: str = "", key: Credential | None = None) -> str:
        return self.path(f"/keys/{(key or self.key).id}{rest}")

    def certificate_path(self, rest: str = "", held: Credential | None = None) -> str:
        return self.path(f"/certificates/{(held or self.key).id}{rest}")

    def credentials(self) -> tuple[Credential, ...]:
        view = projects.get(self.house.platform, self.actor, self.project.id, now=self.house.clock.now())
        return view.credentials


def follow(browser: Browser, answer: httpx.Response) -> str:
    """The page that an answer sends to."""
    assert answer.status_code == 303, answer.text
    return browser.get(answer.headers["Location"]).text


def problem(answer: httpx.Response) -> str:
    """What a form says was wrong."""
    found = re.search(r'id="problem">([^<]+)<', answer.text)
    return found[1] if found else ""


__all__ = ["PRODUCTION", "SANDBOX", "Shop", "follow", "problem"]
