"""What a plan says of a new catalog: the difference, and whose calls it widens or narrows."""

from dataclasses import replace
from typing import Any

import pytest

from credenza.domain.catalog import CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.catalog_plan import Direction, Effect, Kind, changes
from credenza.domain.model import (
    AuthenticationType,
    EnvironmentName,
    Service,
    ServiceEnvironment,
    ServiceId,
    ServiceStatus,
)

SANDBOX, PRODUCTION = EnvironmentName.SANDBOX, EnvironmentName.PRODUCTION
LIST = RouteRule("GET", "/v1/profiles", "read")
ONE = RouteRule("GET", "/v1/workspaces/{w}/profiles/{id}", "read", None, "w")
ENTRY = CatalogEntry(
    ScopeLevel.WORKSPACE, permissions=(Permission("read", "Read"), Permission("write")), routes=(LIST, ONE)
)
PLACE = ServiceEnvironment(SANDBOX, "/profile", "http://127.0.0.1:9000", 13, None)
PROFILE = Service(
    ServiceId(7), "Profile", AuthenticationType.CLIENT_SECRET, ServiceStatus.LIVE, "", (PLACE,), frozenset(), ENTRY
)


def effects(entry: CatalogEntry = ENTRY, *, before: CatalogEntry = ENTRY, **named: Any) -> list[tuple[str, str]]:
    """What becomes of live credentials, and the permissions that it is about."""
    found = changes((replace(PROFILE, entry=before),), (replace(PROFILE, entry=entry, **named),))
    return [(each.direction.value, ",".join(sorted(each.permissions))) for change in found for each in change.effects]


def test_the_same_catalog_changes_nothing() -> None:
    assert changes((PROFILE,), (PROFILE,)) == ()


def test_a_new_service_concerns_nobody_yet() -> None:
    (change,) = changes((), (PROFILE,))

    assert (change.kind, change.effects) == (Kind.CREATED, ())
    assert "+ route GET /v1/workspaces/{w}/profiles/{id}: read, workspace {w}" in change.lines


def test_what_the_file_leaves_out_is_retired() -> None:
    (change,) = changes((PROFILE,), ())

    assert change.kind is Kind.RETIRED
    assert change.effects == (Effect(Direction.NARROWS, "it is served no more"),)


def test_what_was_retired_stays_so_or_comes_back() -> None:
    retired = replace(PROFILE, status=ServiceStatus.RETIRED)

    assert changes((retired,), ()) == ()
    (change,) = changes((retired,), (PROFILE,))
    assert change.kind is Kind.RESTORED
    assert change.effects == (Effect(Direction.WIDENS, "it is served again"),)


