"""People at the portal: they sign in, prove who they are, are invited, and look after their own proofs and tokens."""

import re
from datetime import timedelta

import httpx
import pyotp
import pytest
from starlette.applications import Starlette
from tests.actions.kept_stages import KeptStages
from tests.actions.stage import OPERATOR, Person, Stage, request
from tests.clock import Clock

from credenza.actions import authenticators, invitations, passwords, sessions, sign_in_links
from credenza.actions.sessions import Visitor
from credenza.domain.model import Organization, OrganizationRole, Session, SignInMethod
from credenza.portal.app import PAGES, routes
from credenza.portal.portal import Portal
from credenza.portal.visit import Access

pytestmark = pytest.mark.anyio

HERE = "http://desk.test"
PASSWORD = "an engine of brass and steam"
GUEST = Visitor("127.0.0.1", "test")


class Desk:
    """An organization with an admin who has a password, and browsers that come to its portal."""

    def __init__(self, stage: Stage) -> None:
        self.clock = clock = stage.clock
        self.stage = stage
        self.organization: Organization = self.stage.organization()
        self.ada: Person = self.stage.member(self.organization)
        self.platform = self.stage.platform
        self.app = Starlette(routes=routes(Portal(self.platform, clock.now)))
        passwords.set_password(self.platform, self.actor(), "", PASSWORD, now=clock.now())

    def session(self, person: Person | None = None) -> tuple[Session, str]:
        user = (person or self.ada).user
        begun = sessions.begin(self.platform, user, SignInMethod.PASSWORD, GUEST, now=self.clock.now())
        return begun.session, begun.token

    def actor(self) -> object:
        session, _ = self.session()
        return sessions.actor_of(session, address="127.0.0.1", now=self.clock.now())

    def browser(self, token: str = "") -> httpx.AsyncClient:
        cookies = {"credenza": token} if token else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=HERE, cookies=cookies)

    def signed_in(self, person: Person | None = None) -> httpx.AsyncClient:
        return self.browser(self.session(person)[1])

    def path(self, rest: str) -> str:
        return f"/organizations/{self.organization.id}/{rest}"


@pytest.fixture
def desk(stages_on_sqlite: KeptStages, clock: Clock) -> Desk:
    return Desk(stages_on_sqlite.stage(clock))


def csrf(page: httpx.Response) -> str:
    return re.findall(r'name="csrf" value="([0-9a-f]{64})"', page.text)[0]


async def post(http: httpx.AsyncClient, at: str, to: str, **fields: str) -> httpx.Response:
    """Fill in the form that stands on a page."""
    return await http.post(to, data={"csrf": csrf(await http.get(at)), **fields})


def _drawn(form: httpx.Response) -> str:
    """Read what a form carries so that it is done once."""
    return re.findall(r'name="once" value="([^"]+)"', form.text)[0]


# ------------------------------------------------------------------------------------------------------------- sign in


async def test_the_right_password_signs_in_and_opens_the_page_that_was_asked_for(desk: Desk) -> None:
    async with desk.browser() as http:
        sent_away = await http.get("/account/sessions?x=1")
        form = await http.get(sent_away.headers["Location"])
        answer = await http.post(
            "/sign-in", data={"email": desk.ada.user.email, "password": PASSWORD, "next": "/account/sessions?x=1"}
        )
        page = await http.get(answer.headers["Location"])

    assert (sent_away.status_code, sent_away.headers["Location"]) == (
        303,
        "/sign-in?next=%2Faccount%2Fsessions%3Fx%3D1",
    )
    assert 'value="/account/sessions?x=1"' in form.text
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/sessions?x=1")
    assert page.status_code == 200


async def test_a_wrong_password_and_an_unknown_address_are_told_in_the_same_words(desk: Desk) -> None:
    async with desk.browser() as http:
        wrong = await http.post("/sign-in", data={"email": desk.ada.user.email, "password": "wrong"})
        unknown = await http.post("/sign-in", data={"email": "nobody@example.com", "password": "wrong"})

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace(desk.ada.user.email, "nobody@example.com") == unknown.text
    assert 'role="alert"' in wrong.text
    assert 'value="wrong"' not in wrong.text


async def test_after_ten_wrong_passwords_the_account_is_locked_for_half_an_hour(desk: Desk) -> None:
    right = {"email": desk.ada.user.email, "password": PASSWORD}
    async with desk.browser() as http:
        for _ in range(10):
            await http.post("/sign-in", data={**right, "password": "wrong"})
        locked = await http.post("/sign-in", data=right)
        desk.clock.advance(timedelta(minutes=31))
        later = await http.post("/sign-in", data=right)

    assert locked.status_code == 429
    assert "30 minutes" in locked.text
    assert later.status_code == 303


