"""API credentials where all credentials are listed, told of, sought and restored."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.actions.api_catalog import ApiCatalog
from tests.actions.stage import OPERATOR, Person, Stage
from tests.actions.test_backups import back_up, restore

from credenza.actions import api_credentials, expiry, people, roles, search
from credenza.actions.api_credentials import IssuedApiCredential
from credenza.domain.access import Action
from credenza.domain.api_credentials import OldSecret
from credenza.domain.model import OrganizationRole
from credenza.store import endings, schema
from credenza.store.engine import reading

MONTH = timedelta(days=30)


@pytest.fixture
def desk(stage: Stage) -> ApiCatalog:
    return ApiCatalog(stage)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def ending(desk: ApiCatalog, person: Person) -> list[str]:
    found = desk.stage.looked(expiry.list_page, person.actor, desk.organization.id, limit=100)
    counted = desk.stage.looked(expiry.count_by_month, person.actor, desk.organization.id)
    assert sum(each.count for each in counted) == len(found)
    return [each.alias for each in found]


def do(desk: ApiCatalog, call: Any, issued: IssuedApiCredential, *more: Any, **named: Any) -> Any:
    asked = (desk.stage.platform, desk.admin.actor, desk.organization.id, issued.view.credential.id)
    return call(*asked, *more, now=desk.stage.now, **named)


def test_what_has_a_chosen_end_is_listed_and_what_has_none_or_was_deleted_is_not(desk: ApiCatalog) -> None:
    desk.create(name="ends", ends_at=desk.stage.now + MONTH)
    desk.create(name="does not end")
    do(desk, api_credentials.delete, desk.create(name="deleted", ends_at=desk.stage.now + MONTH))

    assert ending(desk, desk.admin) == ["ends"]


def test_who_may_not_see_api_credentials_does_not_hear_of_their_ends(desk: ApiCatalog) -> None:
    desk.create(name="ends", ends_at=desk.stage.now + MONTH)

    assert ending(desk, desk.stage.member(desk.organization, OrganizationRole.COMPLIANCE_ADMIN)) == ["ends"]
    assert ending(desk, desk.stage.member(desk.organization, OrganizationRole.USER)) == []
    assert ending(desk, with_role(desk, Action.PROJECT_VIEW)) == []
    assert ending(desk, with_role(desk, Action.API_CREDENTIAL_LIST)) == ["ends"]


def with_role(desk: ApiCatalog, action: Action) -> Person:
    place = (desk.stage.platform, desk.admin.actor, desk.organization.id)
    role = roles.create(*place, name=f"May {action}", actions=[action], now=desk.stage.now)
    person = desk.stage.member(desk.organization, OrganizationRole.USER)
    held = {"role": OrganizationRole.CUSTOM, "custom_role_id": role.id}
    email = person.user.email
    people.set_member(desk.stage.platform, OPERATOR, desk.organization.id, email=email, now=desk.stage.now, **held)
    return person


def test_admins_and_compliance_admins_are_told_of_an_end_and_nobody_else(desk: ApiCatalog) -> None:
    compliance = desk.stage.member(desk.organization, OrganizationRole.COMPLIANCE_ADMIN)
    desk.stage.member(desk.organization, OrganizationRole.USER)
    desk.create(ends_at=desk.stage.now + MONTH)
    (found,) = desk.stage.looked(expiry.list_page, desk.admin.actor, desk.organization.id, limit=9)

    with reading(desk.stage.platform.database.records) as connection:
        told = endings.audience(connection, found)

    assert {each.id for each in told} == {desk.admin.user.id, compliance.user.id}


def test_they_are_found_by_name_and_client_id_by_those_who_may_see_them(desk: ApiCatalog) -> None:
    issued = desk.create(name="Web analytics")
    do(desk, api_credentials.delete, desk.create(name="Web of the past"))
    user = desk.stage.member(desk.organization, OrganizationRole.USER)

    def found(person: Person, text: str) -> list[str]:
        clients = desk.stage.looked(search.find, person.actor, desk.organization.id, text).clients
        return [each.name for each in clients]

    assert found(desk.admin, "web") == found(desk.admin, issued.view.credential.client_id) == ["Web analytics"]
    assert found(user, "web") == []


def test_a_restore_gives_back_no_secret_no_right_and_no_later_end(desk: ApiCatalog, path: Path) -> None:
    issued, deleted = desk.create(networks=()), desk.create(name="deleted")
    do(desk, api_credentials.issue_secret, issued, keep_old=OldSecret.UNTIL_DELETED)
    back_up(desk.stage, path)
    old = issued.view.credential.secrets[0].id
    do(desk, api_credentials.delete_secret, issued, old, keep_last=True)
    do(desk, api_credentials.delete, deleted)
    found = desk.get(issued)
    narrow = (replace(desk.reads_profiles, places=frozenset({desk.us.id})),)
    end = desk.stage.now + MONTH
    do(desk, api_credentials.edit, issued, desk.edit_of(found, grants=narrow, networks=("10.0.0.0/8",), ends_at=end))

    restore(desk.stage, path)

    after = desk.get(issued)
    assert (after.grants, after.networks, after.ends_at) == (narrow, ("10.0.0.0/8",), end)
    assert old not in {each.id for each in after.usable_secrets(desk.stage.now)}
    assert {row.credential_id for row in desk.stage.rows(schema.api_grants)} == {after.id}
