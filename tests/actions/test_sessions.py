"""Sessions: an hour without a sign of life or a day in all, and everything that ends one earlier."""

from datetime import timedelta

import pytest
from tests.actions import proofs
from tests.actions.proofs import ELSEWHERE, VISITOR
from tests.actions.stage import OPERATOR, Stage

from credenza.actions import people, sessions
from credenza.domain.errors import Code
from credenza.domain.model import PLATFORM, Actor, ActorKind, SignInMethod, User
from credenza.store import schema


@pytest.fixture
def ann(stage: Stage) -> User:
    return people.create_user(stage.platform, OPERATOR, email="ann@example.org", name="Ann", now=stage.now)


def begin(stage: Stage, user: User, method: SignInMethod = SignInMethod.SSO) -> sessions.Begun:
    return stage.done("session.begin", sessions.begin, user, method, VISITOR)


def test_a_session_is_found_by_its_token_alone(stage: Stage, ann: User) -> None:
    begun = begin(stage, ann)

    assert stage.looked(sessions.find, begun.token) == begun.session
    assert stage.looked(sessions.find, begun.token[:-1]) is None
    assert stage.looked(sessions.find, begun.session.id) is None
    assert begun.token not in repr(begun)
    assert len(begun.token) >= 43  # 256 bits; ASVS 7.2.3 asks for 128


def test_who_began_it_where_and_how_is_on_record(stage: Stage, ann: User) -> None:
    before = stage.traces()
    begun = begin(stage, ann, SignInMethod.PASSKEY)
    (row,) = [row for place, row in stage.traces().items() if place not in before]

    assert (row.organization_id, row.actor_kind, row.actor_id, row.user_id) == (PLATFORM, "visitor", "passkey", ann.id)
    assert (row.address, row.subject, row.detail) == (VISITOR.address, begun.session.id, f"{ann.email} by passkey")
    assert (begun.session.address, begun.session.user_agent) == (VISITOR.address, VISITOR.user_agent)


def test_it_ends_an_hour_after_the_last_sign_of_life(stage: Stage, ann: User) -> None:
    token = begin(stage, ann).token

    for _ in range(3):
        stage.clock.advance(timedelta(minutes=59))
        assert sessions.find(stage.platform, token, now=stage.now) is not None
    stage.clock.advance(timedelta(minutes=60))

    assert stage.looked(sessions.find, token) is None


def test_a_peek_is_no_sign_of_life(stage: Stage, ann: User) -> None:
    begun = begin(stage, ann)
    stage.clock.advance(timedelta(minutes=59))

    assert stage.looked(sessions.peek, begun.token) == begun.session
    stage.clock.advance(timedelta(minutes=1))
    assert stage.looked(sessions.peek, begun.token) is None


def test_it_ends_after_a_day_in_any_case(stage: Stage, ann: User) -> None:
    token = begin(stage, ann).token

    for _ in range(47):
        stage.clock.advance(timedelta(minutes=30))
        assert sessions.find(stage.platform, token, now=stage.now) is not None
    stage.clock.advance(timedelta(minutes=30))

    assert stage.looked(sessions.find, token) is None


def test_a_sign_of_life_is_written_once_a_minute(stage: Stage, ann: User) -> None:
    token = begin(stage, ann).token
    stage.clock.advance(timedelta(seconds=59))
    stage.looked(sessions.find, token)

    stage.clock.advance(timedelta(seconds=1))
    sessions.find(stage.platform, token, now=stage.now)

    (row,) = stage.rows(schema.sessions)
    assert row.last_seen_at == stage.now


def test_a_new_proof_is_fresh_and_gives_another_token(stage: Stage, ann: User) -> None:
    begun = begin(stage, ann)
    stage.clock.advance(timedelta(minutes=15))
    stale = sessions.actor_of(begun.session, address="", now=stage.now)

    proven = stage.done("session.begin", sessions.prove, begun.session, VISITOR)

    fresh = sessions.actor_of(proven.session, address="", now=stage.now)
    assert (stale.fresh, fresh.fresh, fresh.kind) == (False, True, ActorKind.SESSION)
    assert (proven.session.id, proven.session.expires_at) == (begun.session.id, begun.session.expires_at)
    assert stage.looked(sessions.find, begun.token) is None
    assert stage.looked(sessions.find, proven.token) == proven.session


