"""The catalog over HTTP: everybody reads it, and nobody who comes over HTTP changes it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.desk import OPERATOR, Desk

from credenza.actions import services
from credenza.api.services import read_new
from credenza.cli import demo_catalog
from credenza.domain.model import EnvironmentName
from credenza.wire import services as wire

pytestmark = pytest.mark.anyio

ENTRY: dict[str, Any] = {
    "scopeLevel": "WORKSPACE",
    "permissions": [{"name": "read"}],
    "routes": [{"method": "GET", "path": "/v1/{workspace}", "permission": "read", "workspaceVariable": "workspace"}],
}
NEW: dict[str, Any] = {
    "name": "Profile",
    "authenticationType": "CLIENT_SECRET",
    "environments": [{"name": "SANDBOX", "pathPrefix": "/profile-2", "upstream": "http://127.0.0.1:9"}],
    "catalogEntry": ENTRY,
}


@pytest.mark.parametrize("path", ["/developer/services", "/api/services"])
async def test_an_api_says_what_it_offers_and_what_its_calls_need(desk: Desk, path: str) -> None:
    demo_catalog.seed(desk.platform, upstream="http://127.0.0.1:9", now=desk.clock.now())

    async with desk.http("reader") as http:
        listed = {each["name"]: each["catalogEntry"] for each in (await http.get(path)).json()}

    entry = listed.pop("Platform API")
    assert (entry["scopeLevel"], entry["scopeFixed"], entry["callsPerMinute"]) == ("ACCOUNT", True, 120)
    assert [each["name"] for each in entry["permissions"]] == ["user", "admin"]
    assert entry["routes"][1] == {
        "method": "GET",
        "path": "/v1/accounts/{account}",
        "permission": "user",
        "accountVariable": "account",
        "workspaceVariable": None,
    }
    assert {name for name, each in listed.items() if each is not None} == {"Profile API", "Data Planning API"}


async def test_nobody_changes_it_over_http(desk: Desk) -> None:
    before = services.list_live(desk.platform, OPERATOR, now=desk.clock.now())

    async with desk.http("admin") as http:
        made = await http.post("/api/services", json=NEW)
        changed = await http.put(f"/api/services/{before[0].id}", json=NEW)

    assert (made.status_code, changed.status_code) == (403, 403)
    assert services.list_live(desk.platform, OPERATOR, now=desk.clock.now()) == before


def test_what_is_left_out_of_payloads_is_told_from_what_is_null() -> None:
    places = [
        {"name": "SANDBOX", "pathPrefix": "/a", "upstream": "http://127.0.0.1:9", "payloadRules": None},
        {"name": "PRODUCTION", "pathPrefix": "/a", "upstream": "http://127.0.0.1:9"},
    ]
    new = wire.NewService.model_validate({**NEW, "environments": places}, strict=False)

    assert read_new(new).silent_on_payloads == frozenset({EnvironmentName.PRODUCTION})


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"scopeLevel": "GALAXY"}, "scopeLevel"),
        ({"scopeFixed": "yes"}, "scopeFixed"),
        ({"tokenLifeS": 59}, "tokenLifeS"),
        ({"callsPerMinute": 0}, "callsPerMinute"),
        ({"permissions": []}, "permissions"),
        ({"permissions": [{"name": "Read"}]}, "permissions"),
        ({"routes": [{"method": "get", "path": "/", "permission": "read"}]}, "routes"),
        ({"routes": [{"method": "GET", "path": "v1", "permission": "read"}]}, "routes"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_misshapen_entry_is_refused_with_its_field(desk: Desk, entry: dict[str, Any], field: str) -> None:
    async with desk.http("admin") as http:
        refused = await http.post("/api/services", json=NEW | {"catalogEntry": ENTRY | entry})

    assert refused.status_code == 400
    assert field in refused.text
