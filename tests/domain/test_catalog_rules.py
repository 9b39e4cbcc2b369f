"""What may be written into a catalog entry, and what is refused with its reason."""

from dataclasses import replace
from typing import Any

import pytest

from credenza.domain.catalog import CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.catalog_rules import check
from credenza.domain.errors import Code, Refusal

ENTRY = CatalogEntry(ScopeLevel.WORKSPACE, permissions=(Permission("read", "Read"), Permission("write")))


def rule(path: str, **named: Any) -> RouteRule:
    return replace(RouteRule("GET", path, "read"), **named)


def refusal(**named: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check(replace(ENTRY, **named))
    assert caught.value.code is Code.INVALID
    return caught.value


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"scope_level": ScopeLevel.ORGANIZATION, "scope_fixed": True},
        {"scope_level": ScopeLevel.ACCOUNT, "scope_fixed": True},
        {"audience": "https://api.example"},
        {"audience": "https://api.example:8443/v1"},
        {"audience": "urn:example:api"},
        {"token_life_s": 60},
        {"token_life_s": 28_800},
        {"calls_per_minute": 1},
        {"permissions": tuple(Permission(f"p{number}") for number in range(50))},
        {"routes": (rule("/"), rule("/v1/"), rule("/v1/{id}"), rule("/v1/{other}", method="PUT"))},
        {
            "routes": (
                rule("/{a}/{w}/x", account_variable="a", workspace_variable="w"),
                rule("/a:b/~c_d@e,f"),
            )
        },
        {"routes": tuple(rule(f"/v1/{number}") for number in range(500))},
    ],
    ids=str,
)
def test_an_entry_is_fine(named: dict[str, Any]) -> None:
    check(replace(ENTRY, **named))


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("scopeLevel", {"scope_level": None}),
        ("scopeFixed", {"scope_level": ScopeLevel.ORGANIZATION}),
        *(
            ("audience", {"audience": audience})
            for audience in (
                "api.example",
                "http://api.example",
                "https://",
                "https://api.example?q",
                "https://api.example#f",
                "https://user@api.example",
                "https://api.example/a b",
                "https://api.example/ä",
                "https://[::1",
                "https://api.example:0",
                "https://api.example/" + "x" * 200,
                "urn:x",
            )
        ),
        ("tokenLifeS", {"token_life_s": 59}),
        ("tokenLifeS", {"token_life_s": 28_801}),
        ("callsPerMinute", {"calls_per_minute": 0}),
        ("callsPerMinute", {"calls_per_minute": 1_000_001}),
        ("permissions", {"permissions": ()}),
        ("permissions", {"permissions": tuple(Permission(f"p{number}") for number in range(51))}),
        ("permissions", {"permissions": (Permission("read"), Permission("read"))}),
        *(
            ("permissions", {"permissions": (Permission(name),)})
            for name in ("", "Read", "a b", "profile:read", "1st", "é", "a" * 41, "read\n")
        ),
        ("permissions", {"permissions": (Permission("read", "x" * 201),)}),
        ("permissions", {"permissions": (Permission("read", "two\nlines"),)}),
        ("routes", {"routes": tuple(rule(f"/v1/{number}") for number in range(501))}),
        *(
            ("routes", {"routes": (rule(path),)})
            for path in (
                "",
                "v1",
                "/v1//x",
                "/v1/./x",
                "/v1/..",
                "/v1/%41",
                "/v1/a;b",
                "/v1/a b",
                "/v1/ä",
                "/v1/{}",
                "/v1/{1a}",
                "/v1/{a-b}",
                "/v1/{a}b",
                "/v1/x{a}",
                "/v1/{a",
                "/v1/a}",
                "/v1/{a}/{a}",
                "/v1?x",
                "/v1\n",
                "/" + "x" * 300,
            )
        ),
        ("routes", {"routes": (rule("/v1", method="get"),)}),
        ("routes", {"routes": (rule("/v1", method="FETCH"),)}),
        ("routes", {"routes": (rule("/v1", permission="admin"),)}),
        ("routes", {"routes": (rule("/v1/{a}", account_variable="b"),)}),
        ("routes", {"routes": (rule("/v1/{a}", workspace_variable="v1"),)}),
        ("routes", {"routes": (rule("/v1/{a}", account_variable="a", workspace_variable="a"),)}),
        ("routes", {"routes": (rule("/v1/{a}"), rule("/v1/{b}", permission="write"))}),
        ("routes", {"routes": (rule("/v1/a"), rule("/v1/a"))}),
        ("routes", {"routes": (rule("/v1/a"), rule("/v1/a/", method="PUT"))}),
        ("routes", {"routes": (rule("/v1/a"), rule("/v1/A", method="PUT"))}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_entry_is_refused_with_its_field(field: str, named: dict[str, Any]) -> None:
    found = refusal(**named)

    assert (found.field, bool(found.message)) == (field, True)


def test_a_refusal_names_the_route() -> None:
    found = refusal(routes=(rule("/v1/{a}"), rule("/v1/{b}", permission="write")))

    assert "GET /v1/{b} is what another route stands for already" in found.message
