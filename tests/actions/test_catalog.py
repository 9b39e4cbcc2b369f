"""The whole catalog at once: planned, told for whom, and applied in one piece or not at all."""

from dataclasses import replace
from typing import Any

import pytest
from tests.actions.api_catalog import ApiCatalog
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop, Stage

from credenza.actions import catalog, services
from credenza.actions.catalog import Kind, Plan
from credenza.actions.services import NewService
from credenza.domain.catalog import NO_ENTRY, CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import AuthenticationType, Service, ServiceStatus
from credenza.store.schema import api_grants, api_places, changes, service_permissions, service_routes
from credenza.store.schema import services as service_rows

ONE = RouteRule("GET", "/v1/workspaces/{workspace}/profiles/{id}", "read", None, "workspace")
ENTRY = CatalogEntry(
    scope_level=ScopeLevel.WORKSPACE,
    audience="https://api.example",
    token_life_s=1800,
    calls_per_minute=600,
    permissions=(Permission("read", "Read profiles"), Permission("write")),
    routes=(ONE, replace(ONE, method="PUT", permission="write")),
)


def wanted(service: Service) -> NewService:
    """A service as a file would describe it."""
    return NewService(
        service.name,
        service.authentication,
        service.description,
        service.environments,
        service.scopes,
        service.entry,
    )


def new(stage: Stage, entry: CatalogEntry = ENTRY, **fields: Any) -> NewService:
    places = (stage.place(SANDBOX), stage.place(PRODUCTION))
    return replace(NewService("Profile", AuthenticationType.CLIENT_SECRET, "", places, entry=entry), **fields)


SIGNED = {"authentication": AuthenticationType.OAUTH10A}


def planned(stage: Stage, *services: NewService) -> Plan:
    return stage.looked(catalog.plan, OPERATOR, services)


def applied(stage: Stage, *services: NewService) -> Plan:
    fingerprint = planned(stage, *services).fingerprint
    return stage.done("service.change", catalog.apply, OPERATOR, services, fingerprint)


def kinds(plan: Plan) -> dict[str, Kind]:
    return {each.change.name: each.change.kind for each in plan.changes}


# ------------------------------------------------------------------------------------------------ one service's entry


def test_an_entry_is_kept_as_it_was_written(stage: Stage) -> None:
    made = stage.done("service.create", services.create, OPERATOR, new(stage))

    assert made.entry == ENTRY
    assert stage.looked(services.list_live, OPERATOR) == (made,)


def test_an_entry_is_replaced_by_its_difference(stage: Stage) -> None:
    made = stage.done("service.create", services.create, OPERATOR, described := new(stage))
    entry = CatalogEntry(
        ScopeLevel.ORGANIZATION,
        scope_fixed=True,
        admits_unmapped=True,
        permissions=(Permission("admin"), Permission("read", "Look")),
        routes=(RouteRule("GET", "/v1", "admin"),),
    )

    changed = stage.done("service.change", services.change, OPERATOR, made.id, replace(described, entry=entry))

    assert changed.entry == entry
    assert stage.looked(services.list_live, OPERATOR) == (changed,)
    assert [(row.position, row.path) for row in stage.rows(service_routes)] == [(0, "/v1")]
    assert {row.name for row in stage.rows(service_permissions)} == {"admin", "read"}


def test_a_file_that_says_nothing_of_payloads_takes_no_rules_away(stage: Stage) -> None:
    place = stage.place(payload_rules='{"encryption": {"mode": "JWE"}}')
    made = stage.done(
        "service.create", services.create, OPERATOR, new(stage, NO_ENTRY, **SIGNED, environments=(place,))
    )
    plain = replace(wanted(made), environments=(replace(place, payload_rules=None),))
    silent = replace(plain, silent_on_payloads=frozenset({SANDBOX}))

    with pytest.raises(Refusal, match=made.name):
        planned(stage, silent)
    refusal = stage.refused("service.change", Code.INVALID, catalog.apply, OPERATOR, (silent,), "0" * 32)

    assert refusal.field == "payloadRules"
    (planned_change,) = applied(stage, plain).changes
    assert [line[:25] for line in planned_change.change.lines] == ["- SANDBOX payload rules: "]