async def test_with_an_authenticator_the_password_alone_signs_nobody_in(desk: Desk) -> None:
    made = authenticators.enrol(desk.platform, desk.actor(), now=desk.clock.now())
    code = pyotp.TOTP(made.secret)
    authenticators.confirm(desk.platform, desk.actor(), code.at(desk.clock.now()), now=desk.clock.now())
    desk.clock.advance(timedelta(minutes=1))
    async with desk.browser() as http:
        asked = await http.post("/sign-in", data={"email": desk.ada.user.email, "password": PASSWORD})
        pending = {"token": re.findall(r'name="token" value="([^"]+)"', asked.text)[0], "next": "/account"}
        wrong = await http.post("/sign-in/code", data={**pending, "code": "000000"})
        right = await http.post("/sign-in/code", data={**pending, "code": code.at(desk.clock.now())})
        page = await http.get("/account")

    assert "Set-Cookie" not in asked.headers
    assert wrong.status_code == 401
    assert (right.status_code, right.headers["Location"]) == (303, "/account")
    assert page.status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\\\\evil", "/a\nb"],
)
async def test_a_sign_in_never_leads_to_another_site(desk: Desk, elsewhere: str) -> None:
    async with desk.browser() as http:
        answer = await http.post(
            "/sign-in", data={"email": desk.ada.user.email, "password": PASSWORD, "next": elsewhere}
        )

    assert answer.headers["Location"] == "/"


async def test_the_session_has_another_token_after_every_proof_and_the_old_one_is_dead(desk: Desk) -> None:
    _, before = desk.session()
    async with desk.browser(before) as http:
        confirmed = await post(http, "/confirm", "/confirm", password=PASSWORD, next="/account")
        after = confirmed.cookies["credenza"]
    async with desk.browser(before) as http:
        dead = await http.get("/account")

    assert after != before
    assert dead.status_code == 303


async def test_a_one_time_link_asks_before_it_is_used_and_works_once(desk: Desk) -> None:
    token = sign_in_links.make(desk.platform, OPERATOR, desk.ada.user.email, now=desk.clock.now())
    async with desk.browser() as http:
        looked = await http.get("/sign-in/link", params={"token": token})
        first = await http.post("/sign-in/link", data={"token": token})
    async with desk.browser() as http:
        second = await http.post("/sign-in/link", data={"token": token})

    assert desk.ada.user.email in looked.text
    assert first.status_code == 303
    assert second.status_code == 401


async def test_signing_out_ends_the_session(desk: Desk) -> None:
    _, token = desk.session()
    async with desk.browser(token) as http:
        gone = await post(http, "/account", "/sign-out")
    async with desk.browser(token) as http:
        page = await http.get("/account")

    assert gone.headers["Location"] == "/sign-in"
    assert page.headers["Location"].startswith("/sign-in")


# ------------------------------------------------------------------------------------------------------ forged requests


async def test_a_form_without_the_sessions_token_changes_nothing(desk: Desk) -> None:
    async with desk.signed_in() as http:
        missing = await http.post("/sign-out")
        wrong = await http.post("/sign-out", data={"csrf": "0" * 64})
        page = await http.get("/account")

    assert missing.status_code == wrong.status_code == 403
    assert page.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
async def test_a_form_that_another_site_sent_is_refused_even_with_a_token(desk: Desk, headers: dict[str, str]) -> None:
    async with desk.signed_in() as http:
        token = csrf(await http.get("/account"))
        refused = await http.post("/sign-out", data={"csrf": token}, headers=headers)
        sign_in = await http.post("/sign-in", data={"email": "a", "password": "b"}, headers=headers)

    assert refused.status_code == 403
    assert sign_in.status_code == 403


@pytest.mark.parametrize("row", [row for row in PAGES if row.access is Access.SIGNED_IN], ids=lambda row: row.path)
async def test_a_page_for_people_who_are_signed_in_shows_nothing_to_others(desk: Desk, row: object) -> None:
    path = re.sub(r"\{[a-z_]+\}", "x", row.path)
    async with desk.browser() as http:
        answer = await http.request(row.method, path)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in?next=")


# ------------------------------------------------------------------------------------------------------------- account


