"""TLS of our own listeners: real sockets, and whom a handshake lets in."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from tests.gate import certificate_scene
from tests.gate.certificate_scene import Party, issuing, leaf, server_of

from credenza.cli import listeners
from credenza.cli.connection import Limits
from credenza.cli.listeners import Listener
from credenza.cli.tls import ClientTrust
from credenza.domain.model import ChangeNumber, EnvironmentName
from credenza.gate.answers import reply
from credenza.gate.keyring import GateClosed
from credenza.gate.terminators import PRESENTED
from credenza.gate.trust import Trust
from credenza.protocol import issuance
from credenza.store.lookup import TrustedCertificate, TrustSnapshot

SANDBOX = EnvironmentName.SANDBOX
PATIENT = Limits(head_s=60, body_s=60, idle_s=60, connections=1_000)
PATIENCE_S = 120
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b"
OURS, OTHERS, SERVER = issuing("Ours"), issuing("Others"), issuing("Server CA")


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the certificate that the call was made with."""
    body = scope.get(PRESENTED, b"")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Steady:
    """Freshness that is looked at; what is to be applied then is given."""

    def __init__(self) -> None:
        self.closed = False

    def look(self) -> None:
        if self.closed:
            raise GateClosed("database")


class Place:
    def __init__(self, directory: Path, trust: Trust, freshness: Steady, port: int) -> None:
        self.directory = directory
        self.trust = trust
        self.freshness = freshness
        self.port = port
        self._opened = ExitStack()

    def believe(self, *parties: Party) -> None:
        certificates = tuple(TrustedCertificate(SANDBOX, each.der, True) for each in parties)
        self.trust.replace(TrustSnapshot(ChangeNumber(0), certificates))

    def plain(self) -> socket.socket:
        return self._opened.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S))

    def connect(self, client: Party | None = None, context: ssl.SSLContext | None = None, **said: Any) -> ssl.SSLSocket:
        context = context or client_context(self.directory, client)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        return self._opened.enter_context(context.wrap_socket(plain, server_hostname="localhost", **said))

    def proven(self, client: Party | None = None, context: ssl.SSLContext | None = None) -> bytes:
        """The certificate that the application learns of."""
        return ask(self.connect(client, context))

    def close(self) -> None:
        self._opened.close()


def client_context(directory: Path, client: Party | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=SERVER.chain[0].public_bytes(certificate_scene.Encoding.DER))
    if client is not None:
        pair = directory / "client.pem"
        pair.write_bytes(client.pem + client.key_pem)
        context.load_cert_chain(pair)
    return context


def ask(connection: ssl.SSLSocket, request: bytes = GET) -> bytes:
    connection.sendall(request)
    file = connection.makefile("rb")
    assert file.readline().startswith(b"HTTP/1.1 200 ")
    length = 0
    while (line := file.readline().strip()) != b"":
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return bytes(file.read(length))


def write_server(directory: Path, party: Party) -> tuple[Path, Path]:
    certificate, private_key = directory / "server.pem", directory / "server.key"
    for path, content in ((certificate, party.pem), (private_key, party.key_pem)):
        new = path.with_suffix(".new")
        new.write_bytes(content)
        os.replace(new, path)  # noqa: PTH105 - as deployment tools do it
    return certificate, private_key


@contextmanager
def placed(
    directory: Path,
    limits: Limits = PATIENT,
    besides: tuple[x509.Certificate, ...] = (),
    loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    app: Any = None,
) -> Iterator[Place]:
    trust, freshness = Trust(), Steady()
    clients = ClientTrust(SANDBOX, trust, freshness, lambda: datetime.now(UTC), besides)
    listener = Listener("place", "127.0.0.1:0", *write_server(directory, server_of(SERVER)))
    with listeners.bind(listener) as bound:
        server = listeners.make_server(listener, app or tell, limits, clients)

        def run() -> None:
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(server.serve(sockets=[bound]))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        place = Place(directory, trust, freshness, bound.getsockname()[1])
        place.believe(OURS)
        try:
            yield place
        finally:
            place.close()
            server.should_exit = True
            thread.join(timeout=PATIENCE_S)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with placed(tmp_path) as place:
        yield place


# ----------------------------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_application_learns_which_certificate_a_client_has_proven(place: Place, version: ssl.TLSVersion) -> None:
    client = leaf(OURS)
    context = client_context(place.directory, client)
    context.maximum_version = version

    connection = place.connect(context=context)

    assert [ask(connection), ask(connection)] == [client.der, client.der]


class AtOnce:
    """An application that is asked for answers at once, and leaves this one."""

    def at_once(self, target: bytes, headers: Any, scheme: str) -> None: ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await tell(scope, receive, send)


class OfForms(AtOnce):
    forms = frozenset({b"/"})

    def form_at_once(self, *asked: Any) -> None:
        raise AssertionError("a form with a certificate travels in a scope")


