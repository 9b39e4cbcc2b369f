"""API credentials: made, edited, switched, deleted; two secrets at most; nobody else's are seen."""

from collections import Counter
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.actions.api_catalog import ApiCatalog
from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Stage
from tests.actions.test_races import race
from tests.actions.test_secrets import database_dump

from credenza.actions import api_credentials, people, roles, services, traces, workspaces
from credenza.actions.api_credentials import IssuedApiCredential
from credenza.actions.context import Once
from credenza.domain import secret_text
from credenza.domain.access import Action
from credenza.domain.api_credentials import (
    ApiCredential,
    ApiCredentialOrder,
    ApiCredentialQuery,
    ApiCredentialState,
    ApiGrant,
    OldSecret,
)
from credenza.domain.catalog import ScopeLevel
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import CredentialId, OrganizationRole, Status
from credenza.store import schema
from credenza.store import traces as trace_rows
from credenza.store.change_kinds import ChangeKind
from credenza.store.engine import writing
from credenza.store.traces import Caller, Use

EDIT = "api_credential.edit"
ISSUE = "api_secret.issue"
ONCE = Once("an-idempotency-key-of-nobody", "a" * 64)


@pytest.fixture
def desk(stage: Stage) -> ApiCatalog:
    return ApiCatalog(stage)


@pytest.fixture
def other(stage: Stage) -> ApiCatalog:
    """Another organization."""
    return ApiCatalog(stage)


def place(desk: ApiCatalog, issued: IssuedApiCredential) -> tuple[Any, ...]:
    return desk.admin.actor, desk.organization.id, issued.view.credential.id


def listed(desk: ApiCatalog, **wanted: Any) -> list[str]:
    query = ApiCredentialQuery(**wanted)
    found = desk.stage.looked(api_credentials.list_page, desk.admin.actor, desk.organization.id, query)
    return [each.credential.name for each in found]


def detail(desk: ApiCatalog) -> str:
    """What the newest audit row of the organization says."""
    chain = [row for (place, _), row in desk.stage.traces().items() if place == desk.organization.id]
    return str(chain[-1].detail)


def changed(desk: ApiCatalog) -> list[tuple[str, str]]:
    rows = sorted(desk.stage.rows(schema.changes), key=lambda row: row.number)
    return [(row.kind, row.subject) for row in rows]


# -------------------------------------------------------------------------------------------------------------- making


def test_a_new_credential_shows_its_secret_once(desk: ApiCatalog) -> None:
    issued = desk.create()

    found = desk.get(issued)
    (secret,) = found.secrets
    assert issued.secret.startswith(secret.prefix)
    assert secret_text.is_well_formed("czs_sbx_", issued.secret)
    assert len(found.client_id) == 48
    assert issued.secret not in repr(issued)


def test_the_secret_says_its_environment(desk: ApiCatalog) -> None:
    assert secret_text.is_well_formed("czs_prd_", desk.create(environment=PRODUCTION).secret)


