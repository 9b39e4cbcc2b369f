"""A partner's TLS clients, unmodified, reach an API with a certificate they got here, over the gate's own TLS and
through nginx, HAProxy and Caddy; and no more from the moment on that it is revoked."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.forked import ForkedServer
from tests.gate import test_terminator_recipes as recipes
from tests.gate.certificate_scene import issuing, leaf, server_of
from tests.gate.street import Upstream, served
from tests.gate.test_terminator_recipes import SECRET, SERVER
from tests.installation import SANDBOX, Installation, furnish, now, settings, upgrade
from tests.java import JVM, KEYTOOL
from tests.servers import RedisServer, find_program

from credenza.actions import certificates, projects
from credenza.actions.certificate_admission import NewRequest
from credenza.actions.projects import NewProject
from credenza.cli.main import main
from credenza.domain.model import AuthenticationType, Credential, ProjectId, ProjectType
from credenza.protocol import csr

PASSWORD = "only for this test"
HOST_NAME = "localhost"
PATIENCE_S = 120


@dataclass(frozen=True)
class Way:
    """A way to the gate: `port` is where clients go, `pki` where the platform's authorities publish themselves."""

    directory: Path
    installation: Installation
    upstream: Upstream
    port: int
    project_id: ProjectId
    pki: str = ""

    @property
    def url(self) -> str:
        return f"https://{HOST_NAME}:{self.port}/vault/1"

    def add(self, name: str, request: bytes) -> Credential:
        at = self.installation
        return certificates.add_by_csr(
            at.platform, at.actor, self.project_id, NewRequest(name, request), SANDBOX, now=now()
        )

    def revoke(self, held: Credential) -> None:
        at = self.installation
        certificates.revoke(at.platform, at.actor, self.project_id, held.id, keep_last=False, reason="", now=now())


@dataclass(frozen=True)
class Client:
    """A partner's certificate as files: PEM each, and both in `pair`."""

    held: Credential
    certificate: Path
    key: Path
    pair: Path
    trusted: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.trusted)
        context.load_cert_chain(self.pair)
        return context


def partner(way: Way, name: str) -> Client:
    """Make a key, have it certified, and write files as a partner would."""
    key = ec.generate_private_key(ec.SECP256R1())
    held = way.add(name, csr.build(key, common_name=name))
    at = way.directory / name
    at.mkdir()
    files = {
        "client.pem": pem(held.certificate_der),
        "client.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "trusted.pem": SERVER.chain[0].public_bytes(Encoding.PEM),
    }
    files["pair.pem"] = files["client.pem"] + files["client.key"]
    for file, content in files.items():
        (at / file).write_bytes(content)
    return Client(held, at / "client.pem", at / "client.key", at / "pair.pem", at / "trusted.pem")


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@contextmanager
def opened(directory: Path, make: Callable[[Path, int], Any] | None) -> Iterator[Way]:
    """The gate with TLS of its own, or a proxy that `make` makes in front of one without."""
    made = server_of(SERVER)
    (directory / "server.pem").write_bytes(made.pem)
    (directory / "server.key").write_bytes(made.key_pem)
    own = {"tls_certificate": directory / "server.pem", "tls_private_key": directory / "server.key"}
    upstream = Upstream()
    with ExitStack() as stack:
        chosen = settings(directory, **(own if make is None else {"proxy_secret": SECRET}))
        changed = {} if make is None else {"proxy_secret": SECRET}
        gate = stack.enter_context(ForkedServer(chosen, **changed))
        port = stack.enter_context(served(upstream))
        installation = stack.enter_context(furnish(chosen, upstream=f"http://127.0.0.1:{port}"))
        project_id = mtls_project(installation, f"http://127.0.0.1:{port}")
        front = gate if make is None else stack.enter_context(make(directory, gate.port))
        yield Way(directory, installation, upstream, front.port, project_id, f"{gate.manage_origin}/pki")


def mtls_project(at: Installation, upstream: str) -> ProjectId:
    vault = at.add_service("Vault", "/vault", AuthenticationType.MTLS, upstream)
    first = NewRequest("first", csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="first"))
    new = NewProject(ProjectType.MTLS, "Tills", "EU", vault.id, SANDBOX, first)
    return projects.create(at.platform, at.actor, at.organization_id, new, now=now()).project.id


WAYS = [
    pytest.param(None, id="own TLS"),
    pytest.param(recipes.nginx, id="nginx"),
    pytest.param(recipes.haproxy, id="haproxy"),
    pytest.param(recipes.caddy, id="caddy"),
]


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with opened(tmp_path_factory.mktemp("way"), request.param) as way:
        yield way