def test_a_session_is_live_and_fresh_where_the_clock_is_behind(stage: Stage, ann: User) -> None:
    begun, behind = begin(stage, ann), stage.now - timedelta(seconds=60)

    assert sessions.find(stage.platform, begun.token, now=behind) == begun.session
    assert sessions.actor_of(begun.session, address="", now=behind).fresh


def test_a_session_of_a_clock_that_was_a_year_ahead_ends_when_that_is_put_right(stage: Stage, ann: User) -> None:
    right = stage.now
    stage.clock.advance(timedelta(days=365))
    begun = begin(stage, ann)

    assert sessions.find(stage.platform, begun.token, now=right) is None
    assert not sessions.actor_of(begun.session, address="", now=right).fresh


def test_an_ended_session_cannot_be_proven_into_life(stage: Stage, ann: User) -> None:
    begun = begin(stage, ann)
    stage.done("session.end", sessions.end, proofs.actor_of(stage, begun), begun.session.id)

    stage.refused("session.begin", Code.UNAUTHENTICATED, sessions.prove, begun.session, VISITOR)


def test_one_ends_one_s_own_sessions(stage: Stage, ann: User) -> None:
    here, there, further = begin(stage, ann), begin(stage, ann), begin(stage, ann)
    actor = proofs.actor_of(stage, here)

    stage.done("session.end", sessions.end, actor, there.session.id)
    assert {each.id for each in stage.looked(sessions.list_own, actor)} == {here.session.id, further.session.id}

    assert stage.done("session.end", sessions.end_others, actor) == 1
    assert stage.looked(sessions.find, further.token) is None
    assert stage.looked(sessions.find, here.token) == here.session


def test_nobody_ends_the_session_of_somebody_else(stage: Stage, ann: User) -> None:
    eve = people.create_user(stage.platform, OPERATOR, email="eve@example.org", name="", now=stage.now)
    begun = begin(stage, ann)
    actor = proofs.actor_of(stage, begin(stage, eve))

    stage.refused("session.end", Code.NOT_FOUND, sessions.end, actor, begun.session.id)
    assert stage.looked(sessions.list_own, actor)[0].user == eve


def test_sessions_end_when_the_user_is_disabled_and_stay_ended(stage: Stage, ann: User) -> None:
    begun = begin(stage, ann)

    stage.done("user.disable", people.disable_user, OPERATOR, ann.email)

    assert stage.looked(sessions.find, begun.token) is None
    stage.refused("session.begin", Code.UNAUTHENTICATED, sessions.begin, ann, SignInMethod.SSO, VISITOR)
    stage.done("user.enable", people.enable_user, OPERATOR, ann.email)
    assert stage.looked(sessions.find, begun.token) is None
    begin(stage, ann)


def test_an_operator_sees_and_ends_a_user_s_sessions(stage: Stage, ann: User) -> None:
    begun = begin(stage, ann)

    assert stage.looked(sessions.list_of, OPERATOR, ann.email) == (begun.session,)
    assert stage.done("user.sign_out", sessions.end_all, OPERATOR, ann.email) == 1
    assert stage.looked(sessions.find, begun.token) is None
    actor = proofs.actor_of(stage, begun)
    stage.refused("user.sessions", Code.FORBIDDEN, sessions.list_of, actor, ann.email)
    stage.refused("user.sign_out", Code.FORBIDDEN, sessions.end_all, actor, ann.email)


def test_what_has_ended_is_deleted_a_day_later(stage: Stage, ann: User) -> None:
    begin(stage, ann)
    stage.clock.advance(timedelta(hours=47, minutes=30))
    kept = begin(stage, ann)
    stage.clock.advance(timedelta(minutes=30))

    assert sessions.forget_ended(stage.platform, now=stage.now) == 1
    assert stage.looked(sessions.peek, kept.token) == kept.session


def test_a_user_agent_is_kept_in_part(stage: Stage, ann: User) -> None:
    long = sessions.Visitor(ELSEWHERE.address, "x" * 1000)

    begun = stage.done("session.begin", sessions.begin, ann, SignInMethod.SSO, long)

    assert begun.session.user_agent == "x" * 200


def test_an_api_key_does_not_see_where_its_owner_is_signed_in(stage: Stage, ann: User) -> None:
    key = Actor(ActorKind.ACCOUNT_KEY, "key", ann.id)

    stage.refused("session.list", Code.FORBIDDEN, sessions.list_own, key)
