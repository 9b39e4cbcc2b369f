"""Catalogs, trees and credentials drawn by lot, and a model of who may call what that knows neither matcher nor memory:
what a gate admits is what was ticked, none too many and none too few."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from random import Random

from tests.gate.api_scene import ApiGate, entry
from tests.gate.test_compat_matrix import STATES, put_into

from credenza.actions import accounts, workspaces
from credenza.domain.api_credentials import ApiGrant
from credenza.domain.catalog import RouteRule, ScopeLevel
from credenza.domain.model import Service
from credenza.gate.decision import Code

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
_LITERALS = ("v1", "users", "items", "all")
_PERMISSIONS = ("read", "write", "admin")
_DEAD = frozenset(STATES) - {"active", "other address"}


@dataclass(frozen=True)
class Api:
    """What a catalog says of one API, and what one credential was granted at it."""

    level: ScopeLevel
    fixed: bool
    admits_unmapped: bool
    path: str
    routes: tuple[RouteRule, ...]

    def offers(self) -> frozenset[str]:
        return frozenset(each.permission for each in self.routes)


@dataclass
class Tree:
    """The account of every workspace, and what of both is live."""

    account_of: dict[str, str] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)

    @property
    def accounts(self) -> list[str]:
        return sorted(set(self.account_of.values()))


async def check(gate: ApiGate, chance: Random, *, calls: int) -> Counter[Code | None]:
    """Draw two APIs and a credential of every state, make so many calls to each, and compare. With a credential that
    lets nobody in, whatever is called, a tenth is enough."""
    tree = await _grow(gate, chance)
    apis = [_api(chance, f"/r{chance.getrandbits(40):010x}{number}") for number in range(2)]
    services = [await _offer(gate, api) for api in apis]
    held = {}
    for state in STATES:
        grants = [_grant(chance, api, service, tree) for api, service in zip(apis, services, strict=True)]
        issued = await gate.create(*grants, name=f"{state} {chance.random()}")
        held[state] = (issued, await gate.token(issued), grants)
    await _archive(gate, chance, tree)
    for state, (issued, _, _) in held.items():
        await put_into(gate, issued, state)
    gate.stage.clock.advance(timedelta(seconds=2))

    found: Counter[Code | None] = Counter()
    for (state, (_, token, grants)), (number, api) in product(held.items(), enumerate(apis)):
        for _ in range(calls if state == "active" else calls // 10):
            method, segments = _call(chance, api, tree)
            code = await gate.refusal(token, "/".join([api.path, *segments]), method)
            wanted = expected(api, grants[number], method, segments, tree, state)
            assert code is wanted, (api, grants[number], state, method, segments, code, wanted)
            found[code] += 1
    return found


def expected(api: Api, grant: ApiGrant, method: str, segments: list[str], tree: Tree, state: str) -> Code | None:
    """The rules of docs/guide/catalog.md, read from top to bottom."""
    if state in _DEAD:
        return Code.TOKEN_REVOKED
    if state == "other address":
        return Code.ADDRESS
    fitting = [rule for rule in api.routes if _fits(rule, segments)]
    if not fitting:
        return None if api.admits_unmapped else Code.UNMAPPED_ROUTE
    best = min(map(_shape, fitting))
    by_method = {rule.method: rule for rule in fitting if _shape(rule) == best}
    rule = by_method.get(method) or (by_method.get("GET") if method == "HEAD" else None)
    if rule is None:
        return Code.UNMAPPED_ROUTE
    if rule.permission not in grant.permissions:
        return Code.PERMISSION_MISSING
    account, workspace = (_value(rule, name, segments) for name in (rule.account_variable, rule.workspace_variable))
    if account is not None and (account not in tree.live or account in tree.account_of):
        return Code.NOT_IN_TREE
    if workspace is not None and (workspace not in tree.live or workspace not in tree.account_of):
        return Code.NOT_IN_TREE
    above = tree.account_of.get(workspace or "", account)
    if account not in (None, above):
        return Code.NOT_IN_TREE
    if api.fixed or (account is None and workspace is None):
        return None
    return None if _reaches(api, grant, above, workspace, tree) else Code.OUTSIDE_SCOPE


def _reaches(api: Api, grant: ApiGrant, account: str | None, workspace: str | None, tree: Tree) -> bool:
    if api.level is ScopeLevel.ACCOUNT:
        return account in grant.places
    if workspace is not None:
        return workspace in grant.places
    return any(tree.account_of[each] == account and each in tree.live for each in grant.places)


def _shape(rule: RouteRule) -> list[bool]:
    """Which segments are variables: of two templates that fit, the smaller is the more specific one."""
    return [segment.startswith("{") for segment in rule.path.split("/")[1:]]


def _fits(rule: RouteRule, segments: list[str]) -> bool:
    template = rule.path.split("/")[1:]
    return len(template) == len(segments) and all(
        told == sent or told.startswith("{") for told, sent in zip(template, segments, strict=True)
    )


def _value(rule: RouteRule, variable: str | None, segments: list[str]) -> str | None:
    return None if variable is None else segments[rule.path.split("/")[1:].index(f"{{{variable}}}")]


# ----------------------------------------------------------------------------------------------------------------- lots


async def _grow(gate: ApiGate, chance: Random) -> Tree:
    tree = Tree()
    for _ in range(3):
        account = await gate.act(accounts.create, name=f"Account {chance.random()}")
        tree.live.add(account.id)
        for _ in range(2):
            made = await gate.act(workspaces.create, account_id=account.id, name=f"Workspace {chance.random()}")
            tree.account_of[made.id] = account.id
            tree.live.add(made.id)
    await gate.heard()
    return tree


async def _archive(gate: ApiGate, chance: Random, tree: Tree) -> None:
    """One account with what is in it, and one workspace of another."""
    gone, other, _ = chance.sample(tree.accounts, 3)
    await gate.act(accounts.archive, gone)
    inside = {each for each, account in tree.account_of.items() if account == gone}
    workspace = chance.choice([each for each, account in tree.account_of.items() if account == other])
    await gate.act(workspaces.archive, workspace)
    tree.live -= {gone, workspace} | inside
    await gate.heard()


async def _offer(gate: ApiGate, api: Api) -> Service:
    made = entry(api.level, *api.routes, fixed=api.fixed, admits_unmapped=api.admits_unmapped)
    return await gate.offer(made, path=api.path)


def _api(chance: Random, path: str) -> Api:
    level = chance.choice(list(ScopeLevel))
    fixed = level is ScopeLevel.ORGANIZATION or chance.random() < 0.3
    drawn = [_rule(chance) for _ in range(chance.randint(3, 12))]
    routes = {(rule.method, _plain(rule)): rule for rule in drawn}
    return Api(level, fixed, chance.random() < 0.5, path, tuple(routes.values()))


def _plain(rule: RouteRule) -> str:
    """The path without the names of its variables."""
    return "/".join("{}" if segment.startswith("{") else segment for segment in rule.path.split("/"))


def _rule(chance: Random) -> RouteRule:
    segments = [
        chance.choice(_LITERALS) if chance.random() < 0.55 else f"{{v{at}}}" for at in range(chance.randint(1, 4))
    ]
    variables = [segment[1:-1] for segment in segments if segment.startswith("{")]
    chance.shuffle(variables)
    account = variables.pop() if variables and chance.random() < 0.6 else None
    workspace = variables.pop() if variables and chance.random() < 0.7 else None
    path = "/" + "/".join(segments)
    return RouteRule(chance.choice(_METHODS), path, chance.choice(_PERMISSIONS), account, workspace)


def _grant(chance: Random, api: Api, service: Service, tree: Tree) -> ApiGrant:
    offered = sorted(api.offers())
    permissions = chance.sample(offered, chance.randint(1, len(offered)))
    known = tree.accounts if api.level is ScopeLevel.ACCOUNT else sorted(tree.account_of)
    places = () if api.fixed else chance.sample(known, chance.randint(1, len(known)))
    return ApiGrant(service.id, frozenset(permissions), frozenset(places))


def _call(chance: Random, api: Api, tree: Tree) -> tuple[str, list[str]]:
    """Mostly along a route, to places of every kind."""
    rule = chance.choice(api.routes) if chance.random() < 0.9 else _rule(chance)
    values = (*tree.account_of, *tree.accounts, *_LITERALS, "no-such-place")
    segments = [
        _filling(chance, rule, segment, tree, values) if segment.startswith("{") else segment
        for segment in rule.path.split("/")[1:]
    ]
    return (rule.method if chance.random() < 0.7 else chance.choice(_METHODS)), segments


def _filling(chance: Random, rule: RouteRule, segment: str, tree: Tree, values: tuple[str, ...]) -> str:
    if chance.random() < 0.8 and segment[1:-1] == rule.account_variable:
        return chance.choice(tree.accounts)
    if chance.random() < 0.8 and segment[1:-1] == rule.workspace_variable:
        return chance.choice(sorted(tree.account_of))
    return chance.choice(values)
