"""Rules of the pages of certificates, asked without a browser: what they take, refuse and show."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.portal.house import OPERATOR, House
from tests.portal.shop import SANDBOX, Shop, follow, problem
from tests.protocol.authorities import CLIENT, Party

from credenza.actions import certificates, trusted_authorities
from credenza.actions.trusted_authorities import NewTrust
from credenza.domain import subject_policy
from credenza.domain.model import OrganizationRole, ProjectType, Status
from credenza.protocol import csr
from credenza.protocol.certificate import describe, parse

HOSTILE = ["<script>alert(1)</script>", "{{ 7 * 7 }}", "%(count)d {0}"]


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house, ProjectType.MTLS)


def request(common_name: str) -> str:
    return csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=common_name).decode()


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def trust(shop: Shop) -> Party:
    """Trust the root of somebody else in the sandbox."""
    root = Party("Partner Root")
    new = NewTrust(SANDBOX, "Partner Root", pem(root.root()).encode())
    trusted_authorities.add(shop.house.platform, OPERATOR, new, now=shop.house.clock.now())
    return root


def test_the_page_of_an_mtls_project_shows_alias_cn_status_expiry_and_use(shop: Shop) -> None:
    page = shop.browser().get(shop.path("/sandbox")).text

    assert "first" in page
    assert "client 0" in page
    assert "Add a certificate" in page
    assert "Add a key" not in page
    assert re.search(r'class="status active">', page)
    assert "never" in page


def test_an_oauth_2_0_project_shows_certificates_beside_its_keys(house: House) -> None:
    shop = Shop(house, ProjectType.OAUTH2_FAPI)
    held = shop.certify("till")

    page = shop.browser().get(shop.path("/sandbox")).text

    assert "Add a key" in page
    assert "Add a certificate" in page
    assert shop.certificate_path(held=held) in page


def test_an_oauth_1_0a_project_shows_no_certificates(house: House) -> None:
    shop = Shop(house)

    assert "mTLS certificates" not in shop.browser().get(shop.path("/sandbox")).text


def test_a_pasted_request_is_certified_and_leads_to_the_page_of_its_first_use(shop: Shop) -> None:
    browser = shop.browser()
    form = {"method": "paste", "alias": "till-7", "csr": request("till-7")}

    page = follow(browser, browser.post(shop.path("/sandbox/certificates"), **form))

    assert "till-7" in page
    assert "curl --cert-type P12" in page
    assert "https://sandbox.example.com/orders" in page
    assert page.count("-----BEGIN CERTIFICATE-----") == 2
    assert len(shop.credentials()) == 2


def test_a_certificate_of_a_trusted_authority_is_pasted_with_its_chain(shop: Shop) -> None:
    root, middle, client = trust(shop), Party("Partner Issuing"), Party("partner-1750000000")
    bundle = pem(middle.certify(client, extensions=((CLIENT, False),))) + pem(root.certify(middle, ca=True))
    browser = shop.browser()
    form = browser.get(shop.path("/sandbox/certificates/new?method=certificate")).text

    page = follow(
        browser,
        browser.post(shop.path("/sandbox/certificates"), method="certificate", alias="partner", certificate=bundle),
    )

    assert "Partner Root" in form
    assert "partner-1750000000" in page
    held = shop.credentials()[-1]
    details = browser.get(shop.certificate_path(held=held)).text
    assert "Partner Issuing" in details
    assert "issued by a trusted authority" in details


def test_the_form_says_that_no_authority_is_trusted_yet(shop: Shop) -> None:
    page = shop.browser().get(shop.path("/sandbox/certificates/new?method=certificate")).text

    assert "credenza ca trust add" in page


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"method": "paste", "csr": ""}, "Paste the certification request."),
        ({"method": "certificate", "certificate": ""}, "Choose the file with the certificate"),
        ({"method": "certificate", "certificate": "nothing"}, "PEM block"),
        ({"method": "paste", "csr": "nothing"}, "PEM block"),
        ({"alias": ""}, "Give the certificate a name of 1 to 120"),
    ],
)
def test_a_form_that_cannot_be_taken_says_why(shop: Shop, form: dict[str, str], says: str) -> None:
    sent = {"method": "paste", "alias": "x", "csr": request("x"), **form}

    answer = shop.browser().post(shop.path("/sandbox/certificates"), **sent)

    assert answer.status_code == 400
    assert says in problem(answer)
    assert len(shop.credentials()) == 1


def test_the_same_subject_is_refused_with_the_hint(shop: Shop) -> None:
    browser, place = shop.browser(), shop.path("/sandbox/certificates")
    browser.post(place, method="paste", alias="a", csr=request("example-1682563200"))

    answer = browser.post(place, method="paste", alias="b", csr=request("Example-1682563200"))

    assert answer.status_code == 400
    assert "from example-1682563200 to example-1682566800" in problem(answer)


@pytest.mark.parametrize("field", ["certificate", "csr"])
def test_a_private_key_is_refused_and_stands_nowhere(shop: Shop, field: str, capfd: pytest.CaptureFixture[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    part = secret.splitlines()[1]
    leaf = pem(Party("root").certify(Party("client")))
    method = {"certificate": "certificate", "csr": "paste"}[field]
    for sent in (secret, leaf + secret):
        answer = shop.browser().post(shop.path("/sandbox/certificates"), method=method, alias="oops", **{field: sent})
        assert "not stored and not logged" in problem(answer)
        assert part not in answer.text
    assert part not in "".join(capfd.readouterr())
    database = Path(shop.house.platform.database.records.url.database or "")
    assert not any(part.encode() in each.read_bytes() for each in database.parent.iterdir() if each.is_file())


def test_a_request_is_checked_while_it_is_typed_for_this_kind_and_this_project(shop: Shop) -> None:
    shop.house.clock.advance(timedelta(seconds=1))
    p384 = csr.build(ec.generate_private_key(ec.SECP384R1()), common_name="new").decode()
    place = {"project_type": "MTLS", "project": shop.project.id, "environment": "SANDBOX"}
    browser = shop.browser()

    fine = browser.post("/csr-checks", csr=p384, **place).text
    again = csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="client 0", organization="Acme").decode()
    used = browser.post("/csr-checks", csr=again, **place).text

    assert "neither the key nor the subject was used before" in fine
    assert 'class="failed"' not in fine
    assert "the subject was used before" in used


def test_the_subject_that_an_operator_wants_is_what_the_browser_asks_for(shop: Shop) -> None:
    policy = subject_policy.parse("CN=<unique>-Client-<ENV>-<CID>, OU=<project>")
    shop.house.platform.policy.subject_policies[SANDBOX] = policy  # type: ignore[index]  # the house's own dict

    page = shop.browser().get(shop.path("/sandbox/certificates/new")).text

    assert "&lt;unique&gt;-Client-MTF-000000" in page or "\\u003cunique\\u003e-Client-MTF-000000" in page


def test_details_name_both_fingerprints_chain_and_serial(shop: Shop) -> None:
    certificate = x509.load_der_x509_certificate(shop.key.certificate_der)

    page = shop.browser().get(shop.certificate_path()).text

    assert f"{certificate.serial_number:x}" in page
    assert "O=Acme, CN=client 0" in page
    assert page.count("SHA-256</dt>") == 2
    assert "Credenza Sandbox Issuing CA 1" in page
    assert "Credenza Sandbox Root CA" in page


@pytest.mark.parametrize(
    ("name", "certificates_in_it"), [("certificate.pem", 1), ("chain.pem", 2), ("authorities.pem", 2)]
)
def test_files_are_what_they_say(shop: Shop, name: str, certificates_in_it: int) -> None:
    answer = shop.browser().get(shop.certificate_path(f"/files/{name}"))

    assert answer.text.count("BEGIN CERTIFICATE") == certificates_in_it
    assert shop.key.id[:8] in answer.headers["Content-Disposition"]


def test_revoking_takes_the_word_and_says_what_is_lost(shop: Shop) -> None:
    browser = shop.browser()
    asked = browser.get(shop.certificate_path("/revoke")).text
    wrong = browser.post(shop.certificate_path("/revoke"), word="revoke", reason="unused")
    held_back = browser.post(shop.certificate_path("/revoke"), word="REVOKE", reason="unused")
    done = browser.post(shop.certificate_path("/revoke"), word="REVOKE", reason="unused", last="1")

    assert "This is the last active certificate here." in asked
    assert "type the word" in problem(wrong)
    assert "last active certificate" in problem(held_back)
    assert "No gate admits it any more" in done.text
    assert shop.credentials()[0].status is Status.REVOKED


def test_a_successor_is_added_beside_and_linked(shop: Shop) -> None:
    browser = shop.browser()
    form = {"method": "paste", "alias": "next", "csr": request("next")}

    follow(browser, browser.post(shop.certificate_path("/replace"), **form))

    added = shop.credentials()[-1]
    assert added.predecessor_id == shop.key.id
    assert shop.certificate_path(held=added) in browser.get(shop.certificate_path()).text
    assert "A certificate after" in browser.get(shop.certificate_path("/replace")).text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_shown_as_text_on_every_page(shop: Shop, text: str) -> None:
    browser, form = shop.browser(), {"method": "paste", "alias": text, "csr": request(text)}
    page = follow(browser, browser.post(shop.path("/sandbox/certificates"), **form))
    held = shop.credentials()[-1]
    pages = [
        page,
        *(browser.get(shop.certificate_path(rest, held)).text for rest in ("", "/replace", "/revoke")),
        browser.get(shop.path("/sandbox")).text,
        browser.get(shop.house.path("/search?q=" + quote(text))).text,
    ]

    for each in pages:
        assert "<script>alert" not in each
        assert "49" not in re.findall(r'class="name">([^<]*)<', each)


def test_a_project_of_type_mtls_is_made_with_its_first_certificate(shop: Shop) -> None:
    browser = shop.browser()
    path = shop.house.path("/projects")
    form = {"name": "Vault", "service": f"{shop.service.id} MTLS", "environment": "SANDBOX", "method": "paste"}

    page = follow(browser, browser.post(path, alias="one", csr=request("vault-1"), **form))

    assert "The certificate" in page
    assert "mTLS" in browser.get(f"{path}/new").text


def test_its_other_environment_is_requested_with_a_certificate(shop: Shop) -> None:
    browser = shop.browser()
    asked = browser.get(shop.path("/production/request?method=certificate")).text

    page = follow(
        browser, browser.post(shop.path("/production/request"), method="paste", alias="live", csr=request("live"))
    )

    assert "Upload a certificate" in asked
    assert "The certificate" in page


def test_expiry_search_and_overview_lead_to_the_certificate(shop: Shop) -> None:
    shop.house.clock.set(shop.key.not_after - timedelta(days=20))
    browser, page = shop.browser(), shop.certificate_path()

    for path in ("/expiry", "/search?q=first", f"/search?q={shop.key.spki_sha256[:12]}", "/overview"):
        assert page in browser.get(shop.house.path(path)).text, path


def test_the_list_is_searched_by_a_part_of_the_subject(shop: Shop) -> None:
    browser, named = shop.browser(), describe(parse(shop.key.certificate_der)).subject.rpartition("CN=")[2]

    for text, there in ((named, True), (f"CN={named}", True), (f"{named}x", False)):
        page = browser.get(shop.path(f"/sandbox/certificates?q={quote(text)}")).text
        assert (shop.certificate_path() in page) is there, text


def test_who_only_reads_sees_no_button_that_is_refused(shop: Shop) -> None:
    reader = shop.house.visit(shop.put_on("Rita"))

    page = reader.get(shop.certificate_path()).text

    assert "/revoke" not in page
    assert "/replace" not in page
    assert (
        reader.post(shop.path("/sandbox/certificates"), method="paste", alias="x", csr=request("x")).status_code == 403
    )


def test_a_stranger_is_told_that_there_is_no_such_project(shop: Shop) -> None:
    stranger = shop.house.visit(shop.house.join("Sid", OrganizationRole.USER))

    for rest in ("", "/start", "/files/chain.pem", "/revoke"):
        assert stranger.get(shop.certificate_path(rest)).status_code in (303, 404)


def test_both_kinds_have_pages_of_their_own(house: House) -> None:
    shop = Shop(house, ProjectType.OAUTH2_FAPI)
    held = shop.certify("till")
    browser = shop.browser()

    assert browser.get(shop.path(f"/keys/{held.id}")).status_code == 404
    assert browser.get(shop.certificate_path()).status_code == 404
    assert certificates.get(house.platform, shop.actor, shop.project.id, held.id, now=house.clock.now()) == held