def test_no_secret_is_in_a_log_the_database_the_audit_or_an_idempotent_answer(
    desk: ApiCatalog, logs: list[MutableMapping[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    stage = desk.stage
    asked = (stage.platform, desk.admin.actor, desk.organization.id)
    issued = api_credentials.create(*asked, desk.new(), now=stage.now, once=ONCE)
    identity = issued.view.credential.id
    more = api_credentials.issue_secret(
        *asked, identity, keep_old=OldSecret.DAY, now=stage.now, once=replace(ONCE, key="another-key-of-nobody")
    )

    dumped = database_dump(stage) + repr(logs).encode() + "".join(capsys.readouterr()).encode()

    assert issued.view.credential.secrets[0].prefix.encode() in dumped, "the dump is of the right database"
    for secret in (issued.secret, more.issued.secret):
        assert secret.encode() not in dumped
        assert secret.removeprefix("czs_sbx_").encode() not in dumped
        assert secret not in repr(more)


def test_the_same_key_gives_the_same_secret_for_10_minutes(desk: ApiCatalog) -> None:
    stage, asked = desk.stage, (desk.admin.actor, desk.organization.id, desk.new())
    first = stage.done("api_credential.create", api_credentials.create, *asked, once=ONCE)

    assert stage.looked(api_credentials.create, *asked, once=ONCE) == first
    stage.clock.advance(timedelta(minutes=10, seconds=1))
    stage.refused("api_credential.create", Code.IDEMPOTENCY_ANSWER_GONE, api_credentials.create, *asked, once=ONCE)


def test_the_same_key_gives_the_same_second_secret(desk: ApiCatalog) -> None:
    issued = desk.create()
    asked = place(desk, issued)
    first = desk.stage.done(ISSUE, api_credentials.issue_secret, *asked, keep_old=OldSecret.DAY, once=ONCE)

    again = desk.stage.looked(api_credentials.issue_secret, *asked, keep_old=OldSecret.DAY, once=ONCE)

    assert again.issued == first.issued
    assert len(desk.get(issued).secrets) == 2


def test_a_credential_says_in_one_sentence_what_it_can_do(desk: ApiCatalog) -> None:
    end = desk.stage.now + timedelta(days=19)
    issued = desk.create(ends_at=end)

    assert str(issued.view.review) == "Can read profiles in Web-EU and Web-US until 19 Feb 2025."


def test_a_preview_says_the_same_and_makes_nothing(desk: ApiCatalog) -> None:
    asked = (desk.admin.actor, desk.organization.id)
    grant = ApiGrant(desk.platform.id, frozenset({"admin"}))

    review = desk.stage.looked(api_credentials.preview, *asked, desk.new(grants=(grant,)))

    assert str(review) == f"Can admin ({desk.platform.name}) in all accounts."


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda desk: {"grants": ()}, Code.INVALID, id="no API"),
        pytest.param(
            lambda desk: {"grants": (desk.reads_profiles, desk.reads_profiles)}, Code.INVALID, id="an API twice"
        ),
        pytest.param(
            lambda desk: {"grants": (replace(desk.reads_profiles, permissions=frozenset()),)},
            Code.INVALID,
            id="no permission",
        ),
        pytest.param(
            lambda desk: {"grants": (replace(desk.reads_profiles, permissions=frozenset({"read", "write"})),)},
            Code.INVALID,
            id="a permission that the API does not offer",
        ),
        pytest.param(
            lambda desk: {"grants": (replace(desk.reads_profiles, places=frozenset()),)}, Code.INVALID, id="no place"
        ),
        pytest.param(
            lambda desk: {"grants": (replace(desk.reads_profiles, places=frozenset({desk.account.id})),)},
            Code.NOT_FOUND,
            id="an account where workspaces are chosen",
        ),
        pytest.param(
            lambda desk: {"grants": (ApiGrant(desk.platform.id, frozenset({"user"}), frozenset({desk.account.id})),)},
            Code.INVALID,
            id="a place where the scope is fixed",
        ),
        pytest.param(
            lambda desk: {"grants": (ApiGrant(desk.stage.service().id, frozenset({"read"})),)},
            Code.SERVICE_NOT_FOUND,
            id="an API that takes signatures",
        ),
        pytest.param(lambda desk: {"ends_at": desk.stage.now}, Code.INVALID, id="an end that is past"),
        pytest.param(
            lambda desk: {"ends_at": desk.stage.now + timedelta(days=4000)}, Code.INVALID, id="an end too far"
        ),
        pytest.param(lambda desk: {"networks": ("10.0.0.1/8",)}, Code.INVALID, id="bits behind the prefix"),
        pytest.param(lambda desk: {"networks": ("somewhere",)}, Code.INVALID, id="no network"),
        pytest.param(
            lambda desk: {"networks": tuple(f"10.0.{each}.0/24" for each in range(51))}, Code.INVALID, id="51 networks"
        ),
        pytest.param(lambda desk: {"name": " "}, Code.INVALID, id="no name"),
        pytest.param(lambda desk: {"note": "a\nb"}, Code.INVALID, id="a note of two lines"),
    ],
)
def test_what_cannot_be_given_is_refused(
    desk: ApiCatalog, make: Callable[[ApiCatalog], dict[str, Any]], code: Code
) -> None:
    asked = (desk.admin.actor, desk.organization.id, desk.new(**make(desk)))

    desk.stage.refused("api_credential.create", code, api_credentials.create, *asked)


