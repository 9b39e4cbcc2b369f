"""What a call with a client secret may do: every route × permission × scope × state, against rules told one by one."""

from dataclasses import dataclass, replace
from itertools import product

import pytest

from credenza.domain.catalog import (
    ALLOWED,
    NO_ENTRY,
    NOT_IN_TREE,
    NOTHING,
    OTHER_METHOD,
    UNMAPPED,
    CatalogEntry,
    Decision,
    Grant,
    Matched,
    MissingPermission,
    OutsideScope,
    Permission,
    RouteRule,
    ScopeLevel,
    Tree,
    Unclear,
    decide,
)
from credenza.domain.catalog_paths import Matcher

TREE = {"acme-web": ("web-eu", "web-us"), "acme-apps": ("apps",), "acme-empty": ()}
LIVE = Tree(frozenset(TREE), {workspace: account for account, within in TREE.items() for workspace in within})
ROUTES = (
    RouteRule("GET", "/v1/profiles", "read"),
    RouteRule("GET", "/v1/accounts/{a}", "read", "a"),
    RouteRule("PUT", "/v1/accounts/{a}", "write", "a"),
    RouteRule("GET", "/v1/workspaces/{w}", "read", None, "w"),
    RouteRule("POST", "/v1/workspaces/{w}", "write", None, "w"),
    RouteRule("GET", "/v1/accounts/{a}/workspaces/{w}", "write", "a", "w"),
)
REPORTS = RouteRule("POST", "/v1/reports", "write")
MATCHER = Matcher(ROUTES)
PERMISSIONS = (frozenset(), frozenset({"read"}), frozenset({"write"}), frozenset({"read", "write"}))
ACCOUNTS = ("acme-web", "acme-apps", "acme-empty", "others-account", "archived-account", "made-up")
WORKSPACES = ("web-eu", "web-us", "apps", "others-workspace", "archived-workspace", "made-up", "acme-web")
CHOSEN = (
    frozenset(),
    frozenset({"acme-web"}),
    frozenset({"acme-web", "acme-empty"}),
    frozenset({"web-eu"}),
    frozenset({"web-us", "apps"}),
    frozenset({"others-workspace", "others-account", "archived-workspace", "archived-account"}),
)


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    account: str | None
    workspace: str | None


CALLS = [
    Call(rule.method, rule.path.replace("{a}", account or "").replace("{w}", workspace or ""), account, workspace)
    for rule in ROUTES
    for account in (ACCOUNTS if rule.account_variable else (None,))
    for workspace in (WORKSPACES if rule.workspace_variable else (None,))
]
CALLS += [Call("DELETE", "/v1/profiles", None, None), Call("GET", "/v1/others/7", None, None)]


def expected(entry: CatalogEntry, grant: Grant, call: Call) -> str:
    """The rules, told without the code that they are about."""
    needed = next(
        (
            rule.permission
            for rule in ROUTES
            if rule.method == call.method
            and rule.path.replace("{a}", call.account or "").replace("{w}", call.workspace or "") == call.path
        ),
        None,
    )
    if needed is None:
        if call.path == "/v1/profiles":
            return "other method"
        if not entry.admits_unmapped:
            return "unmapped"
        return "allowed" if grant.permissions else "missing"
    if needed not in grant.permissions:
        return "missing"
    if call.account is not None and call.account not in TREE:
        return "not in tree"
    above = [account for account, within in TREE.items() if call.workspace in within]
    if call.workspace is not None and (not above or call.account not in (None, above[0])):
        return "not in tree"
    if entry.scope_fixed or (call.account is None and call.workspace is None):
        return "allowed"
    if entry.scope_level is ScopeLevel.ACCOUNT:
        return "allowed" if (call.account or above[0]) in grant.places else "outside"
    if call.workspace is not None:
        return "allowed" if call.workspace in grant.places else "outside"
    return "allowed" if set(TREE[call.account or ""]) & grant.places else "outside"


def word(decision: Decision) -> str:
    words = {MissingPermission: "missing", OutsideScope: "outside", Unclear: "unclear"}
    named = {ALLOWED: "allowed", NOT_IN_TREE: "not in tree", UNMAPPED: "unmapped", OTHER_METHOD: "other method"}
    return words.get(type(decision)) or named[decision]