def test_permissions_and_routes_are_for_client_secrets(stage: Stage) -> None:
    signed = new(stage, authentication=AuthenticationType.OAUTH10A)
    bare = new(stage, NO_ENTRY)

    assert stage.refused("service.create", Code.INVALID, services.create, OPERATOR, signed).field == "catalogEntry"
    assert stage.refused("service.create", Code.INVALID, services.create, OPERATOR, bare).field == "scopeLevel"


def test_a_permission_that_goes_is_taken_from_whoever_holds_it_and_does_not_come_back(stage: Stage) -> None:
    desk = ApiCatalog(stage)
    issued = desk.create()
    credential_id = issued.view.credential.id
    before = stage.rows(changes)
    other = replace(desk.profile.entry, permissions=(Permission("list"),))
    described = wanted(desk.profile)

    stage.done("service.change", services.change, OPERATOR, desk.profile.id, replace(described, entry=other))

    heard = [(row.kind, row.subject) for row in stage.rows(changes) if row not in before]
    assert heard == [("catalog", str(desk.profile.id)), ("credential", credential_id)]
    assert stage.rows(api_grants) == stage.rows(api_places) == []
    stage.done("service.change", services.change, OPERATOR, desk.profile.id, described)
    assert stage.rows(api_grants) == []


def test_a_permission_that_stays_stays_with_whoever_holds_it(stage: Stage) -> None:
    desk = ApiCatalog(stage)
    desk.create()
    granted, places = stage.rows(api_grants), stage.rows(api_places)
    entry = replace(desk.profile.entry, permissions=(Permission("write"), Permission("read", "Other words")))

    described = replace(wanted(desk.profile), entry=entry)
    stage.done("service.change", services.change, OPERATOR, desk.profile.id, described)

    assert (stage.rows(api_grants), stage.rows(api_places)) == (granted, places)


def test_places_of_another_level_are_dropped(stage: Stage) -> None:
    desk = ApiCatalog(stage)
    desk.create()
    described = replace(wanted(desk.profile), entry=replace(desk.profile.entry, scope_level=ScopeLevel.ACCOUNT))

    stage.done("service.change", services.change, OPERATOR, desk.profile.id, described)

    assert stage.rows(api_places) == []
    assert len(stage.rows(api_grants)) == 1


# --------------------------------------------------------------------------------------------------- the whole catalog


def test_only_operators_plan_apply_and_export(shop: Shop) -> None:
    stage, actor = shop.stage, shop.owner.actor

    stage.refused("service.change", Code.FORBIDDEN, catalog.plan, actor, ())
    stage.refused("service.change", Code.FORBIDDEN, catalog.apply, actor, (), "")
    stage.refused("service.change", Code.FORBIDDEN, catalog.export, actor)


def test_what_was_exported_changes_nothing(stage: Stage) -> None:
    applied(stage, new(stage), new(stage, NO_ENTRY, name="Cards", authentication=AuthenticationType.DUAL_OAUTH))

    exported = stage.looked(catalog.export, OPERATOR)

    assert planned(stage, *map(wanted, exported)).changes == ()


def test_a_catalog_is_applied_in_one_piece(stage: Stage) -> None:
    kept, gone = new(stage), new(stage, name="Gone")
    applied(stage, kept, gone)
    before = stage.rows(changes)
    first, second = replace(kept, description="Other words"), new(stage, name="New")

    done = applied(stage, first, second)

    assert kinds(done) == {"Profile": Kind.CHANGED, "New": Kind.CREATED, "Gone": Kind.RETIRED}
    assert {each.name: each.description for each in stage.looked(catalog.export, OPERATOR)} == {
        "Profile": "Other words",
        "New": "",
    }
    assert {row.kind for row in stage.rows(changes) if row not in before} == {"catalog"}
    assert kinds(applied(stage, first, second, gone)) == {"Gone": Kind.RESTORED}