def test_scope_of_another_organization_is_refused_like_what_does_not_exist(desk: ApiCatalog, other: ApiCatalog) -> None:
    def refusal(workspace: str) -> tuple[Code, str, str]:
        grant = replace(desk.reads_profiles, places=frozenset({workspace}))
        asked = (desk.admin.actor, desk.organization.id, desk.new(grants=(grant,)))
        said = desk.stage.refused("api_credential.create", Code.NOT_FOUND, api_credentials.create, *asked)
        return said.code, said.message, said.field

    assert refusal(other.eu.id) == refusal("00000000-0000-4000-8000-000000000000")


def test_a_workspace_archived_meanwhile_is_refused_by_its_name(desk: ApiCatalog) -> None:
    new = desk.new()
    workspaces.archive(desk.stage.platform, desk.admin.actor, desk.organization.id, desk.eu.id, now=desk.stage.now)

    refusal = desk.stage.refused(
        "api_credential.create",
        Code.INVALID,
        api_credentials.create,
        desk.admin.actor,
        desk.organization.id,
        new,
    )

    assert "Web-EU" in refusal.message


def test_an_api_that_was_retired_or_is_not_reached_there_is_refused(desk: ApiCatalog) -> None:
    services.retire(desk.stage.platform, OPERATOR, desk.profile.id, now=desk.stage.now)

    desk.stage.refused(
        "api_credential.create",
        Code.SERVICE_NOT_FOUND,
        api_credentials.create,
        desk.admin.actor,
        desk.organization.id,
        desk.new(),
    )


def test_networks_are_spelt_in_one_way_and_stand_once(desk: ApiCatalog) -> None:
    issued = desk.create(networks=(" 192.0.2.7", "2001:DB8::/32", "192.0.2.7/32"))

    assert desk.get(issued).networks == ("192.0.2.7/32", "2001:db8::/32")


def test_the_choices_are_what_can_be_granted_now(desk: ApiCatalog, other: ApiCatalog) -> None:
    services.retire(desk.stage.platform, OPERATOR, desk.planning.id, now=desk.stage.now)
    workspaces.archive(desk.stage.platform, desk.admin.actor, desk.organization.id, desk.us.id, now=desk.stage.now)

    choices = desk.stage.looked(api_credentials.list_choices, desk.admin.actor, desk.organization.id)

    offered = {each.service_id for each in choices.offers}
    assert {desk.profile.id, desk.platform.id} <= offered
    assert desk.planning.id not in offered
    names = {each.name for each in choices.places if each.account_id == desk.account.id}
    assert names == {"Web", "Web-EU"}
    assert not {other.eu.id, other.account.id} & {each.id for each in choices.places}


# ------------------------------------------------------------------------------------------------------------- editing


def test_an_edit_replaces_everything_and_the_audit_log_says_what(desk: ApiCatalog) -> None:
    issued = desk.create()
    found = issued.view.credential
    grants = (
        replace(desk.reads_profiles, places=frozenset({desk.us.id})),
        ApiGrant(desk.planning.id, frozenset({"write"}), frozenset({desk.eu.id})),
    )
    end = desk.stage.now + timedelta(days=30)
    edit = desk.edit_of(found, name="New name", grants=grants, note="vault", networks=("10.0.0.0/8",), ends_at=end)

    answer = desk.stage.done(EDIT, api_credentials.edit, *place(desk, issued), edit)

    after = desk.get(issued)
    assert answer.view.credential == after
    assert (after.name, after.note, after.networks, after.ends_at) == ("New name", "vault", ("10.0.0.0/8",), end)
    assert set(after.grants) == set(grants)
    assert (after.version, after.client_id, after.secrets) == (2, found.client_id, found.secrets)
    said = detail(desk)
    assert f"widened {desk.planning.id}:write, {desk.planning.id}@{desk.eu.id}" in said
    assert f"narrowed {desk.profile.id}@{desk.eu.id}" in said
    assert "was named Web analytics" in said


def test_the_second_of_two_editors_is_told_and_overwrites_nothing(desk: ApiCatalog) -> None:
    issued = desk.create()
    found = issued.view.credential
    colleague = desk.stage.member(desk.organization, OrganizationRole.COMPLIANCE_ADMIN)
    desk.stage.done(EDIT, api_credentials.edit, *place(desk, issued), desk.edit_of(found, name="First"))

    desk.stage.refused(
        EDIT,
        Code.EDITED_MEANWHILE,
        api_credentials.edit,
        colleague.actor,
        desk.organization.id,
        found.id,
        desk.edit_of(found, name="Second"),
    )

    assert desk.get(issued).name == "First"