async def test_a_sign_in_that_is_not_recent_has_to_be_confirmed_before_a_token_is_made(desk: Desk) -> None:
    async with desk.signed_in() as http:
        desk.clock.advance(timedelta(minutes=20))
        form = desk.path("tokens/new")
        asked = await post(http, form, desk.path("tokens"), name="x", days="1", **{"scope-read": "1"})
        confirm = await post(http, asked.headers["Location"], "/confirm", password=PASSWORD, next=form)
        made = await post(http, form, desk.path("tokens"), name="x", days="1", **{"scope-read": "1"})

    assert asked.headers["Location"].startswith("/confirm?next=")
    assert confirm.headers["Location"] == form
    assert len(re.findall(r"czp_[0-9A-Za-z]{49}", made.text)) == 1


async def test_a_token_is_shown_once_and_revoked_from_the_list(desk: Desk) -> None:
    async with desk.signed_in() as http:
        made = await post(
            http, desk.path("tokens/new"), desk.path("tokens"), name="laptop", days="7", **{"scope-read": "1"}
        )
        secret = re.findall(r"czp_[0-9A-Za-z]{49}", made.text)[0]
        listed = await http.get(desk.path("tokens"))
        revoke = re.findall(r'laptop.*?href="([^"]+/revoke)"', listed.text, re.DOTALL)[0]
        await post(http, revoke, revoke)
        after = await http.get(desk.path("tokens"))

    assert secret not in listed.text
    assert "laptop" in listed.text
    assert "laptop" not in after.text


async def test_a_double_click_shows_the_one_token_that_it_made(desk: Desk) -> None:
    """Without script a browser shows the answer to the second click."""
    async with desk.signed_in() as http:
        form = await http.get(desk.path("tokens/new"))
        filled = {"csrf": csrf(form), "once": _drawn(form), "name": "laptop", "days": "7", "scope-read": "1"}
        clicks = [await http.post(desk.path("tokens"), data=filled) for _ in range(2)]
        desk.clock.advance(timedelta(minutes=1))
        reloaded = await http.post(desk.path("tokens"), data=filled)
        listed = await http.get(desk.path("tokens"))

    first, second = (re.findall(r"czp_[0-9A-Za-z]{49}", each.text) for each in clicks)
    assert first == second
    assert len(first) == 1
    assert "This form was sent already" in reloaded.text
    assert first[0] not in reloaded.text
    assert listed.text.count("laptop") == 1


async def test_a_form_that_is_sent_again_with_something_else_in_it_is_done_again(desk: Desk) -> None:
    """As after going back in the browser, which shows the form as it was, key and all."""
    async with desk.signed_in() as http:
        form = await http.get(desk.path("tokens/new"))
        filled = {"csrf": csrf(form), "once": _drawn(form), "days": "7", "scope-read": "1"}
        for name in ("laptop", "build server"):
            await http.post(desk.path("tokens"), data={**filled, "name": name})
        listed = await http.get(desk.path("tokens"))

    assert "laptop" in listed.text
    assert "build server" in listed.text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "", "days": "1", "scope-read": "1"}, "name of 1 to 120"),
        ({"name": "x", "days": "none", "scope-read": "1"}, "for how many days"),
        ({"name": "x", "days": "9999", "scope-read": "1"}, "between 1 and 366"),
        ({"name": "x", "days": "1"}, "at least one scope"),
    ],
    ids=["no name", "no days", "too many days", "no scope"],
)
async def test_a_token_that_cannot_be_made_says_why_and_keeps_what_was_typed(
    desk: Desk, fields: dict[str, str], says: str
) -> None:
    async with desk.signed_in() as http:
        refused = await post(http, desk.path("tokens/new"), desk.path("tokens"), **fields)

    assert refused.status_code == 400
    assert says in refused.text
    assert f'value="{fields["name"]}"' in refused.text


async def test_an_api_key_is_added_by_request_and_revoked_by_its_word(desk: Desk) -> None:
    async with desk.signed_in() as http:
        keys = desk.path("api-keys")
        made = await post(http, f"{keys}/new", keys, alias="batch", csr=request(1).decode())
        listed = await http.get(keys)
        revoke = re.findall(r'href="([^"]+/revoke)"', listed.text)[0]
        untyped = await post(http, revoke, revoke, typed="revoke")
        await post(http, revoke, revoke, typed="REVOKE")
        after = await http.get(keys)

    assert re.search(r"[A-Za-z0-9_-]{48}![0-9a-f]{48}", made.text)
    assert untyped.status_code == 400
    assert "revoked" in after.text


