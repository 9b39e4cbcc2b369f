"""A link that an operator hands over signs in once, within a quarter of an hour."""

from datetime import timedelta

import pytest
from tests.actions import proofs
from tests.actions.proofs import AT_ONCE, VISITOR
from tests.actions.stage import OPERATOR, Stage

from credenza.actions import people, sessions, sign_in_links
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, User


@pytest.fixture
def ann(stage: Stage) -> User:
    return people.create_user(stage.platform, OPERATOR, email="ann@example.org", name="Ann", now=stage.now)


def test_the_link_signs_in(stage: Stage, ann: User) -> None:
    token = stage.done("session.link", sign_in_links.make, OPERATOR, ann.email)
    assert sign_in_links.look(stage.platform, token, now=stage.now) == ann

    begun = stage.done("session.begin", sign_in_links.accept, token, VISITOR)

    assert (begun.session.user, begun.session.method) == (ann, "link")
    assert stage.looked(sessions.find, begun.token) == begun.session
    assert sign_in_links.link_to(stage.platform, token) == f"http://127.0.0.1:8080/sign-in/link?token={token}"


@pytest.mark.parametrize("spoil", ["used", "too old", "the user was disabled"])
def test_a_spent_link_signs_nobody_in(stage: Stage, ann: User, spoil: str) -> None:
    token = sign_in_links.make(stage.platform, OPERATOR, ann.email, now=stage.now)
    if spoil == "used":
        sign_in_links.accept(stage.platform, token, VISITOR, now=stage.now)
    if spoil == "too old":
        stage.clock.advance(timedelta(minutes=15))
    if spoil == "the user was disabled":
        people.disable_user(stage.platform, OPERATOR, ann.email, now=stage.now)

    stage.refused("session.begin", Code.UNAUTHENTICATED, sign_in_links.accept, token, VISITOR, chain=PLATFORM)
    with pytest.raises(Refusal):
        sign_in_links.look(stage.platform, token, now=stage.now)


def test_a_made_up_link_leaves_nothing(stage: Stage, ann: User) -> None:
    before = stage.dump()

    with pytest.raises(Refusal, match="used or is too old"):
        sign_in_links.accept(stage.platform, "made up", VISITOR, now=stage.now)

    assert stage.dump() == before


def test_sixteen_at_once_are_one_sign_in(stage: Stage, ann: User) -> None:
    token = sign_in_links.make(stage.platform, OPERATOR, ann.email, now=stage.now)

    seen = proofs.race(*[lambda: sign_in_links.accept(stage.platform, token, VISITOR, now=stage.now)] * AT_ONCE)

    assert seen == {"done": 1, "unauthenticated": AT_ONCE - 1}


def test_only_operators_make_links(stage: Stage, ann: User) -> None:
    token = sign_in_links.make(stage.platform, OPERATOR, ann.email, now=stage.now)
    actor = proofs.actor_of(stage, sign_in_links.accept(stage.platform, token, VISITOR, now=stage.now))

    stage.refused("session.link", Code.FORBIDDEN, sign_in_links.make, actor, ann.email)
    stage.refused("session.link", Code.NOT_FOUND, sign_in_links.make, OPERATOR, "nobody@example.org")
