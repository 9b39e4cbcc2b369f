"""Idempotency-Key: the same key gives the same answer, once, to the one who asked, and to nobody who reads the disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import update
from tests.actions import repeatable
from tests.actions.repeatable import ISSUING, PATIENCE, REPEATABLE, Request
from tests.actions.stage import OPERATOR, Shop

from credenza.actions import oauth_keys, projects, services
from credenza.actions.context import Once, Platform
from credenza.actions.once import forget_expired
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor
from credenza.store.engine import writing
from credenza.store.schema import certificates, credentials, idempotency

ONCE = Once("2a1f9d6c-the-key", "a" * 64)
MOMENT = timedelta(microseconds=1)

every_action = pytest.mark.parametrize("make", REPEATABLE, ids=lambda make: make.__name__)
issuing_action = pytest.mark.parametrize("make", ISSUING, ids=lambda make: make.__name__)
Make = Callable[[Shop], Request]


class Killed(BaseException):
    """Ends an attempt as a crash would: nothing of ours catches it."""


def killing(platform: Platform, failpoint: str) -> Platform:
    def kill(reached: str) -> None:
        if reached == failpoint:
            raise Killed

    return replace(platform, failpoint=kill)


def crash(shop: Shop, request: Request, failpoint: str = "before_signature") -> None:
    with pytest.raises(Killed):
        request.ask(killing(shop.stage.platform, failpoint), ONCE)


@contextmanager
def refused(code: Code) -> Iterator[None]:
    with pytest.raises(Refusal) as caught:
        yield
    assert caught.value.code is code
    assert caught.value.field == "Idempotency-Key"


@every_action
def test_the_same_key_gives_the_same_answer_and_does_nothing_again(shop: Shop, make: Make) -> None:
    request = make(shop)
    before = shop.stage.traces()
    first = request.ask(shop.stage.platform, ONCE)
    left = shop.stage.dump()
    shop.stage.clock.advance(timedelta(minutes=5))

    assert request.ask(shop.stage.platform, ONCE) == first
    assert shop.stage.dump() == left
    assert shop.stage.new_traces(before) == [(request.action, "done", "")]


@every_action
def test_another_body_is_refused(shop: Shop, make: Make) -> None:
    request = make(shop)
    request.ask(shop.stage.platform, ONCE)
    before = shop.stage.facts()

    with refused(Code.IDEMPOTENCY_KEY_REUSED):
        request.ask(shop.stage.platform, replace(ONCE, request_hash="b" * 64))

    assert shop.stage.facts() == before


def serials(shop: Shop, state: str) -> set[tuple[str, str]]:
    """Serial numbers in a state, and whose they are."""
    rows = shop.stage.rows(certificates)
    return {(row.serial_hex, row.credential_id) for row in rows if row.state == state}


@issuing_action
def test_an_attempt_under_way_is_waited_for_and_after_15_seconds_taken_over(shop: Shop, make: Make) -> None:
    request = make(shop)
    crash(shop, request)
    reserved = serials(shop, "RESERVED")
    assert reserved

    shop.stage.clock.advance(PATIENCE - MOMENT)
    with refused(Code.IDEMPOTENCY_IN_PROGRESS):
        request.ask(shop.stage.platform, ONCE)
    shop.stage.clock.advance(MOMENT)
    answer = request.ask(shop.stage.platform, ONCE)

    assert reserved <= serials(shop, "ISSUED")
    assert not serials(shop, "RESERVED")
    assert request.ask(shop.stage.platform, ONCE) == answer


@issuing_action
def test_a_slow_attempt_is_told_that_its_twin_was_faster_and_nothing_is_done_twice(shop: Shop, make: Make) -> None:
    request = make(shop)
    faster: list[Any] = []

    def be_slow(reached: str) -> None:
        if reached == "before_signature" and not faster:
            shop.stage.clock.advance(PATIENCE)
            faster.append(request.ask(shop.stage.platform, ONCE))

    before = shop.stage.traces()
    with refused(Code.IDEMPOTENCY_IN_PROGRESS):
        request.ask(replace(shop.stage.platform, failpoint=be_slow), ONCE)

    assert shop.stage.new_traces(before) == [
        (request.action, "done", ""),
        (request.action, "refused", Code.IDEMPOTENCY_IN_PROGRESS),
    ]
    assert request.ask(shop.stage.platform, ONCE) == faster[0]
    assert {row.state for row in shop.stage.rows(certificates)} == {"ISSUED"}


@issuing_action
def test_a_slow_attempt_does_not_use_a_serial_that_its_twin_gave_up(shop: Shop, make: Make) -> None:
    request = make(shop)
    platform, known = shop.stage.platform, set(shop.stage.rows(certificates))
    reached_before: list[str] = []

    def break_down(reached: str) -> None:
        if reached == "before_commit":
            raise OSError("broken")

    def be_slow(reached: str) -> None:
        if reached == "before_signature" and not reached_before:
            reached_before.append(reached)
            shop.stage.clock.advance(PATIENCE)
            with pytest.raises(OSError, match="broken"):
                request.ask(replace(platform, failpoint=break_down), ONCE)
            crash(shop, request)  # the third takes the freed key, draws another serial and dies

    with refused(Code.IDEMPOTENCY_IN_PROGRESS):
        request.ask(replace(platform, failpoint=be_slow), ONCE)
    shop.stage.clock.advance(PATIENCE)
    answer = request.ask(platform, ONCE)

    came = [row.state for row in set(shop.stage.rows(certificates)) - known]
    assert sorted(came) == sorted(["ABANDONED", "ISSUED"] * (len(came) // 2))
    assert came
    assert request.ask(platform, ONCE) == answer


@issuing_action
def test_a_refused_request_frees_its_key(shop: Shop, make: Make) -> None:
    """Refused at its last step: what it had reserved is abandoned, and the same request may be tried again."""
    request = make(shop)
    platform, known = shop.stage.platform, set(shop.stage.rows(certificates))

    def refuse(reached: str) -> None:
        if reached == "before_commit":
            raise Refusal(Code.PROJECT_CONFIG, "Not today.")

    with pytest.raises(Refusal, match="Not today"):
        request.ask(replace(platform, failpoint=refuse), ONCE)

    assert shop.stage.rows(idempotency) == []
    assert request.ask(platform, ONCE)
    came = [row.state for row in set(shop.stage.rows(certificates)) - known]
    assert sorted(came) == sorted(["ABANDONED", "ISSUED"] * (len(came) // 2))
    assert came


def test_an_answer_with_a_secret_is_gone_after_10_minutes(shop: Shop) -> None:
    request = repeatable.access_token_create(shop)
    first = request.ask(shop.stage.platform, ONCE)

    shop.stage.clock.advance(timedelta(minutes=10))
    assert request.ask(shop.stage.platform, ONCE).secret == first.secret
    shop.stage.clock.advance(MOMENT)
    with refused(Code.IDEMPOTENCY_ANSWER_GONE):
        request.ask(shop.stage.platform, ONCE)


def test_an_answer_with_a_secret_is_deleted_and_not_only_withheld(shop: Shop) -> None:
    request = repeatable.access_token_create(shop)
    request.ask(shop.stage.platform, ONCE)

    shop.stage.clock.advance(timedelta(minutes=10) + MOMENT)
    forget_expired(shop.stage.platform, now=shop.stage.now)

    assert [row.sealed_answer for row in shop.stage.rows(idempotency)] == [b""]
    with refused(Code.IDEMPOTENCY_ANSWER_GONE):
        request.ask(shop.stage.platform, ONCE)


def test_an_answer_is_kept_24_hours_and_then_the_key_is_free(shop: Shop) -> None:
    request = repeatable.access_token_create(shop)
    other = repeatable.key_add(shop)
    token = request.ask(shop.stage.platform, ONCE)
    key = other.ask(shop.stage.platform, replace(ONCE, key="another"))

    shop.stage.clock.advance(timedelta(hours=24))
    assert other.ask(shop.stage.platform, replace(ONCE, key="another")) == key
    shop.stage.clock.advance(MOMENT)
    assert request.ask(shop.stage.platform, ONCE).token.id != token.token.id


def test_a_key_is_its_actor_s_own(shop: Shop) -> None:
    colleague = shop.stage.member(shop.organization)
    own, theirs = shop.stage.new_key(), shop.stage.new_key()
    place = (shop.project.id, own, None)

    first = shop.done("key.add", oauth_keys.add_by_csr, own, None, once=ONCE)
    second = shop.stage.done(
        "key.add", oauth_keys.add_by_csr, colleague.actor, shop.project.id, theirs, None, once=ONCE
    )

    assert first.id != second.id
    shop.stage.refused("key.add", Code.DUPLICATE_KEY, oauth_keys.add_by_csr, OPERATOR, *place, once=ONCE)


def test_the_same_answer_though_the_service_was_retired_since(shop: Shop) -> None:
    new = shop.stage.new_project()
    ask = (projects.create, shop.owner.actor, shop.organization.id, new)
    first = shop.stage.done("project.create", *ask, once=ONCE)
    shop.stage.done("service.change", services.retire, OPERATOR, new.service_id)

    assert shop.stage.looked(*ask, once=ONCE) == first


def test_the_same_answer_though_the_project_has_two_environments_since(shop: Shop) -> None:
    new = shop.stage.new_key()
    first = shop.done("key.add", oauth_keys.add_by_csr, new, None, once=ONCE)
    shop.add_production()

    assert shop.looked(oauth_keys.add_by_csr, new, None, once=ONCE) == first


def test_who_may_no_longer_do_it_is_not_given_the_answer_either(shop: Shop) -> None:
    new = shop.stage.new_key()
    shop.done("key.add", oauth_keys.add_by_csr, new, None, once=ONCE)
    reader: Actor = replace(shop.owner.actor, scopes=frozenset({"read"}))

    shop.stage.refused(
        "key.add", Code.PROJECT_FORBIDDEN, oauth_keys.add_by_csr, reader, shop.project.id, new, None, once=ONCE
    )


@every_action
def test_answer_and_key_cannot_be_read_in_the_database(shop: Shop, make: Make) -> None:
    answer = make(shop).ask(shop.stage.platform, ONCE)
    (row,) = shop.stage.rows(idempotency)

    assert ONCE.key not in repr(row)
    words = {word for word in repr(answer).replace("'", '"').split('"') if len(word) > 4}
    assert not [word for word in words if word.encode() in row.sealed_answer]


@pytest.mark.parametrize("moved", ["to another actor", "to another request", "to another key"])
def test_a_sealed_answer_opens_only_where_it_belongs(shop: Shop, moved: str) -> None:
    request = repeatable.key_add(shop)
    request.ask(shop.stage.platform, ONCE)
    other = Once("another-key", "c" * 64)
    there = {
        "to another actor": {"actor_id": OPERATOR.id},
        "to another request": {"request_hash": other.request_hash},
        "to another key": {"key_hash": other.key_hash},
    }[moved]
    with writing(shop.stage.platform.database.records) as connection:
        connection.execute(update(idempotency).values(**there))
    once = replace(
        ONCE,
        key=other.key if "key_hash" in there else ONCE.key,
        request_hash=other.request_hash if "request_hash" in there else ONCE.request_hash,
    )
    actor = OPERATOR if "actor_id" in there else shop.owner.actor

    with pytest.raises(InvalidTag):
        oauth_keys.add_by_csr(
            shop.stage.platform, actor, shop.project.id, shop.stage.new_key(), None, now=shop.stage.now, once=once
        )


def test_a_request_without_a_key_is_done_every_time(shop: Shop) -> None:
    request = repeatable.access_token_create(shop)

    assert request.ask(shop.stage.platform, None).secret != request.ask(shop.stage.platform, None).secret
    assert shop.stage.rows(idempotency) == []


def test_credentials_are_as_many_as_certificates(shop: Shop) -> None:
    """After crashes and takings over of every issuing action one after the other."""
    for make in ISSUING:
        fresh = Shop(shop.stage)
        request = make(fresh)
        crash(fresh, request, "after_signature")
        shop.stage.clock.advance(PATIENCE)
        request.ask(shop.stage.platform, ONCE)

    issued = {row.credential_id for row in shop.stage.rows(certificates) if row.state == "ISSUED"}
    assert {row.id for row in shop.stage.rows(credentials)} == issued