# ------------------------------------------------------------------------------------------------------- the clients

Call: TypeAlias = Callable[[Way, Client], tuple[int, Any]]


def by_curl(way: Way, client: Client) -> tuple[int, Any]:
    files = ("--cert", client.certificate, "--key", client.key, "--cacert", client.trusted)
    return curl(way, *files)


def curl(way: Way, *arguments: object) -> tuple[int, Any]:
    body, _, status = run("curl", "-sS", *arguments, "-w", "\n%{http_code}", way.url).rpartition("\n")
    return int(status), json.loads(body)


def by_openssl(way: Way, client: Client) -> tuple[int, Any]:
    request = f"GET /vault/1 HTTP/1.1\r\nHost: {HOST_NAME}:{way.port}\r\nConnection: close\r\n\r\n"
    files = ("-cert", client.certificate, "-key", client.key, "-CAfile", client.trusted, "-verify_return_error")
    place = ("-connect", f"127.0.0.1:{way.port}", "-servername", HOST_NAME)
    head, _, body = run("openssl", "s_client", "-quiet", *place, *files, stdin=request).partition("\n\n")
    return int(head.split(" ")[1]), json.loads(body[body.index("{") : body.rindex("}") + 1])


def by_httpx(way: Way, client: Client) -> tuple[int, Any]:
    with httpx.Client(verify=client.context(), timeout=PATIENCE_S) as session:
        answer = session.get(way.url)
    return answer.status_code, answer.json()


