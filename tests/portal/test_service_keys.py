"""Rules of the pages for keys that protect payloads, asked without a browser."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.portal.house import OPERATOR, House
from tests.portal.shop import SANDBOX, Shop, follow, problem
from tests.portal.test_same_thing import check_call, check_command, is_call, shown

from credenza.actions import service_keys, services
from credenza.actions.service_key_admission import ByRequest, MadeHere, NewServiceKey
from credenza.domain.model import Credential, CredentialKind, OrganizationRole, Status
from credenza.domain.service_keys import TYPES

ENCRYPTION, OURS, SIGNATURE = (
    CredentialKind.RESPONSE_ENCRYPTION,
    CredentialKind.REQUEST_ENCRYPTION,
    CredentialKind.REQUEST_SIGNATURE,
)
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }} %(count)d"


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house)


def base(shop: Shop) -> str:
    return shop.path(f"/services/{shop.service.id}/sandbox")


def add(shop: Shop, kind: CredentialKind, alias: str) -> Credential:
    new: NewServiceKey = MadeHere(alias) if kind is OURS else ByRequest(kind, alias, shop.csr().encode())
    place = (shop.project.id, shop.service.id)
    return service_keys.add(shop.house.platform, shop.actor, *place, new, SANDBOX, now=shop.house.clock.now())


def status_of(shop: Shop, key: Credential) -> Status:
    place = (shop.project.id, shop.service.id, key.id)
    return service_keys.get(shop.house.platform, shop.actor, *place, now=shop.house.clock.now()).status


def encrypts(shop: Shop, rules: str = '{"encryption": {"mode": "JWE"}}') -> None:
    place = (shop.service.id, SANDBOX, rules)
    services.set_payload_rules(shop.house.platform, OPERATOR, *place, now=shop.house.clock.now())


def key_page(shop: Shop, answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return shop.browser().get(answer.headers["location"]).text


def test_the_services_of_a_project_lead_to_their_keys(shop: Shop) -> None:
    assert f'href="{base(shop)}"' in shop.browser().get(shop.path("/services")).text


def test_a_project_and_the_catalog_say_what_of_payloads_is_protected(shop: Shop) -> None:
    catalog, project = f"/organizations/{shop.house.organization_id}/settings", shop.path("/services")
    before = [shop.browser().get(each).text for each in (catalog, project)]

    encrypts(shop, '{"encryption": {"mode": "FIELD", "responses": null}, "signature": {"requests": false}}')

    listed, used = (shop.browser().get(each).text for each in (catalog, project))
    assert all("requests are encrypted" not in each for each in before)
    for page in (listed, used):
        assert "requests are encrypted" in page
        assert "answers are signed" in page
        assert "answers are encrypted" not in page
        assert "requests are signed" not in page
    assert "&#34;mode&#34;: &#34;FIELD&#34;" in listed


def test_the_page_says_of_every_kind_who_holds_which_half(shop: Shop) -> None:
    page = shop.browser().get(base(shop)).text

    for kind, ours in ((ENCRYPTION, False), (OURS, True), (SIGNATURE, False)):
        _, _, section = page.partition(f'id="{kind.lower()}"')
        client, _, platform = section.partition("<figcaption")[0].partition('class="way')
        assert ("private key" in client, "private key" in platform) == (not ours, ours), kind
        assert TYPES[kind] in section


def test_a_client_encryption_key_is_made_by_a_name_alone_and_downloaded(shop: Shop) -> None:
    answer = shop.browser().post(base(shop), type="CLIENT_ENCRYPTION", alias="requests-2026")

    page = key_page(shop, answer)
    pem = shop.browser().get(answer.headers["location"] + "/files/certificate.pem").content
    certificate = x509.load_pem_x509_certificate(pem)
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert "requests-2026" in page
    assert "PRIVATE KEY" not in page
    (listed,) = re.findall(r'id="certificate">([0-9a-f]{64})<', page)
    assert listed in page


@pytest.mark.parametrize("kind", [ENCRYPTION, SIGNATURE])
def test_a_key_of_the_client_s_comes_by_a_request(shop: Shop, kind: CredentialKind) -> None:
    form = {"type": TYPES[kind], "alias": "mine", "method": "paste", "csr": shop.csr()}

    page = key_page(shop, shop.browser().post(base(shop), **form))

    assert TYPES[kind] in page
    assert ">active<" in page


def test_a_key_of_the_client_s_comes_by_its_public_key(shop: Shop) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    form = {"type": TYPES[SIGNATURE], "alias": "mine", "method": "public_key", "public_key": pem}

    page = key_page(shop, shop.browser().post(base(shop), **form))

    assert "EC-P256" in page


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"alias": ""}, "name of 1 to 120"),
        ({"method": "public_key"}, "Paste the public key"),
        ({"method": "public_key", "public_key": "-----BEGIN PUBLIC KEY-----"}, "no complete PEM block"),
        ({"method": "paste", "csr": "nothing"}, "PEM"),
    ],
)
def test_a_form_that_cannot_be_taken_says_why(shop: Shop, form: dict[str, str], says: str) -> None:
    answer = shop.browser().post(base(shop), **{"type": TYPES[ENCRYPTION], "alias": "x", **form})

    assert (answer.status_code, says in problem(answer)) == (400, True), problem(answer)


def test_a_private_key_that_was_pasted_is_not_shown_again(shop: Shop) -> None:
    pasted = "-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBgkq\n-----END PRIVATE KEY-----"
    form = {"type": TYPES[ENCRYPTION], "alias": "x", "method": "public_key", "public_key": pasted}

    answer = shop.browser().post(base(shop), **form)

    assert answer.status_code == 400
    assert "MIIBVgIBADANBgkq" not in answer.text


def test_activating_swaps_and_says_so_before(shop: Shop) -> None:
    old, new = add(shop, ENCRYPTION, "old-key"), add(shop, ENCRYPTION, "new-key")
    browser = shop.browser()
    since = re.compile(r"inactive</span> since ")
    waiting = browser.get(f"{base(shop)}/{new.id}").text
    shop.house.clock.advance(timedelta(minutes=1))

    asked = html.unescape(re.sub(r"<[^>]+>", "", browser.get(f"{base(shop)}/{new.id}/activate").text))
    page = follow(browser, browser.post(f"{base(shop)}/{new.id}/activate"))

    assert "new-key becomes active, old-key becomes inactive at once" in asked
    assert (status_of(shop, old), status_of(shop, new)) == (Status.INACTIVE, Status.ACTIVE)
    assert since.search(waiting) is None, "it was never active"
    assert since.search(browser.get(f"{base(shop)}/{old.id}").text) is not None
    assert f'href="{base(shop)}/{old.id}/activate"' in page


def test_an_active_key_is_revoked_only_after_another_was_activated(shop: Shop) -> None:
    old, new = add(shop, SIGNATURE, "old"), add(shop, SIGNATURE, "new")
    browser = shop.browser()
    at = f"{base(shop)}/{old.id}/revoke"
    assert "Activate another one first" in browser.get(at).text

    refused = browser.post(at, word="REVOKE", reason="unused")
    browser.post(f"{base(shop)}/{new.id}/activate")
    mistyped = browser.post(at, word="revoke", reason="unused")
    done = browser.post(at, word="REVOKE", reason="replaced")

    assert (refused.status_code, mistyped.status_code, done.status_code) == (400, 400, 303)
    assert "ctivate another" in problem(refused)
    assert status_of(shop, old) is Status.REVOKED
    assert "revoked already" in browser.get(at).text


def test_a_round_trip_shows_what_travels_and_what_is_read(shop: Shop) -> None:
    encrypts(shop)
    add(shop, OURS, "ours")
    add(shop, ENCRYPTION, "theirs")

    page = html.unescape(shop.browser().post(f"{base(shop)}/trial", payload='{"card": "5123456789012345"}').text)

    assert page.count('"encryptedData": "eyJ') == 2
    assert re.search(r'<pre id="plain">\{\s*"card": "5123456789012345"\s*\}', page)


def test_a_round_trip_says_which_key_is_lacking(shop: Shop) -> None:
    encrypts(shop)
    add(shop, OURS, "ours")

    page = shop.browser().post(f"{base(shop)}/trial", payload="{}").text

    assert "There is no active encryption key" in page
    assert "no active client encryption key" not in page


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ('{"a": 1, "a": 2}', "twice"),
        ("[" * 5000, "deep"),
        ("x" * 20_001, "At most 20000 bytes"),
    ],
    ids=["nothing", "cut off", "a member twice", "deep", "long"],
)
def test_a_round_trip_of_what_is_no_payload_says_why(shop: Shop, sent: str, says: str) -> None:
    encrypts(shop)
    add(shop, OURS, "ours")

    answer = shop.browser().post(f"{base(shop)}/trial", payload=sent)

    assert (answer.status_code, says in problem(answer)) == (400, True), problem(answer)


def test_a_service_that_encrypts_nothing_offers_no_round_trip(shop: Shop) -> None:
    page = shop.browser().get(base(shop)).text
    answer = shop.browser().post(f"{base(shop)}/trial", payload="{}")

    assert "Test round trip" not in page
    assert (answer.status_code, "nothing is encrypted" in problem(answer)) == (400, True)


def test_who_only_reads_sees_the_keys_and_changes_none(shop: Shop) -> None:
    old, new = add(shop, ENCRYPTION, "old-key"), add(shop, ENCRYPTION, "new-key")
    browser = shop.house.visit(shop.put_on("Bob"))

    page = browser.get(base(shop)).text
    answers = [
        browser.post(base(shop), type="CLIENT_ENCRYPTION", alias="x"),
        browser.post(f"{base(shop)}/{new.id}/activate"),
        browser.post(f"{base(shop)}/{old.id}/revoke", word="REVOKE"),
    ]

    assert "old-key" in page
    assert "Add a key" not in page
    assert "/activate" not in page
    assert [each.status_code for each in answers] == [403, 403, 403]


def test_a_stranger_learns_of_no_key(shop: Shop) -> None:
    key = add(shop, ENCRYPTION, "secret-alias")
    browser = shop.house.visit(shop.house.join("Eve", OrganizationRole.USER))  # and not on the project

    for path in (base(shop), f"{base(shop)}/{key.id}", f"{base(shop)}/{key.id}/files/certificate.pem"):
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert "secret-alias" not in answer.text


@pytest.mark.parametrize("rest", ["/nothing", "/new", "/new?type=PARTNER"])
def test_what_is_not_there_is_not_found(shop: Shop, rest: str) -> None:
    assert shop.browser().get(base(shop) + rest).status_code == 404


def test_a_key_of_another_environment_is_not_found(shop: Shop) -> None:
    key = add(shop, ENCRYPTION, "here")
    elsewhere = shop.path(f"/services/{shop.service.id}/production/{key.id}")

    assert shop.browser().get(elsewhere).status_code == 404


def test_what_a_key_is_called_is_text(shop: Shop) -> None:
    key = add(shop, OURS, HOSTILE)

    for path in (base(shop), f"{base(shop)}/{key.id}", f"{base(shop)}/{key.id}/revoke"):
        page = shop.browser().get(path).text
        assert "<script>alert" not in page
        assert "{{ 7 * 7 }}" in html.unescape(page)


def test_every_page_says_how_the_same_is_done_elsewhere(shop: Shop) -> None:
    add(shop, ENCRYPTION, "old")
    key = add(shop, ENCRYPTION, "new")
    paths = ["", "/new?type=CLIENT_ENCRYPTION", f"/new?type={TYPES[SIGNATURE]}"]
    paths += [f"/{key.id}", f"/{key.id}/activate", f"/{key.id}/revoke"]

    for rest in paths:
        said = shown(shop.browser().get(base(shop) + rest).text)
        commands, calls = [each for each in said if "credenza " in each], [each for each in said if is_call(each)]
        assert commands
        assert calls
        for line in commands:
            check_command(line[line.index("credenza ") :])
        for line in calls:
            check_call(line)
