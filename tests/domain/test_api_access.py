"""What an API credential may ask for, as a table; and what it says of itself."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from credenza.domain import api_access
from credenza.domain.api_access import Offer, Place
from credenza.domain.api_credentials import ApiGrant
from credenza.domain.catalog import Permission, ScopeLevel
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import EnvironmentName, ServiceId

SANDBOX, PRODUCTION = EnvironmentName.SANDBOX, EnvironmentName.PRODUCTION
PROFILE = Offer(
    ServiceId(1), "Profile", ScopeLevel.WORKSPACE, False, (Permission("read", "Read profiles."),), frozenset({SANDBOX})
)
PLATFORM = Offer(
    ServiceId(2), "Platform", ScopeLevel.ACCOUNT, True, (Permission("user"), Permission("admin")), frozenset({SANDBOX})
)
ROLES = Offer(
    ServiceId(3), "Roles", ScopeLevel.ORGANIZATION, True, (Permission("admin", "Manage roles"),), frozenset({SANDBOX})
)
OFFERS = (PROFILE, PLATFORM, ROLES)
ACCOUNT = Place("a", ScopeLevel.ACCOUNT, "Europe", "a", "Europe", archived=False)
EU = Place("eu", ScopeLevel.WORKSPACE, "Web-EU", "a", "Europe", archived=False)
US = Place("us", ScopeLevel.WORKSPACE, "Web-US", "a", "Europe", archived=False)
OLD = Place("old", ScopeLevel.WORKSPACE, "Web-Old", "a", "Europe", archived=True)
PLACES = (ACCOUNT, EU, US, OLD)


def grant(service_id: int, permissions: str, places: str = "") -> ApiGrant:
    return ApiGrant(ServiceId(service_id), frozenset(permissions.split()), frozenset(places.split()))


def code_of(*asked: ApiGrant, environment: EnvironmentName = SANDBOX, held: tuple[ApiGrant, ...] = ()) -> Code | None:
    try:
        api_access.check(asked, OFFERS, PLACES, environment=environment, held=held)
    except Refusal as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        pytest.param(grant(1, "read", "eu us"), None, id="places of the API's level"),
        pytest.param(grant(2, "user admin"), None, id="a fixed scope names no places"),
        pytest.param(grant(3, "admin"), None, id="the organization is always fixed"),
        pytest.param(grant(9, "read"), Code.SERVICE_NOT_FOUND, id="no such API"),
        pytest.param(grant(1, "", "eu"), Code.INVALID, id="no permission"),
        pytest.param(grant(1, "read write", "eu"), Code.INVALID, id="a permission that is not offered"),
        pytest.param(grant(1, "read"), Code.INVALID, id="no place where places are picked"),
        pytest.param(grant(1, "read", "eu nowhere"), Code.NOT_FOUND, id="a place of another organization"),
        pytest.param(grant(1, "read", "a"), Code.NOT_FOUND, id="a place of another level"),
        pytest.param(grant(1, "read", "old"), Code.INVALID, id="an archived place"),
        pytest.param(grant(2, "user", "a"), Code.INVALID, id="a place where the scope is fixed"),
        pytest.param(grant(1, "read", " ".join(map(str, range(1001)))), Code.INVALID, id="too many places"),
    ],
)
def test_a_grant_is_checked_against_catalog_and_tree(asked: ApiGrant, code: Code | None) -> None:
    assert code_of(asked) == code


def test_a_credential_is_granted_something_and_no_api_twice() -> None:
    assert code_of() == Code.INVALID
    assert code_of(grant(1, "read", "eu"), grant(1, "read", "us")) == Code.INVALID


def test_an_api_is_granted_where_it_is_reached() -> None:
    assert code_of(grant(1, "read", "eu"), environment=PRODUCTION) == Code.SERVICE_NOT_FOUND


def test_what_is_held_unchanged_passes_and_what_is_changed_does_not() -> None:
    held = grant(1, "read", "eu old")

    assert code_of(held, held=(held,)) is None
    assert code_of(replace(held, places=frozenset({"us", "old"})), held=(held,)) == Code.INVALID


def test_the_difference_says_what_was_widened_and_narrowed() -> None:
    before = (grant(1, "read", "eu"), grant(2, "user"))
    after = (grant(1, "read", "us"), grant(2, "user admin"))

    assert api_access.difference(before, after) == "widened 1@us, 2:admin; narrowed 1@eu"
    assert api_access.difference(before, before) == ""


@pytest.mark.parametrize(
    ("grants", "ends_at", "networks", "sentence"),
    [
        pytest.param(
            (grant(1, "read", "us eu"),), None, (), "Can read profiles in Web-EU and Web-US.", id="two places"
        ),
        pytest.param(
            (grant(1, "read", "eu"),),
            datetime(2027, 2, 19, tzinfo=UTC),
            (),
            "Can read profiles in Web-EU until 19 Feb 2027.",
            id="an end",
        ),
        pytest.param(
            (grant(2, "admin user"), grant(3, "admin")),
            None,
            ("10.0.0.0/8", "192.0.2.0/24"),
            "Can user (Platform) and admin (Platform) in all accounts; can manage roles in the whole organization, "
            "from 10.0.0.0/8 and 192.0.2.0/24 alone.",
            id="fixed scopes and networks",
        ),
        pytest.param((grant(1, "gone", "gone"),), None, (), "Can gone (Profile) in no place.", id="what has left"),
        pytest.param((grant(9, "read"),), None, (), "Can do nothing.", id="an API that has left"),
    ],
)
def test_a_credential_says_in_one_sentence_what_it_may(
    grants: tuple[ApiGrant, ...], ends_at: datetime | None, networks: tuple[str, ...], sentence: str
) -> None:
    assert str(api_access.review(grants, OFFERS, PLACES, ends_at=ends_at, networks=networks)) == sentence
