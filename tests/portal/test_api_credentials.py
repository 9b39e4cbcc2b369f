"""API credentials in the portal, without script: list, wizard, edit, secrets, deletion, and who may do what."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.actions.stage import PRODUCTION
from tests.portal.house import OPERATOR, Browser, House
from tests.portal.shop import follow, problem
from tests.portal.test_same_thing import check_call, check_command, is_call, shown

from credenza.actions import accounts, api_credentials, organizations, people, services, workspaces
from credenza.actions.api_credentials import ApiCredentialView
from credenza.cli import demo_catalog
from credenza.domain.api_credentials import ApiCredentialQuery
from credenza.domain.model import (
    Actor,
    ActorKind,
    AuthenticationType,
    OrganizationRole,
    ServiceEnvironment,
    User,
)
from credenza.store.engine import writing
from credenza.store.schema import workspaces as workspace_rows

HOSTILE = "<script>alert(1)</script> \"'&{{ 7 * 7 }}"
SECRET = re.compile(r"czs_(?:sbx|prd)_[0-9A-Za-z]{49}")


class Counter:
    """An organization with the catalog of the seed, where API credentials are handed out."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ada = house.found()
        self.actor = Actor(ActorKind.SESSION, "tests", self.ada.id)
        demo_catalog.seed(house.platform, upstream="http://127.0.0.1:9", now=house.clock.now())
        place = (house.platform, OPERATOR, house.organization_id)
        (account,) = accounts.list_all(*place, now=house.clock.now())
        self.places = {
            name: workspaces.create(*place, account_id=account.id, name=name, now=house.clock.now()).id
            for name in ("Web-EU", "Web-US")
        }
        self.apis = {each.name: each.id for each in services.list_live(house.platform, OPERATOR, now=house.clock.now())}

    def browser(self) -> Browser:
        return self.house.visit(self.ada)

    def path(self, rest: str = "") -> str:
        return self.house.path(f"/api-credentials{rest}")

    def form(self, **changed: str) -> dict[str, str]:
        """The wizard's fields of a credential that reads profiles in Web-EU."""
        profile = self.apis["Profile API"]
        ticks = {f"api-{profile}": "1", f"may-{profile}-read": "1", f"in-{profile}-{self.places['Web-EU']}": "1"}
        usual = {"name": "Web analytics", "environment": "SANDBOX", "ends": "90", "ends_on": "", "networks": ""}
        return {**usual, **ticks, "note": "", "once": "a key drawn once", **changed}

    def make(self, **changed: str) -> ApiCredentialView:
        made = self.browser().post(self.path(), **self.form(**changed))
        assert SECRET.search(made.text), made.text
        return self.all()[changed.get("name", "Web analytics")]

    def all(self) -> Mapping[str, ApiCredentialView]:
        place = (self.house.platform, self.actor, self.house.organization_id, ApiCredentialQuery())
        return {each.credential.name: each for each in api_credentials.list_page(*place, now=self.house.clock.now())}

    def own(self, view: ApiCredentialView, rest: str = "") -> str:
        return self.path(f"/{view.credential.id}{rest}")


@pytest.fixture
def counter(house: House) -> Counter:
    return Counter(house)


