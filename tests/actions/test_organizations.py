"""Organizations: who shares projects, a quota and one audit chain."""

import pytest
from tests.actions.stage import OPERATOR, Stage

from credenza.actions import organizations
from credenza.domain.access import PROJECT_LIMIT_CEILING, PROJECT_LIMIT_DEFAULT, Scope
from credenza.domain.errors import Code
from credenza.domain.model import PLATFORM, Actor, ActorKind, OrganizationId, OrganizationRole

NOWHERE = OrganizationId("11111111-1111-4111-8111-111111111111")


def test_an_organization_is_created_with_180_projects_at_most(stage: Stage) -> None:
    made = stage.done("organization.create", organizations.create, OPERATOR, name="Acme")

    assert made.project_limit == PROJECT_LIMIT_DEFAULT == 180
    assert stage.looked(organizations.get, OPERATOR, made.id) == made
    assert stage.looked(organizations.get_by_name, OPERATOR, "Acme") == made


def test_a_name_is_taken_once(stage: Stage) -> None:
    stage.done("organization.create", organizations.create, OPERATOR, name="Acme")

    refusal = stage.refused(
        "organization.create", Code.DUPLICATE_NAME, organizations.create, OPERATOR, name="Acme", chain=PLATFORM
    )

    assert refusal.field == "name"


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "a\x1b[31m", "a" * 121])
def test_a_name_can_be_shown(stage: Stage, name: str) -> None:
    refusal = stage.refused("organization.create", Code.INVALID, organizations.create, OPERATOR, name=name)

    assert refusal.field == "name"


@pytest.mark.parametrize("limit", [-1, PROJECT_LIMIT_CEILING + 1])
def test_500_projects_are_the_ceiling(stage: Stage, limit: int) -> None:
    organization = stage.organization()

    stage.refused("organization.create", Code.INVALID, organizations.create, OPERATOR, name="Beta", project_limit=limit)
    stage.refused("organization.limit", Code.INVALID, organizations.set_project_limit, OPERATOR, organization.id, limit)


def test_an_operator_raises_the_quota(stage: Stage) -> None:
    organization = stage.organization()

    changed = stage.done(
        "organization.limit", organizations.set_project_limit, OPERATOR, organization.id, PROJECT_LIMIT_CEILING
    )

    assert changed.project_limit == 500
    assert stage.looked(organizations.get, OPERATOR, organization.id) == changed


def test_nobody_raises_the_own_quota(stage: Stage) -> None:
    organization = stage.organization()
    admin = stage.member(organization)

    stage.refused(
        "organization.limit",
        Code.FORBIDDEN,
        organizations.set_project_limit,
        admin.actor,
        organization.id,
        500,
        chain=organization.id,
    )
    stage.refused("organization.create", Code.FORBIDDEN, organizations.create, admin.actor, name="Beta")


def test_what_does_not_exist_is_said_to_an_operator(stage: Stage) -> None:
    stage.refused("organization.view", Code.NOT_FOUND, organizations.get, OPERATOR, NOWHERE, chain=PLATFORM)
    stage.refused("organization.view", Code.NOT_FOUND, organizations.get_by_name, OPERATOR, "Nobody")
    stage.refused("organization.limit", Code.NOT_FOUND, organizations.set_project_limit, OPERATOR, NOWHERE, 5)


def test_somebody_else_s_organization_does_not_exist(stage: Stage) -> None:
    own, other = stage.organization(), stage.organization()
    admin = stage.member(own)

    stage.refused("organization.view", Code.NOT_FOUND, organizations.get, admin.actor, other.id, chain=own.id)


def test_a_list_holds_the_own_ones_and_all_of_them_for_an_operator(stage: Stage) -> None:
    own, other = stage.organization(), stage.organization()
    member = stage.member(own, OrganizationRole.READ_ONLY)
    person = Actor(ActorKind.SESSION, "s", member.user.id)

    assert stage.looked(organizations.list_all, member.actor) == (own,)
    assert stage.looked(organizations.list_all, person) == (own,)
    assert stage.looked(organizations.list_all, OPERATOR) == (own, other)


def test_a_list_needs_the_scope_to_read(stage: Stage) -> None:
    own = stage.organization()
    member = stage.member(own)
    narrow = stage.token(member.user, own, Scope.CREDENTIALS)

    stage.refused("organization.view", Code.FORBIDDEN, organizations.list_all, narrow, chain=own.id)