@pytest.mark.parametrize("app", [AtOnce(), OfForms()], ids=lambda app: type(app).__name__)
@pytest.mark.parametrize("request_bytes", [GET, POST], ids=["GET", "POST"])
def test_every_kind_of_connection_hands_the_certificate_on(tmp_path: Path, app: Any, request_bytes: bytes) -> None:
    client = leaf(OURS)
    with placed(tmp_path, app=app) as place:
        connection = place.connect(client)

        assert [ask(connection, request_bytes), ask(connection, request_bytes)] == [client.der, client.der]


def test_a_client_without_a_certificate_is_served_too(place: Place) -> None:
    assert place.proven() == b""


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_the_request_may_come_with_the_end_of_the_handshake(
    tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with placed(tmp_path, loop=loop) as place:
        client = leaf(OURS)
        secured = Secured(place, client)
        secured.connection.write(GET)
        secured.send()

        assert secured.reads(client.der)


class Answering(AtOnce):
    def at_once(self, target: bytes, headers: Any, scheme: str) -> Any:
        return reply(200, [], b"here you are")


def test_a_client_that_ends_its_half_with_the_request_has_its_answer(tmp_path: Path) -> None:
    with placed(tmp_path, app=Answering()) as place:
        secured = Secured(place, leaf(OURS))
        secured.connection.write(GET)
        with pytest.raises(ssl.SSLWantReadError):
            secured.connection.unwrap()
        secured.send()

        assert secured.reads(b"here you are")


class Secured:
    """TLS that sends when it is told to: what goes in one segment is seen in one turn of the server's loop."""

    def __init__(self, place: Place, client: Party) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context(place.directory, client)
        self.connection = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._plain = place.plain()
        while not self._has_shaken_hands():
            self.send()
            self._receive()

    def send(self) -> None:
        self._plain.sendall(self._outgoing.read())

    def reads(self, wanted: bytes) -> bool:
        received = b""
        while wanted not in received:
            try:
                received += self.connection.read(65_536)
            except ssl.SSLWantReadError:
                self._receive()
        return True

    def _has_shaken_hands(self) -> bool:
        try:
            self.connection.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _receive(self) -> None:
        received = self._plain.recv(65_536)
        assert received, "the server has hung up"
        self._incoming.write(received)


def test_a_client_need_not_send_the_authority_between(place: Place) -> None:
    client = replace(leaf(OURS), chain=())

    assert place.proven(client) == client.der


@pytest.mark.parametrize(
    ("client", "alert"),
    [
        pytest.param(leaf(OTHERS), "unknown ca", id="another authority's"),
        pytest.param(
            leaf(OURS, validity=issuance.Validity(certificate_scene.BEGIN, datetime.now(UTC) - timedelta(days=1))),
            "certificate expired",
            id="expired",
        ),
        pytest.param(
            leaf(OURS, validity=issuance.Validity(datetime.now(UTC) + timedelta(days=1), certificate_scene.END)),
            "bad certificate",
            id="not yet valid",
        ),
        pytest.param(server_of(OURS), "unsupported certificate", id="a server's"),
        pytest.param(certificate_scene.root("Nobody"), "unknown ca", id="self-signed"),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_that_is_not_trusted_dies_in_the_handshake_and_says_why(
    place: Place, client: Party, alert: str, version: ssl.TLSVersion
) -> None:
    context = client_context(place.directory, client)
    context.maximum_version = version

    with pytest.raises(ssl.SSLError, match=f"alert {alert}"):
        place.proven(context=context)


def test_a_certificate_without_its_private_key_proves_nothing(place: Place, tmp_path: Path) -> None:
    pair = tmp_path / "stolen.pem"
    pair.write_bytes(leaf(OURS).pem + leaf(OURS).key_pem)

    with pytest.raises(ssl.SSLError, match=r"KEY_VALUES_MISMATCH|key values mismatch"):
        ssl.create_default_context().load_cert_chain(pair)


def test_a_proxy_is_trusted_by_its_certificate_itself(tmp_path: Path) -> None:
    proxy = leaf(OTHERS, "proxy")
    with placed(tmp_path, besides=(proxy.certificate,)) as place:
        assert place.proven(proxy) == proxy.der
        with pytest.raises(ssl.SSLError, match="alert"):
            place.proven(leaf(OTHERS, "its neighbour"))


# --------------------------------------------------------------------------------------------------------- reloading


def test_a_change_of_trust_is_what_the_next_handshake_goes_by(place: Place) -> None:
    ours, others = leaf(OURS), leaf(OTHERS)
    with pytest.raises(ssl.SSLError, match="alert unknown ca"):
        place.proven(others)

    place.believe(OTHERS)

    assert place.proven(others) == others.der
    with pytest.raises(ssl.SSLError, match="alert unknown ca"):
        place.proven(ours)


def test_a_connection_outlives_a_change_of_trust(place: Place) -> None:
    client = leaf(OURS)
    connection = place.connect(client)
    first = ask(connection)

    place.believe(OTHERS)

    assert [first, ask(connection)] == [client.der, client.der]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_opens_no_session_after_a_change_of_trust(place: Place, version: ssl.TLSVersion) -> None:
    client = leaf(OURS)
    context = client_context(place.directory, client)
    context.maximum_version = version
    first = place.connect(context=context)
    assert ask(first) == client.der

    again = place.connect(context=context, session=first.session)
    proven = ask(again)
    place.believe(OURS, OTHERS)
    later = place.connect(context=context, session=again.session)

    assert (again.session_reused, proven) == (True, client.der)
    assert (later.session_reused, ask(later)) == (False, client.der)


def test_a_ticket_opens_no_session_for_whom_nobody_trusts_any_more(place: Place) -> None:
    context = client_context(place.directory, leaf(OURS))
    first = place.connect(context=context)
    ask(first)

    place.believe(OTHERS)

    with pytest.raises(ssl.SSLError, match="alert unknown ca"):
        ask(place.connect(context=context, session=first.session))


def test_while_nobody_is_trusted_nobody_is_asked(place: Place) -> None:
    place.believe()

    assert place.proven(leaf(OTHERS)) == b""


def test_a_gate_that_cannot_know_lets_handshakes_be_as_they_were(place: Place) -> None:
    place.freshness.closed = True

    client = leaf(OURS)
    assert place.proven(client) == client.der


def test_a_new_certificate_of_the_server_is_shown_to_the_next_client(place: Place) -> None:
    before = place.connect().getpeercert(binary_form=True)
    successor = server_of(SERVER)

    write_server(place.directory, successor)

    assert before != successor.der
    assert place.connect().getpeercert(binary_form=True) == successor.der


def test_while_the_servers_files_do_not_fit_the_last_ones_serve(place: Place) -> None:
    before = place.connect().getpeercert(binary_form=True)

    (place.directory / "server.key").write_bytes(b"half a ke")
    between = place.connect().getpeercert(binary_form=True)
    (place.directory / "server.key").unlink()
    gone = place.connect().getpeercert(binary_form=True)
    successor = server_of(SERVER)
    write_server(place.directory, successor)

    assert (between, gone) == (before, before)
    assert place.connect().getpeercert(binary_form=True) == successor.der


# ------------------------------------------------------------------------------------------------- versions, suites


def test_tls_1_3_is_preferred(place: Place) -> None:
    assert place.connect().version() == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(place: Place, version: ssl.TLSVersion) -> None:
    context = client_context(place.directory)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version

    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        place.connect(context=context)


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])
def test_tls_1_2_has_the_suites_of_fapi(place: Place, suite: str) -> None:
    context = client_context(place.directory)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)

    cipher = place.connect(context=context).cipher()

    assert cipher is not None
    assert cipher[0] == suite


