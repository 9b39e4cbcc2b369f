"""The key ceremony in a real browser: what it writes is opened by the programs that people use, and nothing is sent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    pkcs12,
)
from joserfc.jwk import JWKRegistry
from playwright.sync_api import Browser, Error, Page
from pydantic import TypeAdapter, ValidationError
from tests import browser as browsers
from tests import java
from tests.static_site import Site, static_site

from credenza.protocol import csr, distinguished_name, issuance
from credenza.protocol.pkcs12 import load_private_key
from credenza.wire.shape import Name

CEREMONY = Path(__file__).parents[2] / "src" / "credenza" / "portal" / "static" / "ceremony"
PAGE = """<!doctype html><html lang="en"><title>Ceremony</title><link rel="icon" href="data:,">
<script type="module" src="/test.js"></script>"""
# What the add dialog does: the handle stays in the module, tests reach it by number.
TEST_SCRIPT = """
import * as ceremony from "/ceremony/ceremony.js";
const kept = [];
const longTasks = [];
const note = (entries) => longTasks.push(...entries.map((each) => each.duration));
const observer = new PerformanceObserver((list) => note(list.getEntries()));
observer.observe({ type: "longtask" });
window.ceremony = {
  ...ceremony,
  make: async (kind) => kept.push(await ceremony.makeKey(kind)) - 1,
  handle: (at) => kept[at],
  longTasks: async () => {
    await new Promise((resume) => setTimeout(resume, 50));
    note(observer.takeRecords());
    return longTasks.splice(0);
  },
};
"""
POLICY = "default-src 'none'; script-src 'self'; img-src data:; base-uri 'none'"

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
KINDS = ("RSA-2048", "RSA-3072", "RSA-4096", "EC-P256")
KEYTOOL = (*java.KEYTOOL, "-J-Dfile.encoding=UTF-8", "-J-Dstdout.encoding=UTF-8")
PASSWORD = "keystore password ~!"
ALIAS = "schlüssel 鍵"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with static_site({"/": PAGE, "/test.js": TEST_SCRIPT, "/ceremony": CEREMONY}, policy=POLICY) as site:
        yield site


@pytest.fixture
def desk(kept_page: Page, site: Site) -> Page:
    """A page that has loaded the ceremony and nothing else."""
    return opened(kept_page, site.origin)


def opened(page: Page, origin: str) -> Page:
    page.goto(origin)
    page.wait_for_function("window.ceremony")
    return page


class Authority:
    """A root and an issuing authority, as the product has them."""

    def __init__(self) -> None:
        period = issuance.validity(NOW, ends_at=NOW + timedelta(days=36_500))
        root_key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self._period = period
        self.root = issuance.make_root(
            root_key, subject=named("Root"), public_key=root_key.public_key(), serial_number=1, validity=period
        )
        self.issuing = issuance.make_issuing(
            root_key,
            self.root,
            subject=named("Issuing"),
            public_key=self._key.public_key(),
            serial_number=2,
            validity=period,
        )

    def answer(self, request: csr.CertificationRequest) -> str:
        leaf = issuance.make_leaf(
            self._key,
            self.issuing,
            profile=issuance.CLIENT_LEAF,
            subject=distinguished_name.to_name(request.subject),
            public_key=request.public_key,
            serial_number=3,
            validity=self._period,
        )
        return "".join(each.public_bytes(Encoding.PEM).decode() for each in (leaf, self.issuing, self.root))


def named(common_name: str) -> x509.Name:
    return distinguished_name.to_name((("CN", common_name),))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


class Made:
    """Everything that one ceremony hands out, and what the browser asked the network for meanwhile."""

    def __init__(self, page: Page, kind: str, authority: Authority) -> None:
        self.kind = kind
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.evaluate("ceremony.longTasks()")
        subject = {"commonName": "billing \U0001f511 <b>", "organization": "Müller & Söhne"}
        at = page.evaluate("kind => ceremony.make(kind)", kind)
        self.request_pem = call(page, "certificationRequest(handle, it)", at, subject)
        self.request = csr.parse(self.request_pem)
        self.chain_pem = authority.answer(self.request)
        order = {"chainPem": self.chain_pem, "alias": ALIAS, "password": PASSWORD}
        self.octets = bytes(call(page, "keystore({...it, keyPair: handle}).then(file => [...file])", at, order))
        self.encrypted_pem = call(page, "encryptedPem({keyPair: handle, password: it})", at, PASSWORD)
        self.jwk = call(page, "jwk(handle, {kid: it})", at, "kid-1")
        self.public_pem = call(page, "publicPem(handle)", at, None)
        self.certificate_pem = call(page, "certificatePem({keyPair: handle, chainPem: it})", at, self.chain_pem)
        self.long_tasks: list[float] = page.evaluate("ceremony.longTasks()")

    @property
    def chain(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.chain_pem.encode())

    def private_key(self) -> Any:
        return pkcs12.load_pkcs12(self.octets, PASSWORD.encode()).key


def call(page: Page, expression: str, at: int, argument: object) -> Any:
    return page.evaluate(
        f"([at, it]) => {{ const handle = ceremony.handle(at); return ceremony.{expression}; }}", [at, argument]
    )


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, browser: Browser, site: Site, authority: Authority) -> Iterator[Made]:
    """One ceremony for each kind of key; the tests look at what came out of it."""
    with browsers.in_use(browser):
        context = browser.new_context()
        complaints = browsers.Complaints()
        complaints.watch(context)
        made = Made(opened(context.new_page(), site.origin), request.param, authority)
        context.close()
    assert complaints.unexpected() == []
    print(f"{request.param}: tasks of more than 50 ms in the whole ceremony: {sorted(map(round, made.long_tasks))}")
    return made


def certified(page: Page, authority: Authority) -> tuple[int, str]:
    """A key and the authority's answer for it."""
    at: int = page.evaluate("ceremony.make('EC-P256')")
    request = call(page, "certificationRequest(handle, {commonName: 'billing'})", at, None)
    return at, authority.answer(csr.parse(request))


