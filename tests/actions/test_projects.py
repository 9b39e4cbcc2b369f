"""Projects: created whole or not at all, changed, deleted, given a second environment and more services."""

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop, Stage

from credenza.actions import oauth_keys, project_members, project_services, projects, projects_in_sight, services
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewEnvironment, ProjectEdit
from credenza.domain.errors import Code
from credenza.domain.expiry import add_months
from credenza.domain.model import (
    Address,
    Approval,
    AuthenticationType,
    Company,
    OrganizationRole,
    ProjectId,
    ProjectRole,
    ProjectService,
    ProjectType,
    ServiceId,
    Status,
)
from credenza.store.schema import changes

SECOND = timedelta(seconds=1)
COMPANY = Company("Example", False, Address("OFFICE", "1 Main Street", "", "Dublin", "", "D01", "IRL"))


def test_a_project_comes_with_environment_service_key_and_owner(shop: Shop) -> None:
    wanted = shop.stage.new_project(company=COMPANY, commercial_countries=("IRL", "BEL"))

    view = shop.stage.done("project.create", projects.create, shop.owner.actor, shop.organization.id, wanted)

    (place,), (key,), (member,) = view.project.environments, view.credentials, view.members
    assert (view.project.name, view.project.company, view.project.commercial_countries) == (
        wanted.name,
        COMPANY,
        ("IRL", "BEL"),
    )
    assert (place.name, len(place.client_id)) == (SANDBOX, 48)
    assert [(each.service_id, each.status) for each in place.services] == [(wanted.service_id, Approval.APPROVED)]
    assert (key.client_id, key.environment, key.status) == (place.client_id, SANDBOX, Status.ACTIVE)
    assert (member.user, member.role) == (shop.owner.user, ProjectRole.OWNER)
    assert shop.stage.looked(projects.get, shop.owner.actor, view.project.id) == view


def test_a_client_id_never_looks_like_an_option(shop: Shop) -> None:
    stage = shop.stage
    stage.platform = replace(stage.platform, random=lambda count: b"\xff" + secrets.token_bytes(count - 1))

    view = shop.stage.done(
        "project.create", projects.create, shop.owner.actor, shop.organization.id, stage.new_project()
    )

    assert view.credentials[0].consumer_key[0].isalpha()


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        pytest.param({"credential": NewKey("x", b"")}, Code.INVALID_CSR, "csr", id="blank CSR"),
        pytest.param({"service_id": ServiceId(999)}, Code.SERVICE_NOT_FOUND, "serviceId", id="unknown service"),
        pytest.param({"type": ProjectType.OAUTH2_FAPI}, Code.PROJECT_TYPE, "serviceId", id="type and service differ"),
    ],
)
def test_a_project_is_refused_whole(stage: Stage, fields: dict[str, object], code: Code, field: str) -> None:
    shop = Shop(stage)
    wanted = stage.new_project(**{"service_id": stage.service().id, **fields})
    place = (shop.owner.actor, shop.organization.id, wanted)

    assert stage.refused("project.create", code, projects.create, *place).field == field


def test_a_country_that_is_not_offered(shop: Shop) -> None:
    stage = shop.stage.with_policy(commercial_countries=frozenset({"IRL", "BEL"}))
    wanted = stage.new_project(commercial_countries=("IRL", "USA"))
    place = (shop.owner.actor, shop.organization.id, wanted)

    assert "USA" in stage.refused("project.create", Code.PROJECT_CONFIG, projects.create, *place).message
    shop.refused("project.change", Code.PROJECT_CONFIG, projects.change, ProjectEdit(commercial_countries=("USA",)))


def test_an_mtls_project_takes_no_signing_key(shop: Shop) -> None:
    wanted = shop.stage.new_project(ProjectType.MTLS, credential=shop.stage.new_key())

    shop.stage.refused("project.create", Code.KEY_TYPE, projects.create, shop.owner.actor, shop.organization.id, wanted)


def test_a_service_that_is_not_offered_in_the_environment(shop: Shop) -> None:
    sandbox_only = shop.stage.service(AuthenticationType.OAUTH10A, shop.stage.place(SANDBOX))
    wanted = shop.stage.new_project(service_id=sandbox_only.id, environment=PRODUCTION)
    place = (shop.owner.actor, shop.organization.id, wanted)

    shop.stage.refused("project.create", Code.PROJECT_CONFIG, projects.create, *place)
    shop.refused("environment.service.add", Code.PROJECT_STATUS, project_services.add, PRODUCTION, sandbox_only.id)
    shop.add_production()
    shop.refused("environment.service.add", Code.PROJECT_CONFIG, project_services.add, PRODUCTION, sandbox_only.id)