def test_the_difference_is_told_line_by_line() -> None:
    permissions = (Permission("read", "Look"), Permission("write"), Permission("admin"))
    entry = replace(ENTRY, routes=(replace(ONE, permission="write"),), permissions=permissions)

    (change,) = changes((PROFILE,), (replace(PROFILE, entry=entry),))

    assert change.lines == (
        "~ permission read: Read -> Look",
        "+ permission admin: -",
        "~ route GET /v1/workspaces/{w}/profiles/{id}: read, workspace {w} -> write, workspace {w}",
        "- route GET /v1/profiles: read",
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(
            {"routes": (LIST, ONE, RouteRule("GET", "/v1/x", "read"))}, [("widens", "read")], id="a route more"
        ),
        pytest.param({"routes": (LIST,)}, [("narrows", "read")], id="a route less"),
        pytest.param(
            {"routes": (LIST, replace(ONE, permission="write"))},
            [("narrows", "read"), ("widens", "write")],
            id="another permission",
        ),
        pytest.param(
            {"routes": (LIST, replace(ONE, workspace_variable=None))}, [("widens", "read")], id="no place any more"
        ),
        pytest.param(
            {"routes": (LIST, replace(ONE, account_variable="id"))}, [("narrows", "read")], id="one place more"
        ),
        pytest.param(
            {"routes": (LIST, replace(ONE, workspace_variable="id"))},
            [("widens", "read"), ("narrows", "read")],
            id="another place",
        ),
        pytest.param(
            {"routes": (LIST, replace(ONE, path="/v1/workspaces/{x}/profiles/{id}", workspace_variable="x"))},
            [],
            id="another name of the variable",
        ),
        pytest.param(
            {"routes": (LIST, ONE, RouteRule("GET", "/v1/workspaces/{w}/profiles/all", "write"))},
            [("widens", "write"), ("narrows", "read")],
            id="a more specific route takes calls away",
        ),
        pytest.param({"permissions": ENTRY.permissions[:1]}, [("narrows", "write")], id="a permission less"),
        pytest.param({"scope_fixed": True}, [("widens", "")], id="scope becomes fixed"),
        pytest.param({"scope_level": ScopeLevel.ORGANIZATION, "scope_fixed": True}, [("widens", "")], id="everything"),
        pytest.param({"scope_level": ScopeLevel.ACCOUNT}, [("narrows", "")], id="another level"),
        pytest.param({"admits_unmapped": True}, [("widens", "")], id="admits what is unmapped"),
        pytest.param({"audience": "https://api.example"}, [("moves", "")], id="another audience"),
        pytest.param({"token_life_s": 7200}, [("widens", "")], id="tokens live longer"),
        pytest.param({"token_life_s": 600}, [("narrows", "")], id="tokens live shorter"),
        pytest.param({"calls_per_minute": 60}, [("narrows", "")], id="a limit"),
    ],
)
def test_what_an_entry_widens_and_narrows(entry: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert effects(replace(ENTRY, **entry)) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param({"scope_fixed": True}, [("narrows", "")], id="scope is chosen again"),
        pytest.param({"admits_unmapped": True}, [("narrows", "")], id="refuses what is unmapped"),
        pytest.param({"calls_per_minute": 60}, [("widens", "")], id="no limit any more"),
        pytest.param(
            {"routes": (LIST, ONE, RouteRule("GET", "/v1/workspaces/{w}/profiles/all", "write"))},
            [("narrows", "write"), ("widens", "read")],
            id="a less specific route takes calls over",
        ),
    ],
)
def test_what_the_old_entry_widens_and_narrows(before: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert effects(before=replace(ENTRY, **before)) == expected


def test_where_unmapped_calls_are_admitted_a_route_narrows_everybody_and_its_end_widens() -> None:
    admitting = replace(ENTRY, admits_unmapped=True)
    fewer = replace(admitting, routes=(LIST,))

    assert effects(admitting, before=fewer) == [("widens", "read"), ("narrows", "")]
    assert effects(fewer, before=admitting) == [("narrows", "read"), ("widens", "")]


def test_a_method_more_at_a_path_that_is_guarded_already_takes_from_nobody() -> None:
    admitting = replace(ENTRY, admits_unmapped=True)
    more = replace(admitting, routes=(LIST, ONE, replace(LIST, method="POST", permission="write")))

    assert effects(more, before=admitting) == [("widens", "write")]
    assert effects(admitting, before=more) == [("narrows", "write")]


def test_a_more_specific_path_takes_the_methods_that_it_does_not_name() -> None:
    put = RouteRule("PUT", "/v1/users/{id}", "write")
    wide = replace(ENTRY, routes=(put,))
    narrow = replace(ENTRY, routes=(put, RouteRule("GET", "/v1/users/me", "read")))

    assert effects(narrow, before=wide) == [("widens", "read"), ("narrows", "write")]
    assert effects(wide, before=narrow) == [("narrows", "read"), ("widens", "write")], "nothing widens unsaid"


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ((replace(PLACE, upstream="http://127.0.0.1:9001"),), [("moves", "")]),
        ((replace(PLACE, path_prefix="/profiles"),), [("moves", "")]),
        ((PLACE, replace(PLACE, environment=PRODUCTION)), [("widens", "")]),
        ((replace(PLACE, environment=PRODUCTION),), [("narrows", ""), ("widens", "")]),
        ((replace(PLACE, validity_days=30),), []),
        ((replace(PLACE, payload_rules="{}"),), []),
    ],
)
def test_what_other_places_do(places: tuple[ServiceEnvironment, ...], expected: list[tuple[str, str]]) -> None:
    (change,) = changes((PROFILE,), (replace(PROFILE, environments=places, scopes=frozenset({"a:b"})),))

    assert [(each.direction, ",".join(each.permissions)) for each in change.effects] == expected
    assert "+ scope a:b: yes" in change.lines