def key_store(page: Page, authority: Authority, alias: str, password: str) -> bytes:
    at, chain = certified(page, authority)
    order = {"chainPem": chain, "alias": alias, "password": password}
    return bytes(call(page, "keystore({...it, keyPair: handle}).then(file => [...file])", at, order))


@pytest.fixture
def store_file(tmp_path: Path, made: Made) -> Path:
    path = tmp_path / "store.p12"
    path.write_bytes(made.octets)
    return path


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=True, capture_output=True)
    return (done.stdout + done.stderr).decode(errors="replace")


# The request


def test_a_request_is_accepted_by_us_and_keeps_its_names(made: Made) -> None:
    assert made.request.key_algorithm == made.kind
    assert made.request.subject == (("O", "Müller & Söhne"), ("CN", "billing \U0001f511 <b>"))


def test_a_request_is_verified_by_openssl(tmp_path: Path, made: Made) -> None:
    (tmp_path / "request.csr").write_text(made.request_pem)

    report = run("openssl", "req", "-in", tmp_path / "request.csr", "-verify", "-noout", "-text")

    assert "verify OK" in report
    assert "Version: 1 (0x0)" in report


def test_many_ecdsa_signatures_are_all_encoded_as_der_wants_them(desk: Page) -> None:
    # r or s begins with a zero octet, or needs one, in most of these.
    at = desk.evaluate("ceremony.make('EC-P256')")
    requests = desk.evaluate(
        "at => Promise.all(Array.from({length: 600}, () => "
        "ceremony.certificationRequest(ceremony.handle(at), {commonName: 'billing'})))",
        at,
    )

    assert {csr.parse(request).key_algorithm for request in requests} == {"EC-P256"}


def test_a_request_names_no_organization_when_none_is_given(desk: Page) -> None:
    at = desk.evaluate("ceremony.make('EC-P256')")

    request = call(desk, "certificationRequest(handle, {commonName: it})", at, "billing")

    assert csr.parse(request).subject == (("CN", "billing"),)


# The key store


