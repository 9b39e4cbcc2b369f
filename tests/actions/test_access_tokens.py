"""Personal access tokens: scoped, expiring, shown once."""

from datetime import timedelta

import pytest
from tests.actions.stage import OPERATOR, Shop

from credenza.actions import access_tokens, account_keys, people
from credenza.actions.access_tokens import IssuedToken
from credenza.domain.access import Scope
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, OrganizationRole, UserId

READ = frozenset({Scope.READ})


def issue(shop: Shop, actor: Actor | None = None, days: int = 30, **named: object) -> IssuedToken:
    return shop.stage.done(
        "access_token.create",
        access_tokens.create,
        actor or shop.owner.actor,
        shop.organization.id,
        name="ci",
        days=days,
        **{"scopes": READ, **named},
    )


def refusal(shop: Shop, secret: str) -> str:
    with pytest.raises(Refusal) as refused:
        access_tokens.authenticate(shop.stage.platform, secret, address="", now=shop.stage.now)
    assert refused.value.code is Code.UNAUTHENTICATED
    return refused.value.message


def test_a_token_proves_who_asks_and_what_for(shop: Shop) -> None:
    issued = issue(shop)

    actor = access_tokens.authenticate(shop.stage.platform, issued.secret, address="192.0.2.7", now=shop.stage.now)

    assert actor == Actor(
        ActorKind.ACCESS_TOKEN, issued.token.id, shop.owner.user.id, shop.organization.id, READ, "192.0.2.7"
    )


def test_a_token_has_prefix_256_random_bits_and_checksum(shop: Shop) -> None:
    issued = issue(shop)

    assert (issued.secret[:4], len(issued.secret)) == ("czp_", 53)
    assert issued.secret.startswith(issued.token.prefix)
    assert issued.secret not in repr(issued)


def test_whatever_is_wrong_with_a_token_the_refusal_is_the_same(shop: Shop) -> None:
    revoked, expired, good = issue(shop), issue(shop, days=1), issue(shop)
    shop.stage.done(
        "access_token.revoke", access_tokens.revoke, shop.owner.actor, shop.organization.id, revoked.token.id
    )
    shop.stage.clock.advance(timedelta(days=1))

    wrong = [revoked.secret, expired.secret, good.secret + "0", "", "czp_", "ü" * 53, good.secret.lower()]
    assert len({refusal(shop, secret) for secret in wrong}) == 1
    assert access_tokens.authenticate(shop.stage.platform, good.secret, address="", now=shop.stage.now)


def test_a_token_ends_with_the_membership(shop: Shop) -> None:
    issued = issue(shop)
    admin = shop.stage.member(shop.organization)
    people.remove_member(shop.stage.platform, admin.actor, shop.organization.id, shop.owner.user.id, now=shop.stage.now)

    refusal(shop, issued.secret)


@pytest.mark.parametrize(
    ("named", "code", "field"),
    [
        pytest.param({"days": 0}, Code.INVALID, "days", id="no day"),
        pytest.param({"days": 367}, Code.INVALID, "days", id="more than a year"),
        pytest.param({"scopes": frozenset()}, Code.INVALID, "scopes", id="no scope"),
        pytest.param({"name": "two\nlines"}, Code.INVALID, "name", id="a name that cannot be shown"),
    ],
)
def test_a_token_is_refused(shop: Shop, named: dict[str, object], code: Code, field: str) -> None:
    found = shop.stage.refused(
        "access_token.create",
        code,
        access_tokens.create,
        shop.owner.actor,
        shop.organization.id,
        **{"name": "ci", "scopes": READ, "days": 1, **named},
    )

    assert found.field == field


def test_a_token_cannot_issue_a_wider_one_than_itself(shop: Shop) -> None:
    narrow = shop.stage.token(shop.owner.user, shop.organization, Scope.PEOPLE, Scope.READ)

    issue(shop, narrow)
    shop.stage.refused(
        "access_token.create",
        Code.FORBIDDEN,
        access_tokens.create,
        narrow,
        shop.organization.id,
        name="ci",
        scopes=frozenset({Scope.READ, Scope.CREDENTIALS}),
        days=1,
    )


