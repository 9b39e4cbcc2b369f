"""Who may say which certificate a call was made with: 40 spellings of a spoofed header, and the three proofs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from tests.gate import certificate_scene
from tests.gate.certificate_scene import Holder, hold, leaf, own
from tests.gate.scene import AUTHORITY, SANDBOX, Scene, furnished
from tests.gate.spoofing import SPELLINGS, values
from tests.gate.street import Response, Upstream, request, send_raw, served
from tests.gate.test_mtls import desk

from credenza.gate.app import GateApp, Origin
from credenza.gate.check import DecisionApp
from credenza.gate.forward import Forwarder
from credenza.gate.terminators import NOBODY, Terminators, Unreadable
from credenza.protocol import client_cert_header

SECRET = "known to the proxy alone"
BY_SECRET = Terminators(secret=SECRET.encode())


@dataclass
class Street:
    scene: Scene
    holder: Holder
    upstream: Upstream
    port: int
    decisions: int

    def call(self, *headers: tuple[str, str], target: str = "/vault/1") -> Response:
        return request(self.port, "GET", target, headers)

    def check(self, *headers: tuple[str, str]) -> Response:
        asked = [("X-Original-Method", "GET"), ("X-Original-URI", "/vault/1"), *headers]
        return request(self.decisions, "GET", "/check/SANDBOX", asked)

    @property
    def named(self) -> tuple[str, str]:
        return ("Client-Cert", client_cert_header.write(self.holder.der))


@contextmanager
def opened(directory: Path, terminators: Terminators) -> Iterator[Street]:
    upstream, origin = Upstream(), Origin.parse(SANDBOX, f"https://{AUTHORITY}")
    with served(upstream) as upstream_port, furnished(directory, f"http://127.0.0.1:{upstream_port}") as scene:
        holder, forwarder, front = hold(scene, leaf(own(scene))), Forwarder(timeout=timedelta(seconds=60)), desk(scene)
        with (
            served(GateApp(origin, front, forwarder, terminators=terminators), forwarder) as port,
            served(DecisionApp({SANDBOX: origin}, front, terminators=terminators)) as decisions,
        ):
            yield Street(scene, holder, upstream, port, decisions)


@pytest.fixture(scope="module", params=[NOBODY, BY_SECRET], ids=["nobody believed", "a proxy believed"])
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with opened(tmp_path_factory.mktemp("street"), request.param) as street:
        yield street


@pytest.fixture(scope="module")
def believing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with opened(tmp_path_factory.mktemp("street"), BY_SECRET) as street:
        yield street


# ---------------------------------------------------------------------------------------------------------- spoofed


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_spelling_is_believed_of_a_caller(street: Street, name: str) -> None:
    street.upstream.seen.clear()
    for value in values(street.holder.certificate):
        for answer in (street.call((name, value)), street.check((name, value))):
            told = answer.header("credenza-status") or str(answer.status)
            assert (told, answer.error["ReasonCode"]) == ("422", "INVALID_CLIENT_CERT")

    assert street.upstream.seen == []


@pytest.mark.parametrize("secret", ["", "wrong", SECRET.upper(), f"{SECRET} ", f"{SECRET}, {SECRET}"])
def test_a_wrong_secret_is_no_proof(believing: Street, secret: str) -> None:
    assert believing.call(believing.named, ("Credenza-Proxy-Secret", secret)).status == 422
    assert believing.check(believing.named, ("Credenza-Proxy-Secret", secret)).header("credenza-status") == "422"


def test_two_secrets_are_no_proof(believing: Street) -> None:
    right = ("Credenza-Proxy-Secret", SECRET)

    assert believing.call(believing.named, right, ("Credenza-Proxy-Secret", "x")).status == 422
    assert believing.call(believing.named, right, right).status == 422


def test_a_spoofed_header_never_reaches_the_upstream(believing: Street) -> None:
    key = believing.scene.add_key()
    believing.upstream.seen.clear()
    spoofed = [(name, "evil") for name in SPELLINGS if name != "Client-Cert"]

    answer = believing.call(
        ("Authorization", key.sign("GET", f"https://{AUTHORITY}/orders/1")), *spoofed, target="/orders/1"
    )

    assert answer.status == 200
    assert [value for _, value in believing.upstream.seen[-1]["headers"] if "evil" in value] == []


# --------------------------------------------------------------------------------------------------------- believed


def test_a_proxy_that_knows_the_secret_is_believed_in_every_spelling(believing: Street) -> None:
    proof = ("Credenza-Proxy-Secret", SECRET)

    for value in values(believing.holder.certificate):
        assert believing.call(("Client-Cert", value), proof).status == 200
        assert believing.check(("Client-Cert", value), proof).status == 200

    told = dict(map(tuple, believing.upstream.seen[-1]["headers"]))
    assert told["x-credenza-key-id"] == believing.holder.credential_id
    assert told["x-credenza-certificate-sha256"] == believing.holder.thumbprint
    assert {"client-cert", "credenza-proxy-secret"}.isdisjoint(told)


def test_a_sub_request_says_that_nothing_covers_the_body(believing: Street) -> None:
    answer = believing.check(believing.named, ("Credenza-Proxy-Secret", SECRET))

    assert (answer.header("x-credenza-body"), answer.header("x-credenza-claimed-body-hash")) == ("unsigned", "")
    assert answer.header("x-credenza-certificate-sha256") == believing.holder.thumbprint


def test_a_client_without_a_certificate_is_told_so(believing: Street) -> None:
    proof = ("Credenza-Proxy-Secret", SECRET)

    for headers in ((proof,), (proof, ("Client-Cert", ""))):
        answer = believing.call(*headers)
        assert (answer.status, answer.error["ReasonCode"]) == (422, "INVALID_CLIENT_CERT")


@pytest.mark.parametrize("value", ["(null)", "a, b", "CN=till"])
def test_what_a_believed_proxy_says_unreadably_is_refused(believing: Street, value: str) -> None:
    proof = ("Credenza-Proxy-Secret", SECRET)

    assert believing.call(("Client-Cert", value), proof).status == 400
    assert believing.check(("Client-Cert", value), proof).header("credenza-status") == "400"


def test_two_certificates_are_refused(believing: Street) -> None:
    proof = ("Credenza-Proxy-Secret", SECRET)

    for second in (believing.named[1], ""):
        assert believing.call(believing.named, ("Client-Cert", second), proof).status == 400
        assert believing.check(believing.named, ("Client-Cert", second), proof).header("credenza-status") == "400"


def test_a_field_that_is_folded_is_refused(believing: Street) -> None:
    head = f"GET /vault/1 HTTP/1.1\r\nHost: {AUTHORITY}\r\nCredenza-Proxy-Secret: {SECRET}\r\n"

    answer = send_raw(believing.port, f"{head}Client-Cert: :\r\n {believing.named[1][1:]}\r\n\r\n".encode())

    assert answer.status == 400


# ----------------------------------------------------------------------------------------------- what counts, alone

PROXY = certificate_scene.leaf(certificate_scene.issuing("Others"), "proxy")
CLIENT = certificate_scene.leaf(certificate_scene.issuing("Ours"), "client")
NAMED = [client_cert_header.write(CLIENT.der).encode()]


@pytest.mark.parametrize(
    ("terminators", "secrets", "presented"),
    [
        pytest.param(BY_SECRET, [SECRET.encode()], b"", id="secret"),
        pytest.param(BY_SECRET, [SECRET.encode()], PROXY.der, id="secret, in TLS of its own"),
        pytest.param(Terminators(certificates=frozenset({PROXY.der})), [], PROXY.der, id="certificate"),
        pytest.param(Terminators(socket=True), [], b"", id="socket"),
    ],
)
def test_a_proven_proxy_is_believed_and_its_own_certificate_is_not_its_clients(
    terminators: Terminators, secrets: list[bytes], presented: bytes
) -> None:
    assert terminators.certificate(NAMED, secrets, presented) == CLIENT.der
    assert terminators.certificate([], secrets, presented) == b""
    with pytest.raises(Unreadable):
        terminators.certificate(NAMED * 2, secrets, presented)


@pytest.mark.parametrize(
    ("terminators", "secrets"),
    [
        pytest.param(NOBODY, [b""], id="nobody, no secret"),
        pytest.param(NOBODY, [SECRET.encode()], id="nobody"),
        pytest.param(BY_SECRET, [], id="no secret"),
        pytest.param(BY_SECRET, [b""], id="an empty secret"),
        pytest.param(Terminators(certificates=frozenset({PROXY.der})), [], id="another certificate"),
        pytest.param(Terminators(certificates=frozenset({b""})), [], id="no certificate is no proof"),
    ],
)
def test_of_anybody_else_what_tls_has_proven_counts(terminators: Terminators, secrets: list[bytes]) -> None:
    other = certificate_scene.leaf(certificate_scene.issuing("Ours"), "another")

    for named in ([], NAMED, NAMED * 2):
        assert terminators.certificate(named, secrets, other.der) == other.der
        assert terminators.certificate(named, secrets, b"") == b""


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(BY_SECRET)
