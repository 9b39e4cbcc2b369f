"""The certificate authority as the world sees it: openssl and GnuTLS ask a real server about what it issued."""

from __future__ import annotations

import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID
from tests.forked import ForkedServer
from tests.installation import SANDBOX, Installation, furnish, now, request_for, settings, upgrade

from credenza.actions import authorities
from credenza.cli import local
from credenza.client import operations
from credenza.domain.model import Project
from credenza.wire.credentials import AddSigningCredential, Credential

# The list is signed again within 60 s (security.md 11); the rest is for a machine with much else to do.
_PATIENCE_S = 120


class Desk(NamedTuple):
    server: ForkedServer
    installation: Installation
    project: Project
    directory: Path

    def certify(self) -> Credential:
        """Have a new key certified, through the server: its certificate says where the server is."""
        csr = request_for(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        new = AddSigningCredential(type="SIGNING", alias="orders", csr=csr.decode())
        with self.installation.client(self.server) as client:
            return client.send(operations.add_credential(self.project.id, new))

    def revoke(self, held: Credential) -> None:
        with self.installation.client(self.server) as client:
            client.send(operations.revoke_credential(self.project.id, held.id))

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.server.manage_origin}{path}", timeout=60)

    def fetch(self, url: str, name: str) -> Path:
        """Read what a certificate names into a file."""
        assert url.startswith(self.server.manage_origin)
        answer = httpx.get(url, timeout=60)
        assert answer.status_code == 200, answer.text
        place = self.directory / name
        place.write_bytes(answer.content)
        return place

    def run(self, *command: str) -> str:
        ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=self.directory, timeout=60)
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("authority")
    chosen = settings(directory)
    with ForkedServer(chosen) as server, furnish(chosen) as installation:
        project, _ = installation.add_project()
        yield Desk(server, installation, project, directory)


class Paths(NamedTuple):
    """What is needed to judge a certificate, in files; and the URL that answers for it."""

    leaf: str
    issuer: str
    roots: str
    crl: str
    url: str


def files_of(desk: Desk, held: Credential) -> Paths:
    leaf = x509.load_pem_x509_certificate(held.certificate.encode())
    access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    said = {each.access_method: each.access_location.value for each in access}
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (desk.directory / "leaf.pem").write_text(held.certificate)
    issuer_der = desk.fetch(said[AuthorityInformationAccessOID.CA_ISSUERS], "issuer.cer").read_bytes()
    issuer = x509.load_der_x509_certificate(issuer_der)
    (desk.directory / "issuer.pem").write_bytes(issuer.public_bytes(Encoding.PEM))
    chain = x509.load_pem_x509_certificates(desk.get("/pki/sandbox/chain.pem").content)
    roots = b"".join(each.public_bytes(Encoding.PEM) for each in chain if each.issuer == each.subject)
    (desk.directory / "roots.pem").write_bytes(roots)
    found = x509.load_der_x509_crl(desk.fetch(point.full_name[0].value, "list.crl").read_bytes())
    (desk.directory / "list.pem").write_bytes(found.public_bytes(Encoding.PEM))
    return Paths("leaf.pem", "issuer.pem", "roots.pem", "list.pem", said[AuthorityInformationAccessOID.OCSP])


def openssl_says(desk: Desk, at: Paths, *how: str) -> str:
    trusted = ("-issuer", at.issuer, "-CAfile", at.roots, "-verify_other", at.issuer)
    return desk.run("openssl", "ocsp", *trusted, *how, "-cert", at.leaf, "-url", at.url)


def gnutls_says(desk: Desk, at: Paths) -> str:
    return desk.run(
        "ocsptool", f"--ask={at.url}", "--load-cert", at.leaf, "--load-issuer", at.issuer, "--load-trust", at.issuer
    )


def verified(desk: Desk, at: Paths) -> str:
    lists = ("-crl_check", "-CRLfile", at.crl)
    return desk.run("openssl", "verify", "-CAfile", at.roots, "-untrusted", at.issuer, *lists, at.leaf)


