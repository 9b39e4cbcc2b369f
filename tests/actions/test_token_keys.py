"""Keys that sign tokens: there before they are needed, followed in time, gone when they must."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop, Stage, new_platform
from tests.clock import NOON

from credenza.actions import services, token_keys, tokens
from credenza.domain.errors import Code
from credenza.domain.model import PLATFORM, OrganizationId
from credenza.domain.token_keys import CACHE_TIME, ROTATION, IssuerKind, TokenKey, purpose
from credenza.domain.tokens import RevokedToken, hash_jti
from credenza.protocol import jose
from credenza.store import revoked_tokens, schema
from credenza.store.engine import Database, writing


def line(stage: Stage, issuer: IssuerKind = IssuerKind.FAPI2) -> list[TokenKey]:
    """The keys of one issuer of SANDBOX, the oldest first."""
    found = token_keys.list_all(stage.platform, OPERATOR, now=stage.now)
    return [key for key in reversed(found) if key.environment is SANDBOX and key.issuer is issuer]


def news(stage: Stage) -> list[tuple[str, str]]:
    return [(row.kind, row.subject) for row in stage.rows(schema.changes)]


def test_the_first_start_makes_a_key_that_signs_and_its_successor_for_each_issuer(stage: Stage) -> None:
    found = token_keys.list_all(stage.platform, OPERATOR, now=stage.now)

    assert {(key.environment, key.issuer, key.generation) for key in found} == {
        (environment, issuer, generation)
        for environment in (SANDBOX, PRODUCTION)
        for issuer in (IssuerKind.FAPI2, IssuerKind.COMPAT)
        for generation in (1, 2)
    }
    assert [key.signs(stage.now) for key in line(stage)] == [True, False]
    assert all(key.published(stage.now) for key in found)
    assert news(stage) == []


def test_a_kid_is_the_thumbprint_and_the_private_half_is_wrapped(stage: Stage) -> None:
    for row in stage.rows(schema.token_keys):
        pkcs8 = stage.platform.vault.unwrap(purpose(row.kid), row.wrapped_private_key)
        public_key = load_der_private_key(pkcs8, None).public_key()
        assert jose.thumbprint(public_key) == row.kid  # type: ignore[arg-type]
        assert jose.thumbprint(jose.parse_jwk(row.public_jwk.encode())) == row.kid
        assert set(msgspec.json.decode(row.public_jwk)) == {"kty", "crv", "x", "y"}
        assert row.algorithm == "ES256"


def want_payloads(stage: Stage) -> None:
    """Have a service whose payloads have rules in SANDBOX."""
    Shop(stage)
    places = schema.service_environments
    with writing(stage.platform.database.records) as connection:
        connection.execute(places.update().where(places.c.environment == SANDBOX).values(payload_rules="{}"))


def test_answers_get_a_line_of_rsa_keys_where_a_service_has_rules_of_payloads(stage: Stage) -> None:
    want_payloads(stage)

    made = stage.done("token_key.rotate", token_keys.rotate_due)

    assert [(key.environment, key.issuer, key.generation) for key in made] == [
        (SANDBOX, IssuerKind.PAYLOAD, 1),
        (SANDBOX, IssuerKind.PAYLOAD, 2),
    ]
    assert {key.algorithm for key in made} == {"PS256"}
    assert {kid for kind, kid in news(stage) if kind == "issuer"} == {key.kid for key in made}
    for row in stage.rows(schema.token_keys):
        pkcs8 = stage.platform.vault.unwrap(purpose(row.kid), row.wrapped_private_key)
        assert jose.thumbprint(load_der_private_key(pkcs8, None).public_key()) == row.kid  # type: ignore[arg-type]


def test_a_start_makes_the_line_of_answers_too_and_tells_gates_that_run_already(stage: Stage) -> None:
    want_payloads(stage)

    new_platform(stage.platform.database, now=stage.now)

    found = line(stage, IssuerKind.PAYLOAD)
    assert [key.signs(stage.now) for key in found] == [True, False]
    assert {kid for kind, kid in news(stage) if kind == "issuer"} == {key.kid for key in found}


def test_a_token_that_its_client_revokes_is_announced_and_on_record(stage: Stage) -> None:
    shop = Shop(stage)
    token = RevokedToken(hash_jti("once"), SANDBOX, shop.organization.id, stage.now + timedelta(minutes=15))

    stage.done("token.revoke", tokens.revoke, token, client_id="client")
    before = stage.dump()
    tokens.revoke(stage.platform, token, client_id="client", now=stage.now)

    assert stage.dump() == before
    assert news(stage).count(("token", hash_jti("once"))) == 1
    assert len(stage.rows(schema.revoked_tokens)) == 1


def test_a_second_start_makes_nothing(stage: Stage) -> None:
    before = stage.dump()

    new_platform(stage.platform.database, now=stage.now + timedelta(days=1))

    assert stage.dump() == before


def test_nothing_is_rotated_before_its_time(stage: Stage) -> None:
    stage.clock.advance(ROTATION - timedelta(seconds=1))

    assert stage.looked(token_keys.rotate_due) == ()


def test_a_successor_steps_in_by_itself_and_has_one_of_its_own(stage: Stage) -> None:
    stage.clock.advance(ROTATION)

    made = stage.done("token_key.rotate", token_keys.rotate_due)

    first, second, third = line(stage)
    assert {key.kid for key in made} >= {third.kid}
    assert [key.signs(stage.now) for key in (first, second, third)] == [False, True, False]
    assert first.published(stage.now)
    assert ("issuer", third.kid) in news(stage)
    assert stage.looked(token_keys.rotate_due) == ()


def test_a_key_whose_last_token_is_gone_is_forgotten(stage: Stage) -> None:
    first = line(stage)[0]
    for _ in range(2):
        stage.clock.advance(ROTATION)
        token_keys.rotate_due(stage.platform, now=stage.now)

    assert first.kid not in {key.kid for key in line(stage)}
    assert len(line(stage)) == 3


def test_a_start_makes_up_for_rotations_that_nobody_made(stage: Stage) -> None:
    stage.clock.advance(3 * ROTATION)

    new_platform(stage.platform.database, now=stage.now)

    assert [key.signs(stage.now) for key in line(stage)] == [False, True, False]
    assert {kind for kind, _ in news(stage)} == {"issuer"}


def test_rotation_follows_the_setting(stage: Stage) -> None:
    stage.with_policy(token_key_rotation=timedelta(days=7))
    stage.clock.advance(ROTATION)

    token_keys.rotate_due(stage.platform, now=stage.now)

    assert line(stage)[-1].signs_from == stage.now + timedelta(days=7)


def test_two_nodes_that_rotate_at_once_make_one_key(stage: Stage) -> None:
    stage.clock.advance(ROTATION)
    barrier = Barrier(4)

    def rotate(_number: int) -> None:
        barrier.wait()
        token_keys.rotate_due(stage.platform, now=stage.now)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(rotate, range(4)))

    assert [key.generation for key in line(stage)] == [1, 2, 3]


def test_two_nodes_that_start_first_at_once_agree_on_the_keys(database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        platforms = list(threads.map(lambda _: new_platform(database, now=NOON), range(4)))

    found = token_keys.list_all(platforms[0], OPERATOR, now=NOON)
    assert len(found) == 8
    assert sum(key.signs(NOON) for key in found) == 4


def test_one_node_at_a_time_looks_for_rotations(stage: Stage) -> None:
    term = timedelta(minutes=5)

    first = token_keys.take_turn(stage.platform, "a", term=term, now=stage.now)
    other = token_keys.take_turn(stage.platform, "b", term=term, now=stage.now)
    later = token_keys.take_turn(stage.platform, "b", term=term, now=stage.now + term)

    assert (first, other, later) == (True, False, True)


def test_a_retired_key_is_followed_at_once_and_announced(stage: Stage) -> None:
    stage.clock.advance(CACHE_TIME)
    first, second = line(stage)

    answer = stage.done("token_key.retire", token_keys.retire, OPERATOR, first.kid, reason="leaked")

    _, now_signs, standby = line(stage)
    assert (answer.key.retired_at, answer.key.published(stage.now)) == (stage.now, False)
    assert (now_signs.kid, now_signs.signs(stage.now), standby.published(stage.now)) == (second.kid, True, True)
    assert news(stage) == [("issuer", first.kid)]


def test_a_second_retirement_changes_nothing(stage: Stage) -> None:
    first = line(stage)[0]
    stage.done("token_key.retire", token_keys.retire, OPERATOR, first.kid, reason="leaked")
    before = stage.rows(schema.token_keys)

    stage.done("token_key.retire", token_keys.retire, OPERATOR, first.kid, reason="again")

    assert stage.rows(schema.token_keys) == before


def test_a_key_that_is_not_there_cannot_be_retired(stage: Stage) -> None:
    stage.refused("token_key.retire", Code.NOT_FOUND, token_keys.retire, OPERATOR, "A" * 43, reason="")


def test_token_keys_are_for_operators(shop: Shop) -> None:
    stage, actor = shop.stage, shop.owner.actor

    stage.refused("token_key.list", Code.FORBIDDEN, token_keys.list_all, actor)
    stage.refused("token_key.retire", Code.FORBIDDEN, token_keys.retire, actor, line(stage)[0].kid, reason="")


@pytest.mark.parametrize("generation", [1, 2])
def test_the_database_lets_no_key_sign_before_it_is_published(database: Database, generation: int) -> None:
    stage = [new_platform(database, now=NOON)]
    from_too_early = NOON - timedelta(seconds=1) if generation == 1 else NOON + CACHE_TIME - timedelta(seconds=1)

    with pytest.raises(Exception, match="ck_token_keys_published_first"), database.records.begin() as connection:
        connection.execute(
            schema.token_keys.update()
            .where(schema.token_keys.c.generation == generation)
            .values(signs_from=from_too_early, signs_until=None, published_until=None)
        )
    assert stage


def test_revocations_of_tokens_are_forgotten_when_the_tokens_have_ended_by_every_clock(stage: Stage) -> None:
    token = RevokedToken(hash_jti("a"), SANDBOX, OrganizationId(PLATFORM), stage.now + timedelta(minutes=15))
    with writing(stage.platform.database.records) as connection:
        revoked_tokens.revoke(connection, token, now=stage.now)

    stage.clock.advance(timedelta(minutes=15, seconds=60))
    assert tokens.forget_ended(stage.platform, now=stage.now) == 0
    stage.clock.advance(timedelta(hours=1))
    assert tokens.forget_ended(stage.platform, now=stage.now) == 1


def test_the_first_rules_of_payloads_bring_the_keys_that_sign_answers_with_them(stage: Stage) -> None:
    service = stage.service()

    stage.done("service.change", services.set_payload_rules, OPERATOR, service.id, SANDBOX, '{"signature":{}}')

    found = line(stage, IssuerKind.PAYLOAD)
    assert [key.signs(stage.now) for key in found] == [True, False]
    kinds = [kind for kind, _ in news(stage)]
    assert kinds[-3:] == ["issuer", "issuer", "catalog"]