def test_a_retired_service_keeps_its_row(stage: Stage) -> None:
    applied(stage, new(stage))

    applied(stage)

    assert [row.status for row in stage.rows(service_rows)] == [ServiceStatus.RETIRED]


def test_paths_and_scopes_change_hands(stage: Stage) -> None:
    one = new(stage, scopes=frozenset({"one:read"}))
    other = new(stage, name="Other", scopes=frozenset({"other:read"}))
    applied(stage, one, other)

    applied(
        stage,
        replace(one, environments=other.environments, scopes=other.scopes),
        replace(other, environments=one.environments, scopes=one.scopes),
    )

    found = {each.name: (each.environments, each.scopes) for each in stage.looked(catalog.export, OPERATOR)}
    assert found == {"Profile": (other.environments, other.scopes), "Other": (one.environments, one.scopes)}


def test_a_plan_is_applied_to_no_other_catalog(stage: Stage) -> None:
    file = new(stage)
    plan = planned(stage, file)
    stage.done("service.create", services.create, OPERATOR, new(stage, name="Somebody else's"))

    stage.refused("service.change", Code.EDITED_MEANWHILE, catalog.apply, OPERATOR, (file,), plan.fingerprint)


def test_a_plan_is_applied_from_no_other_file(stage: Stage) -> None:
    plan = planned(stage, new(stage))
    other = new(stage, replace(ENTRY, admits_unmapped=True))

    stage.refused("service.change", Code.EDITED_MEANWHILE, catalog.apply, OPERATOR, (other,), plan.fingerprint)


def test_what_is_wrong_in_one_service_stops_all(stage: Stage) -> None:
    good, bad = new(stage), new(stage, replace(ENTRY, token_life_s=1), name="Bad")

    for call, rest in ((catalog.plan, ()), (catalog.apply, ("",))):
        refusal = stage.refused("service.change", Code.INVALID, call, OPERATOR, (good, bad), *rest)
        assert refusal.message.startswith("Bad: ")


def test_a_service_is_named_once_and_keeps_its_authentication(stage: Stage) -> None:
    applied(stage, file := new(stage))
    other = replace(file, authentication=AuthenticationType.MTLS, entry=NO_ENTRY)

    stage.refused("service.change", Code.INVALID, catalog.plan, OPERATOR, (file, file))
    stage.refused("service.change", Code.PROJECT_TYPE, catalog.plan, OPERATOR, (other,))


def test_two_services_at_one_path_are_refused_together(stage: Stage) -> None:
    one = new(stage)
    files = (one, replace(one, name="Other"))
    plan = planned(stage, *files)

    stage.refused("service.change", Code.DUPLICATE_NAME, catalog.apply, OPERATOR, files, plan.fingerprint)


@pytest.mark.parametrize(("permission", "count"), [("read", 2), ("write", 0)])
def test_a_plan_says_whom_it_concerns(stage: Stage, permission: str, count: int) -> None:
    desk = ApiCatalog(stage)
    for name in ("Web analytics", "Mobile"):
        desk.create(name=name)
    permissions = (*desk.profile.entry.permissions, Permission("write"))
    entry = replace(desk.profile.entry, routes=(RouteRule("GET", "/v1", permission),), permissions=permissions)
    others = [wanted(each) for each in (desk.platform, desk.planning)]

    plan = planned(stage, replace(wanted(desk.profile), entry=entry), *others)

    ((concern,),) = (each.concerns for each in plan.changes)
    assert (concern.effect.direction, concern.effect.permissions) == ("widens", {permission})
    names = [f"{name} ({desk.organization.name}, SANDBOX)" for name in ("Mobile", "Web analytics")]
    assert (concern.holders.credentials, concern.holders.names) == (count, tuple(names[:count]))


def test_a_plan_counts_the_projects_of_what_moves(shop: Shop) -> None:
    stage = shop.stage
    (service,) = stage.looked(catalog.export, OPERATOR)
    moved = tuple(replace(each, upstream="http://127.0.0.1:9100") for each in service.environments)

    plan = planned(stage, replace(wanted(service), environments=moved))

    assert {each.holders.projects for change in plan.changes for each in change.concerns} == {1}
