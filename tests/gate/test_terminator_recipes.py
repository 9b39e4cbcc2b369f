"""The recipes of docs/guide/mtls.md, as they stand there: real nginx, HAProxy and Caddy terminate TLS for a real gate;
and nginx and Caddy that ask it for decisions."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.cli.test_tls import Steady
from tests.clock import NOON
from tests.gate import certificate_scene
from tests.gate.certificate_scene import Holder, Party, hold, issuing, leaf, own, server_of
from tests.gate.scene import AUTHORITY, MTLS_ONLY, ORDER, SANDBOX, Scene, furnished
from tests.gate.spoofing import SPELLINGS, values
from tests.gate.street import HOST, Response, Upstream, _response, served, served_on
from tests.gate.test_mtls import _revoke, desk
from tests.gate.test_recipes import GUIDE, recipe
from tests.servers import CaddyServer, HAProxyServer, NginxServer, Server

from credenza.cli import listeners
from credenza.cli.listeners import Listener
from credenza.cli.tls import ClientTrust
from credenza.gate.app import GateApp, Origin
from credenza.gate.check import DecisionApp
from credenza.gate.forward import Forwarder
from credenza.gate.terminators import Terminators
from credenza.gate.trust import Trust
from credenza.protocol import issuance

SECRET = "change me, 16 characters or more"
SERVER = issuing("Server CA")
PROXY = leaf(issuing("Of the proxies"), "proxy 1")
Make: TypeAlias = Callable[[Path, int], Server]


def files(directory: Path) -> dict[str, str]:
    """The server's certificate and key where recipes have them, and an authority of nobody's."""
    made = server_of(SERVER)
    (directory / "api.pem").write_bytes(made.pem)
    (directory / "api.key").write_bytes(made.key_pem)
    (directory / "both.pem").write_bytes(made.pem + made.key_pem)
    (directory / "authorities.pem").write_bytes(issuing("Nobody").pem)
    (directory / "proxy.pem").write_bytes(PROXY.pem)
    (directory / "proxy.key").write_bytes(PROXY.key_pem)
    (directory / "proxy-both.pem").write_bytes(PROXY.pem + PROXY.key_pem)
    (directory / "gate-authority.pem").write_bytes(SERVER.chain[0].public_bytes(Encoding.PEM))
    return {
        "/etc/haproxy/api.pem": f"{directory}/both.pem",
        "/etc/haproxy/proxy.pem": f"{directory}/proxy-both.pem",
        **{f"/etc/{proxy}/": f"{directory}/" for proxy in ("nginx", "caddy", "haproxy")},
    }


def terminating(language: str, directory: Path, gate: int) -> str:
    return filled(recipe("mtls.md", language, {"127.0.0.1:8443": gate}), directory)


def filled(text: str, directory: Path) -> str:
    for there, here in files(directory).items():
        text = text.replace(there, here)
    return text.replace(":8081", ":{port}", 1)


def nginx(directory: Path, gate: int) -> Server:
    return NginxServer(terminating("nginx", directory, gate))


def haproxy(directory: Path, gate: int) -> Server:
    return HAProxyServer(terminating("haproxy", directory, gate))


def caddy(directory: Path, gate: int) -> Server:
    return CaddyServer(terminating("caddyfile", directory, gate))


_TO_THE_GATE = {
    "nginx": "        proxy_pass http://credenza_gate;\n",
    "haproxy": "    server gate 127.0.0.1:8443\n",
    "caddyfile": "\treverse_proxy 127.0.0.1:8443 {\n",
}


def by_certificate(language: str, directory: Path, gate: int) -> str:
    """The recipe of a proxy that proves itself to the gate's TLS, as the page says: without the secret."""
    (lines,) = re.findall(rf"```{language} by-certificate\n(.*?)```", (GUIDE / "mtls.md").read_text(), re.DOTALL)
    text = without_secret(recipe("mtls.md", language, {}))
    assert _TO_THE_GATE[language] in text
    text = text.replace(_TO_THE_GATE[language], lines)
    return filled(text.replace("127.0.0.1:8443", f"127.0.0.1:{gate}"), directory)


