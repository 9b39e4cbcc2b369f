"""Rules of the pages of keys, asked without a browser: what they refuse, show, and never do twice."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificates
from cryptography.x509.oid import NameOID
from tests.actions.stage import ec_request, request, rsa_key
from tests.portal.house import House
from tests.portal.shop import PRODUCTION, SANDBOX, Shop, follow, problem

from credenza.actions import oauth_keys, project_members, projects
from credenza.actions.projects import NewEnvironment
from credenza.domain.model import AuthenticationType, OrganizationRole, ProjectRole, ProjectType, Status
from credenza.domain.sessions import FRESH
from credenza.store import traces
from credenza.store.engine import writing
from credenza.store.traces import Caller

LABEL = "CERTIFICATE REQUEST"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "אבג key 123",
    "%(count)d %s {0}",
]


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house)


def test_a_pasted_request_is_certified_and_leads_to_the_page_of_its_first_use(shop: Shop) -> None:
    browser = shop.browser()

    page = follow(browser, browser.post(shop.path("/sandbox/keys"), alias="billing-2026", csr=shop.csr()))

    assert "billing-2026" in page
    assert "Waiting for the first authenticated call" in page
    assert "https://sandbox.example.com/orders" in page
    assert len(shop.credentials()) == 2


def test_a_form_that_is_sent_twice_makes_one_key(shop: Shop) -> None:
    browser, form = shop.browser(), {"alias": "twice", "csr": shop.csr(), "once": "0e4f6a4c"}

    first = browser.post(shop.path("/sandbox/keys"), **form)
    second = browser.post(shop.path("/sandbox/keys"), **form)

    assert first.headers["Location"] == second.headers["Location"]
    assert len(shop.credentials()) == 2


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"csr": "", "alias": "a", "method": "paste"}, "Paste the certification request."),
        ({"csr": "", "alias": "a", "method": "upload"}, "Choose the file"),
        ({"csr": "nothing of the kind", "alias": "a"}, "PEM"),
        ({"csr": "x" * 100_000, "alias": "a"}, "larger than 64 KiB"),
        ({"csr": f"-----BEGIN {LABEL}-----\nAAAA\n-----END {LABEL}-----", "alias": "a"}, "openssl"),
        ({"alias": ""}, "name of 1 to 120"),
        ({"alias": "a" * 121}, "name of 1 to 120"),
        ({"alias": "a\u202eb"}, "none of them invisible"),
        ({"alias": "x" * 10_000}, "name of 1 to 120"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_taken_says_why_and_keeps_what_was_typed(
    shop: Shop, form: dict[str, str], says: str
) -> None:
    answer = shop.browser().post(shop.path("/sandbox/keys"), **{"csr": shop.csr(), "method": "paste", **form})

    assert answer.status_code == 400
    assert says in problem(answer)
    assert form.get("alias") != "a" or 'value="a"' in answer.text
    assert len(shop.credentials()) == 1


def test_a_private_key_is_refused_and_stands_nowhere(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANsecretsecret\n-----END PRIVATE KEY-----"
    browser = shop.browser()

    checked = browser.post("/csr-checks", csr=secret)
    sent = browser.post(shop.path("/sandbox/keys"), alias="oops", csr=secret)

    assert "This is a private key" in checked.text
    assert "not stored and not logged" in problem(sent)
    assert "secretsecret" not in checked.text
    assert "secretsecret" not in "".join(capfd.readouterr())
    database = Path(shop.house.platform.database.records.url.database or "")
    assert not any(b"secretsecret" in each.read_bytes() for each in database.parent.iterdir() if each.is_file())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_shown_as_text_on_every_page(shop: Shop, text: str) -> None:
    browser = shop.browser()
    page = follow(browser, browser.post(shop.path("/sandbox/keys"), alias=text, csr=shop.csr()))
    key = shop.credentials()[-1]

    pages = [
        page,
        *(browser.get(shop.key_path(rest, key)).text for rest in ("", "/replace", "/rotate", "/revoke")),
        browser.get(shop.path("/sandbox")).text,
        browser.get(shop.house.path("/search?q=" + quote(text))).text,
    ]

    assert key.alias == text
    for each in pages:
        assert "<script>alert" not in each
        assert "<img src=x" not in each
        assert "49" not in re.findall(r'class="name">([^<]*)<', each)
    assert all('<bdi class="name">' in each for each in pages)


@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize(
    ("name", "taken"), [("<script>alert(1)</script>", True), ("a\u202eb", False), ("x" * 10_000, False)]
)
def test_hostile_subjects_are_shown_as_text_or_refused(shop: Shop, name: str, taken: bool) -> None:
    browser, csr = shop.browser(), csr_named(name)

    checked = browser.post("/csr-checks", csr=csr).text
    answer = browser.post(shop.path("/sandbox/keys"), alias="hostile", csr=csr)

    assert "<script>alert" not in checked + answer.text
    assert "\u202e" not in checked + answer.text
    assert (answer.status_code, len(shop.credentials())) == ((303, 2) if taken else (400, 1))
    if taken:
        page = browser.get(shop.key_path("", shop.credentials()[-1])).text
        assert '<bdi class="name">CN=&lt;script&gt;' in page
    else:
        assert 'class="failed"' in checked


def csr_named(name: str) -> str:
    """A request that our own tools would not make."""
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([attribute]))
    return builder.sign(rsa_key(9), SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_check_names_each_rule_and_the_cure(shop: Shop) -> None:
    browser = shop.browser()

    sound = browser.post("/csr-checks", csr=request(3).decode(), project_type="OAUTH10A").text
    curve = browser.post("/csr-checks", csr=ec_request(0).decode(), project_type="OAUTH10A").text
    allowed = browser.post("/csr-checks", csr=ec_request(0).decode(), project_type="OAUTH2_FAPI").text
    nothing = browser.post("/csr-checks", csr="  ").text

    assert "failed" not in sound
    assert "CN=application 3" in sound
    assert "openssl req -new -newkey rsa:2048" in curve
    assert "failed" not in allowed
    assert nothing.strip() == ""


def test_p256_is_offered_where_it_is_allowed(house: House) -> None:
    oauth2 = Shop(house, ProjectType.OAUTH2_FAPI)

    assert "EC-P256" in oauth2.browser().get(oauth2.path("/sandbox/keys/new")).text
    oauth1 = oauth2.add_service("Legacy", AuthenticationType.OAUTH10A)
    new = projects.NewProject(ProjectType.OAUTH10A, "Old", "", oauth1.id, SANDBOX, oauth2.new_key("old"))
    made = projects.create(house.platform, oauth2.actor, house.organization_id, new, now=house.clock.now())
    assert "EC-P256" not in oauth2.browser().get(f"/projects/{made.project.id}/sandbox/keys/new").text


def test_a_page_that_makes_a_key_loads_no_code_but_ours(shop: Shop) -> None:
    for path in (
        shop.path("/sandbox/keys/new"),
        shop.path("/production/request"),
        shop.key_path("/rotate"),
        shop.key_path("/start"),
        shop.house.path("/projects/new"),
    ):
        scripts = re.findall(r'<script src="/static/\w+/([^"]+)"', shop.browser().get(path).text)
        assert scripts == ["keys.js", "portal.js"], path


def test_a_full_oauth2_project_says_which_key_to_revoke(house: House) -> None:
    shop = Shop(house, ProjectType.OAUTH2_FAPI)
    shop.add("second")
    shop.add("third")
    browser = shop.browser()

    page = browser.get(shop.path("/sandbox/keys/new")).text
    refused = browser.post(shop.path("/sandbox/keys"), alias="fourth", csr=shop.csr())

    assert "All 3 places for OAuth 2.0 keys are taken." in page
    assert shop.key_path("/revoke") in page
    assert "already has 3 OAuth 2.0 keys" in problem(refused)
    assert "Rotate or renew" not in browser.get(shop.key_path()).text
    assert "Add new key and switch" in browser.get(shop.key_path()).text


# ------------------------------------------------------------------------------------------------------------- revoke


def revoke(shop: Shop, **form: str) -> str:
    answer = shop.browser().post(shop.key_path("/revoke"), **{"word": "REVOKE", "reason": "unused", **form})
    return answer.text


def test_the_word_has_to_be_typed(shop: Shop) -> None:
    assert "in capital letters" in revoke(shop, word="revoke", last="1")
    assert shop.credentials()[0].status is Status.ACTIVE


def test_the_last_active_key_goes_only_when_that_is_said(shop: Shop) -> None:
    page = shop.browser().get(shop.key_path("/revoke")).text
    held = revoke(shop)

    assert "This is the last active key here." in page
    assert "This is the last active key here" in held
    assert shop.credentials()[0].status is Status.ACTIVE
    assert "No gate admits it any more." in revoke(shop, last="1")
    assert shop.credentials()[0].status is Status.REVOKED


def test_a_key_that_has_company_goes_at_once_and_the_answer_says_how_far(shop: Shop) -> None:
    shop.add("another")

    assert "last active key" not in shop.browser().get(shop.key_path("/revoke")).text
    assert re.search(r"It took \d+\.\d\d s", revoke(shop))
    assert shop.credentials()[0].revoked_reason == "unused"


def test_a_second_tab_is_told_that_the_key_is_revoked_already(shop: Shop) -> None:
    shop.add("another")
    revoke(shop)

    again = revoke(shop)

    assert "was revoked already" in again
    assert "in another tab" in again
    assert 'name="word"' not in again


def test_callers_of_the_last_day_are_called_out(shop: Shop) -> None:
    now = shop.house.clock.now()
    place = (shop.house.organization_id, shop.key.id, shop.service.id)
    lately = Caller(*place, "10.1.4.9", "batch/2.1", now - timedelta(days=3), now - timedelta(minutes=7), 214, 0)
    before = Caller(*place, "10.9.9.9", "old/1", now - timedelta(days=9), now - timedelta(days=2), 5, 0)
    with writing(shop.house.platform.database.traces) as connection:
        traces.add_callers(connection, [lately, before])

    page = shop.browser().get(shop.key_path("/revoke")).text

    assert "1 caller has used this key in the last 24 hours" in page
    assert "10.1.4.9" in page
    assert "7 minutes ago, 214 calls" in page
    assert "10.9.9.9" not in page


def test_a_proof_that_is_not_recent_is_asked_for_before_the_form_and_leads_back_to_it(shop: Shop) -> None:
    browser = shop.browser()
    shop.house.clock.advance(FRESH)

    answer = browser.get(shop.key_path("/revoke"), **{"HX-Request-Type": "partial"})

    way = f"/confirm?next=%2Fprojects%2F{shop.project.id}%2Fkeys%2F{shop.key.id}%2Frevoke"
    assert answer.headers["HX-Redirect"] == way
    assert browser.get(shop.key_path("/revoke")).headers["Location"] == way


# ------------------------------------------------------------------------------------------------- rotate and renew


def test_renewing_is_offered_in_the_last_90_days_with_its_warning(shop: Shop) -> None:
    early = shop.browser().get(shop.key_path("/replace")).text
    shop.house.clock.advance(timedelta(days=330))
    late = shop.browser().get(shop.key_path("/replace")).text

    assert "Renew it all the same" not in early
    assert "Possible in its last 90 days" in early
    assert "Renew it all the same" in late
    assert "the same private key lives on" in late


def test_a_renewed_key_keeps_its_id_and_lives_longer(shop: Shop) -> None:
    shop.house.clock.advance(timedelta(days=330))
    browser = shop.browser()

    page = follow(browser, browser.post(shop.key_path("/renew"), once="0e4f"))

    (key,) = shop.credentials()
    assert "Renewed." in page
    assert key.id == shop.key.id
    assert key.not_after > shop.key.not_after


def test_a_rotated_key_names_its_successor_and_both_work(shop: Shop) -> None:
    browser = shop.browser()

    follow(browser, browser.post(shop.key_path("/rotate"), alias="successor", csr=shop.csr()))

    page = browser.get(shop.key_path()).text
    assert re.search(r"Followed by</dt><dd><a[^>]*><bdi class=\"name\">successor", page)
    assert [each.status for each in shop.credentials()] == [Status.ACTIVE, Status.ACTIVE]


def test_an_oauth_2_0_key_is_replaced_by_adding_one_that_is_linked_to_it(house: House) -> None:
    shop = Shop(house, ProjectType.OAUTH2_FAPI)
    browser = shop.browser()
    offered = browser.get(shop.key_path()).text + browser.get(shop.path("/sandbox")).text
    form = browser.get(shop.key_path("/switch")).text

    refused = browser.post(shop.key_path("/switch"), alias="successor", csr="no request")
    follow(browser, browser.post(shop.key_path("/switch"), alias="successor", csr=shop.csr()))

    assert offered.count(f'href="{shop.key_path("/switch")}"') == 2
    assert f"credenza key add --generate --replaces {shop.key.id}" in form
    assert f'href="{shop.key_path("/switch")}?method=paste"' in form
    assert (refused.status_code, "A key after" in refused.text) == (400, True)
    page = browser.get(shop.key_path()).text
    assert re.search(r"Followed by</dt><dd><a[^>]*><bdi class=\"name\">successor", page)


def test_who_has_no_place_left_is_told_so_before_switching(house: House) -> None:
    shop = Shop(house, ProjectType.OAUTH2_FAPI)
    shop.add("second")
    shop.add("third")

    assert "All 3 places for OAuth 2.0 keys are taken." in shop.browser().get(shop.key_path("/switch")).text


# ------------------------------------------------------------------------------------------------- lists and details


def test_a_list_is_filtered_sorted_and_gone_on_with_on_the_server(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credenza.portal.credential_lists.PAGE", 2)
    for alias in ("alpha", "beta", "gamma"):
        shop.house.clock.advance(timedelta(days=1))
        shop.add(alias)
    browser = shop.browser()

    first = browser.get(shop.path("/sandbox?order=alias"))
    onward = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert onward is not None
    second = browser.get(onward[1].replace("&amp;", "&"))

    assert names(first.text) == ["alpha", "beta"]
    assert names(second.text) == ["first", "gamma"]
    assert names(browser.get(shop.path("/sandbox?q=GA")).text) == ["gamma"]
    assert names(browser.get(shop.path("/sandbox?state=revoked")).text) == []
    assert 'aria-sort="ascending"' in first.text


def names(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a[^>]*><bdi class="name">([^<]+)<', page)


@pytest.mark.parametrize("query", ["state=nonsense", "order=--", "after=' OR 1=1", "q=%25%25", "state=all&q=%00"])
def test_an_address_that_somebody_made_up_shows_a_list_all_the_same(shop: Shop, query: str) -> None:
    assert shop.browser().get(shop.path(f"/sandbox?{query}")).status_code == 200


def test_files_of_a_key_are_read_by_the_tools_they_are_for(shop: Shop) -> None:
    browser = shop.browser()

    def file(name: str) -> bytes:
        answer = browser.get(shop.key_path(f"/files/{name}"))
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{shop.key.id[:8]}-{name}"'
        return answer.content

    leaf, issuer = load_pem_x509_certificates(file("chain.pem"))
    leaf.verify_directly_issued_by(issuer)
    key = load_pem_public_key(file("public-key.pem"))
    assert leaf.public_key() == key == load_der_public_key(file("public-key.der"))
    assert f'"kid": "{shop.key.id}"'.encode() in file("public-key.jwk")
    assert browser.get(shop.key_path("/files/private-key.pem")).status_code == 404


def test_who_may_only_look_is_offered_nothing_else(shop: Shop) -> None:
    reader = shop.house.join("Reader", OrganizationRole.USER)
    project_members.set_role(
        shop.house.platform, shop.actor, shop.project.id, email=reader.email, role=ProjectRole.READ_ONLY,
        now=shop.house.clock.now(),
    )  # fmt: skip
    browser = shop.house.visit(reader)

    page = browser.get(shop.path("/sandbox")).text + browser.get(shop.key_path()).text

    assert "Add a key" not in page
    assert "/revoke" not in page
    assert "/replace" not in page
    assert "What was done with it" not in page
    refused = browser.post(shop.path("/sandbox/keys"), alias="no", csr=shop.csr())
    assert "Your role does not allow" in problem(refused)


def test_an_outsider_is_told_of_no_project(shop: Shop) -> None:
    outsider = shop.house.visit(shop.house.join("Outsider", OrganizationRole.USER))

    for rest in ("", "/sandbox", "/members", "/settings", f"/keys/{shop.key.id}"):
        assert outsider.get(shop.path(rest)).status_code == 404


def test_an_admin_reads_what_was_done_with_a_key(shop: Shop) -> None:
    oauth_keys.rotate(
        shop.house.platform, shop.actor, shop.project.id, shop.key.id, shop.new_key("next"),
        now=shop.house.clock.now(),
    )  # fmt: skip
    successor = shop.credentials()[-1]

    assert "<code>key.rotate</code>" in shop.browser().get(shop.key_path("", successor)).text


def test_a_key_of_another_project_is_not_found_below_this_one(shop: Shop) -> None:
    other = projects.create(
        shop.house.platform, shop.actor, shop.house.organization_id,
        projects.NewProject(ProjectType.OAUTH10A, "Other", "", shop.service.id, SANDBOX, shop.new_key("other")),
        now=shop.house.clock.now(),
    )  # fmt: skip

    assert shop.browser().get(shop.key_path("", other.credentials[0])).status_code == 404


def test_the_page_behind_a_new_key_tells_of_its_first_call(shop: Shop) -> None:
    now, browser = shop.house.clock.now(), shop.browser()
    place = (shop.house.organization_id, shop.key.id, shop.service.id, "10.1.4.7", "")
    waiting = browser.get(shop.key_path("/start")).text
    with writing(shop.house.platform.database.traces) as connection:
        traces.add_callers(connection, [Caller(*place, now, now, 0, 1)])
    refused = browser.get(shop.key_path("/start")).text
    with writing(shop.house.platform.database.traces) as connection:
        traces.add_callers(connection, [Caller(*place, now, now, 1, 0)])
    shop.house.clock.advance(timedelta(seconds=2))
    seen = browser.get(shop.key_path("/start")).text

    assert "Waiting for the first authenticated call" in waiting
    assert "A call from 10.1.4.7 was refused." in refused
    assert re.search(r"<b>Seen</b>\s+2 s ago from 10\.1\.4\.7", seen)


def test_production_is_requested_with_a_key_of_its_own(shop: Shop) -> None:
    browser = shop.browser()
    before = browser.get(shop.path("/production")).text

    follow(browser, browser.post(shop.path("/production/request"), alias="live-1", csr=shop.csr()))
    again = browser.post(shop.path("/production/request"), alias="live-2", csr=shop.csr())

    assert "No Production yet" in before
    assert [each.environment for each in shop.credentials()] == [SANDBOX, PRODUCTION]
    assert "already has its PRODUCTION environment" in problem(again)


def test_a_key_added_to_an_environment_that_is_not_there_is_refused_with_the_way_to_it(shop: Shop) -> None:
    answer = shop.browser().post(shop.path("/production/keys"), alias="early", csr=shop.csr())

    assert "no PRODUCTION environment yet" in problem(answer)
    new = NewEnvironment(PRODUCTION, shop.new_key("live"))
    projects.add_environment(shop.house.platform, shop.actor, shop.project.id, new, now=shop.house.clock.now())
    assert shop.browser().get(shop.path("/production")).text.count('<th scope="row">') == 1