def test_cryptography_opens_a_key_store_with_alias_and_chain(made: Made) -> None:
    opened = pkcs12.load_pkcs12(made.octets, PASSWORD.encode())

    leaf, *issuers = made.chain
    assert opened.key.public_key() == leaf.public_key() == made.request.public_key
    assert (opened.cert.certificate, opened.cert.friendly_name) == (leaf, ALIAS.encode())
    assert [each.certificate for each in opened.additional_certs] == issuers
    assert [each.friendly_name for each in opened.additional_certs] == [None, None]


def test_our_command_line_opens_a_key_store(made: Made) -> None:
    assert load_private_key(made.octets, PASSWORD).private_numbers() == made.private_key().private_numbers()


def test_openssl_opens_a_key_store_and_reports_aes_and_100_000_iterations_throughout(store_file: Path) -> None:
    report = run("openssl", "pkcs12", "-in", store_file, "-info", "-nodes", "-passin", f"pass:{PASSWORD}")

    assert "MAC: sha256, Iteration 100000" in report
    assert report.count("PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256") == 2
    assert report.count("localKeyID") == report.count("friendlyName") == 2
    assert report.count("BEGIN CERTIFICATE") == 3
    assert report.count("BEGIN PRIVATE KEY") == 1


def test_java_opens_a_key_store_and_decrypts_its_key(tmp_path: Path, made: Made, store_file: Path) -> None:
    listed = run(*KEYTOOL, "-list", "-v", "-keystore", store_file, "-storepass", PASSWORD)
    copy = tmp_path / "copy.p12"
    passwords = ["-srcstorepass", PASSWORD, "-deststorepass", PASSWORD]
    run(*KEYTOOL, "-importkeystore", "-srckeystore", store_file, "-destkeystore", copy, *passwords)

    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 3" in listed
    assert f"Alias name: {ALIAS}" in listed
    assert load_private_key(copy.read_bytes(), PASSWORD).private_numbers() == made.private_key().private_numbers()


def test_a_wrong_password_opens_nothing(made: Made, store_file: Path) -> None:
    with pytest.raises(ValueError, match="Invalid password"):
        pkcs12.load_pkcs12(made.octets, (PASSWORD + "x").encode())
    with pytest.raises(subprocess.CalledProcessError):
        run("openssl", "pkcs12", "-in", store_file, "-nodes", "-passin", "pass:something else")
    with pytest.raises(subprocess.CalledProcessError):
        run(*KEYTOOL, "-list", "-keystore", store_file, "-storepass", "something else")
    with pytest.raises(ValueError):
        load_pem_private_key(made.encrypted_pem.encode(), b"something else")


# The other formats


def test_the_encrypted_pem_is_read_by_openssl_and_takes_100_000_iterations(tmp_path: Path, made: Made) -> None:
    path = tmp_path / "key.pem"
    path.write_text(made.encrypted_pem)

    assert made.encrypted_pem.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert "is valid" in run("openssl", "pkey", "-in", path, "-passin", f"pass:{PASSWORD}", "-noout", "-check")
    assert ":0186A0" in run("openssl", "asn1parse", "-in", path)
    read = load_pem_private_key(made.encrypted_pem.encode(), PASSWORD.encode())
    assert read.private_numbers() == made.private_key().private_numbers()


def test_the_jwk_is_read_back_and_ties_the_key_to_no_algorithm(made: Made) -> None:
    members = json.loads(made.jwk)
    key = JWKRegistry.import_key(members)

    assert key.is_private
    assert key.raw_value.private_numbers() == made.private_key().private_numbers()
    assert (members["kid"], members["use"]) == ("kid-1", "sig")
    assert not {"alg", "key_ops", "ext"} & members.keys()


def test_public_key_and_certificates_are_the_keys_own(made: Made) -> None:
    assert load_pem_public_key(made.public_pem.encode()) == made.request.public_key
    assert made.certificate_pem == made.chain_pem
    pem = made.request.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert made.public_pem.encode() == pem


# What leaves the page


def test_a_ceremony_asks_the_network_for_nothing(made: Made) -> None:
    assert made.requests == []


def test_the_page_loads_the_ceremony_and_nothing_from_elsewhere(page: Page, site: Site) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    opened(page, site.origin)

    scripts = [f"{site.origin}/ceremony/{path.name}" for path in CEREMONY.iterdir()]
    assert sorted(url for url in requests if url.startswith("http")) == sorted(
        [f"{site.origin}/", f"{site.origin}/test.js", *scripts]
    )


