"""Account-level API keys: OAuth 1.0a keys that call the management API itself."""

from datetime import timedelta

import pytest
from tests.actions.stage import OPERATOR, Shop, ec_request, request

from credenza.actions import access_tokens, account_keys
from credenza.actions.issuing import NewKey
from credenza.domain import lifecycle
from credenza.domain.access import Scope
from credenza.domain.errors import Code
from credenza.domain.model import (
    Actor,
    ActorKind,
    Credential,
    CredentialId,
    CredentialKind,
    OrganizationRole,
    Status,
    UserId,
)
from credenza.store.schema import changes


def add(shop: Shop, actor: Actor | None = None, **named: object) -> Credential:
    return shop.stage.done(
        "account_key.add",
        account_keys.add,
        actor or shop.owner.actor,
        shop.organization.id,
        shop.stage.new_key(),
        **named,
    )


def test_a_key_is_of_its_owner_and_of_no_project(shop: Shop) -> None:
    key = add(shop)

    assert (key.kind, key.status) == (CredentialKind.ACCOUNT_KEY, Status.ACTIVE)
    assert (key.owner_id, key.project_id, key.environment) == (shop.owner.user.id, None, None)
    assert len(key.consumer_key) == 97
    assert shop.stage.looked(account_keys.list_own, shop.owner.actor, shop.organization.id) == (key,)


def test_all_keys_of_a_person_in_an_organization_have_one_client_id(shop: Shop) -> None:
    elsewhere = Shop(shop.stage)
    admin = shop.stage.member(shop.organization)

    assert add(shop).client_id == add(shop).client_id
    assert len({add(shop).client_id, add(shop, admin.actor).client_id, add(elsewhere).client_id}) == 3


@pytest.mark.parametrize(
    ("csr", "code"),
    [
        pytest.param(b"", Code.INVALID_CSR, id="blank"),
        pytest.param(ec_request(0), Code.INVALID_CSR, id="the management API is called with OAuth 1.0a: RSA"),
        pytest.param(request(0), Code.DUPLICATE_KEY, id="the key of a project"),
    ],
)
def test_a_request_is_refused(shop: Shop, csr: bytes, code: Code) -> None:
    place = (shop.owner.actor, shop.organization.id)

    shop.stage.refused("account_key.add", code, account_keys.add, *place, NewKey("x", csr))


def test_a_token_makes_no_key_that_may_do_more_than_it(shop: Shop) -> None:
    narrow = shop.stage.token(shop.owner.user, shop.organization, Scope.CREDENTIALS, Scope.READ)

    refusal = shop.stage.refused(
        "account_key.add",
        Code.FORBIDDEN,
        account_keys.add,
        narrow,
        shop.organization.id,
        shop.stage.new_key(),
    )

    assert "lacks audit, people, projects" in refusal.message


def test_a_token_makes_a_key_that_ends_with_it_at_the_latest(shop: Shop) -> None:
    person = Actor(ActorKind.SESSION, "s", shop.owner.user.id)
    issued = access_tokens.create(
        shop.stage.platform,
        person,
        shop.organization.id,
        name="ci",
        scopes=frozenset(Scope),
        days=30,
        now=shop.stage.now,
    )
    token = access_tokens.authenticate(shop.stage.platform, issued.secret, address="", now=shop.stage.now)

    assert add(shop, token).not_after == issued.token.expires_at - timedelta(seconds=1)  # its last second counts
    assert add(shop, person).not_after == lifecycle.ends(shop.stage.now, None) - timedelta(seconds=1)

    shop.stage.clock.set(issued.token.expires_at - timedelta(hours=1))
    place = (shop.organization.id, shop.stage.new_key())
    shop.stage.refused("account_key.add", Code.FORBIDDEN, account_keys.add, token, *place)


def test_the_scope_for_operators_is_not_missed(shop: Shop) -> None:
    token = shop.stage.token(shop.owner.user, shop.organization, *(set(Scope) - {Scope.CATALOG}))

    assert add(shop, token).owner_id == shop.owner.user.id


def test_an_operator_names_the_owner_who_must_be_a_member(shop: Shop) -> None:
    assert add(shop, OPERATOR, owner=shop.owner.user.id).owner_id == shop.owner.user.id
    for owner in (None, UserId("11111111-1111-4111-8111-111111111111")):
        shop.stage.refused(
            "account_key.add",
            Code.INVALID,
            account_keys.add,
            OPERATOR,
            shop.organization.id,
            shop.stage.new_key(),
            owner=owner,
        )


def test_read_only_people_have_no_keys(shop: Shop) -> None:
    reader = shop.stage.member(shop.organization, OrganizationRole.READ_ONLY)
    place = (reader.actor, shop.organization.id, shop.stage.new_key())

    shop.stage.refused("account_key.add", Code.FORBIDDEN, account_keys.add, *place, chain=shop.organization.id)


def test_everybody_lists_and_revokes_the_own_and_an_admin_everybody_s(shop: Shop) -> None:
    admin, other = shop.stage.member(shop.organization), shop.stage.member(shop.organization, OrganizationRole.USER)
    key = add(shop)
    place = (shop.organization.id, key.id)
    before = len(shop.stage.rows(changes))

    assert shop.stage.looked(account_keys.list_own, other.actor, shop.organization.id) == ()
    assert shop.stage.looked(account_keys.list_own, admin.actor, shop.organization.id) == (key,)
    shop.stage.refused("account_key.revoke", Code.CREDENTIAL_NOT_FOUND, account_keys.revoke, other.actor, *place)
    revoked = shop.stage.done("account_key.revoke", account_keys.revoke, admin.actor, *place, reason="left")
    assert (revoked.credential.status, revoked.credential.revoked_reason) == (Status.REVOKED, "left")
    assert [(row.kind, row.subject) for row in shop.stage.rows(changes)[before:]] == [("credential", key.id)]


def test_a_second_revocation_keeps_the_first_time(shop: Shop) -> None:
    key = add(shop)
    revoke = ("account_key.revoke", account_keys.revoke, shop.owner.actor, shop.organization.id, key.id)
    first = shop.stage.done(*revoke)
    shop.stage.clock.set(shop.key.not_after)

    assert shop.stage.done(*revoke).credential == first.credential


def test_the_key_of_a_project_or_of_another_organization_is_not_found(shop: Shop) -> None:
    foreign = add(Shop(shop.stage))

    for key_id in (shop.key.id, foreign.id, CredentialId("0" * 48)):
        place = (OPERATOR, shop.organization.id, key_id)
        shop.stage.refused("account_key.revoke", Code.CREDENTIAL_NOT_FOUND, account_keys.revoke, *place)