def by_socket(language: str, directory: Path, path: Path) -> str:
    there, here = {
        "nginx": ("server 127.0.0.1:8443;", f"server unix:{path};"),
        "haproxy": ("server gate 127.0.0.1:8443", f"server gate unix@{path}"),
        "caddyfile": ("reverse_proxy 127.0.0.1:8443", f"reverse_proxy unix/{path}"),
    }[language]
    text = without_secret(recipe("mtls.md", language, {}))
    assert there in text
    return filled(text.replace(there, here), directory)


def without_secret(text: str) -> str:
    left = [line for line in text.splitlines(keepends=True) if "Credenza-Proxy-Secret" not in line]
    assert len(left) == text.count("\n") - 1
    return "".join(left)


@dataclass
class Front:
    """A terminator in front of the gate, and who may call: `till` is on record, `ended` too but over."""

    directory: Path
    scene: Scene
    upstream: Upstream
    port: int
    till: Holder
    ended: Holder

    def connect(self, client: Party | None) -> ssl.SSLSocket:
        context = ssl.create_default_context(cadata=SERVER.chain[0].public_bytes(Encoding.DER))
        if client is not None:
            pair = self.directory / "client.pem"
            pair.write_bytes(client.pem + client.key_pem)
            context.load_cert_chain(pair)
        plain = socket.create_connection((HOST, self.port), timeout=30)
        return context.wrap_socket(plain, server_hostname="localhost")

    def call(self, client: Party | None, *headers: tuple[str, str], target: str = "/vault/1") -> Response:
        with closing(self.connect(client)) as connection:
            return ask(connection, *headers, target=target)

    @property
    def received(self) -> dict[str, str]:
        return dict(map(tuple, self.upstream.seen[-1]["headers"]))


def ask(connection: ssl.SSLSocket, *headers: tuple[str, str], target: str = "/vault/1") -> Response:
    fields = "".join(f"{name}: {value}\r\n" for name, value in (("Host", "localhost"), *headers))
    request = f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode("latin-1")
    connection.sendall(request)
    file = connection.makefile("rb")
    return _response(file, file.readline(), request)


@contextmanager
def scene_of(directory: Path, upstream_port: int) -> Iterator[tuple[Scene, Holder, Holder]]:
    with furnished(directory, f"http://127.0.0.1:{upstream_port}") as scene:
        authority = own(scene)
        over = issuance.Validity(certificate_scene.BEGIN, datetime.now(UTC) - timedelta(days=1))
        # It has ended by the clock of the proxies, and by that of the gate.
        ended = hold(scene, leaf(authority, "long gone", validity=over), not_after=NOON - timedelta(days=1))
        yield scene, hold(scene, leaf(authority)), ended


@contextmanager
def terminated(directory: Path, make: Make) -> Iterator[Front]:
    upstream, believed = Upstream(), Terminators(secret=SECRET.encode())
    with served(upstream) as upstream_port, scene_of(directory, upstream_port) as (scene, till, ended):
        forwarder = Forwarder(timeout=timedelta(seconds=60))
        gate = GateApp(Origin.parse(SANDBOX, f"https://{AUTHORITY}"), desk(scene), forwarder, terminators=believed)
        with served(gate, forwarder) as port, make(directory, port) as server:
            yield Front(directory, scene, upstream, server.port, till, ended)


_PROXIES: dict[str, Callable[[str], Server]] = {
    "nginx": NginxServer,
    "haproxy": HAProxyServer,
    "caddyfile": CaddyServer,
}


@contextmanager
def proven_by_certificate(directory: Path, language: str) -> Iterator[Front]:
    """The gate has TLS of its own, and trusts nobody in it but the proxy."""
    upstream, believed = Upstream(), Terminators(certificates=frozenset({PROXY.der}))
    files(directory)
    listener = Listener("gate", HOST, directory / "api.pem", directory / "api.key", SANDBOX)
    clients = ClientTrust(SANDBOX, Trust(), Steady(), lambda: datetime.now(UTC), (PROXY.certificate,))
    with served(upstream) as upstream_port, scene_of(directory, upstream_port) as (scene, till, ended):
        forwarder = Forwarder(timeout=timedelta(seconds=60))
        gate = GateApp(Origin.parse(SANDBOX, f"https://{AUTHORITY}"), desk(scene), forwarder, terminators=believed)
        with (
            served(gate, forwarder, listener=listener, clients=clients) as port,
            _PROXIES[language](by_certificate(language, directory, port)) as server,
        ):
            yield Front(directory, scene, upstream, server.port, till, ended)


