"""EST at the gate (RFC 7030, RFC 8951), on both databases: good requests, and everything that can be wrong with one."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy.exc import OperationalError
from tests.api.desk import OPERATOR, PRODUCTION, SANDBOX, Desk
from tests.api.test_certificates import project
from tests.gate import scene

from credenza.actions import authorities, certificates, enrolment_secrets
from credenza.actions.enrolment_secrets import IssuedSecret
from credenza.api.est import EstApp
from credenza.api.rate_limits import RateLimits, Rates
from credenza.domain.expiry import EXPIRING
from credenza.domain.model import Credential, CredentialId, EnvironmentName, ProjectId
from credenza.gate.app import GateApp, Origin
from credenza.gate.forward import Forwarder
from credenza.gate.metrics import Metrics
from credenza.gate.terminators import Terminators
from credenza.protocol import client_cert_header, csr, est

pytestmark = pytest.mark.anyio

ORIGIN = "https://sandbox.example"
PROXY_SECRET = "s" * 32
PKCS10 = {"Content-Type": "application/pkcs10"}
_DER = Encoding.DER


@dataclass
class Counter:
    """The desk, and the gate's origin of SANDBOX before it, behind a proxy that is believed."""

    desk: Desk
    project_id: ProjectId
    http: httpx.AsyncClient
    metrics: Metrics

    def secret(self, **said: Any) -> IssuedSecret:
        named: dict[str, Any] = {"alias": "till", "environment": SANDBOX, "hours": 24, **said}
        return enrolment_secrets.create(self.desk.platform, OPERATOR, self.project_id, **named, now=self.now)

    @property
    def now(self) -> Any:
        return self.desk.clock.now()

    async def enrol(self, secret: str | None, body: bytes | None = None, **more: str) -> httpx.Response:
        auth = None if secret is None else httpx.BasicAuth("till", secret)
        sent = body if body is not None else wire(asked())
        return await self.http.post(
            "/.well-known/est/simpleenroll", content=sent, auth=auth, headers={**PKCS10, **more}
        )

    async def reenrol(self, held: bytes | None, body: bytes, **more: str) -> httpx.Response:
        headers = {**PKCS10, **more}
        if held is not None:
            headers["Client-Cert"] = client_cert_header.write(held)
        return await self.http.post("/.well-known/est/simplereenroll", content=body, headers=headers)

    async def held(self) -> x509.Certificate:
        """A certificate that was enrolled, in its last 90 days."""
        (held,) = told(await self.enrol(self.secret().secret))
        self.desk.clock.set(held.not_valid_after_utc - EXPIRING)
        return held


def asked(name: str = "till-1") -> bytes:
    made = csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=name)
    return x509.load_pem_x509_csr(made).public_bytes(_DER)


def wire(der: bytes) -> bytes:
    return base64.encodebytes(der)


def told(answer: httpx.Response) -> list[x509.Certificate]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
    assert answer.headers["content-transfer-encoding"] == "base64"
    assert max(map(len, answer.content.splitlines())) <= 76
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))


@pytest.fixture
async def counter(any_desk: Desk, tmp_path: Path) -> AsyncIterator[Counter]:
    made, metrics = await project(any_desk), Metrics()
    with scene.furnished(tmp_path / "scene") as furnished:
        app = GateApp(
            Origin.parse(SANDBOX, ORIGIN),
            scene.desk(furnished),
            Forwarder(timeout=timedelta(seconds=60)),
            terminators=Terminators(secret=PROXY_SECRET.encode()),
            corners=[est_app(any_desk, metrics=metrics)],
        )
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 40_000))
        proven = {"Credenza-Proxy-Secret": PROXY_SECRET}
        async with httpx.AsyncClient(base_url=ORIGIN, transport=transport, headers=proven) as http:
            yield Counter(any_desk, ProjectId(made.id), http, metrics)


def est_app(
    desk: Desk, rates: Rates | None = None, environment: EnvironmentName = SANDBOX, metrics: Metrics | None = None
) -> EstApp:
    limits, outages = RateLimits(rates or Rates(), clock=lambda: 0.0), (OperationalError,)
    counts = metrics or Metrics()
    return EstApp(desk.platform, environment, clock=desk.clock.now, limits=limits, metrics=counts, outages=outages)