def test_a_handle_shows_nothing_of_its_key_and_cannot_be_copied_into_one(desk: Page) -> None:
    at = desk.evaluate("ceremony.make('EC-P256')")

    shown = desk.evaluate(
        "at => { const handle = ceremony.handle(at); return [JSON.stringify(handle), Reflect.ownKeys(handle),"
        " Object.isFrozen(handle), Object.getPrototypeOf(handle) === Object.prototype]; }",
        at,
    )
    assert shown == ['{"kind":"EC-P256"}', ["kind"], True, True]
    with pytest.raises(Error, match="key_forgotten"):
        call(desk, "jwk(structuredClone(handle))", at, None)


def test_a_forgotten_key_opens_nothing_more(desk: Page) -> None:
    at = desk.evaluate("ceremony.make('EC-P256')")
    call(desk, "forget(handle)", at, None)

    for expression in (
        "jwk(handle)",
        "publicPem(handle)",
        "certificationRequest(handle, {commonName: 'billing'})",
        f"encryptedPem({{keyPair: handle, password: '{PASSWORD}'}})",
        f"keystore({{keyPair: handle, chainPem: '', alias: 'billing', password: '{PASSWORD}'}})",
    ):
        with pytest.raises(Error, match="key_forgotten"):
            call(desk, expression, at, None)


# What is refused


def refusal(page: Page, expression: str, at: int, argument: object) -> str:
    return call(page, f"{expression}.then(() => '', refused => refused.reason)", at, argument)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "password_short"),
        ("elevenchars", "password_short"),
        ("pässword-with-umlaut", "password_not_ascii"),
        ("twelve\tchars!", "password_not_ascii"),
        ("password\nwith newline", "password_not_ascii"),
        ("pass\u202eword reversed", "password_not_ascii"),
        ("passwörd", "password_not_ascii"),
        ("twelve chars", ""),
        ("".join(map(chr, range(0x20, 0x7F))), ""),
    ],
)
def test_a_password_that_java_would_refuse_or_that_is_short_is_refused(
    desk: Page, authority: Authority, password: str, reason: str
) -> None:
    at, chain = certified(desk, authority)
    order = {"chainPem": chain, "alias": "billing", "password": password}

    assert desk.evaluate("password => ceremony.passwordProblem(password)", password) == reason
    assert refusal(desk, "keystore({...it, keyPair: handle})", at, order) == reason
    assert refusal(desk, "encryptedPem({...it, keyPair: handle})", at, order) == reason


@pytest.mark.parametrize("length", [12, 63, 64, 65, 200])
def test_passwords_of_any_length_make_a_mac_that_openssl_accepts(
    desk: Page, authority: Authority, tmp_path: Path, length: int
) -> None:
    (tmp_path / "store.p12").write_bytes(key_store(desk, authority, "billing", "p" * length))

    report = run("openssl", "pkcs12", "-in", tmp_path / "store.p12", "-noenc", "-passin", f"pass:{'p' * length}")

    assert "BEGIN PRIVATE KEY" in report


HOSTILE = {
    "": "alias_empty",
    "  \t ": "alias_empty",
    " billing": "alias_characters",
    "bill\ning": "alias_characters",
    "bill\0ing": "alias_characters",
    "billing\u202egnp.exe": "alias_characters",
    "\u2066billing": "alias_characters",
    "bill\u200bing": "alias_characters",
    "\ufeffbilling": "alias_characters",
    "b" * 121: "alias_long",
    "b" * 10_000: "alias_long",
    "🔑" * 120: "",
    '<script>alert(1)</script>"&': "",
    "мой ключ": "",
    "b": "",
}


def start_of(alias: str) -> str:
    return ascii(alias[:20])


@pytest.mark.parametrize("alias", HOSTILE, ids=start_of)
def test_an_alias_is_refused_with_its_reason_exactly_when_the_server_would(desk: Page, alias: str) -> None:
    reason = desk.evaluate("alias => ceremony.aliasProblem(alias)", alias)

    assert reason == HOSTILE[alias]
    if reason:
        with pytest.raises(ValidationError):
            TypeAdapter(Name).validate_python(alias)
        at = desk.evaluate("ceremony.make('EC-P256')")
        order = {"chainPem": "", "alias": alias, "password": PASSWORD}
        assert refusal(desk, "keystore({...it, keyPair: handle})", at, order) == reason
    else:
        assert TypeAdapter(Name).validate_python(alias) == alias