def test_of_16_editors_at_once_one_wins(desk: ApiCatalog) -> None:
    issued = desk.create()
    found = issued.view.credential

    def editing(number: int) -> Callable[[], Any]:
        edit = desk.edit_of(found, name=f"Editor {number}")
        return lambda: api_credentials.edit(desk.stage.platform, *place(desk, issued), edit, now=desk.stage.now)

    assert race(*map(editing, range(16))) == Counter(done=1, edited_meanwhile=15)
    assert desk.get(issued).version == 2


def test_an_edit_obeys_the_rules_of_a_new_credential(desk: ApiCatalog, other: ApiCatalog) -> None:
    issued = desk.create()
    grant = replace(desk.reads_profiles, places=frozenset({desk.eu.id, other.eu.id}))

    edit = desk.edit_of(issued.view.credential, grants=(grant,))

    desk.stage.refused(EDIT, Code.NOT_FOUND, api_credentials.edit, *place(desk, issued), edit)


def test_what_a_credential_has_already_may_stay_though_it_is_offered_no_more(desk: ApiCatalog) -> None:
    issued = desk.create()
    workspaces.archive(desk.stage.platform, desk.admin.actor, desk.organization.id, desk.eu.id, now=desk.stage.now)

    renamed = desk.stage.done(
        EDIT, api_credentials.edit, *place(desk, issued), desk.edit_of(issued.view.credential, name="Renamed")
    )

    (clause,) = renamed.view.review.clauses
    assert [(each.name, each.archived) for each in clause.places] == [("Web-EU", True), ("Web-US", False)]


def test_a_later_end_brings_an_expired_credential_back(desk: ApiCatalog) -> None:
    issued = desk.create(ends_at=desk.stage.now + timedelta(days=1))
    desk.stage.clock.advance(timedelta(days=2))
    assert desk.get(issued).status_at(desk.stage.now) is Status.EXPIRED

    desk.stage.refused("api_credential.activate", Code.NOT_ACTIVE, api_credentials.activate, *place(desk, issued))
    later = desk.edit_of(issued.view.credential, ends_at=desk.stage.now + timedelta(days=1))
    desk.stage.done(EDIT, api_credentials.edit, *place(desk, issued), later)

    assert desk.get(issued).status_at(desk.stage.now) is Status.ACTIVE


# ----------------------------------------------------------------------------------------------- switching, deleting


def test_a_credential_is_switched_off_and_on_again(desk: ApiCatalog) -> None:
    issued = desk.create()

    off = desk.stage.done("api_credential.deactivate", api_credentials.deactivate, *place(desk, issued))
    assert off.view.credential.status_at(desk.stage.now) is Status.INACTIVE
    assert off.reach.lapsed == 0
    told = changed(desk)
    desk.stage.done("api_credential.deactivate", api_credentials.deactivate, *place(desk, issued))
    assert changed(desk) == told, "switching off twice changes nothing"
    on = desk.stage.done("api_credential.activate", api_credentials.activate, *place(desk, issued))

    assert on.view.credential == replace(issued.view.credential)


def test_what_a_restore_holds_is_not_switched_on(desk: ApiCatalog) -> None:
    issued = desk.create()
    with desk.stage.platform.database.records.begin() as connection:
        connection.execute(schema.credentials.update().values(status="INACTIVE"))

    desk.stage.refused("api_credential.activate", Code.NOT_ACTIVE, api_credentials.activate, *place(desk, issued))