# ------------------------------------------------------------------------------------------------------ what is good


async def test_a_device_enrols_and_follows_its_certificate_up(counter: Counter) -> None:
    (first,) = told(await counter.enrol(counter.secret().secret))
    counter.desk.clock.set(first.not_valid_after_utc - EXPIRING)
    (second,) = told(await counter.reenrol(first.public_bytes(_DER), wire(asked())))

    assert first.subject == second.subject
    assert second.not_valid_after_utc > first.not_valid_after_utc
    listed = held_by(counter)
    assert {each.certificate_der for each in listed} >= {first.public_bytes(_DER), second.public_bytes(_DER)}


def held_by(counter: Counter) -> tuple[Credential, ...]:
    return certificates.list_page(counter.desk.platform, OPERATOR, counter.project_id, limit=50, now=counter.now)


@pytest.mark.parametrize("path", ["cacerts", "sandbox/cacerts"])
async def test_the_authorities_are_told_root_and_all(counter: Counter, path: str) -> None:
    found = told(await counter.http.get(f"/.well-known/est/{path}"))

    wanted = authorities.chains(counter.desk.platform, SANDBOX, now=counter.now)
    assert {each.public_bytes(_DER) for each in found} == set(wanted)
    assert any(each.subject == each.issuer for each in found)


async def test_the_next_authority_is_told_before_it_signs(counter: Counter) -> None:
    authorities.publish_next(counter.desk.platform, OPERATOR, SANDBOX, now=counter.now)

    assert len(told(await counter.http.get("/.well-known/est/cacerts"))) == 3


async def test_there_are_no_attributes_to_ask_for(counter: Counter) -> None:
    answer = await counter.http.get("/.well-known/est/csrattrs")

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(base64.b64encode, id="one line"),
        pytest.param(lambda der: base64.encodebytes(der).replace(b"\n", b"\r\n"), id="MIME lines"),
        pytest.param(lambda der: b"  " + base64.b64encode(der) + b"\t\n", id="blanks around it"),
    ],
)
async def test_line_breaks_do_not_count(counter: Counter, spell: Callable[[bytes], bytes]) -> None:
    told(await counter.enrol(counter.secret().secret, spell(asked())))


async def test_content_transfer_encoding_and_parameters_do_not_count(counter: Counter) -> None:
    named = {"Content-Type": "Application/PKCS10; charset=utf-8", "Content-Transfer-Encoding": "binary"}

    told(await counter.enrol(counter.secret().secret, **named))


async def test_an_answer_that_was_lost_is_given_again(counter: Counter) -> None:
    issued, body = counter.secret(), wire(asked())
    first, second = [await counter.enrol(issued.secret, body) for _ in range(2)]
    assert told(first) == told(second)

    (held,) = told(first)
    counter.desk.clock.set(held.not_valid_after_utc - EXPIRING)
    body = wire(asked())
    first, second = [await counter.reenrol(held.public_bytes(_DER), body) for _ in range(2)]
    assert told(first) == told(second)


# -------------------------------------------------------------------------------------------------- secrets that fail


async def test_missing_wrong_used_expired_and_revoked_secrets_are_alike(counter: Counter) -> None:
    used, expired, revoked, other = counter.secret(), counter.secret(hours=1), counter.secret(), counter.secret()
    told(await counter.enrol(used.secret))
    enrolment_secrets.revoke(counter.desk.platform, OPERATOR, counter.project_id, revoked.enrolment.id, now=counter.now)
    counter.desk.clock.advance(timedelta(hours=1))
    wrong = f"{other.secret[:-1]}{'0' if other.secret[-1] != '0' else '1'}"

    answers = [
        await counter.enrol(each, wire(asked("till-2")))
        for each in (used.secret, expired.secret, revoked.secret, wrong, "x", "")
    ]

    assert {each.status_code for each in answers} == {401}
    assert {each.headers["www-authenticate"] for each in answers} == {'Basic realm="est", charset="UTF-8"'}
    assert len({each.text for each in answers[:-1]}) == 1
    missing = await counter.enrol(None)
    assert (missing.status_code, missing.headers["www-authenticate"]) == (401, answers[0].headers["www-authenticate"])


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic !!!", "Basic //79", "Bearer cze_x", "Basic " + base64.b64encode(b"no colon").decode()],
)
async def test_authorization_that_cannot_be_read_is_401(counter: Counter, authorization: str) -> None:
    assert (await counter.enrol(None, Authorization=authorization)).status_code == 401


