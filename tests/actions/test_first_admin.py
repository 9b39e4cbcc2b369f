"""The very first person: a one-time link, good for a day, and never a second time."""

from datetime import timedelta

import pytest
from tests.actions import proofs
from tests.actions.proofs import PASSWORD, VISITOR
from tests.actions.stage import OPERATOR, Stage

from credenza.actions import access_tokens, first_admin, people, projects, sessions
from credenza.actions.first_admin import FirstAdmin
from credenza.domain.access import Scope
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, OrganizationRole


def link_of(stage: Stage) -> str:
    link = first_admin.make_link(stage.platform, now=stage.now)
    assert link is not None
    return link


def accept(stage: Stage, link: str, email: str = "ann@example.org") -> FirstAdmin:
    before = stage.traces()
    first = first_admin.accept(
        stage.platform,
        link,
        email=email,
        name="Ann",
        password=PASSWORD,
        organization=" Acme ",
        visitor=VISITOR,
        now=stage.now,
    )
    assert sorted(stage.new_traces(before)) == [("session.begin", "done", ""), ("user.create", "done", "")]
    return first


def test_the_link_makes_admin_organization_and_token(stage: Stage) -> None:
    first = accept(stage, link_of(stage))
    actor = access_tokens.authenticate(stage.platform, first.access_token, address="", now=stage.now)

    assert (first.user.email, first.organization.name) == ("ann@example.org", "Acme")
    (member,) = stage.looked(people.list_members, actor, first.organization.id)
    assert (member.user, member.role) == (first.user, OrganizationRole.ADMIN)
    assert actor.scopes == frozenset(Scope)
    stage.done("project.create", projects.create, actor, first.organization.id, stage.new_project())


def test_the_admin_is_signed_in_and_signs_in_again(stage: Stage) -> None:
    first = accept(stage, link_of(stage))

    assert stage.looked(sessions.find, first.begun.token) == first.begun.session
    proofs.signed_in(stage, first.user)


def test_it_is_the_first_entry_of_the_organization_s_own_log(stage: Stage) -> None:
    first = accept(stage, link_of(stage))

    assert [place for place in stage.traces() if place[0] != PLATFORM] == [(first.organization.id, 1)]


def test_the_secret_does_not_show(stage: Stage) -> None:
    first = accept(stage, link_of(stage))

    assert first.access_token not in repr(first)
    assert first.begun.token not in repr(first)


@pytest.mark.parametrize("spoil", ["used", "too old", "a user was made meanwhile"])
def test_a_spent_link_is_refused(stage: Stage, spoil: str) -> None:
    link = link_of(stage)
    if spoil == "used":
        accept(stage, link)
    if spoil == "too old":
        stage.clock.advance(timedelta(hours=24))
    if spoil == "a user was made meanwhile":
        people.create_user(stage.platform, OPERATOR, email="bob@example.org", name="", now=stage.now)

    stage.refused(
        "user.create",
        Code.UNAUTHENTICATED,
        first_admin.accept,
        link,
        email="eve@example.org",
        name="Eve",
        password=PASSWORD,
        organization="Evil",
        visitor=VISITOR,
        chain=PLATFORM,
    )


def test_a_made_up_link_is_refused_and_leaves_nothing(stage: Stage) -> None:
    """Anybody may try, so that a row of the audit log for each would let anybody fill it."""
    link_of(stage)
    before = stage.dump()

    with pytest.raises(Refusal, match="was used or is too old"):
        accept(stage, "0" * 48)

    assert stage.dump() == before


def test_no_link_is_made_once_there_is_a_user(stage: Stage) -> None:
    accept(stage, link_of(stage))

    assert first_admin.make_link(stage.platform, now=stage.now) is None


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"email": "ann"}, Code.INVALID),
        ({"password": "too short"}, Code.INVALID),
        ({"password": "Ann of Acme, first"}, Code.INVALID),
        ({"organization": "Organization 0"}, Code.DUPLICATE_NAME),
    ],
)
def test_a_mistake_leaves_the_link_good(stage: Stage, named: dict[str, str], code: Code) -> None:
    link = link_of(stage)
    stage.organization()
    words = {"email": "ann@example.org", "name": "Ann", "password": PASSWORD, "organization": "Acme", **named}

    stage.refused("user.create", code, first_admin.accept, link, visitor=VISITOR, **words)
    accept(stage, link)