def test_openssl_and_gnutls_find_a_new_certificate_good(desk: Desk) -> None:
    at = files_of(desk, desk.certify())

    told = openssl_says(desk, at)
    assert "leaf.pem: good" in told
    assert "Response verify OK" in told
    assert "nonce" not in told.lower()  # it was sent, and came back
    assert "leaf.pem: good" in openssl_says(desk, at, "-no_nonce", "-sha256")
    assert "Certificate Status: good" in gnutls_says(desk, at)
    assert "leaf.pem: OK" in verified(desk, at)


def test_after_a_revocation_the_next_answer_says_so_and_the_list_soon_after(desk: Desk) -> None:
    held = desk.certify()
    at = files_of(desk, held)
    assert "leaf.pem: good" in openssl_says(desk, at, "-no_nonce")

    desk.revoke(held)

    told = openssl_says(desk, at, "-no_nonce")
    assert "leaf.pem: revoked" in told
    assert "Certificate Status: revoked" in gnutls_says(desk, at)
    deadline = time.monotonic() + _PATIENCE_S
    while "certificate revoked" not in verified(desk, files_of(desk, held)):
        assert time.monotonic() < deadline, "the list was not signed again"
        time.sleep(2)
    listed = desk.run("certtool", "--verify-crl", "--infile", at.crl, "--load-ca-certificate", at.issuer)
    assert "Verified." in listed, listed


@pytest.mark.parametrize("database", ["SQLite, 2 workers", "PostgreSQL, 2 servers"])
def test_a_revocation_turns_what_every_process_answers_on_open_connections(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with ExitStack() as stack:
        if database.startswith("SQLite"):
            chosen = settings(tmp_path)
            servers = [stack.enter_context(ForkedServer(chosen, workers=2))]
        else:
            chosen = settings(tmp_path, database_url=request.getfixturevalue("postgresql_url"))
            upgrade(chosen.database)
            servers = [stack.enter_context(ForkedServer(chosen)) for _ in range(2)]
        installation = stack.enter_context(furnish(chosen))
        project, _ = installation.add_project()
        desk = Desk(servers[0], installation, project, tmp_path)
        held = desk.certify()
        issuer = x509.load_der_x509_certificate(desk.get("/pki/sandbox/issuing.cer").content)
        leaf = x509.load_pem_x509_certificate(held.certificate.encode())
        asked = [request_about(leaf, issuer, nonce) for nonce in (None, b"a" * 32, b"b" * 32)]
        open_ones = [stack.enter_context(httpx.Client(base_url=each.manage_origin, timeout=60)) for each in servers * 8]
        for session in open_ones:
            assert {status_of(session, each) for each in asked * 2} == {"GOOD"}

        desk.revoke(held)

        for session in open_ones:
            assert {status_of(session, each) for each in asked * 2} == {"REVOKED"}


def request_about(leaf: x509.Certificate, issuer: x509.Certificate, nonce: bytes | None) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def status_of(session: httpx.Client, encoded: bytes) -> str:
    """Ask in one segment, with a GET, which is answered at once when it was answered before."""
    path = quote(b64encode(encoded), safe="")
    return ocsp.load_der_ocsp_response(session.get(f"/pki/ocsp/{path}").content).certificate_status.name


def test_old_and_new_clients_both_work_through_a_roll_over(desk: Desk) -> None:
    old = desk.certify()

    authorities.publish_next(desk.installation.platform, local.OPERATOR, SANDBOX, now=now())
    between = desk.certify()
    authorities.let_next_sign(desk.installation.platform, local.OPERATOR, SANDBOX, now=now())
    new = desk.certify()

    issuers = {each.id: issuer_of(each) for each in (old, between, new)}
    assert issuers[old.id] == issuers[between.id] != issuers[new.id]
    for each in (old, between, new):
        at = files_of(desk, each)
        assert "leaf.pem: good" in openssl_says(desk, at)
        assert "leaf.pem: OK" in verified(desk, at)
    desk.revoke(old)
    assert "leaf.pem: revoked" in openssl_says(desk, files_of(desk, old))
    assert "leaf.pem: good" in openssl_says(desk, files_of(desk, new))


def issuer_of(held: Credential) -> str:
    return x509.load_pem_x509_certificate(held.certificate.encode()).issuer.rfc4514_string()
