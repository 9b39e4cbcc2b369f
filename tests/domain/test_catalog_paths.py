"""Which route a call takes: the most specific template, and one reading of every path."""

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from credenza.domain.catalog import OTHER_METHOD, UNMAPPED, Match, Matched, RouteRule, Unclear
from credenza.domain.catalog_paths import Matcher, below

PATHS = (
    "/",
    "/v1/accounts",
    "/v1/accounts/{account}",
    "/v1/accounts/{account}/workspaces/{workspace}",
    "/v1/admin",
    "/v1/admin/{section}",
    "/v1/{thing}",
    "/v1/{thing}/list",
    "/v1/DataPlans/",
    "/v1/a:b",
    "/v1/{thing}/{id}/raw",
)
MATCHER = Matcher(RouteRule("GET", path, "read") for path in PATHS)


def path_of(found: Match) -> str | None:
    """The template that was matched; None: none."""
    assert not isinstance(found, Unclear)
    return found.rule.path if isinstance(found, Matched) else None


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("", "/"),
        ("/", "/"),
        ("/v1/accounts", "/v1/accounts"),
        ("/v1/accounts/7", "/v1/accounts/{account}"),
        ("/v1/accounts/7/workspaces/8", "/v1/accounts/{account}/workspaces/{workspace}"),
        ("/v1/admin", "/v1/admin"),
        ("/v1/admin/list", "/v1/admin/{section}"),
        ("/v1/others", "/v1/{thing}"),
        ("/v1/others/list", "/v1/{thing}/list"),
        ("/v1/admin/7/raw", "/v1/{thing}/{id}/raw"),
        ("/v1/DataPlans/", "/v1/DataPlans/"),
        ("/v1/a:b", "/v1/a:b"),
        ("/v2", None),
        ("/v1", None),
        ("/v1/others/more", None),
        ("/v1/accounts/7/workspaces", None),
        ("/v1" + "/x" * 50_000, None),
    ],
)
def test_the_most_specific_template_wins(path: str, template: str | None) -> None:
    assert path_of(MATCHER.match("GET", path)) == template


def test_a_match_says_what_the_variables_are() -> None:
    rule = RouteRule("GET", "/{account}/{workspace}/x/{id}", "read", "account", "workspace")

    found = Matcher([rule]).match("GET", "/a1/w%32/x/%C3%a9%7E")

    assert found == Matched(rule, "a1", "w2", {"account": "a1", "workspace": "w2", "id": "%C3%A9~"})


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v1/accounts/", id="a slash too many"),
        pytest.param("/v1/DataPlans", id="a slash too few"),
        pytest.param("/v1/accounts/7/", id="a slash after a variable"),
        pytest.param("/v1/dataplans/", id="another case"),
        pytest.param("/V1/accounts", id="another case at the beginning"),
        pytest.param("/v1/ADMIN", id="a variable would take another case of a literal"),
        pytest.param("/v1/Admin/list", id="and so would one before a literal"),
        pytest.param("/v1/a%3Ab", id="a reserved character escaped"),
        pytest.param("/v1/\u212a", id="beyond ASCII"),
        pytest.param("/v1/accounts/a%2Fb", id="a slash escaped"),
        pytest.param("/v1/accounts/a%5cb", id="a backslash escaped"),
        pytest.param("/v1/accounts/a%252Fb", id="a slash escaped twice"),
        pytest.param("/v1/accounts/a%C0%AFb", id="a slash in overlong UTF-8"),
        pytest.param("/v1/accounts/a%e0%80%afb", id="a slash in three bytes"),
        pytest.param("/v1/accounts/a%F0%80%80%AFb", id="a slash in four bytes"),
        pytest.param("/v1/accounts/a%F8%80%80%80%AFb", id="a slash in five bytes"),
        pytest.param("/v1/accounts/a%3Fb", id="a question mark escaped"),
        pytest.param("/v1/accounts/a%23b", id="a number sign escaped"),
        pytest.param("/v1/accounts/a%00", id="a null escaped"),
        pytest.param("/v1/accounts/a%3Bb", id="a semicolon escaped"),
        pytest.param("/v1/accounts;x/7", id="a path parameter"),
        pytest.param("/v1/accounts/%zz", id="no escape"),
        pytest.param("/v1/accounts/%4", id="half an escape"),
        pytest.param("/v1/accounts/a\\b", id="a backslash"),
        pytest.param("/v1/accounts/a b", id="a blank"),
        pytest.param("/v1//accounts", id="an empty segment"),
        pytest.param("/v1/accounts//", id="two slashes at the end"),
        pytest.param("//v1/accounts", id="two slashes at the beginning"),
        pytest.param("/v1/./accounts", id="a dot"),
        pytest.param("/v1/accounts/..", id="two dots"),
        pytest.param("/v1/x/%2e%2E/accounts", id="two dots escaped"),
        pytest.param("v1/accounts", id="no slash at the beginning"),
    ],
)
def test_what_can_be_read_in_two_ways_is_unclear(path: str) -> None:
    assert isinstance(MATCHER.match("GET", path), Unclear)


def test_escapes_of_unreserved_characters_are_those_characters() -> None:
    assert path_of(MATCHER.match("GET", "/v1/%61ccoun%74s")) == "/v1/accounts"