def run(program: str, *arguments: object, stdin: str = "") -> str:
    asked = [find_program(program, program), *map(str, arguments)]
    ended = subprocess.run(asked, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 0, (asked, ended.stdout, ended.stderr)
    return ended.stdout


@pytest.mark.parametrize("call", [by_curl, by_openssl, by_httpx], ids=lambda call: call.__name__)
def test_a_client_reaches_the_api_until_its_certificate_is_revoked(way: Way, call: Call) -> None:
    client = partner(way, call.__name__)

    status, told = call(way, client)

    assert "headers" in told, told
    headers = dict(map(tuple, told["headers"]))
    assert (status, headers["x-credenza-key-id"]) == (200, client.held.id)
    way.revoke(client.held)
    status, told = call(way, client)
    assert (status, told["Errors"]["Error"][0]["ReasonCode"]) == (422, "INVALID_CLIENT_CERT")


def test_after_a_revoke_the_same_connection_is_refused(way: Way) -> None:
    client = partner(way, "kept")
    ports = []
    with httpx.Client(verify=client.context(), timeout=PATIENCE_S) as session:
        for wanted in (200, 200, 422, 422):
            if wanted == 422:
                way.revoke(client.held)
            with session.stream("GET", way.url) as answer:
                answer.read()
                assert answer.status_code == wanted
                ports.append(answer.extensions["network_stream"].get_extra_info("client_addr"))

    assert len(set(ports)) == 1


def test_a_client_without_a_certificate_is_422(way: Way) -> None:
    status, told = curl(way, "--cacert", partner(way, "nobody").trusted)

    assert (status, told["Errors"]["Error"][0]["ReasonCode"]) == (422, "INVALID_CLIENT_CERT")


# -------------------------------------------------------------------------------------------------------------- Java


@dataclass(frozen=True)
class KeyStores:
    held: Credential
    keys: Path
    trusted: Path


@dataclass(frozen=True)
class Shop:
    """What a Java shop has before it knows any gate: key pairs with requests, and whom it trusts."""

    directory: Path
    trusted: Path

    def keys(self, name: str) -> tuple[Path, bytes]:
        return self.directory / f"{name}.p12", (self.directory / f"{name}.pem").read_bytes()


STORE = ("-storetype", "PKCS12", "-alias", "till")


def keytool(*arguments: object) -> None:
    run(*KEYTOOL, *arguments, "-storepass", PASSWORD, "-noprompt")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Made by keytool: the pairs `java` and `stored`, and a store with the authority of the servers."""
    at = tmp_path_factory.mktemp("shop")
    for name in ("java", "stored"):
        keys = at / f"{name}.p12"
        pair = ("-keyalg", "EC", "-groupname", "secp256r1", "-dname", f"CN={name},O=Acme")
        keytool("-genkeypair", "-keystore", keys, *STORE, *pair)
        keytool("-certreq", "-keystore", keys, *STORE, "-file", at / f"{name}.pem")
    (at / "server.pem").write_bytes(SERVER.chain[0].public_bytes(Encoding.PEM))
    trusted = at / "trusted.p12"
    keytool("-importcert", "-keystore", trusted, "-storetype", "PKCS12", "-alias", "api", "-file", at / "server.pem")
    return Shop(at, trusted)


def certified(way: Way, shop: Shop, name: str) -> KeyStores:
    """What a Java shop does with a request of keytool: the certificate's whole chain is imported as the reply."""
    at = way.directory / name
    at.mkdir()
    made, request = shop.keys(name)
    keys = Path(shutil.copy(made, at / "keys.p12"))
    held = way.add(name, request)
    above = x509.load_pem_x509_certificates(httpx.get(f"{way.pki}/sandbox/chain.pem", timeout=PATIENCE_S).content)
    (root,) = (each for each in above if each.subject == each.issuer)
    (at / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (at / "reply.pem").write_bytes(
        pem(held.certificate_der) + b"".join(each.public_bytes(Encoding.PEM) for each in above)
    )
    keytool("-importcert", "-keystore", keys, "-alias", "root", "-file", at / "root.pem")
    keytool("-importcert", "-keystore", keys, *STORE, "-file", at / "reply.pem")
    return KeyStores(held, keys, shop.trusted)


@pytest.fixture(scope="module")
def stores(way: Way, shop: Shop) -> KeyStores:
    """Of a certificate that no test revokes."""
    return certified(way, shop, "stored")


needs_javac = pytest.mark.skipif(
    shutil.which("javac") is None, reason="a JRE compiles nothing; Debian package default-jdk-headless"
)


@pytest.fixture(scope="module")
def java_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the compiled MtlsClient."""
    compiled = tmp_path_factory.mktemp("java")
    run("javac", *(f"-J{option}" for option in JVM), "-d", compiled, Path(__file__).with_name("MtlsClient.java"))
    return compiled


@needs_javac
def test_java_reaches_the_api_with_a_key_store_of_keytool(way: Way, shop: Shop, java_client: Path) -> None:
    mine = certified(way, shop, "java")
    program = [find_program("java", "default-jdk-headless"), *JVM, "-cp", java_client, "MtlsClient"]
    with subprocess.Popen(
        [*program, mine.keys, mine.trusted, PASSWORD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:

        def call() -> tuple[int, Any]:
            assert client.stdin is not None
            assert client.stdout is not None
            print(way.url, file=client.stdin, flush=True)
            return int(client.stdout.readline()), json.loads(client.stdout.readline())

        status, told = call()
        assert (status, dict(map(tuple, told["headers"]))["x-credenza-key-id"]) == (200, mine.held.id)
        way.revoke(mine.held)
        status, told = call()
        assert (status, told["Errors"]["Error"][0]["ReasonCode"]) == (422, "INVALID_CLIENT_CERT")


def test_curl_reaches_the_api_with_a_key_store_of_keytool(way: Way, stores: KeyStores) -> None:
    trusted = partner(way, "beside").trusted
    files = ("--cert-type", "P12", "--cert", f"{stores.keys}:{PASSWORD}", "--cacert", trusted)

    status, told = curl(way, *files)

    assert (status, dict(map(tuple, told["headers"]))["x-credenza-key-id"]) == (200, stores.held.id)


# -------------------------------------------------------------------------------------------------- the command line


Command: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run `credenza call` as a partner does, whose own key of OAuth is in the environment."""
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))

    def run(*arguments: object) -> tuple[int, str, str]:
        with monkeypatch.context() as patched:
            patched.setenv("CREDENZA_KEY_FILE", str(tmp_path / "signs.p12"))
            code = main(["call", "GET", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_command_line_calls_with_a_certificate_until_it_is_revoked(way: Way, command: Command) -> None:
    client = partner(way, "command line")
    usual = (way.url, "--cert", client.pair, "--ca", client.trusted)

    code, told, _ = command(*usual, "-o", "json")
    way.revoke(client.held)
    refused = command(*usual)

    headers = dict(map(tuple, json.loads(json.loads(told)["body"])["headers"]))
    assert (code, headers["x-credenza-key-id"]) == (0, client.held.id)
    assert "authorization" not in headers
    assert refused[0] == 1
    assert re.search(r"Refused: INVALID_CLIENT_CERT\nWhy: credenza debug mtls \S+\n", refused[2])


def test_the_command_line_reads_key_stores_and_pairs_of_files(
    way: Way, stores: KeyStores, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where no other test's command leaves anything
    client = partner(way, "in two files")
    (tmp_path / "password").write_text(PASSWORD)

    pairs = [
        ("--cert", client.certificate, "--key", client.key),
        ("--cert", stores.keys, "--password-file", tmp_path / "password", "-v"),
    ]
    answers = [command(way.url, "--ca", client.trusted, *each) for each in pairs]

    assert [code for code, _, _ in answers] == [0, 0]
    assert answers[1][2].startswith(f"curl -X GET {way.url} --cert-type P12 --cert {stores.keys} ")
    assert PASSWORD not in answers[1][2]
    assert list(tmp_path.glob("credenza-*.pem")) == []


def test_the_command_line_says_what_is_wrong_with_a_certificate(way: Way, command: Command) -> None:
    client, other = partner(way, "half"), partner(way, "other half")
    bare = command(way.url, "--cert", client.certificate, "--key", other.key, "--ca", client.trusted)
    none = command(way.url, "--auth", "mtls")
    signed = command(way.url, "--auth", "oauth1", "--cert", client.pair)

    assert (bare[0], none[0], signed[0]) == (1, 2, 2)
    assert "is of another key than" in bare[2]
    assert "Give --cert FILE" in none[2]
    assert "--cert goes with --auth mtls or oauth2." in signed[2]


def test_a_certificate_that_the_handshake_refuses_is_said_to_be_the_reason(command: Command, tmp_path: Path) -> None:
    stranger, trusted = tmp_path / "stranger.pem", tmp_path / "trusted.pem"
    made = leaf(issuing("Nobody's"))
    stranger.write_bytes(made.pem + made.key_pem)
    trusted.write_bytes(SERVER.chain[0].public_bytes(Encoding.PEM))
    with opened(tmp_path, None) as way:
        code, _, said = command(way.url, "--cert", stranger, "--ca", trusted)

    assert code == 4
    assert said.endswith(f"Why: credenza debug mtls --certificate {stranger}\n")


# --------------------------------------------------------------------------------------------------- more than one gate


Place: TypeAlias = tuple[Installation, list[int], Upstream]


@pytest.fixture
def four_workers(tmp_path: Path) -> Iterator[Place]:
    upstream, chosen = Upstream(), settings(tmp_path, **own_tls(tmp_path))
    with (
        ForkedServer(chosen, workers=4) as server,
        served(upstream) as port,
        furnish(chosen, upstream=f"http://127.0.0.1:{port}") as installation,
    ):
        yield installation, [server.port] * 4, upstream


@pytest.fixture
def two_gates(tmp_path: Path, postgresql_url: str, redis_server: RedisServer) -> Iterator[Place]:
    upstream = Upstream()
    upgrade(postgresql_url)
    (tmp_path / "data").mkdir(mode=0o700)
    chosen = settings(tmp_path, database_url=postgresql_url, replay_url=redis_server.url, **own_tls(tmp_path))
    with (
        ForkedServer(chosen, role="manage"),
        ForkedServer(chosen, role="gate") as one,
        ForkedServer(chosen, role="gate") as other,
        served(upstream) as port,
        furnish(chosen, upstream=f"http://127.0.0.1:{port}") as installation,
    ):
        yield installation, [one.port, other.port], upstream


def own_tls(directory: Path) -> dict[str, Path]:
    made = server_of(SERVER)
    (directory / "server.pem").write_bytes(made.pem)
    (directory / "server.key").write_bytes(made.key_pem)
    return {"tls_certificate": directory / "server.pem", "tls_private_key": directory / "server.key"}


PLACES = [
    pytest.param("four_workers", id="SQLite, 4 workers"),
    pytest.param("two_gates", id="PostgreSQL, two gates"),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_revoke_reaches_every_gate_on_open_connections_and_new_ones(
    place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    installation, ports, upstream = request.getfixturevalue(place)
    project_id = mtls_project(installation, installation.service.environments[0].upstream)
    ways = [Way(tmp_path, installation, upstream, port, project_id) for port in ports]
    client = partner(ways[0], "everywhere")
    with ExitStack() as stack:
        open_ones = [
            (way, stack.enter_context(httpx.Client(verify=client.context(), timeout=PATIENCE_S)))
            for way in ways
            for _ in range(3)
        ]
        for way, session in open_ones:
            await_admission(session, way.url)

        ways[0].revoke(client.held)

        assert {session.get(way.url).status_code for way, session in open_ones} == {422}
    assert {by_httpx(way, client)[0] for way in ways} == {422}


def await_admission(session: httpx.Client, url: str) -> None:
    """A gate remembers for a second whose certificate is nobody's, and hears of an API a moment later."""
    for _ in range(PATIENCE_S * 20):
        if session.get(url).status_code == 200:
            return
        time.sleep(0.05)
    raise AssertionError("the certificate was never admitted")