@contextmanager
def proven_by_socket(directory: Path, language: str) -> Iterator[Front]:
    upstream, believed = Upstream(), Terminators(socket=True)
    listener = Listener("gate", f"unix:{directory}/gate.sock")
    with served(upstream) as upstream_port, scene_of(directory, upstream_port) as (scene, till, ended):
        forwarder = Forwarder(timeout=timedelta(seconds=60))
        gate = GateApp(Origin.parse(SANDBOX, f"https://{AUTHORITY}"), desk(scene), forwarder, terminators=believed)
        with (
            listeners.bind(listener) as bound,
            served_on(bound, gate, forwarder, listener=listener),
            _PROXIES[language](by_socket(language, directory, directory / "gate.sock")) as server,
        ):
            yield Front(directory, scene, upstream, server.port, till, ended)


@contextmanager
def asked_for_decisions(directory: Path, make: Callable[[Path, int, int], Server]) -> Iterator[Front]:
    upstream, believed = Upstream(), Terminators(secret=SECRET.encode())
    with served(upstream) as upstream_port, scene_of(directory, upstream_port) as (scene, till, ended):
        decider = DecisionApp(
            {SANDBOX: Origin.parse(SANDBOX, f"https://{AUTHORITY}")}, desk(scene), terminators=believed
        )
        with served(decider) as decisions, make(directory, decisions, upstream_port) as server:
            yield Front(directory, scene, upstream, server.port, till, ended)


def checking(page: str, language: str, tls: tuple[str, str], decisions: int, upstream: int, directory: Path) -> str:
    """A recipe for sub-requests, in TLS and with the secret, as its comments say."""
    text = recipe(page, language, {"127.0.0.1:8082": decisions, "127.0.0.1:9000": upstream})
    text = re.sub(r'# ((?:proxy_set_header|header_up) Credenza-Proxy-Secret) "\.\.\."(;?).*', rf'\1 "{SECRET}"\2', text)
    text = text.replace("# header_up Client-Cert", "header_up Client-Cert")
    assert SECRET in text
    files(directory)
    assert tls[0] in text
    return text.replace(tls[0], tls[1].replace("{files}", str(directory)), 1)


def nginx_checking(directory: Path, decisions: int, upstream: int) -> Server:
    server = "ssl_certificate {files}/api.pem;\nssl_certificate_key {files}/api.key;"
    tls = (
        "listen 127.0.0.1:8081;",
        f"listen 127.0.0.1:{{port}} ssl;\nssl_verify_client optional_no_ca;\n{server}",
    )
    return NginxServer(checking("nginx.md", "nginx", tls, decisions, upstream, directory))


def caddy_checking(directory: Path, decisions: int, upstream: int) -> Server:
    tls = (
        "http://:8081 {",
        "https://localhost:{port} {\ntls {files}/api.pem {files}/api.key {\nclient_auth {\nmode request\n}\n}\n",
    )
    return CaddyServer(checking("caddy.md", "caddyfile", tls, decisions, upstream, directory))


FRONTS: list[Any] = [
    pytest.param((terminated, nginx), id="nginx"),
    pytest.param((terminated, haproxy), id="haproxy"),
    pytest.param((terminated, caddy), id="caddy"),
    *(pytest.param((proven_by_certificate, each), id=f"{each} by certificate") for each in _PROXIES),
    *(pytest.param((proven_by_socket, each), id=f"{each} by socket") for each in _PROXIES),
    pytest.param((asked_for_decisions, nginx_checking), id="nginx auth_request"),
    pytest.param((asked_for_decisions, caddy_checking), id="caddy forward_auth"),
]


