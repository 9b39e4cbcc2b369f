"""Lists are filtered, sorted and gone on with in the database, and show nobody what is not theirs."""

from datetime import timedelta

import pytest
from tests.actions.query_plans import steps_of
from tests.actions.stage import PRODUCTION, SANDBOX, Shop

from credenza.actions import oauth_keys, projects, projects_in_sight, search, traces
from credenza.actions.issuing import NewKey
from credenza.domain.lists import KeyOrder, KeyQuery, KeyState, ProjectOrder, ProjectQuery
from credenza.domain.model import Credential, OrganizationRole, ProjectType
from credenza.store import traces as trace_rows
from credenza.store.engine import writing
from credenza.store.traces import Caller


def add(shop: Shop, alias: str) -> Credential:
    new = shop.stage.new_key(alias)
    return oauth_keys.add_by_csr(
        shop.stage.platform, shop.owner.actor, shop.project.id, new, SANDBOX, now=shop.stage.now
    )


def aliases(shop: Shop, wanted: KeyQuery) -> list[str]:
    return [each.alias for each in shop.looked(oauth_keys.search_page, wanted)]


@pytest.mark.parametrize("order", KeyOrder)
@pytest.mark.parametrize("state", [KeyState.ALL, KeyState.CURRENT])
def test_pages_in_every_order_show_each_key_once(shop: Shop, order: KeyOrder, state: KeyState) -> None:
    for alias in ("Beta", "alpha", "gamma", "Beta"):
        shop.stage.clock.advance(timedelta(days=1))
        add(shop, alias)
    whole = shop.looked(oauth_keys.search_page, KeyQuery(SANDBOX, state, order=order))

    shown: list[Credential] = []
    while found := shop.looked(
        oauth_keys.search_page,
        KeyQuery(SANDBOX, state, order=order, after=shown[-1].id if shown else "", limit=2),
    ):
        shown += found

    assert shown == list(whole)
    assert len({each.id for each in shown}) == 5
    named = [each.alias.casefold() for each in whole]
    ends = [each.not_after for each in whole]
    last_first = order.startswith("-")
    assert (named if "alias" in order else ends) == sorted(named if "alias" in order else ends, reverse=last_first)


def test_a_key_is_in_the_states_it_is_in(shop: Shop) -> None:
    gone = add(shop, "gone")
    shop.revoke(gone)
    shop.stage.clock.advance(timedelta(days=200))
    add(shop, "fresh")
    shop.stage.clock.advance(timedelta(days=150))  # the first key has 45 days to go
    add(shop, "newest")

    assert aliases(shop, KeyQuery(SANDBOX)) == ["billing", "fresh", "newest"]
    assert aliases(shop, KeyQuery(SANDBOX, KeyState.EXPIRING)) == ["billing"]
    assert aliases(shop, KeyQuery(SANDBOX, KeyState.REVOKED)) == ["gone"]
    assert set(aliases(shop, KeyQuery(SANDBOX, KeyState.ALL))) == {"billing", "gone", "fresh", "newest"}

    shop.stage.clock.advance(timedelta(days=60))

    assert aliases(shop, KeyQuery(SANDBOX)) == ["fresh", "newest"]
    assert aliases(shop, KeyQuery(SANDBOX, KeyState.EXPIRED)) == ["billing"]


@pytest.mark.parametrize("order", KeyOrder)
@pytest.mark.parametrize("text", ["Größe", "GRÖSSE", "grö", "größe_1%"])
def test_keys_are_sought_by_the_beginning_of_their_alias_in_any_case(shop: Shop, text: str, order: KeyOrder) -> None:
    add(shop, "Größe_1%")
    add(shop, "Die Größe_1%")

    assert aliases(shop, KeyQuery(SANDBOX, text=text, order=order)) == ["Größe_1%"]