def test_sandbox_keys_of_30_days(shop: Shop) -> None:
    short = shop.stage.service(AuthenticationType.OAUTH10A, shop.stage.place(SANDBOX, validity_days=30))
    wanted = shop.stage.new_project(service_id=short.id)
    view = shop.stage.done("project.create", projects.create, shop.owner.actor, shop.organization.id, wanted)

    assert view.credentials[0].not_after == shop.stage.now + timedelta(days=30) - SECOND
    assert shop.key.not_after == add_months(shop.stage.now, 13) - SECOND
    shop.done("environment.service.add", project_services.add, SANDBOX, short.id)
    assert shop.add().not_after == view.credentials[0].not_after


def test_name_unique_per_organization(shop: Shop) -> None:
    elsewhere = Shop(shop.stage)
    wanted = shop.stage.new_project(name=shop.project.name)
    other = shop.stage.project(shop.owner, shop.organization)

    shop.stage.refused(
        "project.create",
        Code.DUPLICATE_PROJECT_NAME,
        projects.create,
        shop.owner.actor,
        shop.organization.id,
        wanted,
    )
    shop.refused("project.change", Code.DUPLICATE_PROJECT_NAME, projects.change, ProjectEdit(name=other.project.name))
    shop.stage.done("project.create", projects.create, elsewhere.owner.actor, elsewhere.organization.id, wanted)


def test_the_quota_is_refused_and_a_deleted_project_leaves_its_place_and_name(stage: Stage) -> None:
    shop = Shop(stage, project_limit=1)
    wanted = stage.new_project(name=shop.project.name)
    create = (projects.create, shop.owner.actor, shop.organization.id)

    stage.refused("project.create", Code.PROJECT_LIMIT, *create, stage.new_project(), abandons=True)
    shop.done("project.delete", projects.delete)
    stage.done("project.create", *create, wanted)


def test_what_is_changed_is_changed_and_the_rest_stays(shop: Shop) -> None:
    edit = ProjectEdit(name="Billing", company=COMPANY, commercial_countries=("BEL",), ambiguous_readings=True)
    before = len(shop.stage.rows(changes))

    changed = shop.done("project.change", projects.change, edit).project

    assert (changed.name, changed.company, changed.commercial_countries, changed.ambiguous_readings) == (
        "Billing",
        COMPANY,
        ("BEL",),
        True,
    )
    assert shop.done("project.change", projects.change, ProjectEdit()).project == changed
    assert {(row.kind, row.subject) for row in shop.stage.rows(changes)[before:]} == {("project", changed.id)}


def test_deleting_a_project_revokes_everything_in_it(shop: Shop) -> None:
    added = shop.add()
    shop.revoke(added)

    reach = shop.done("project.delete", projects.delete)

    assert reach.gates == 0
    found = {row.id: (row.status, row.revoked_reason) for row in shop.stage.dump()["credentials"]}
    assert found == {shop.key.id: ("REVOKED", "project deleted"), added.id: ("REVOKED", "no longer used")}
    shop.refused("project.view", Code.PROJECT_NOT_FOUND, projects.get)
    shop.refused("key.view", Code.PROJECT_NOT_FOUND, oauth_keys.get, shop.key.id)


def test_the_other_environment_has_a_client_id_and_a_key_of_its_own(shop: Shop) -> None:
    key = shop.add_production()
    project = shop.looked(projects.get).project
    sandbox, production = project.environment(SANDBOX), project.environment(PRODUCTION)

    assert sandbox is not None
    assert production is not None
    assert sandbox.client_id != production.client_id == key.client_id
    assert sandbox.services == production.services
    shop.refused(
        "environment.add",
        Code.DUPLICATE_ENVIRONMENT,
        projects.add_environment,
        NewEnvironment(PRODUCTION, shop.stage.new_key()),
    )