def test_half_a_surrogate_pair_is_no_alias(desk: Page) -> None:
    assert desk.evaluate("ceremony.aliasProblem('key \\ud83d')") == "alias_characters"


@pytest.mark.parametrize("alias", [alias for alias, reason in HOSTILE.items() if not reason], ids=start_of)
def test_a_strange_alias_is_kept_as_it_is(desk: Page, authority: Authority, tmp_path: Path, alias: str) -> None:
    path = tmp_path / "store.p12"
    path.write_bytes(key_store(desk, authority, alias, PASSWORD))

    listed = run(*KEYTOOL, "-list", "-v", "-keystore", path, "-storepass", PASSWORD)

    assert f"Alias name: {alias}\n" in listed


def test_an_answer_for_another_key_or_without_a_certificate_is_refused(desk: Page, authority: Authority) -> None:
    ours = desk.evaluate("ceremony.make('EC-P256')")
    _, foreign = certified(desk, authority)
    order = {"alias": "billing", "password": PASSWORD}

    for chain, reason in {foreign: "certificate_of_another_key", "": "certificate_missing"}.items():
        assert refusal(desk, "keystore({...it, keyPair: handle})", ours, {**order, "chainPem": chain}) == reason


def test_a_kind_of_key_that_is_not_offered_is_refused(desk: Page) -> None:
    for kind in ("RSA-1024", "__proto__", "", None):
        with pytest.raises(Error, match="key_kind"):
            desk.evaluate("kind => ceremony.makeKey(kind)", kind)


def test_a_generated_password_is_long_printable_and_new_each_time(desk: Page) -> None:
    drawn = desk.evaluate("Array.from({length: 200}, () => ceremony.generatePassword())")

    assert len(set(drawn)) == 200
    assert {len(each) for each in drawn} == {29}
    assert desk.evaluate("all => all.map(ceremony.passwordProblem)", drawn) == [""] * 200
    assert set("".join(drawn)) == set("0123456789abcdefghjkmnpqrstvwxyz-")


# Where it cannot be done


def test_an_insecure_origin_is_told_why(page: Page, site: Site) -> None:
    desk = opened(page, f"http://desk.test:{site.port}")

    assert desk.evaluate("ceremony.available()") == {"ok": False, "reason": "insecure_context"}
    with pytest.raises(Error, match="insecure_context"):
        desk.evaluate("ceremony.makeKey('EC-P256')")


def test_a_secure_origin_is_available_and_a_browser_without_cryptography_is_told_so(page: Page, site: Site) -> None:
    desk = opened(page, f"http://localhost:{site.port}")
    assert desk.evaluate("ceremony.available()") == {"ok": True, "reason": ""}

    page.add_init_script("Object.defineProperty(Crypto.prototype, 'subtle', {get: () => undefined})")
    desk = opened(page, site.origin)
    assert desk.evaluate("ceremony.available()") == {"ok": False, "reason": "no_webcrypto"}


# The page stays alive


def test_progress_is_told_and_the_page_is_painted_while_a_key_store_is_written(
    desk: Page, authority: Authority
) -> None:
    at, chain = certified(desk, authority)

    heard = desk.evaluate(
        """async ([at, chainPem, password]) => {
          const heard = [];
          let frames = 0;
          const frame = () => { frames += 1; if (heard.at(-1)?.[0] !== 1) requestAnimationFrame(frame); };
          frame();
          const order = { keyPair: ceremony.handle(at), chainPem, alias: "billing", password };
          await ceremony.keystore({ ...order, onProgress: (share) => heard.push([share, frames]) });
          return heard;
        }""",
        [at, chain, PASSWORD],
    )

    shares, frames = zip(*heard, strict=True)
    assert list(shares) == sorted(set(shares))
    assert shares[0] > 0
    assert shares[-1] == 1
    assert frames[-1] > frames[0]