def test_the_path_is_found_before_the_method() -> None:
    matcher = Matcher([RouteRule("GET", "/users/me", "read"), RouteRule("PUT", "/users/{id}", "write")])

    assert path_of(matcher.match("PUT", "/users/7")) == "/users/{id}"
    assert matcher.match("PUT", "/users/me") == OTHER_METHOD
    assert matcher.match("HEAD", "/users/7") == OTHER_METHOD


def test_head_is_get_unless_a_route_names_it() -> None:
    matcher = Matcher([RouteRule("GET", "/a", "read"), RouteRule("GET", "/b", "read"), RouteRule("HEAD", "/b", "look")])

    found = [matcher.match("HEAD", path) for path in ("/a", "/b", "/c")]

    assert [isinstance(each, Matched) and each.rule.permission for each in found] == ["read", "look", False]


@pytest.mark.parametrize("method", ["get", "Get", "", "é"])
def test_a_method_in_small_letters_is_unclear(method: str) -> None:
    assert isinstance(MATCHER.match(method, "/v1/accounts"), Unclear)


def test_without_routes_nothing_is_mapped() -> None:
    assert Matcher(()).match("GET", "/") == UNMAPPED == Matcher(()).match("GET", "/a/b")


@pytest.mark.parametrize(
    ("prefix", "path", "expected"), [("/", "/v1", "/v1"), ("/api", "/api/v1", "/v1"), ("/api", "/api", "")]
)
def test_templates_lie_below_the_prefix(prefix: str, path: str, expected: str) -> None:
    assert below(prefix, path) == expected


# ------------------------------------------------------------------------------------------- against another reading

LITERALS = st.sampled_from(["a", "b", "A", "list", "x-y", "v1"])
TEMPLATES = st.lists(st.one_of(LITERALS, st.just("{}")), min_size=1, max_size=4)
VALUES = st.text(alphabet="ab:Az09-._~é/;% ?\\", min_size=1, max_size=4)


def numbered(template: list[str]) -> str:
    return "/" + "/".join(f"{{v{at}}}" if each == "{}" else each for at, each in enumerate(template))


def naive(templates: list[list[str]], segments: list[str]) -> list[str] | None:
    """The most specific of all templates that fit, by comparing them one by one."""
    fitting = [
        each
        for each in templates
        if len(each) == len(segments) and all(t in ("{}", s) for t, s in zip(each, segments, strict=True))
    ]
    return min(fitting, key=lambda each: [part == "{}" for part in each], default=None)


@given(st.lists(TEMPLATES, min_size=1, max_size=8), st.lists(LITERALS, min_size=1, max_size=4))
def test_the_tree_finds_what_comparing_one_by_one_finds(templates: list[list[str]], segments: list[str]) -> None:
    folded = {part.casefold() for each in templates for part in each if part != "{}"}
    literals = {part for each in templates for part in each}
    assume(len(folded | {"{}"}) == len(literals | {"{}"}))
    assume(all(segment in literals or segment.casefold() not in folded for segment in segments))
    matcher = Matcher(RouteRule("GET", numbered(each), "read") for each in templates)
    expected = naive(templates, segments)

    found = matcher.match("GET", "/" + "/".join(segments))

    assert path_of(found) == (None if expected is None else numbered(expected))


@given(VALUES, st.booleans())
def test_a_variable_is_one_segment_or_the_path_is_unclear(value: str, escaped: bool) -> None:
    """Whatever comes as an id, no reading of the path by an upstream has another number of segments."""
    sent = quote(value, safe="") if escaped else value
    found = Matcher([RouteRule("GET", "/v1/{id}/end", "read")]).match("GET", f"/v1/{sent}/end")

    if isinstance(found, Matched):
        read = unquote(unquote(found.variables["id"]))
        assert unquote(unquote(sent)) == read
        assert not re.search(r"[/\\?#;\x00-\x1f]", read)
        assert read not in ("", ".", "..")


@given(st.text(max_size=30), st.sampled_from(["GET", "PUT", "HEAD"]))
def test_any_text_is_answered(path: str, method: str) -> None:
    assert isinstance(MATCHER.match(method, path), Matched | Unclear | type(UNMAPPED) | type(OTHER_METHOD))


@given(st.lists(st.sampled_from(["v1", "accounts", "V1", "%61dmin", "%2e", "..", "", "7", "%2F", "admin"]), max_size=6))
def test_what_a_liberal_upstream_takes_for_a_route_is_never_another_one_or_none(segments: list[str]) -> None:
    """An upstream that unescapes, resolves dots, merges slashes and ignores case arrives at the same route or the path
    is unclear; so that no spelling evades a permission."""
    sent = "".join(f"/{each}" for each in segments)
    found = MATCHER.match("GET", sent)
    assume(not isinstance(found, Unclear))

    liberal: list[str] = []
    for each in unquote(sent).casefold().split("/"):
        if each == "..":
            liberal = liberal[:-1]
        elif each not in ("", "."):
            liberal.append(each)
    lower = Matcher(RouteRule("GET", path.lower().rstrip("/") or "/", "read") for path in PATHS)
    reached = path_of(lower.match("GET", "/" + "/".join(liberal)))

    expected = path_of(found)
    assert reached == (expected and (expected.lower().rstrip("/") or "/"))