async def test_a_secret_of_the_other_environment_is_401(counter: Counter) -> None:
    issued = counter.secret()
    app = est_app(counter.desk, environment=PRODUCTION)
    with scene.furnished(counter.desk.directory / "other") as furnished:
        gate = GateApp(
            Origin.parse(PRODUCTION, ORIGIN),
            scene.desk(furnished),
            Forwarder(timeout=timedelta(seconds=60)),
            corners=[app],
        )
        async with httpx.AsyncClient(base_url=ORIGIN, transport=httpx.ASGITransport(gate)) as http:
            auth = httpx.BasicAuth("x", issued.secret)
            answer = await http.post("/.well-known/est/simpleenroll", content=wire(asked()), auth=auth, headers=PKCS10)

    assert answer.status_code == 401


async def test_operators_see_how_many_secrets_are_guessed(counter: Counter) -> None:
    used = counter.secret()
    (held,) = told(await counter.enrol(used.secret))
    for secret in (None, "x", "cze_" + "0" * 49, used.secret):
        await counter.enrol(secret, wire(asked("till-2")))
    await counter.enrol(counter.secret().secret, wire(asked("till-1")))
    for presented in (None, held.public_bytes(_DER)):
        await counter.reenrol(presented, wire(asked("till-1")))

    assert counter.metrics.enrolments == {
        (SANDBOX, "simpleenroll", "certified"): 1,
        (SANDBOX, "simpleenroll", "no_secret"): 1,
        (SANDBOX, "simpleenroll", "unknown_secret"): 2,
        (SANDBOX, "simpleenroll", "unusable_secret"): 1,
        (SANDBOX, "simpleenroll", "refused"): 1,
        (SANDBOX, "simplereenroll", "no_certificate"): 1,
        (SANDBOX, "simplereenroll", "refused"): 1,  # too early
    }
    wanted = {"environment": "SANDBOX", "operation": "simpleenroll", "outcome": "unknown_secret"}
    assert counter.metrics.registry.get_sample_value("credenza_est_requests_total", wanted) == 2


async def test_guesses_are_limited(counter: Counter) -> None:
    transport = counter.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    gate = transport.app
    assert isinstance(gate, GateApp)
    gate._corners = [est_app(counter.desk, Rates(attempts_per_minute=2))]

    statuses = [(await counter.enrol("x")).status_code for _ in range(4)]

    assert statuses[-1] == 429
    assert statuses[0] == 401


# --------------------------------------------------------------------------------------------- certificates that fail


async def test_no_certificate_an_unknown_a_revoked_and_an_ended_one_are_403(counter: Counter) -> None:
    held = await counter.held()
    der = held.public_bytes(_DER)
    stranger = counter.desk.view.credentials[0].certificate_der
    assert (await counter.reenrol(None, wire(asked()))).status_code == 403
    assert (await counter.reenrol(stranger, wire(asked()))).status_code == 403

    found = next(each for each in held_by(counter) if each.certificate_der == der)
    revoke(counter, found.id)

    answer = await counter.reenrol(der, wire(asked()))
    assert (answer.status_code, "REVOKED" in answer.text) == (403, True)
    counter.desk.clock.set(held.not_valid_after_utc + timedelta(days=1))
    assert (await counter.reenrol(der, wire(asked()))).status_code == 403


def revoke(counter: Counter, held: CredentialId) -> None:
    place = (counter.desk.platform, OPERATOR, counter.project_id, held)
    certificates.revoke(*place, keep_last=False, reason="", now=counter.now)


async def test_a_certificate_that_only_a_header_names_proves_nothing(counter: Counter) -> None:
    """Whoever is not the proxy may write what it likes."""
    der = (await counter.held()).public_bytes(_DER)
    counter.http.headers["Credenza-Proxy-Secret"] = "x" * 32

    assert (await counter.reenrol(der, wire(asked()))).status_code == 403


async def test_a_secret_is_no_way_to_re_enrol(counter: Counter) -> None:
    basic = base64.b64encode(f"x:{counter.secret().secret}".encode()).decode()

    assert (await counter.reenrol(None, wire(asked()), Authorization=f"Basic {basic}")).status_code == 403