@pytest.fixture(scope="module", params=FRONTS)
def common_front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    opened, make = request.param
    with opened(tmp_path_factory.mktemp("front"), make) as front:
        yield front


@pytest.fixture
def front(common_front: Front) -> Front:
    common_front.upstream.seen.clear()
    return common_front


def test_a_client_with_a_certificate_reaches_the_api(front: Front) -> None:
    answer = front.call(front.till)

    assert answer.status == 200
    assert front.received["x-credenza-key-id"] == front.till.credential_id
    assert front.received["x-credenza-certificate-sha256"] == front.till.thumbprint
    assert front.received["x-credenza-service-id"] == str(MTLS_ONLY)
    assert {"client-cert", "credenza-proxy-secret"}.isdisjoint(front.received)


def test_without_a_certificate_it_is_422(front: Front) -> None:
    answer = front.call(None)

    assert (answer.status, answer.error["ReasonCode"]) == (422, "INVALID_CLIENT_CERT")
    assert front.upstream.seen == []


@pytest.mark.parametrize("client", [leaf(issuing("SANDBOX CA")), leaf(issuing("Others"))], ids=["ours", "others'"])
def test_a_certificate_that_nobody_knows_is_422(front: Front, client: Party) -> None:
    answer = front.call(client)

    assert (answer.status, answer.error["ReasonCode"]) == (422, "INVALID_CLIENT_CERT")
    assert front.upstream.seen == []


def test_a_certificate_that_has_ended_is_422(front: Front) -> None:
    answer = front.call(front.ended)

    assert (answer.status, answer.error["ReasonCode"]) == (422, "INVALID_CLIENT_CERT")
    assert front.upstream.seen == []


def test_a_signed_call_comes_by_the_same_way(front: Front) -> None:
    signed = ("Authorization", front.scene.add_key().sign("GET", ORDER))

    assert front.call(None, signed, target="/orders/1").status == 200
    assert front.received.get("x-credenza-certificate-sha256", "") == ""


def test_the_target_arrives_as_it_was_sent(front: Front) -> None:
    target = "/vault/a%2fb;v=1?x=%7e&y=a:b"

    assert front.call(front.till, target=target).json()["target"] == target


@pytest.mark.parametrize("client", [None, leaf(issuing("Others"), "stranger")], ids=["without", "stranger"])
def test_no_spelling_is_believed_of_a_client(front: Front, client: Party | None) -> None:
    with closing(front.connect(client)) as connection:
        for named in product(SPELLINGS, values(front.till.certificate)):
            answer = ask(connection, named)
            assert (named, answer.status, answer.error["ReasonCode"]) == (named, 422, "INVALID_CLIENT_CERT")

    assert front.upstream.seen == []


@pytest.mark.parametrize(
    "name", ["Client-Cert", "Client_Cert", "Credenza-Proxy-Secret", "X-Credenza-Certificate-Sha256"]
)
def test_what_a_client_says_beside_its_certificate_changes_nothing(front: Front, name: str) -> None:
    other = hold(front.scene, leaf(issuing("SANDBOX CA"), "other"))
    value = SECRET if "Secret" in name else values(other.certificate)[0]

    assert front.call(front.till, (name, value), (name, value)).status == 200
    assert front.received["x-credenza-key-id"] == front.till.credential_id
    assert [each for each in front.received.values() if each == value] == []


def test_after_a_revoke_the_same_connection_and_a_new_one_are_refused(front: Front) -> None:
    holder = hold(front.scene, leaf(issuing("SANDBOX CA"), "to be revoked"))
    with closing(front.connect(holder)) as connection:
        assert ask(connection).status == 200

        _revoke(front.scene, holder)

        assert ask(connection).status == 422
    answer = front.call(holder)
    assert (answer.status, answer.error["ReasonCode"]) == (422, "INVALID_CLIENT_CERT")


def test_an_api_that_the_project_has_not_is_declined(front: Front) -> None:
    answer = front.call(front.till, target="/nowhere")

    assert (answer.status, answer.error["ReasonCode"]) == (401, "DECLINED")