def test_a_deleted_credential_is_gone_but_for_the_audit_log(desk: ApiCatalog) -> None:
    issued = desk.create(note="where it lives")

    desk.stage.done("api_credential.delete", api_credentials.delete, *place(desk, issued))

    assert desk.stage.rows(schema.client_secrets) == []
    assert desk.stage.rows(schema.api_grants) == []
    assert desk.stage.rows(schema.api_places) == []
    (row,) = desk.stage.rows(schema.credentials)
    assert (row.status, row.revoked_at) == ("REVOKED", desk.stage.now)
    assert listed(desk) == []
    assert "Web analytics" in detail(desk)
    desk.stage.refused("api_credential.delete", Code.CREDENTIAL_NOT_FOUND, api_credentials.delete, *place(desk, issued))


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(api_credentials.deactivate, id="deactivate"),
        pytest.param(api_credentials.delete, id="delete"),
        pytest.param(
            lambda *asked, now: api_credentials.issue_secret(*asked, keep_old=OldSecret.DAY, now=now), id="issue"
        ),
    ],
)
def test_gates_hear_of_it_in_the_same_transaction(desk: ApiCatalog, call: Callable[..., Any]) -> None:
    issued = desk.create()
    before = changed(desk)

    call(desk.stage.platform, *place(desk, issued), now=desk.stage.now)

    assert changed(desk) == [*before, (ChangeKind.CREDENTIAL, issued.view.credential.id)]


# ------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("keep_old", "left"),
    [
        (OldSecret.HOUR, timedelta(hours=1)),
        (OldSecret.DAY, timedelta(days=1)),
        (OldSecret.WEEK, timedelta(days=7)),
        (OldSecret.MONTH, timedelta(days=30)),
    ],
)
def test_the_old_secret_lives_on_as_long_as_was_chosen(desk: ApiCatalog, keep_old: OldSecret, left: timedelta) -> None:
    issued = desk.create()

    more = desk.stage.done(ISSUE, api_credentials.issue_secret, *place(desk, issued), keep_old=keep_old)

    old, new = desk.get(issued).secrets
    assert (old.expires_at, new.expires_at) == (desk.stage.now + left, None)
    assert more.issued.secret != issued.secret
    assert more.issued.view.credential.client_id == issued.view.credential.client_id
    assert len(desk.get(issued).usable_secrets(desk.stage.now + left)) == 1


def test_the_old_secret_ends_at_once_or_not_by_itself(desk: ApiCatalog) -> None:
    first, second = desk.create(), desk.create()

    for issued, keep_old in ((first, OldSecret.NOT_AT_ALL), (second, OldSecret.UNTIL_DELETED)):
        desk.stage.done(ISSUE, api_credentials.issue_secret, *place(desk, issued), keep_old=keep_old)

    assert len(desk.get(first).secrets) == 1
    assert first.view.credential.secrets != desk.get(first).secrets
    assert [each.expires_at for each in desk.get(second).secrets] == [None, None]


def test_a_third_secret_is_refused_until_one_is_deleted_or_has_ended(desk: ApiCatalog) -> None:
    issued = desk.create()
    asked = place(desk, issued)
    desk.stage.done(ISSUE, api_credentials.issue_secret, *asked, keep_old=OldSecret.HOUR)

    refusal = desk.stage.refused(ISSUE, Code.SECRET_LIMIT, api_credentials.issue_secret, *asked, keep_old=OldSecret.DAY)
    assert issued.view.credential.secrets[0].prefix in refusal.message
    desk.stage.clock.advance(timedelta(hours=1))
    desk.stage.done(ISSUE, api_credentials.issue_secret, *asked, keep_old=OldSecret.DAY)

    assert len(desk.get(issued).secrets) == 2


def test_of_16_secrets_issued_at_once_one_comes_beside_the_first(desk: ApiCatalog) -> None:
    issued = desk.create()

    def issuing() -> Any:
        return api_credentials.issue_secret(
            desk.stage.platform, *place(desk, issued), keep_old=OldSecret.DAY, now=desk.stage.now
        )

    assert race(*[issuing] * 16) == Counter(done=1, secret_limit=15)
    assert len(desk.get(issued).secrets) == 2


def test_a_secret_is_deleted_and_the_last_one_only_on_purpose(desk: ApiCatalog) -> None:
    issued = desk.create()
    asked = place(desk, issued)
    (secret,) = issued.view.credential.secrets

    desk.stage.refused(
        "api_secret.delete",
        Code.LAST_ACTIVE_CREDENTIAL,
        api_credentials.delete_secret,
        *asked,
        secret.id,
        keep_last=True,
    )
    desk.stage.done("api_secret.delete", api_credentials.delete_secret, *asked, secret.id, keep_last=False)

    assert desk.get(issued).secrets == ()
    desk.stage.refused(
        "api_secret.delete", Code.NOT_FOUND, api_credentials.delete_secret, *asked, secret.id, keep_last=False
    )


