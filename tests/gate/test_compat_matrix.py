"""Every route, permission, scope and state of a credential through the gate's own decision, against a model that knows
neither matcher nor memory: what is admitted is what was ticked, none too many and none too few."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import pytest
from tests.gate.api_scene import ApiGate, entry

from credenza.actions import accounts, api_credentials, workspaces
from credenza.actions.api_credentials import IssuedApiCredential
from credenza.domain.api_credentials import ApiGrant
from credenza.domain.catalog import RouteRule, ScopeLevel
from credenza.domain.model import Service
from credenza.gate.decision import Code

pytestmark = pytest.mark.anyio

_WORKSPACE, _ACCOUNT = "/v1/workspaces/{workspace}/things/{id}", "/v1/accounts/{account}/users"
ROUTES = (
    RouteRule("GET", _WORKSPACE, "read", workspace_variable="workspace"),
    RouteRule("PUT", _WORKSPACE, "write", workspace_variable="workspace"),
    RouteRule("GET", _ACCOUNT, "read", account_variable="account"),
    RouteRule("DELETE", _ACCOUNT, "write", account_variable="account"),
    RouteRule("GET", "/v1/things", "read"),
)
CALLS = [(each.method, each.path) for each in ROUTES] + [("PATCH", _WORKSPACE), ("GET", "/v2/things")]
PERMISSIONS = [frozenset({"read"}), frozenset({"write"}), frozenset({"read", "write"})]
STATES = ("active", "inactive", "ended", "other address", "deleted", "secret deleted")
PLACES = ("chosen", "not chosen", "archived", "nowhere")


@dataclass(frozen=True)
class Api:
    """How an API takes scope."""

    level: ScopeLevel
    fixed: bool

    @property
    def path(self) -> str:
        return f"/{self.level.lower()}-{'fixed' if self.fixed else 'picked'}"


APIS = (
    Api(ScopeLevel.WORKSPACE, False),
    Api(ScopeLevel.WORKSPACE, True),
    Api(ScopeLevel.ACCOUNT, False),
    Api(ScopeLevel.ACCOUNT, True),
    Api(ScopeLevel.ORGANIZATION, True),
)


@dataclass
class Places:
    """Workspaces and the accounts they lie in, by what the test calls them."""

    workspaces: dict[str, str]
    accounts: dict[str, str]

    def at(self, path: str, place: str) -> str:
        named = {"{workspace}": self.workspaces[place], "{account}": self.accounts[place], "{id}": "1"}
        for variable, value in named.items():
            path = path.replace(variable, value)
        return path


def expected(api: Api, permissions: frozenset[str], method: str, path: str, place: str, state: str) -> Code | None:
    """The naive model: a table read from top to bottom."""
    dead = ("inactive", "ended", "deleted", "secret deleted")
    if state in dead:
        return Code.TOKEN_REVOKED
    if state == "other address":
        return Code.ADDRESS
    needed = {(each.method, each.path): each.permission for each in ROUTES}.get((method, path))
    if needed is None:
        return Code.UNMAPPED_ROUTE
    if needed not in permissions:
        return Code.PERMISSION_MISSING
    names_place = "{workspace}" in path or "{account}" in path
    if not names_place:
        return None
    if place in ("archived", "nowhere"):
        return Code.NOT_IN_TREE
    return None if api.fixed or place == "chosen" else Code.OUTSIDE_SCOPE


async def grown(gate: ApiGate) -> Places:
    """Three accounts with a workspace each, the last one archived."""
    places = Places({"nowhere": "no-such-workspace"}, {"nowhere": "no-such-account"})
    for place in ("chosen", "not chosen", "archived"):
        account = await gate.act(accounts.create, name=place)
        made = await gate.act(workspaces.create, account_id=account.id, name=place)
        places.workspaces[place], places.accounts[place] = made.id, account.id
    await gate.heard()
    return places


async def archived(gate: ApiGate, places: Places) -> None:
    await gate.act(workspaces.archive, places.workspaces["archived"])
    await gate.act(accounts.archive, places.accounts["archived"])
    await gate.heard()


def granted(api: Api, service: Service, permissions: frozenset[str], places: Places) -> ApiGrant:
    by_level = {ScopeLevel.WORKSPACE: places.workspaces, ScopeLevel.ACCOUNT: places.accounts}
    chosen = () if api.fixed else [by_level[api.level][place] for place in ("chosen", "archived")]
    return ApiGrant(service.id, permissions, frozenset(chosen))


async def put_into(gate: ApiGate, issued: IssuedApiCredential, state: str) -> None:
    credential_id = issued.view.credential.id
    if state == "inactive":
        await gate.act(api_credentials.deactivate, credential_id)
    elif state == "ended":
        await gate.edit(issued, ends_at=gate.stage.now + timedelta(seconds=1))
    elif state == "other address":
        await gate.edit(issued, networks=("198.51.100.0/24",))
    elif state == "deleted":
        await gate.act(api_credentials.delete, credential_id)
    elif state == "secret deleted":
        (secret,) = gate.catalog.get(issued).secrets
        await gate.act(api_credentials.delete_secret, credential_id, secret.id, keep_last=False)


async def test_what_is_admitted_is_what_was_ticked(gate: ApiGate) -> None:
    places = await grown(gate)
    offered = {api: await gate.offer(entry(api.level, *ROUTES, fixed=api.fixed), path=api.path) for api in APIS}
    tokens: dict[tuple[Api, frozenset[str], str], str] = {}
    states = {}
    for permissions, state in product(PERMISSIONS, STATES):
        grants = [granted(api, service, permissions, places) for api, service in offered.items()]
        issued = states[permissions, state] = await gate.create(*grants)
        for api in APIS:
            tokens[api, permissions, state] = await gate.token(issued)
    await archived(gate, places)
    for (_, state), issued in states.items():
        await put_into(gate, issued, state)
    gate.stage.clock.advance(timedelta(seconds=2))

    found: Counter[Code | None] = Counter()
    for (api, permissions, state), token in tokens.items():
        for (method, path), place in product(CALLS, PLACES):
            code = await gate.refusal(token, api.path + places.at(path, place), method)
            assert code is expected(api, permissions, method, path, place, state), (
                api,
                permissions,
                state,
                method,
                path,
                place,
            )
            found[code] += 1

    assert sum(found.values()) == len(APIS) * len(PERMISSIONS) * len(STATES) * len(CALLS) * len(PLACES) == 2520
    assert set(found) == {
        None,
        Code.TOKEN_REVOKED,
        Code.ADDRESS,
        Code.UNMAPPED_ROUTE,
        Code.PERMISSION_MISSING,
        Code.NOT_IN_TREE,
        Code.OUTSIDE_SCOPE,
    }