def test_the_other_environment_takes_over_live_services_that_are_offered_there(shop: Shop) -> None:
    stage = shop.stage
    sandbox_only = stage.service(AuthenticationType.DUAL_OAUTH, stage.place(SANDBOX))
    retired = stage.service(AuthenticationType.OAUTH10A)
    for each in (sandbox_only, retired):
        shop.done("environment.service.add", project_services.add, SANDBOX, each.id)
    stage.done("service.change", services.retire, OPERATOR, retired.id)
    shop.add_production()

    production = shop.looked(projects.get).project.environment(PRODUCTION)

    assert production is not None
    assert [each.service_id for each in production.services] == [shop.project.environments[0].services[0].service_id]


def test_a_service_is_added_once_and_the_gates_are_told(shop: Shop) -> None:
    service = shop.stage.service(AuthenticationType.DUAL_OAUTH)
    before = len(shop.stage.rows(changes))

    view = shop.done("environment.service.add", project_services.add, SANDBOX, service.id)

    added = ProjectService(service.id, service.name, Approval.APPROVED)
    assert added in view.project.environments[0].services
    assert [(row.kind, row.subject) for row in shop.stage.rows(changes)[before:]] == [("project", shop.project.id)]
    shop.refused("environment.service.add", Code.DUPLICATE_PROJECT_SERVICE, project_services.add, SANDBOX, service.id)
    mtls = shop.stage.service(AuthenticationType.MTLS)
    shop.refused("environment.service.add", Code.PROJECT_TYPE, project_services.add, SANDBOX, mtls.id)


def test_a_list_holds_what_its_reader_may_see_a_page_at_a_time(shop: Shop) -> None:
    stage = shop.stage
    colleague = stage.member(shop.organization, OrganizationRole.USER)
    others = [stage.project(colleague, shop.organization).project for _ in range(3)]
    overseer = stage.member(shop.organization, OrganizationRole.COMPLIANCE_ADMIN)
    project_members.set_role(
        stage.platform,
        colleague.actor,
        others[0].id,
        email=shop.owner.user.email,
        role=ProjectRole.READ_ONLY,
        now=stage.now,
    )

    def listed(actor: object, **named: object) -> list[str]:
        views = stage.looked(projects_in_sight.list_all, actor, shop.organization.id, **named)
        assert all(len(view.credentials) == 1 for view in views)
        return [view.project.id for view in views]

    every = sorted([shop.project.id, *(other.id for other in others)])
    assert listed(shop.owner.actor) == sorted([shop.project.id, others[0].id])
    assert listed(colleague.actor) == sorted(other.id for other in others)
    assert listed(overseer.actor) == listed(OPERATOR) == every
    assert listed(OPERATOR, limit=3) + listed(OPERATOR, after=every[2], limit=3) == every


def test_a_reader_changes_nothing(shop: Shop) -> None:
    overseer = shop.stage.member(shop.organization, OrganizationRole.COMPLIANCE_ADMIN)
    environment = NewEnvironment(PRODUCTION, shop.stage.new_key())

    shop.stage.looked(projects.get, overseer.actor, shop.project.id)
    for action, call, rest in (
        ("project.change", projects.change, (ProjectEdit(),)),
        ("project.delete", projects.delete, ()),
        ("environment.add", projects.add_environment, (environment,)),
        ("environment.service.add", project_services.add, (SANDBOX, ServiceId(1))),
    ):
        shop.stage.refused(action, Code.PROJECT_FORBIDDEN, call, overseer.actor, shop.project.id, *rest)
        shop.stage.refused(action, Code.PROJECT_NOT_FOUND, call, OPERATOR, ProjectId("x"), *rest)


def test_read_only_people_create_no_projects(shop: Shop) -> None:
    reader = shop.stage.member(shop.organization, OrganizationRole.READ_ONLY)

    shop.stage.refused(
        "project.create",
        Code.FORBIDDEN,
        projects.create,
        reader.actor,
        shop.organization.id,
        shop.stage.new_project(),
        chain=shop.organization.id,
    )


def test_a_token_sees_its_own_organization_alone(shop: Shop) -> None:
    """Also where its owner is a member elsewhere."""
    elsewhere = Shop(shop.stage)
    foreign = replace(shop.owner.actor, organization_id=elsewhere.organization.id)

    shop.stage.refused("project.view", Code.PROJECT_NOT_FOUND, projects.get, foreign, shop.project.id)
    shop.stage.refused(
        "project.list",
        Code.NOT_FOUND,
        projects_in_sight.list_all,
        foreign,
        shop.organization.id,
        chain=elsewhere.organization.id,
    )
