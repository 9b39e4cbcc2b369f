"""`credenza cert` against a real server: add in every way, view, verify, rotate, revoke, and what is refused."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from tests.cli.command import Ran, run
from tests.forked import ForkedServer
from tests.installation import NOWHERE, Installation, furnish, now, settings

from credenza.actions import trusted_authorities
from credenza.actions.trusted_authorities import NewTrust
from credenza.cli import local
from credenza.domain.model import AuthenticationType, EnvironmentName
from credenza.protocol import csr

_PATIENCE_S = 120


class Desk(NamedTuple):
    server: ForkedServer
    installation: Installation
    service: int
    directory: Path

    def run(self, *command: str, project: str = "", operator: bool = False) -> Ran:
        who = {"CREDENZA_URL": self.server.manage_origin, "CREDENZA_TOKEN": self.installation.token}
        if operator:
            who["CREDENZA_DATA_DIR"] = str(self.installation.settings.data_dir)
        given = ["--project", project] if project else []
        return run(*command, *given, at=self.directory, **who)

    def done(self, *command: str, project: str = "") -> Any:
        ran = self.run(*command, "-o", "json", project=project)
        assert ran.code == 0, ran
        return ran.document

    def write(self, name: str, octets: bytes) -> str:
        (self.directory / name).write_bytes(octets)
        return name


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("cert")
    chosen = settings(directory)
    with ForkedServer(chosen) as server, furnish(chosen) as installation:
        service = installation.add_service("Vault", "/vault", AuthenticationType.MTLS, NOWHERE)
        (directory / "password").write_text("correct horse battery")
        yield Desk(server, installation, service.id, directory)


@pytest.fixture(scope="module")
def project(desk: Desk) -> str:
    request = desk.write("first.csr", csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="first"))
    made = desk.done(
        "project", "create", "Vault partner", "--service", str(desk.service), "--type", "MTLS", "--csr", request,
        "--alias", "first",
    )  # fmt: skip
    return str(made["id"])


def test_a_certificate_is_made_listed_viewed_and_verified(desk: Desk, project: str) -> None:
    made = desk.done(
        "cert", "add", "--alias", "till-1", "--generate", "--new-password-file", "password", project=project
    )
    listed = desk.done("cert", "list", project=project)
    found = desk.done("cert", "list", f"CN={made['subject'].rpartition('CN=')[2]}", project=project)
    viewed = desk.done("cert", "view", made["id"], project=project)

    key, own, above = pkcs12.load_key_and_certificates(
        (desk.directory / "till-1.p12").read_bytes(), b"correct horse battery"
    )
    assert own is not None
    assert own == x509.load_pem_x509_certificate(made["certificate"].encode())
    assert key is not None
    assert key.public_key() == own.public_key()
    assert [each.public_bytes(Encoding.PEM).decode() for each in above] == viewed["chain"]
    assert made["id"] in [each["id"] for each in listed]
    assert [each["id"] for each in found] == [made["id"]]
    assert (made["type"], viewed["callers"]) == ("MTLS_CSR", [])
    leaf = desk.write("leaf.pem", made["certificate"].encode())
    verified = desk.run("cert", "verify", leaf)
    assert verified.code == 0, verified
    assert "O=Credenza, CN=Credenza Sandbox Root CA" in verified.out


def test_a_certificate_is_added_by_a_request_and_rotated_by_adding(desk: Desk, project: str) -> None:
    request = desk.write("a.csr", csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="till-a"))
    following = desk.write("b.csr", csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="till-b"))
    held = desk.done("cert", "add", "--alias", "a", "--csr", request, project=project)

    rotated = desk.run("cert", "rotate", held["id"], "--alias", "b", "--csr", following, "-o", "json", project=project)

    assert rotated.document["predecessorId"] == held["id"]
    assert f"credenza cert revoke {held['id']}" in rotated.err
    again = desk.run("cert", "add", "--alias", "c", "--csr", request, project=project)
    assert (again.code, "Duplicate certificate" in again.err) == (1, True)


def test_a_revoked_certificate_is_on_the_list_and_verify_says_so(desk: Desk, project: str) -> None:
    request = desk.write("c.csr", csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="till-c"))
    held = desk.done("cert", "add", "--alias", "c", "--csr", request, project=project)
    leaf = desk.write("c.pem", held["certificate"].encode())
    refused = desk.run("cert", "revoke", held["id"], project=project)
    revoked = desk.run("cert", "revoke", held["id"], "--yes", "--reason", "over", project=project)

    assert refused.code != 0
    assert "Type REVOKE" in refused.err
    assert "Revoked." in revoked.err
    until = time.monotonic() + _PATIENCE_S
    while (verified := desk.run("cert", "verify", leaf)).code == 0 and time.monotonic() < until:
        time.sleep(0.5)
    assert "It was revoked on" in verified.out


def test_an_operator_releases_the_subject_on_the_server(desk: Desk, project: str) -> None:
    request = desk.write("d.csr", csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="till-d"))
    held = desk.done("cert", "add", "--alias", "d", "--csr", request, project=project)
    release = ("cert", "release-subject", held["id"])
    early = desk.run(*release, operator=True)
    desk.run("cert", "revoke", held["id"], "--yes", project=project)

    released = desk.run(*release, operator=True)

    assert (early.code, "revoke it first" in early.err) == (1, True)
    assert (released.code, "Released: CN=till-d." in released.err) == (0, True)
    other = desk.write("e.csr", csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="till-d"))
    assert desk.done("cert", "add", "--alias", "e", "--csr", other, project=project)["subject"] == "CN=till-d"


def test_a_certificate_of_a_trusted_authority_is_added_with_its_chain(desk: Desk, project: str) -> None:
    made = {name: desk.directory / name for name in ("root.pem", "root.key", "leaf.key", "leaf.csr", "leaf.crt")}
    _openssl(
        desk, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "30",
        "-keyout", "root.key", "-out", "root.pem", "-subj", "/O=Partner/CN=Partner Root",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    _openssl(
        desk, "req", "-newkey", "rsa:2048", "-noenc", "-keyout", "leaf.key", "-out", "leaf.csr",
        "-subj", "/O=Partner/CN=partner-1750000000",
    )  # fmt: skip
    (desk.directory / "leaf.ext").write_text("extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n")
    _openssl(
        desk, "x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "20",
        "-extfile", "leaf.ext", "-out", "leaf.crt",
    )  # fmt: skip
    desk.write("full.pem", made["leaf.crt"].read_bytes() + made["root.pem"].read_bytes())
    add = ("cert", "add", "--alias", "partner", "--cert", "full.pem")
    untrusted = desk.run(*add, project=project)
    trusted_authorities.add(
        desk.installation.platform,
        local.OPERATOR,
        NewTrust(EnvironmentName.SANDBOX, "Partner Root", made["root.pem"].read_bytes()),
        now=now(),
    )

    held = desk.done(*add, project=project)

    assert (untrusted.code, "ask the operator of the platform to trust its root" in untrusted.err) == (1, True)
    assert (held["type"], held["subject"]) == ("MTLS_CERT", "O=Partner, CN=partner-1750000000")
    assert desk.run("cert", "verify", "leaf.crt", "--ca", "root.pem").code == 0
    key_store = desk.write("with-key.pem", made["leaf.crt"].read_bytes() + made["leaf.key"].read_bytes())
    leaked = desk.run("cert", "add", "--alias", "x", "--cert", key_store, project=project)
    assert (leaked.code, "This is a private key" in leaked.err) == (1, True)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        pytest.param(("cert", "add", "--alias", "x"), 2, "one of the three", id="nothing to add"),
        pytest.param(("cert", "view", "0" * 48), 2, "no certificate's id", id="a key id"),
        pytest.param(("key", "view", "00000000-0000-4000-8000-000000000000"), 2, "credenza cert view", id="no key id"),
        pytest.param(("cert", "verify", "missing.pem"), 3, "There is no file", id="no such file"),
    ],
)
def test_a_wrong_command_is_told_what_to_do(
    desk: Desk, project: str, command: tuple[str, ...], code: int, words: str
) -> None:
    ran = desk.run(*command, project=project)

    assert ran.code == code
    assert words in ran.err


def _openssl(desk: Desk, *command: str) -> None:
    subprocess.run(("openssl", *command), check=True, capture_output=True, cwd=desk.directory)


def test_verify_names_the_step_that_fails(desk: Desk, project: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "self")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now())
        .not_valid_after(now() + timedelta(days=30))
        .sign(key, SHA256())
    )
    leaf = desk.write("self.pem", signed.public_bytes(Encoding.PEM))

    verified = desk.run("cert", "verify", leaf, project=project)

    assert verified.code == 1
    assert "signs itself" in verified.out