async def test_a_file_that_is_no_request_is_refused_with_the_cure(desk: Desk) -> None:
    async with desk.signed_in() as http:
        keys = desk.path("api-keys")
        token = csrf(await http.get(f"{keys}/new"))
        refused = await http.post(keys, data={"csrf": token, "alias": "x"}, files={"file": ("a.csr", b"\x89PNG")})

    assert refused.status_code == 400
    assert 'role="alert"' in refused.text


async def test_other_sessions_are_ended_and_this_one_stays(desk: Desk) -> None:
    _, other = desk.session()
    async with desk.signed_in() as http:
        await post(http, "/account/sessions", "/account/sessions/end-others")
        here = await http.get("/account")
    async with desk.browser(other) as http:
        there = await http.get("/account")

    assert here.status_code == 200
    assert there.status_code == 303


async def test_an_authenticator_is_set_up_with_a_picture_and_ends_with_recovery_codes(desk: Desk) -> None:
    async with desk.signed_in() as http:
        shown = await post(http, "/account", "/account/authenticator")
        secret = re.findall(r'<pre id="secret">([A-Z2-7]+)</pre>', shown.text)[0]
        code = pyotp.TOTP(secret).at(desk.clock.now())
        codes = await http.post("/account/authenticator/confirm", data={"csrf": csrf(shown), "code": code})
        account = await http.get("/account")

    assert "<svg" in shown.text
    assert "style=" not in shown.text
    assert codes.text.count("\n", codes.text.index('id="codes"'), codes.text.index("</pre>")) >= 10
    assert "10 recovery codes are left" in account.text


async def test_a_weak_new_password_is_refused_and_the_old_one_stays(desk: Desk) -> None:
    async with desk.signed_in() as http:
        refused = await post(http, "/account", "/account/password", old=PASSWORD, new="short")
    async with desk.browser() as http:
        still = await http.post("/sign-in", data={"email": desk.ada.user.email, "password": PASSWORD})

    assert refused.status_code == 400
    assert "at least 15 characters" in refused.text
    assert still.status_code == 303


# ------------------------------------------------------------------------------------------------------------- members


async def test_an_admin_invites_and_the_guest_joins_with_a_new_account(desk: Desk) -> None:
    async with desk.signed_in() as http:
        sent = await post(http, desk.path("members"), desk.path("invitations"), email="new@example.com", role="user")
        listed = await http.get(desk.path("members"))
    invited = invitations.invite(
        desk.platform,
        desk.actor(),
        desk.organization.id,
        email="newer@example.com",
        role=OrganizationRole.USER,
        now=desk.clock.now(),
    )
    async with desk.browser() as http:
        offer = await http.get("/invitation", params={"token": invited.token})
        weak = await http.post("/invitation", data={"token": invited.token, "name": "New", "password": "short"})
        joined = await http.post("/invitation", data={"token": invited.token, "name": "New", "password": PASSWORD})
        members = await http.get(desk.path("members"))

    assert sent.status_code == 303
    assert "new@example.com" in listed.text
    assert desk.organization.name in offer.text
    assert weak.status_code == 400
    assert joined.status_code == 303
    assert "newer@example.com" in members.text


async def test_only_an_admin_sees_how_to_change_members(desk: Desk) -> None:
    reader = desk.stage.member(desk.organization, OrganizationRole.READ_ONLY)
    async with desk.signed_in(reader) as http:
        page = await http.get(desk.path("members"))
        token = csrf(await http.get("/account"))
        refused = await http.post(
            desk.path("invitations"), data={"csrf": token, "email": "x@example.com", "role": "admin"}
        )

    assert page.status_code == 200
    assert "Invite somebody" not in page.text
    assert refused.status_code == 403


async def test_a_role_is_changed_and_the_last_admin_stays_one(desk: Desk) -> None:
    other = desk.stage.member(desk.organization, OrganizationRole.USER)
    members = desk.path("members")
    async with desk.signed_in() as http:
        changed = await post(http, members, f"{members}/{other.user.id}", role="read_only")
        refused = await post(http, members, f"{members}/{desk.ada.user.id}", role="user")

    assert changed.status_code == 303
    assert refused.status_code == 400
    assert "last admin" in refused.text


async def test_an_organization_that_is_not_ones_own_does_not_exist(desk: Desk) -> None:
    stranger = desk.stage.member(desk.stage.organization())
    async with desk.signed_in(stranger) as http:
        pages = [await http.get(desk.path(rest)) for rest in ("members", "tokens", "api-keys")]

    assert [page.status_code for page in pages] == [404, 404, 404]
    assert all(desk.organization.name not in page.text for page in pages)