@pytest.mark.parametrize("order", KeyOrder)
def test_keys_that_are_sought_come_in_every_order_and_page_by_page(shop: Shop, order: KeyOrder) -> None:
    keys = []
    for number in range(3):
        shop.stage.clock.advance(timedelta(days=1))
        keys.append(add(shop, f"key {number}"))
    shop.stage.clock.advance(timedelta(days=1))
    named_like_an_id = add(shop, keys[1].id[:12])
    last_first = order.startswith("-")

    whole = aliases(shop, KeyQuery(SANDBOX, text="key", order=order))
    first = shop.looked(oauth_keys.search_page, KeyQuery(SANDBOX, text="key", order=order, limit=2))
    both = aliases(shop, KeyQuery(SANDBOX, text=named_like_an_id.alias, order=order))

    assert whole == [key.alias for key in (reversed(keys) if last_first else keys)]
    assert aliases(shop, KeyQuery(SANDBOX, text="key", order=order, after=first[-1].id)) == whole[2:]
    expected = [named_like_an_id.alias, "key 1"] if "alias" in order else ["key 1", named_like_an_id.alias]
    assert both == (expected[::-1] if last_first else expected)


def test_what_means_something_to_the_database_is_sought_as_it_is(shop: Shop) -> None:
    add(shop, "plain")

    assert aliases(shop, KeyQuery(SANDBOX, text="%")) == []
    assert aliases(shop, KeyQuery(SANDBOX, text="p_ain")) == []


def test_keys_are_sought_by_the_beginning_of_their_key_id(shop: Shop) -> None:
    key = add(shop, "zebra")

    assert aliases(shop, KeyQuery(SANDBOX, text=key.id[:12].upper())) == ["zebra"]
    assert aliases(shop, KeyQuery(PRODUCTION, text=key.id[:12])) == []


def test_a_list_goes_on_behind_a_key_that_was_revoked_meanwhile(shop: Shop) -> None:
    keys = [add(shop, f"key {number}") for number in range(3)]
    shop.revoke(keys[0])

    assert aliases(shop, KeyQuery(SANDBOX, order=KeyOrder.ALIAS, after=keys[0].id)) == ["key 1", "key 2"]


def test_projects_are_filtered_sorted_and_gone_on_with(shop: Shop) -> None:
    stage, admin = shop.stage, shop.stage.member(shop.organization, OrganizationRole.ADMIN)
    for number, kind in enumerate((ProjectType.OAUTH10A, ProjectType.OAUTH2_FAPI)):
        new = stage.new_project(kind, name=f"Payments {number}")
        projects.create(stage.platform, admin.actor, shop.organization.id, new, now=stage.now)

    def names(wanted: ProjectQuery) -> list[str]:
        page = stage.looked(projects_in_sight.search_page, admin.actor, shop.organization.id, wanted)
        return [each.project.name for each in page.rows]

    one = ProjectQuery(limit=1)
    (first,) = stage.looked(projects_in_sight.search_page, admin.actor, shop.organization.id, one).rows
    assert names(ProjectQuery(text="payments")) == ["Payments 0", "Payments 1"]
    assert names(ProjectQuery(text="payments", order=ProjectOrder.NAME_LAST)) == ["Payments 1", "Payments 0"]
    assert names(ProjectQuery(type=ProjectType.OAUTH2_FAPI)) == ["Payments 1"]
    assert names(ProjectQuery(environment=PRODUCTION)) == []
    assert names(ProjectQuery(text="%")) == []
    assert names(ProjectQuery(after=first.project.id)) == ["Payments 1", shop.project.name]
    assert first.holdings[SANDBOX].keys == 1


def test_nobody_sees_projects_and_keys_of_others_in_lists_and_searches(shop: Shop) -> None:
    stage, organization = shop.stage, shop.organization.id
    stranger = stage.member(shop.organization, OrganizationRole.USER)
    admin = stage.member(shop.organization, OrganizationRole.ADMIN)
    key = add(shop, "billing-2026")

    for text in ("bill", key.id[:10], key.spki_sha256, key.client_id, key.consumer_key, shop.project.name):
        assert stage.looked(search.find, stranger.actor, organization, text) == search.Found((), ())
        found = stage.looked(search.find, shop.owner.actor, organization, text)
        assert found == stage.looked(search.find, admin.actor, organization, text)
        assert [*found.by_name, *(each for each in found.keys if each.id == key.id)] != []
    assert stage.looked(projects_in_sight.search_page, stranger.actor, organization, ProjectQuery()).rows == ()