async def test_another_subject_at_re_enrolment_is_400(counter: Counter) -> None:
    der = (await counter.held()).public_bytes(_DER)

    answer = await counter.reenrol(der, wire(asked("till-2")))

    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert "CN=till-1" in answer.text


async def test_too_early_is_400_and_names_the_day(counter: Counter) -> None:
    (held,) = told(await counter.enrol(counter.secret().secret))

    answer = await counter.reenrol(held.public_bytes(_DER), wire(asked()))

    assert (answer.status_code, f"{held.not_valid_after_utc - EXPIRING:%Y-%m-%d}" in answer.text) == (400, True)


# -------------------------------------------------------------------------------------------------- requests that fail

_GOOD = asked("corpus")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"????", id="no base64"),
        pytest.param(b"TUlJ=QUFB", id="padding in the middle"),
        pytest.param(base64.b64encode(b"hello"), id="no DER"),
        pytest.param(base64.b64encode(b"0\x80\x00\x00"), id="BER"),
        pytest.param(base64.b64encode(_GOOD[:-1]), id="cut short"),
        pytest.param(base64.b64encode(_GOOD + b"\x00"), id="trailing bytes"),
        pytest.param(base64.b64encode(_GOOD[:-8] + bytes(8)), id="signature changed"),
        pytest.param(b"\x30\x82" + _GOOD, id="bare DER"),
        pytest.param(csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="x"), id="armour"),
        pytest.param(base64.b64encode(base64.b64encode(_GOOD)), id="base64 twice"),
        pytest.param(b"\xff\xfe" + base64.b64encode(_GOOD), id="UTF-16 mark"),
    ],
)
async def test_what_is_no_request_is_400_and_uses_no_secret_up(counter: Counter, body: bytes) -> None:
    issued = counter.secret()

    answer = await counter.enrol(issued.secret, body)

    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    told(await counter.enrol(issued.secret))


@pytest.mark.parametrize("named", ["application/json", "application/x-pem-file", "text/plain"])
async def test_another_type_is_415(counter: Counter, named: str) -> None:
    answer = await counter.enrol(counter.secret().secret, **{"Content-Type": named})

    assert (answer.status_code, "application/pkcs10" in answer.text) == (415, True)


async def test_too_large_is_413_announced_or_not(counter: Counter) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"A" * 10_000

    auth = httpx.BasicAuth("x", counter.secret().secret)
    announced = await counter.enrol(counter.secret().secret, b"A" * (est.LONGEST_BODY + 1))
    path = "/.well-known/est/simpleenroll"
    unannounced = await counter.http.post(path, content=chunks(), auth=auth, headers=PKCS10)

    assert (announced.status_code, unannounced.status_code) == (413, 413)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "simpleenroll", "POST"),
        ("PUT", "simplereenroll", "POST"),
        ("POST", "cacerts", "GET, HEAD"),
        ("DELETE", "csrattrs", "GET, HEAD"),
    ],
)
async def test_another_method_is_405(counter: Counter, method: str, path: str, allowed: str) -> None:
    answer = await counter.http.request(method, f"/.well-known/est/{path}")

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["", "cacert", "serverkeygen", "fullcmc", "production/cacerts", "sandbox/", "sandbox/x/cacerts", "CACERTS"]
)
async def test_what_is_not_served_is_404(counter: Counter, path: str) -> None:
    assert (await counter.http.get(f"/.well-known/est/{path}")).status_code == 404


async def test_a_subject_that_is_taken_is_409(counter: Counter) -> None:
    told(await counter.enrol(counter.secret().secret, wire(asked("till-9"))))

    answer = await counter.enrol(counter.secret().secret, wire(asked("till-9")))

    assert (answer.status_code, answer.text.startswith("Duplicate certificate")) == (409, True)


async def test_nothing_that_is_asked_for_beside_the_key_is_granted(counter: Counter) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    wanted = x509.load_pem_x509_csr(csr.build(key, common_name="till-x")).subject
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(wanted)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("admin.example.org")]), critical=False)
        .sign(key, SHA256())
    )

    (made,) = told(await counter.enrol(counter.secret().secret, wire(greedy.public_bytes(_DER))))

    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    with pytest.raises(x509.ExtensionNotFound):
        made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