def text_of(page: str) -> str:
    """What a page says, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())


# ------------------------------------------------------------------------------------------------------------ wizard


def test_the_wizard_goes_from_apis_to_a_secret_that_is_shown_once(counter: Counter) -> None:
    visit, form = counter.browser(), counter.form()

    permissions = visit.post(counter.path("/new"), step="permissions", **form)
    scope = visit.post(counter.path("/new"), step="scope", **form)
    review = visit.post(counter.path("/new"), step="review", **form)
    issued = visit.post(counter.path(), **form)

    assert "What may it do with Profile API?" in text_of(permissions.text)
    assert "Where may it use Profile API?" in text_of(scope.text)
    assert "Can read profiles in Web-EU until 1 May 2025." in text_of(review.text)
    assert not SECRET.search(permissions.text + scope.text + review.text)
    (secret,) = set(SECRET.findall(issued.text))
    assert issued.headers["cache-control"] == "no-store"
    found = counter.all()["Web analytics"].credential
    assert found.client_id in issued.text
    assert "/sso/oauth/token" in issued.text
    assert secret.startswith(found.secrets[0].prefix)
    assert secret not in visit.get(counter.own(counter.all()["Web analytics"])).text


def test_a_form_that_is_sent_again_later_makes_nothing_and_shows_no_secret(counter: Counter) -> None:
    counter.house.clock.advance(timedelta(microseconds=123_457))
    visit = counter.browser()
    first = visit.post(counter.path(), **counter.form())
    counter.house.clock.advance(timedelta(seconds=30))

    again = visit.post(counter.path(), **counter.form())

    assert SECRET.search(first.text)
    assert not SECRET.search(again.text)
    assert "was shown then" in again.text
    assert len(counter.all()) == 1


def test_more_places_than_an_api_takes_are_refused_with_the_cure_and_stay_ticked(counter: Counter) -> None:
    profile, house = counter.apis["Profile API"], counter.house
    (account, *_) = accounts.list_all(house.platform, OPERATOR, house.organization_id, now=house.clock.now())
    row = {"organization_id": house.organization_id, "account_id": account.id, "created_at": house.clock.now()}
    made = [{**row, "id": str(uuid4()), "name": f"Shop {number}"} for number in range(2100)]
    with writing(house.platform.database.records) as connection:
        connection.execute(workspace_rows.insert(), made)
    form = counter.form(**{f"in-{profile}-{each['id']}": "1" for each in made})

    refused = counter.browser().post(counter.path("/new"), step="review", **form)

    assert refused.status_code == 400
    assert "At most 1000 workspaces for Profile API. Choose fewer, and make another credential" in problem(refused)
    assert refused.text.count("checked") >= 2100


def test_a_form_with_more_boxes_than_a_page_can_have_says_what_to_do(counter: Counter) -> None:
    boxes = {f"in-1-{number}": "1" for number in range(12_000)}

    refused = counter.browser().post(counter.path("/new"), step="review", **counter.form(**boxes))

    assert refused.status_code == 400
    assert "more than 12,000 fields" in refused.text
    assert "make another credential for the others" in refused.text


@pytest.mark.parametrize(
    ("changed", "step", "said"),
    [
        ({"name": " "}, "review", "Give a name of 1 to 120"),
        ({"environment": "MOON"}, "review", "Choose an environment."),
        ({"networks": "300.1.1.1"}, "review", "is no address range"),
        ({"ends": "on", "ends_on": "soon"}, "review", "Choose the day on which it ends."),
        ({"ends": "on", "ends_on": "2001-01-01"}, "review", "The end lies in the past"),
    ],
)
def test_what_is_wrong_is_said_at_its_step_and_nothing_is_lost(
    counter: Counter, changed: dict[str, str], step: str, said: str
) -> None:
    answer = counter.browser().post(counter.path("/new"), step=step, **counter.form(**changed))

    assert answer.status_code == 400
    assert said in html.unescape(problem(answer))
    for name, value in counter.form(**changed).items():
        if name.startswith(("api-", "may-", "in-")):
            assert re.search(rf'name="{name}" value="{value}"', answer.text)


def test_a_step_that_is_not_complete_is_not_left(counter: Counter) -> None:
    visit, planning = counter.browser(), counter.apis["Data Planning API"]
    form = counter.form()

    nothing = visit.post(counter.path("/new"), step="permissions", name="A", environment="SANDBOX")
    bare = visit.post(counter.path("/new"), step="review", **form, **{f"api-{planning}": "1"})
    nowhere = visit.post(counter.path("/new"), step="review", **{k: v for k, v in form.items() if "in-" not in k})

    assert problem(nothing) == "Choose at least one API."
    assert problem(bare) == "Choose what it may do with Data Planning API."
    assert problem(nowhere) == "Choose at least one workspace for Profile API."


def test_a_fixed_scope_is_shown_and_says_why_nothing_is_chosen(counter: Counter) -> None:
    platform = counter.apis["Platform API"]
    form = counter.form(**{f"api-{platform}": "1", f"may-{platform}-user": "1"})

    scope = counter.browser().post(counter.path("/new"), step="scope", **form)
    review = counter.browser().post(counter.path("/new"), step="review", **form)

    assert "Platform API works in all accounts, present and future: its scope is fixed." in text_of(scope.text)
    assert "Can read profiles in Web-EU; can see accounts and their workspaces in all accounts until" in text_of(
        review.text
    )


def test_an_api_that_is_not_offered_in_the_environment_is_refused_by_its_name(counter: Counter) -> None:
    place = ServiceEnvironment(PRODUCTION, "/only", "http://127.0.0.1:9", 13, None)
    entry = demo_catalog._PROFILE_ENTRY
    new = services.NewService("Only", AuthenticationType.CLIENT_SECRET, "", (place,), entry=entry)
    only = services.create(counter.house.platform, OPERATOR, new, now=counter.house.clock.now())

    answer = counter.browser().post(counter.path("/new"), step="permissions", **counter.form(**{f"api-{only.id}": "1"}))

    assert problem(answer) == "Only is not offered in this environment."


def test_names_of_others_are_text_everywhere(counter: Counter) -> None:
    view = counter.make(name=HOSTILE, note=HOSTILE)
    visit = counter.browser()

    for page in ("", counter.own(view), counter.own(view, "/delete"), counter.own(view, "/secrets/new")):
        text = visit.get(page or counter.path()).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text
        assert "{{ 7 * 7 }}" in text


# -------------------------------------------------------------------------------------------------------------- list


def test_the_list_names_the_family_and_is_narrowed_by_its_filters(counter: Counter) -> None:
    counter.make()
    counter.make(name="Nightly export", environment="PRODUCTION", once="another", ends="never")
    visit = counter.browser()

    page = visit.get(counter.path()).text
    sandbox = visit.get(counter.path("?environment=SANDBOX")).text
    by_client = visit.get(counter.path(f"?q={counter.all()['Nightly export'].credential.client_id[:8]}")).text
    planning = visit.get(counter.path(f"?api={counter.apis['Data Planning API']}")).text

    assert page.count(">API credential<") == 2
    assert "does not end" in page
    assert ">Nightly export<" not in sandbox
    assert ">Web analytics<" not in by_client
    assert "No API credential fits." in planning


def test_an_empty_list_teaches(counter: Counter) -> None:
    page = counter.browser().get(counter.path()).text

    assert "Make the first credential" in page
    assert "credenza credential create" in page


# -------------------------------------------------------------------------------------------------------------- edit


def edit_form(page: str) -> dict[str, str]:
    """The fields of the edit form, as a browser would send them."""
    form = page.partition("/review")[2]
    ticked = re.findall(r'name="((?:api|may|in)-[^"]+)" value="1" checked', form)
    version = re.search(r'name="version" value="(\d+)"', form)
    name = re.search(r'id="name" name="name"[^>]* value="([^"]*)"', form)
    ends = re.search(r'<option value="(\w+)" selected', form)
    assert version is not None
    assert name is not None
    assert ends is not None
    plain = {"version": version[1], "name": html.unescape(name[1]), "ends": ends[1], "networks": "", "note": ""}
    return plain | dict.fromkeys(ticked, "1")


def test_an_edit_is_reviewed_with_what_it_widens_and_narrows_then_saved(counter: Counter) -> None:
    view, visit = counter.make(), counter.browser()
    profile = counter.apis["Profile API"]
    form = edit_form(visit.get(counter.own(view)).text) | {"name": "Analytics"}
    del form[f"in-{profile}-{counter.places['Web-EU']}"]
    form[f"in-{profile}-{counter.places['Web-US']}"] = "1"

    review = visit.post(counter.own(view, "/review"), **form)
    back = visit.post(counter.own(view, "/again"), **form)
    saved = visit.post(counter.own(view), **form)

    said = text_of(review.text)
    assert "Widened Profile API: Web-US" in said
    assert "Narrowed Profile API: Web-EU" in said
    assert 'value="Analytics"' in back.text
    assert "Can read profiles in Web-US until 1 May 2025." in text_of(follow(visit, saved))
    assert counter.all()["Analytics"].credential.ends_at == view.credential.ends_at


def test_the_second_of_two_editors_is_told_and_keeps_what_was_entered(counter: Counter) -> None:
    view, first, second = counter.make(), counter.browser(), counter.browser()
    form = edit_form(first.get(counter.own(view)).text)
    first.post(counter.own(view), **form | {"name": "By the first"})

    told = second.post(counter.own(view, "/review"), **form | {"name": "By the second"})
    late = second.post(counter.own(view), **form | {"name": "By the second"})

    for answer in (told, late):
        assert answer.status_code == 409
        assert "Somebody edited the credential" in problem(answer)
        assert "This is what it can do now:" in answer.text
        assert 'value="By the second"' in answer.text
    assert set(counter.all()) == {"By the first"}
    again = edit_form(late.text)
    assert second.post(counter.own(view), **again).status_code == 303
    assert set(counter.all()) == {"By the second"}


def test_what_is_archived_meanwhile_may_stay(counter: Counter) -> None:
    view, visit = counter.make(), counter.browser()
    place = (counter.house.platform, OPERATOR, counter.house.organization_id, counter.places["Web-EU"])
    workspaces.archive(*place, now=counter.house.clock.now())

    page = visit.get(counter.own(view)).text
    saved = visit.post(counter.own(view), **edit_form(page) | {"name": "Still"})

    assert "archived" in page
    assert saved.status_code == 303


def test_it_is_switched_off_and_on(counter: Counter) -> None:
    view, visit = counter.make(), counter.browser()

    off = follow(visit, visit.post(counter.own(view, "/deactivate")))
    on = follow(visit, visit.post(counter.own(view, "/activate")))

    assert '<span class="status inactive">inactive</span>' in off
    assert '<span class="status active">' in on or '<span class="status expiring">' in on


# ----------------------------------------------------------------------------------------------- secrets, deletion


@pytest.mark.parametrize(
    ("keep_old", "left"), [("now", 1), ("1h", 2), ("24h", 2), ("7d", 2), ("30d", 2), ("until_deleted", 2)]
)
def test_a_new_secret_leaves_the_old_one_as_long_as_was_chosen(counter: Counter, keep_old: str, left: int) -> None:
    view, visit = counter.make(), counter.browser()
    counter.house.clock.advance(timedelta(minutes=1))

    issued = visit.post(counter.own(view, "/secrets"), keep_old=keep_old, once="again")

    assert len(set(SECRET.findall(issued.text))) == 1
    assert len(counter.all()["Web analytics"].credential.secrets) == left


def test_a_double_click_shows_the_one_secret_that_it_made(counter: Counter) -> None:
    """Without script a browser shows the answer to the second click."""
    view, visit = counter.make(), counter.browser()
    counter.house.clock.advance(timedelta(minutes=1))
    clicks = []
    for _ in range(2):
        clicks.append(visit.post(counter.own(view, "/secrets"), keep_old="24h", once="again").text)
        counter.house.clock.advance(timedelta(seconds=1))

    first, second = (set(SECRET.findall(each)) for each in clicks)

    assert first == second
    assert len(first) == 1
    assert len(counter.all()["Web analytics"].credential.secrets) == 2


def test_the_last_secret_is_deleted_by_those_who_say_so(counter: Counter) -> None:
    view, visit = counter.make(), counter.browser()
    path = counter.own(view, f"/secrets/{view.credential.secrets[0].id}/delete")

    asked, refused, done = visit.get(path), visit.post(path), visit.post(path, last="1")

    assert "This is the last secret of the credential." in asked.text
    assert "This is the last secret of the credential" in problem(refused)
    assert "No secret: nobody gets a token" in follow(visit, done)


def test_it_is_deleted_by_those_who_type_its_name(counter: Counter) -> None:
    view, visit = counter.make(), counter.browser()

    asked = visit.get(counter.own(view, "/delete"))
    wrong = visit.post(counter.own(view, "/delete"), typed="web analytics")
    done = visit.post(counter.own(view, "/delete"), typed="Web analytics")

    assert "Deactivate instead" in asked.text
    assert "Nothing was deleted" in problem(wrong)
    assert "No API credential yet" in follow(visit, done)
    assert visit.get(counter.own(view)).status_code == 404


def test_what_cannot_be_undone_asks_for_a_fresh_proof(counter: Counter) -> None:
    view, visit = counter.make(), counter.browser()
    secret = f"/secrets/{view.credential.secrets[0].id}/delete"
    counter.house.clock.advance(timedelta(minutes=16))

    for rest in ("/delete", "/secrets/new", secret):
        assert visit.get(counter.own(view, rest)).headers["location"].startswith("/confirm?next=")
    for rest, fields in (("/delete", {"typed": "Web analytics"}), ("/secrets", {"keep_old": "now"}), (secret, {})):
        assert visit.post(counter.own(view, rest), **fields).headers["location"].startswith("/confirm")
    assert len(counter.all()["Web analytics"].credential.secrets) == 1


@pytest.mark.parametrize("page", ["/new", "/{c}", "/{c}/delete", "/{c}/secrets/new", "/{c}/secrets/{s}/delete"])
def test_each_page_says_how_the_same_is_done_elsewhere(counter: Counter, page: str) -> None:
    view = counter.make()
    path = page.format(c=view.credential.id, s=view.credential.secrets[0].id)

    said = shown(counter.browser().get(counter.path(path)).text)

    commands, calls = [each for each in said if "credenza " in each], [each for each in said if is_call(each)]
    assert commands != []
    assert calls != []
    for each in commands:
        check_command(each)
    for each in calls:
        check_call(each)


def test_a_scope_of_hundreds_of_workspaces_is_taken(counter: Counter) -> None:
    platform, organization_id = counter.house.platform, counter.house.organization_id
    (account, *_) = accounts.list_all(platform, OPERATOR, organization_id, now=counter.house.clock.now())
    made = [
        workspaces.create(
            platform, OPERATOR, organization_id, account_id=account.id, name=f"W{each}", now=counter.house.clock.now()
        )
        for each in range(150)
    ]
    ticks = {f"in-{counter.apis['Profile API']}-{each.id}": "1" for each in made}

    view = counter.make(**ticks)

    (grant,) = view.credential.grants
    assert len(grant.places) == 151


# ------------------------------------------------------------------------------------------------------------- roles

LOOKS = ("", "/new", "/{c}", "/{c}/delete", "/{c}/secrets/new", "/{c}/secrets/{s}/delete")
CHANGES = (
    "", "/new", "/{c}", "/{c}/review", "/{c}/activate", "/{c}/deactivate", "/{c}/delete", "/{c}/secrets",
    "/{c}/secrets/{s}/delete",
)  # fmt: skip


@pytest.mark.parametrize("role", [OrganizationRole.USER, OrganizationRole.READ_ONLY])
def test_other_roles_see_no_entry_and_are_refused_everywhere(counter: Counter, role: OrganizationRole) -> None:
    view = counter.make()
    names = {"c": view.credential.id, "s": view.credential.secrets[0].id}
    visit = counter.house.visit(counter.house.join("Linus", role))
    form = counter.form(step="review", typed="Web analytics", last="1", version="1", once="other")

    assert "/api-credentials" not in visit.get(counter.house.path("/overview")).text
    for rest in LOOKS:
        page = visit.get(counter.path(rest.format(**names)))
        assert (page.status_code, view.credential.client_id in page.text) == (403, False), rest
    for rest in CHANGES:
        assert visit.post(counter.path(rest.format(**names)), **form).status_code == 403, rest
    assert counter.all()["Web analytics"] == view


def test_a_compliance_admin_sees_the_entry_and_makes_one(counter: Counter) -> None:
    visit = counter.house.visit(counter.house.join("Grace", OrganizationRole.COMPLIANCE_ADMIN))

    assert f'href="{counter.path()}"' in visit.get(counter.house.path("/overview")).text
    assert SECRET.search(visit.post(counter.path(), **counter.form()).text)


def test_a_role_that_may_look_sees_a_screen_without_changes(counter: Counter) -> None:
    view, admin = counter.make(note="in the vault"), counter.browser()
    linus = counter.house.join("Linus", OrganizationRole.USER)
    look = {"action-api_credential.list": "1", "action-api_credential.view": "1"}
    admin.post(counter.house.path("/settings/roles"), name="Viewers", **look)
    role = re.search(r"/settings/roles/([0-9a-f-]{36})\"", admin.get(counter.house.path("/settings/roles")).text)
    assert role is not None
    admin.post(counter.house.path(f"/members/{linus.id}"), role=role[1])
    visit = counter.house.visit(linus)

    listed, page = visit.get(counter.path()).text, visit.get(counter.own(view)).text

    assert f'href="{counter.path()}"' in visit.get(counter.house.path("/overview")).text
    assert "New credential" not in listed
    assert "/delete" not in listed + page
    assert "in the vault" in page
    assert "Review the changes" not in page
    assert "/secrets/new" not in page
    assert visit.get(counter.path("/new")).status_code == 403
    assert visit.post(counter.own(view, "/deactivate")).status_code == 403


def test_another_organization_is_told_that_there_is_none(counter: Counter) -> None:
    view, home = counter.make(), counter.house.organization_id
    stranger = counter.house.visit(_elsewhere(counter.house))

    foreign = stranger.get(counter.own(view))
    hidden = stranger.get(f"/organizations/{home}/api-credentials/{view.credential.id}")

    assert foreign.status_code == 404
    assert hidden.status_code in (403, 404)
    assert view.credential.client_id not in foreign.text + hidden.text


def _elsewhere(house: House) -> User:
    """An admin of another organization, which the house's addresses are of from now on."""
    made = organizations.create(house.platform, OPERATOR, name="Other", now=house.clock.now())
    house.organization_id = made.id
    user = people.create_user(house.platform, OPERATOR, email="eve@example.org", name="Eve", now=house.clock.now())
    people.set_member(
        house.platform, OPERATOR, made.id, email=user.email, role=OrganizationRole.ADMIN, now=house.clock.now()
    )
    return user


def test_it_speaks_german(counter: Counter) -> None:
    visit = counter.house.visit(counter.ada, **{"accept-language": "de"})

    review = visit.post(counter.path("/new"), step="review", **counter.form(networks="192.0.2.0/24, 2001:db8::/32"))

    assert "Darf read profiles in Web-EU bis 01.05.2025, nur von 192.0.2.0/24 und 2001:db8::/32 aus." in text_of(
        review.text
    )