def make_child(shop: Shop, parent: IssuedToken, days: int) -> IssuedToken:
    actor = access_tokens.authenticate(shop.stage.platform, parent.secret, address="", now=shop.stage.now)
    return issue(shop, actor, days)


def test_a_token_makes_one_that_ends_with_it_but_none_that_outlives_it(shop: Shop) -> None:
    parent = issue(shop, days=30, scopes=frozenset({Scope.PEOPLE, Scope.READ}))
    shop.stage.clock.advance(timedelta(days=10))

    assert make_child(shop, parent, 20).token.expires_at == parent.token.expires_at
    with pytest.raises(Refusal) as refused:
        make_child(shop, parent, 21)
    assert (refused.value.code, refused.value.field) == (Code.INVALID, "days")
    assert "20 days at most" in refused.value.message


def test_a_token_on_its_last_day_makes_none(shop: Shop) -> None:
    parent = issue(shop, days=1, scopes=frozenset({Scope.PEOPLE, Scope.READ}))
    shop.stage.clock.advance(timedelta(hours=1))

    with pytest.raises(Refusal, match="ends within a day"):
        make_child(shop, parent, 1)


def test_a_person_at_a_browser_makes_a_token_that_outlives_the_sign_in(shop: Shop) -> None:
    person = Actor(ActorKind.SESSION, "s", shop.owner.user.id)

    assert issue(shop, person, access_tokens.LONGEST_DAYS).token.user_id == shop.owner.user.id


def test_an_operator_names_the_owner_who_must_be_a_member(shop: Shop) -> None:
    assert issue(shop, OPERATOR, owner=shop.owner.user.id).token.user_id == shop.owner.user.id
    for owner in (None, UserId("11111111-1111-4111-8111-111111111111")):
        found = shop.stage.refused(
            "access_token.create",
            Code.INVALID,
            access_tokens.create,
            OPERATOR,
            shop.organization.id,
            name="ci",
            scopes=READ,
            days=1,
            owner=owner,
        )
        assert found.field == "owner"


def test_an_account_level_key_makes_no_token(shop: Shop) -> None:
    key = shop.stage.done(
        "account_key.add", account_keys.add, shop.owner.actor, shop.organization.id, shop.stage.new_key()
    )
    machine = Actor(ActorKind.ACCOUNT_KEY, key.id, shop.owner.user.id, shop.organization.id)

    shop.stage.refused(
        "access_token.create",
        Code.FORBIDDEN,
        access_tokens.create,
        machine,
        shop.organization.id,
        name="ci",
        scopes=READ,
        days=1,
    )


def test_everybody_lists_and_revokes_the_own_and_an_admin_everybody_s(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization)
    other = shop.stage.member(shop.organization, OrganizationRole.READ_ONLY)
    own = issue(shop, other.actor)
    place = (shop.organization.id, own.token.id)
    listed = shop.stage.looked(access_tokens.list_own, other.actor, shop.organization.id)

    assert {token.user_id for token in listed} == {other.user.id}
    assert own.token in shop.stage.looked(access_tokens.list_own, admin.actor, shop.organization.id)
    shop.stage.refused("access_token.revoke", Code.NOT_FOUND, access_tokens.revoke, shop.owner.actor, *place)
    shop.stage.done("access_token.revoke", access_tokens.revoke, admin.actor, *place)
    refusal(shop, own.secret)


def test_a_second_revocation_keeps_the_first_time(shop: Shop) -> None:
    issued = issue(shop)
    revoke = ("access_token.revoke", access_tokens.revoke, shop.owner.actor, shop.organization.id, issued.token.id)
    shop.stage.done(*revoke)
    first = shop.stage.facts()
    shop.stage.clock.advance(timedelta(days=1))

    shop.stage.done(*revoke)

    assert shop.stage.facts() == first


def test_a_token_of_another_organization_is_not_found(shop: Shop) -> None:
    elsewhere = Shop(shop.stage)
    issued = issue(elsewhere)

    shop.stage.refused(
        "access_token.revoke",
        Code.NOT_FOUND,
        access_tokens.revoke,
        OPERATOR,
        shop.organization.id,
        issued.token.id,
        chain=shop.organization.id,
    )