def test_the_old_of_two_secrets_needs_no_second_thought(desk: ApiCatalog) -> None:
    issued = desk.create()
    asked = place(desk, issued)
    desk.stage.done(ISSUE, api_credentials.issue_secret, *asked, keep_old=OldSecret.DAY)
    old = issued.view.credential.secrets[0].id

    desk.stage.done("api_secret.delete", api_credentials.delete_secret, *asked, old, keep_last=True)

    assert len(desk.get(issued).secrets) == 1


# ------------------------------------------------------------------------------------------------------------ the list


def test_the_list_is_filtered_sorted_sought_and_paged(desk: ApiCatalog) -> None:
    soon = desk.stage.now + timedelta(days=20)
    desk.create(name="Beta", ends_at=soon)
    desk.create(name="Älter", environment=PRODUCTION)
    off = desk.create(name="Alpha 100%")
    desk.stage.done("api_credential.deactivate", api_credentials.deactivate, *place(desk, off))
    platform = ApiGrant(desk.platform.id, frozenset({"user"}))
    desk.create(name="Gone", grants=(platform,), ends_at=desk.stage.now + timedelta(hours=1))
    desk.stage.clock.advance(timedelta(hours=2))

    assert listed(desk) == ["Alpha 100%", "Beta", "Gone", "Älter"]
    assert listed(desk, order=ApiCredentialOrder.NAME_LAST) == ["Älter", "Gone", "Beta", "Alpha 100%"]
    assert listed(desk, order=ApiCredentialOrder.ENDS)[:2] == ["Gone", "Beta"]
    assert listed(desk, state=ApiCredentialState.EXPIRING) == ["Beta"]
    assert listed(desk, state=ApiCredentialState.EXPIRED) == ["Gone"]
    assert listed(desk, state=ApiCredentialState.INACTIVE) == ["Alpha 100%"]
    assert listed(desk, state=ApiCredentialState.ACTIVE) == ["Beta", "Älter"]
    assert listed(desk, environment=SANDBOX, state=ApiCredentialState.ACTIVE) == ["Beta"]
    assert listed(desk, service_id=desk.platform.id) == ["Gone"]
    assert listed(desk, text="äLT") == ["Älter"]
    assert listed(desk, text="0%") == ["Alpha 100%"]
    assert listed(desk, text="a 1_0") == []  # with a blank, so that it begins no client id
    assert listed(desk, text=off.view.credential.client_id[:20]) == ["Alpha 100%"]


@pytest.mark.parametrize("order", ApiCredentialOrder)
def test_a_page_begins_behind_the_one_before(desk: ApiCatalog, order: ApiCredentialOrder) -> None:
    for name in ("a", "b", "c", "d", "e"):
        desk.create(name=name)
    seen: list[ApiCredential] = []
    while True:
        wanted = ApiCredentialQuery(order=order, after=seen[-1].id if seen else "", limit=2)
        asked = (desk.admin.actor, desk.organization.id, wanted)
        page = desk.stage.looked(api_credentials.list_page, *asked)
        if not page:
            break
        seen += [each.credential for each in page]

    assert sorted(each.name for each in seen) == ["a", "b", "c", "d", "e"]


# ------------------------------------------------------------------------------------------------------------- who may


LOOKS: dict[str, Callable[..., Any]] = {
    "api_credential.list": lambda asked, issued, now: api_credentials.list_page(*asked, ApiCredentialQuery(), now=now),
    "api_credential.view": lambda asked, issued, now: api_credentials.get(*asked, issued, now=now),
}
CHANGES: dict[str, Callable[..., Any]] = {
    "api_credential.activate": lambda asked, issued, now: api_credentials.activate(*asked, issued, now=now),
    "api_credential.deactivate": lambda asked, issued, now: api_credentials.deactivate(*asked, issued, now=now),
    "api_credential.delete": lambda asked, issued, now: api_credentials.delete(*asked, issued, now=now),
    "api_secret.issue": lambda asked, issued, now: api_credentials.issue_secret(
        *asked, issued, keep_old=OldSecret.DAY, now=now
    ),
    "api_secret.delete": lambda asked, issued, now: api_credentials.delete_secret(
        *asked, issued, "none", keep_last=True, now=now
    ),
}


