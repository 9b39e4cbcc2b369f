"""P10: OCSP answers that are warm, beside `openssl ocsp` as a responder; a revocation list of 100,000 entries."""

from __future__ import annotations

import base64
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from tests.installation import CredenzaServer, full_settings, furnish, request_for
from tests.servers import HOST, Server, find_program

from bench import load
from bench.line import Line, judge, microseconds, milliseconds, rate
from bench.load import Load, server_core
from bench.measure import Figure, alternate, cpu_seconds
from bench.peers.servers import pinned
from credenza.client import operations
from credenza.protocol import crl, distinguished_name, issuance
from credenza.protocol.crl import Entry, Reason
from credenza.wire.credentials import AddSigningCredential

_GOAL = 10.0
_ENTRIES = 100_000
_LONGEST_S = 2.0
_SECONDS = 4
_REQUESTS = 60_000
_PEER_SECONDS = 2.0


class Authority:
    """A P-256 authority with one certificate, for the peer and for the list."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        validity = issuance.validity(now, ends_at=now + timedelta(days=3650))
        name = distinguished_name.to_name((("O", "Bench"), ("CN", "Bench CA")))
        public = self.key.public_key()
        self.certificate = issuance.make_root(
            self.key, subject=name, public_key=public, serial_number=1, validity=validity
        )
        self.leaf = issuance.make_leaf(
            self.key, self.certificate, profile=issuance.CLIENT_LEAF, subject=name, public_key=public,
            serial_number=0x1234, validity=validity,
        )  # fmt: skip


class OpensslResponder(Server):
    """`openssl ocsp -port`, which answers one after another."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority

    def prepare(self) -> None:
        pkcs8 = self._authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.directory / "ca.key").write_bytes(pkcs8)
        (self.directory / "ca.pem").write_bytes(self._authority.certificate.public_bytes(Encoding.PEM))
        (self.directory / "index.txt").write_text("V\t361231235959Z\t\t1234\tunknown\t/CN=client\n")

    def command(self) -> list[str]:
        signer = ["-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-index", "index.txt"]
        paths = [str(self.directory / each) if (self.directory / each).exists() else each for each in signer]
        program = [find_program("openssl", "openssl"), "ocsp", *paths, "-port", str(self.port), "-ignore_err"]
        return [*pinned(server_core()), *program]

    def pids(self) -> list[int]:
        return [self._running().pid]

    def answers(self) -> bool:
        return b"200" in ask(self.port, request_about(self._authority.leaf, self._authority.certificate))


def request_about(leaf: x509.Certificate, issuer: x509.Certificate) -> bytes:
    return ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA1()).build().public_bytes(Encoding.DER)


def ask(port: int, encoded: bytes) -> bytes:
    head = f"POST / HTTP/1.0\r\nContent-Type: application/ocsp-request\r\nContent-Length: {len(encoded)}\r\n\r\n"
    with socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(head.encode() + encoded)
        read = bytearray()
        while chunk := connection.recv(65536):
            read += chunk
        return bytes(read)


def measure() -> tuple[Line, ...]:
    return (_status(), _list())


def _status() -> Line:
    loads: list[Load] = []
    authority = Authority()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-bench-")))
        chosen = full_settings(directory)
        server = stack.enter_context(CredenzaServer(chosen, core=server_core()))
        installation = stack.enter_context(furnish(chosen))
        project, _ = installation.add_project()
        csr = request_for(rsa.generate_private_key(public_exponent=65537, key_size=2048)).decode()
        with installation.client(server) as client:
            new = AddSigningCredential(type="SIGNING", alias="bench", csr=csr)
            held = client.send(operations.add_credential(project.id, new))
        issuer = x509.load_der_x509_certificate(httpx.get(f"{server.manage_origin}/pki/sandbox/issuing.cer").content)
        request = _get(request_about(x509.load_pem_x509_certificate(held.certificate.encode()), issuer))
        peer = stack.enter_context(OpensslResponder(authority))

        def ours() -> float:
            sent = load.send(server.manage_port, [request] * _REQUESTS, pids=server.worker_pids, seconds=_SECONDS)
            loads.append(sent)
            return sent.per_cpu_second

        def theirs() -> float:
            return _one_after_another(peer, request_about(authority.leaf, authority.certificate))

        found = alternate({"openssl": theirs, "ours": ours})
    return _status_line(found, sorted(each.cpu_each_s for each in loads)[len(loads) // 2])


def _get(encoded: bytes) -> bytes:
    text = base64.b64encode(encoded).decode().replace("/", "%2F").replace("+", "%2B").replace("=", "%3D")
    return load.raw_request("GET", f"/pki/ocsp/{text}", [("Host", "127.0.0.1")])


def _one_after_another(peer: OpensslResponder, encoded: bytes) -> float:
    """Answers per second of the responder's own CPU time: while it waits for the next request it is not measured."""
    count, started, before = 0, time.perf_counter(), cpu_seconds(peer.pids())
    while time.perf_counter() < started + _PEER_SECONDS:
        ask(peer.port, encoded)
        count += 1
    return count / (cpu_seconds(peer.pids()) - before)


def _status_line(found: dict[str, Figure], cpu_each_s: float) -> Line:
    ours, peer = found["ours"], found["openssl"]
    ratio = ours.median / peer.median
    return Line(
        id="P10",
        what="OCSP answer over HTTP, warm, with the limits, metrics and freshness of the management API; "
        "per second of CPU, both sides",
        figure=f"{rate(ours.median)} {ours.spread}, {microseconds(cpu_each_s)} CPU each",
        compared=f"openssl ocsp: {rate(peer.median)} {peer.spread}, {microseconds(1 / peer.median)} CPU each",
        ratio=f"{ratio:.1f} ×",
        goal=f"≥ {_GOAL:.0f} ×",
        verdict=judge(ratio >= _GOAL),
    )


def _list() -> Line:
    authority, now = Authority(), datetime.now(UTC)
    entries = [
        Entry((1 << 158) + number, now - timedelta(seconds=number), Reason.SUPERSEDED) for number in range(_ENTRIES)
    ]

    def build() -> float:
        started = time.perf_counter()
        crl.build(
            authority.key, authority.certificate, entries, number=1, this_update=now,
            next_update=now + timedelta(days=1),
        )  # fmt: skip
        return time.perf_counter() - started

    figure = alternate({"list": build})["list"]
    return Line(
        id="P10",
        what=f"revocation list of {_ENTRIES:,} entries, encoded and signed (P-256)",
        figure=f"{milliseconds(figure.median)} {figure.spread}",
        compared="",
        ratio="",
        goal=f"≤ {_LONGEST_S:.0f} s",
        verdict=judge(figure.median <= _LONGEST_S),
    )