@pytest.mark.parametrize("admits_unmapped", [False, True], ids=["mapped alone", "admits unmapped"])
@pytest.mark.parametrize(
    ("level", "fixed"),
    [
        (ScopeLevel.ORGANIZATION, True),
        (ScopeLevel.ACCOUNT, True),
        (ScopeLevel.ACCOUNT, False),
        (ScopeLevel.WORKSPACE, True),
        (ScopeLevel.WORKSPACE, False),
    ],
)
def test_every_route_with_every_permission_and_scope(level: ScopeLevel, fixed: bool, admits_unmapped: bool) -> None:
    entry = CatalogEntry(
        level, fixed, admits_unmapped=admits_unmapped, permissions=(Permission("read"),), routes=ROUTES
    )
    grants = [Grant(permissions, places) for permissions, places in product(PERMISSIONS, CHOSEN)]

    found = {
        (call, grant): word(decide(entry, grant, MATCHER.match(call.method, call.path), LIVE))
        for call, grant in product(CALLS, grants)
    }

    assert found == {(call, grant): expected(entry, grant, call) for call, grant in product(CALLS, grants)}
    assert {"allowed", "missing", "not in tree"} <= set(found.values())


@pytest.mark.parametrize("level", ScopeLevel)
def test_who_was_granted_nothing_may_do_nothing(level: ScopeLevel) -> None:
    entry = CatalogEntry(level, scope_fixed=True, admits_unmapped=True, routes=ROUTES)

    found = {word(decide(entry, NOTHING, MATCHER.match(call.method, call.path), LIVE)) for call in CALLS}

    assert found == {"missing", "other method"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/profiles"),
        ("PUT", "/v1/workspaces/web-eu"),
        ("DELETE", "/v1/accounts/made-up"),
        ("HEAD", "/v1/reports"),
    ],
)
def test_a_path_of_the_catalog_is_no_unmapped_call_whatever_the_method(method: str, path: str) -> None:
    entry = CatalogEntry(ScopeLevel.ORGANIZATION, admits_unmapped=True, routes=(*ROUTES, REPORTS))

    found = decide(entry, Grant(frozenset({"read", "write"})), Matcher(entry.routes).match(method, path), LIVE)

    assert found == OTHER_METHOD


def test_the_organization_is_everything_in_its_tree() -> None:
    entry = CatalogEntry(ScopeLevel.ORGANIZATION, routes=ROUTES)

    found = decide(entry, Grant(frozenset({"read"})), MATCHER.match("GET", "/v1/workspaces/apps"), LIVE)

    assert found == ALLOWED


def test_anothers_an_archived_and_a_made_up_place_answer_alike() -> None:
    entry = CatalogEntry(ScopeLevel.WORKSPACE, routes=ROUTES)
    grant = Grant(frozenset({"read"}), frozenset(WORKSPACES))

    found = [
        decide(entry, grant, MATCHER.match("GET", f"/v1/workspaces/{each}"), LIVE)
        for each in ("others-workspace", "archived-workspace", "made-up")
    ]

    assert found == [NOT_IN_TREE] * 3


def test_a_refusal_names_what_is_missing() -> None:
    entry = CatalogEntry(ScopeLevel.WORKSPACE, routes=ROUTES)
    eu, us = MATCHER.match("GET", "/v1/workspaces/web-eu"), MATCHER.match("GET", "/v1/workspaces/web-us")
    account = MATCHER.match("GET", "/v1/accounts/acme-apps")
    grant = Grant(frozenset({"read"}), frozenset({"web-eu"}))

    assert decide(entry, NOTHING, eu, LIVE) == MissingPermission("read")
    assert decide(entry, grant, us, LIVE) == OutsideScope("web-us")
    assert decide(entry, grant, account, LIVE) == OutsideScope("acme-apps")


@pytest.mark.parametrize("path", ["/v1/profiles/", "/V1/profiles", "/v1/../x", "/v1/%2F", "/v1//profiles"])
def test_another_spelling_does_not_pass_for_an_unmapped_call(path: str) -> None:
    entry = CatalogEntry(ScopeLevel.ORGANIZATION, admits_unmapped=True, routes=ROUTES)
    found = MATCHER.match("GET", path)

    assert isinstance(found, Unclear)
    assert decide(entry, Grant(frozenset({"read", "write"})), found, LIVE) == found


def test_a_match_that_names_no_place_needs_the_permission_alone() -> None:
    entry = CatalogEntry(ScopeLevel.WORKSPACE, routes=ROUTES)

    assert decide(entry, Grant(frozenset({"read"})), Matched(ROUTES[0]), Tree(frozenset(), {})) == ALLOWED


def test_an_entry_says_what_it_offers() -> None:
    entry = replace(NO_ENTRY, permissions=(Permission("read", "Read it"), Permission("write")))

    assert [entry.offers(each) for each in ("read", "write", "admin")] == [True, True, False]
    assert not NO_ENTRY.everywhere