def attempt(desk: ApiCatalog, actor: Any, call: Callable[..., Any], issued: CredentialId) -> str:
    asked = (desk.stage.platform, actor, desk.organization.id)
    try:
        call(asked, issued, desk.stage.now)
    except Refusal as refusal:
        return refusal.code
    return "done"


@pytest.mark.parametrize("role", [OrganizationRole.USER, OrganizationRole.READ_ONLY])
def test_only_admin_and_compliance_admin_see_and_change(desk: ApiCatalog, role: OrganizationRole) -> None:
    issued = desk.create()
    member = desk.stage.member(desk.organization, role)
    before = desk.stage.facts()

    for call in (LOOKS | CHANGES).values():
        assert attempt(desk, member.actor, call, issued.view.credential.id) == Code.FORBIDDEN
    asked = (desk.stage.platform, member.actor, desk.organization.id)
    with pytest.raises(Refusal, match=Action.API_CREDENTIAL_CREATE):
        api_credentials.create(*asked, desk.new(), now=desk.stage.now)
    edit = desk.edit_of(issued.view.credential)
    with pytest.raises(Refusal, match=Action.API_CREDENTIAL_EDIT):
        api_credentials.edit(*asked, issued.view.credential.id, edit, now=desk.stage.now)

    assert desk.stage.facts() == before


def test_a_view_only_role_sees_and_changes_nothing(desk: ApiCatalog) -> None:
    issued = desk.create()
    role = roles.create(
        desk.stage.platform,
        desk.admin.actor,
        desk.organization.id,
        name="Auditor",
        actions=[Action.API_CREDENTIAL_LIST, Action.API_CREDENTIAL_VIEW],
        now=desk.stage.now,
    )
    viewer = desk.stage.member(desk.organization, OrganizationRole.USER)
    people.set_member(
        desk.stage.platform,
        OPERATOR,
        desk.organization.id,
        email=viewer.user.email,
        role=OrganizationRole.CUSTOM,
        custom_role_id=role.id,
        now=desk.stage.now,
    )

    outcomes = {
        name: attempt(desk, viewer.actor, call, issued.view.credential.id) for name, call in (LOOKS | CHANGES).items()
    }

    assert outcomes == dict.fromkeys(LOOKS, "done") | dict.fromkeys(CHANGES, Code.FORBIDDEN)


def test_a_credential_of_another_organization_is_refused_like_one_that_is_nowhere(
    desk: ApiCatalog, other: ApiCatalog
) -> None:
    foreign = other.create().view.credential.id
    nowhere = CredentialId("00000000-0000-4000-8000-000000000000")
    for name, call in (LOOKS | CHANGES).items():
        if name == "api_credential.list":
            continue
        assert attempt(desk, desk.admin.actor, call, foreign) == Code.CREDENTIAL_NOT_FOUND
        assert attempt(desk, desk.admin.actor, call, nowhere) == Code.CREDENTIAL_NOT_FOUND
        assert attempt(other, desk.admin.actor, call, foreign) == Code.NOT_FOUND, "nor its organization"


def test_an_api_of_the_organization_level_has_no_places_to_pick(desk: ApiCatalog) -> None:
    service = desk.api("Custom roles", ScopeLevel.ORGANIZATION, fixed=True, admin="Manage roles")
    grant = ApiGrant(service.id, frozenset({"admin"}))

    issued = desk.create(grants=(grant,))

    assert str(issued.view.review) == "Can manage roles in the whole organization."


def test_who_may_list_sees_the_use_of_their_own_credentials_alone(desk: ApiCatalog, other: ApiCatalog) -> None:
    now, stage = desk.stage.now, desk.stage
    own, unused = desk.create().view.credential.id, desk.create(name="Unused").view.credential.id
    foreign = other.create().view.credential.id
    with writing(stage.platform.database.traces) as connection:
        trace_rows.add_callers(
            connection,
            [
                Caller(organization.id, each, 1, "10.1.4.9", "batch/2.1", now, now, 7, 1)
                for organization, each in ((desk.organization, own), (other.organization, foreign))
            ],
        )

    ids = [own, unused, foreign]
    found = stage.looked(traces.uses_of_api_credentials, desk.admin.actor, desk.organization.id, ids)

    assert found == {own: Use(now, 1, 7)}
