"""The demo's three APIs behind the gate, and the catalog that maps every one of their calls."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from tests.actions.stage import OPERATOR, Stage, new_platform
from tests.clock import Clock

from credenza.actions import services
from credenza.cli import demo_catalog
from credenza.cli.demo_apis import Apis, Place
from credenza.domain.catalog import Matched
from credenza.domain.catalog_paths import Matcher, below
from credenza.domain.model import AuthenticationType, Service
from credenza.store.engine import Database

WEB, EU = Place("a1", "Acme Web"), Place("w1", "Web-EU")
PLAN = {"events": ["purchase"]}


@pytest.fixture
def apis() -> Apis:
    return Apis({WEB: (EU,), Place("a2", "Acme Apps"): ()})


def asked(apis: Apis, method: str, path: str, body: Any = None) -> tuple[HTTPStatus, Any]:
    found = apis.answer(method, path, b"" if body is None else json.dumps(body).encode())
    assert found is not None
    return found


def test_a_profile_is_somebody_of_a_workspace(apis: Apis) -> None:
    _, listed = asked(apis, "GET", "/profile/v1/workspaces/w1/profiles")

    assert asked(apis, "GET", "/profile/v1/workspaces/w1/profiles/2") == (HTTPStatus.OK, listed["profiles"][2])
    assert asked(apis, "GET", "/profile/v1/workspaces/w1/profiles/9")[0] == HTTPStatus.NOT_FOUND


def test_accounts_are_those_of_the_tree_and_keep_settings(apis: Apis) -> None:
    listed = asked(apis, "GET", "/platform/v1/accounts")[1]["accounts"]
    kept = asked(apis, "PUT", "/platform/v1/accounts/a1/settings", {"currency": "EUR"})

    assert [each["name"] for each in listed] == ["Acme Web", "Acme Apps"]
    assert asked(apis, "GET", "/platform/v1/accounts/a1")[1] == {"id": "a1", "name": "Acme Web"}
    assert asked(apis, "GET", "/platform/v1/accounts/a1/workspaces")[1]["workspaces"] == [
        {"id": "w1", "name": "Web-EU"}
    ]
    assert kept[1]["currency"] == asked(apis, "GET", "/platform/v1/accounts/a1/settings")[1]["currency"] == "EUR"
    assert asked(apis, "GET", "/platform/v1/accounts/a3")[0] == HTTPStatus.NOT_FOUND


def test_data_plans_come_change_and_go(apis: Apis) -> None:
    status, made = asked(apis, "POST", plans := "/planning/v1/workspaces/w1/plans", PLAN)
    one = f"{plans}/{made['id']}"

    assert (status, made) == (HTTPStatus.CREATED, {"id": "1", **PLAN})
    assert asked(apis, "PUT", one, {"events": []}) == (HTTPStatus.OK, {"id": "1", "events": []})
    assert asked(apis, "GET", plans)[1] == {"plans": [{"id": "1", "events": []}]}
    assert asked(apis, "GET", "/planning/v1/workspaces/w2/plans")[1] == {"plans": []}
    assert asked(apis, "DELETE", one)[0] == HTTPStatus.OK
    assert asked(apis, "GET", one)[0] == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"1", b"\xff", b'{"a":"' + b"x" * 10_000 + b'"}', b"[" * 9_000])
def test_a_plan_is_a_json_object(apis: Apis, body: bytes) -> None:
    found = apis.answer("POST", "/planning/v1/workspaces/w1/plans", body)

    assert found is not None
    assert found[0] == HTTPStatus.BAD_REQUEST


def test_a_workspace_has_so_many_plans(apis: Apis) -> None:
    made = [asked(apis, "POST", "/planning/v1/workspaces/w1/plans", PLAN)[0] for _ in range(101)]

    assert made == [HTTPStatus.CREATED] * 100 + [HTTPStatus.CONFLICT]


@pytest.mark.parametrize("path", ["/", "/payments/7", "/profiles/v1", "", "*"])
def test_other_paths_are_none_of_theirs(apis: Apis, path: str) -> None:
    assert apis.answer("GET", path, b"") is None


@pytest.fixture
def stage(sqlite_database: Database, clock: Clock) -> Stage:
    return Stage(new_platform(sqlite_database, now=clock.now()), clock)


@pytest.fixture
def offered(stage: Stage) -> list[Service]:
    demo_catalog.seed(stage.platform, upstream="http://127.0.0.1:9000", now=stage.now)
    found = services.list_live(stage.platform, OPERATOR, now=stage.now)
    return [each for each in found if each.authentication is AuthenticationType.CLIENT_SECRET]


def test_the_catalog_holds_the_three_apis_of_the_seed(offered: list[Service]) -> None:
    found = {
        each.name: (each.entry.scope_level, each.entry.everywhere, [one.name for one in each.entry.permissions])
        for each in offered
    }

    assert found == {
        "Profile API": ("WORKSPACE", False, ["read"]),
        "Platform API": ("ACCOUNT", True, ["user", "admin"]),
        "Data Planning API": ("WORKSPACE", False, ["read", "write"]),
    }


def test_every_route_of_the_catalog_is_answered(offered: list[Service], apis: Apis) -> None:
    asked(apis, "POST", "/planning/v1/workspaces/w1/plans", PLAN)
    names = {"{workspace}": "w1", "{account}": "a1", "{profile}": "0", "{plan}": "1"}
    for service in offered:
        prefix = service.environments[0].path_prefix
        for rule in service.entry.routes:
            path = prefix + rule.path
            for variable, value in names.items():
                path = path.replace(variable, value)

            found = Matcher(service.entry.routes).match(rule.method, below(prefix, path))

            assert isinstance(found, Matched)
            assert found.rule == rule
            assert asked(apis, rule.method, path, PLAN)[0] < 300, path