# PostgreSQL walks through whatever is as small as this.
@pytest.mark.parametrize("kept_stages", ["sqlite"], indirect=True)
def test_a_search_reads_from_where_its_finds_begin_and_not_all_that_an_organization_has(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization, OrganizationRole.ADMIN)
    key = add(shop, "billing-2026")

    with steps_of(shop.stage.platform.database.records, of="credentials") as steps:
        for text in ("bill", key.id[:10], key.spki_sha256, key.consumer_key):
            assert key in shop.stage.looked(search.find, admin.actor, shop.organization.id, text).keys

    read = {step for step in steps if " credentials " in step}
    whole = {step for step in read if "SCAN" in step or step.endswith(("(organization_id=?)", "kind=?)"))}
    assert whole == {"SEARCH credentials USING INDEX ix_credentials_api_by_name (organization_id=?)"}
    assert any("ix_credentials_spki_sha256 (spki_sha256>? AND spki_sha256<?)" in step for step in read)


def test_keys_of_a_deleted_project_are_not_found(shop: Shop) -> None:
    admin = shop.stage.member(shop.organization, OrganizationRole.ADMIN)
    projects.delete(shop.stage.platform, shop.owner.actor, shop.project.id, now=shop.stage.now)

    assert shop.stage.looked(search.find, admin.actor, shop.organization.id, "billing") == search.Found((), ())


def test_a_project_in_sight_says_what_its_viewer_may_do(shop: Shop) -> None:
    overseer = shop.stage.member(shop.organization, OrganizationRole.COMPLIANCE_ADMIN)

    own = shop.looked(projects_in_sight.in_sight).allowed
    seen = shop.stage.looked(projects_in_sight.in_sight, overseer.actor, shop.project.id).allowed

    assert "key.add" in own
    assert "key.view" in own & seen
    assert "key.revoke" not in seen


def test_a_key_in_context_names_its_relatives(shop: Shop) -> None:
    successor = shop.done("key.rotate", oauth_keys.rotate, shop.key.id, shop.stage.new_key("next"))

    old = shop.looked(oauth_keys.get_in_context, shop.key.id)
    new = shop.looked(oauth_keys.get_in_context, successor.id)

    assert (old.predecessor, old.successors, old.other_active) == (None, (successor,), 1)
    assert (new.predecessor, new.successors) == (shop.key, ())


def test_use_is_summed_up_for_keys_of_the_project_alone(shop: Shop, oauth2_shop: Shop) -> None:
    now, foreign = shop.stage.now, oauth2_shop.key
    with writing(shop.stage.platform.database.traces) as connection:
        trace_rows.add_callers(
            connection,
            [
                Caller(shop.organization.id, key.id, 1, address, "", now, now + timedelta(seconds=offset), 2, 1)
                for key in (shop.key, foreign)
                for offset, address in enumerate(("192.0.2.1", "192.0.2.2"))
            ],
        )

    uses = shop.looked(traces.uses, (shop.key.id, foreign.id))

    assert uses == {shop.key.id: trace_rows.Use(now + timedelta(seconds=1), 2, 4)}


def test_the_smallest_alias_is_kept_as_it_was_written(shop: Shop) -> None:
    new = NewKey("ẞ" * 120, shop.stage.new_key().csr)
    oauth_keys.add_by_csr(shop.stage.platform, shop.owner.actor, shop.project.id, new, SANDBOX, now=shop.stage.now)

    assert aliases(shop, KeyQuery(SANDBOX, text="ßß")) == ["ẞ" * 120]