@pytest.mark.parametrize(
    "suite", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-CCM", "AES128-SHA"]
)
def test_tls_1_2_has_no_others(place: Place, suite: str) -> None:
    context = client_context(place.directory)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suite}:@SECLEVEL=0")

    with pytest.raises(ssl.SSLError, match="alert handshake failure"):
        place.connect(context=context)


# ------------------------------------------------------------------------------------------------- deadlines, room


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["silence", "a beginning"])
def test_a_handshake_that_does_not_end_is_closed(tmp_path: Path, sent: bytes) -> None:
    with placed(tmp_path, replace(PATIENT, head_s=0.5)) as place:
        connection = place.plain()
        connection.sendall(sent)

        assert until_closed(connection) == b""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_client_that_stays_after_its_alert_is_closed(tmp_path: Path) -> None:
    hello = hello_of_tls_1_1()
    with placed(tmp_path, replace(PATIENT, head_s=0.5)) as place:
        connection = place.plain()
        connection.sendall(hello)

        assert until_closed(connection)[:1] == b"\x15"  # an alert, and then the end


def hello_of_tls_1_1() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def test_plain_http_is_closed(place: Place) -> None:
    connection = place.plain()
    connection.sendall(GET)

    assert b"HTTP/1.1 200" not in until_closed(connection)


def test_handshakes_count_and_the_one_that_began_first_makes_room(tmp_path: Path) -> None:
    with placed(tmp_path, replace(PATIENT, connections=20)) as place:
        first, *_ = [place.plain() for _ in range(21)]

        assert until_closed(first) == b""
        client = leaf(OURS)
        assert place.proven(client) == client.der


def test_many_silent_handshakes_keep_nobody_out(tmp_path: Path) -> None:
    with placed(tmp_path, replace(PATIENT, connections=50)) as place:
        for _ in range(300):
            place.plain()

        client = leaf(OURS)
        assert [place.proven(client) for _ in range(5)] == [client.der] * 5
