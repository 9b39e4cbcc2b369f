"""`credenza service-key` and `credenza service payload` against a real server: add, swap, revoke; what is written."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key, pkcs12
from tests.cli.command import Ran
from tests.forked import ForkedServer
from tests.installation import Installation, furnish, settings

from credenza.cli.main import main
from credenza.domain.model import Project
from credenza.protocol import csr

PASSWORD = "correct horse battery"


class Desk:
    """A partner at work in a directory of its own, with a project of its own."""

    def __init__(
        self,
        place: tuple[ForkedServer, Installation],
        directory: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        server, self.installation = place
        self.project: Project = self.installation.add_project()[0]
        self.service = self.installation.service.id
        self._capsys = capsys
        monkeypatch.chdir(directory)
        variables = {
            "HOME": str(directory),
            "CREDENZA_URL": server.manage_origin,
            "CREDENZA_TOKEN": self.installation.token,
            "CREDENZA_PROJECT": self.project.id,
            "CREDENZA_DATA_DIR": str(self.installation.settings.data_dir),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        Path("password").write_text(PASSWORD)

    def run(self, *arguments: object) -> Ran:
        self._capsys.readouterr()
        code = main([str(each) for each in arguments])
        printed = self._capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    def keys(self, *arguments: object) -> Ran:
        return self.run("service-key", *arguments, "--project", self.project.id)

    def done(self, *arguments: object) -> Any:
        ran = self.keys(*arguments, "-o", "json")
        assert ran.code == 0, ran
        return ran.document

    def add(self, kind: str, alias: str, *more: object) -> Any:
        return self.done("add", "--service", self.service, "--type", kind, "--alias", alias, *more)

    def statuses(self) -> dict[str, str]:
        return {each["alias"]: each["status"] for each in self.done("list")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ForkedServer, Installation]]:
    chosen = settings(tmp_path_factory.mktemp("service-key"))
    with ForkedServer(chosen) as server, furnish(chosen) as installation:
        yield server, installation


@pytest.fixture
def desk(
    place: tuple[ForkedServer, Installation],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    return Desk(place, tmp_path, monkeypatch, capsys)


def test_a_key_that_is_made_here_and_its_certificate_are_written(desk: Desk) -> None:
    made = desk.add(
        "MASTERCARD_ENCRYPTION",
        "reader",
        "--generate",
        "--new-password-file",
        "password",
        "--certificate",
        "reader.pem",
    )

    store = Path("reader.p12")
    held = pkcs12.load_pkcs12(store.read_bytes(), PASSWORD.encode())
    certificate = x509.load_pem_x509_certificate(Path("reader.pem").read_bytes())
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert held.cert is not None
    assert held.cert.certificate == certificate == x509.load_pem_x509_certificate(made["certificate"].encode())
    assert isinstance(held.key, rsa.RSAPrivateKey)
    assert held.key.public_key() == certificate.public_key()
    assert (made["status"], made["type"]) == ("ACTIVE", "MASTERCARD_ENCRYPTION")


def test_an_existing_key_comes_by_request_or_by_its_public_half(desk: Desk) -> None:
    first, second = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    Path("first.csr").write_bytes(csr.build(first, common_name="first"))
    Path("second.der").write_bytes(second.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    by_request = desk.add("CLIENT_SIGNATURE_VERIFICATION", "first", "--csr", "first.csr")
    by_key = desk.add("CLIENT_SIGNATURE_VERIFICATION", "second", "--public-key", "second.der")

    assert load_pem_public_key(by_request["publicKey"].encode()) == first.public_key()
    assert load_pem_public_key(by_key["publicKey"].encode()) == second.public_key()
    assert desk.statuses() == {"first": "ACTIVE", "second": "INACTIVE"}


def test_a_client_encryption_key_is_the_server_s_and_its_certificate_can_be_written_again(desk: Desk) -> None:
    made = desk.add("CLIENT_ENCRYPTION", "ours", "--certificate", "ours.pem")

    again = desk.keys("view", made["id"], "--certificate", "-")

    assert again.out == Path("ours.pem").read_text() == made["certificate"]
    assert sorted(each.name for each in Path().iterdir()) == ["ours.pem", "password"]


def test_activation_swaps_and_the_active_one_is_not_revoked(desk: Desk) -> None:
    password = ("--generate", "--new-password-file", "password")
    first = desk.add("MASTERCARD_ENCRYPTION", "first", *password)
    second = desk.keys(
        "add", "--service", desk.service, "--type", "MASTERCARD_ENCRYPTION", "--alias", "second", *password
    )
    assert "credenza service-key activate" in second.err
    (inactive,) = desk.done("list", "--status", "INACTIVE")

    refused = desk.keys("revoke", first["id"], "--yes")
    activated = desk.done("activate", inactive["id"])
    revoked = desk.keys("revoke", first["id"], "--yes", "--reason", "replaced")

    assert (refused.code, "REVOKE_ACTIVE_MASTERCARD_ENCRYPTION_CREDENTIAL_ERROR" in refused.err) == (1, True)
    assert activated["status"] == "ACTIVE"
    assert (revoked.code, "Revoked." in revoked.err) == (0, True)
    assert desk.statuses() == {"first": "REVOKED", "second": "ACTIVE"}


def test_a_list_is_narrowed(desk: Desk) -> None:
    ours = desk.add("CLIENT_ENCRYPTION", "ours")
    desk.add("MASTERCARD_ENCRYPTION", "reader", "--generate", "--new-password-file", "password")

    assert [each["id"] for each in desk.done("list", "--type", "CLIENT_ENCRYPTION")] == [ours["id"]]
    assert len(desk.done("list", "--service", desk.service)) == 2
    assert desk.done("list", "--service", 2_000_000) == []
    assert desk.done("list", "--expiring") == []
    assert "CLIENT_ENCRYPTION" in desk.keys("list").out


@pytest.mark.parametrize(
    ("kind", "more", "cure"),
    [
        ("MASTERCARD_ENCRYPTION", (), "one of the three"),
        ("MASTERCARD_ENCRYPTION", ("--generate", "--csr", "x"), "one of the three"),
        ("CLIENT_ENCRYPTION", ("--generate",), "is made by the server"),
    ],
)
def test_options_that_do_not_go_together(desk: Desk, kind: str, more: tuple[str, ...], cure: str) -> None:
    ran = desk.keys("add", "--service", desk.service, "--type", kind, "--alias", "x", *more)

    assert (ran.code, cure in ran.err) == (2, True)


def test_nothing_is_sent_when_a_file_is_in_the_way(desk: Desk) -> None:
    Path("ours.pem").write_text("kept")

    ran = desk.keys(
        "add", "--service", desk.service, "--type", "CLIENT_ENCRYPTION", "--alias", "ours", "--certificate", "ours.pem"
    )

    assert (ran.code, Path("ours.pem").read_text()) == (1, "kept")
    assert desk.done("list") == []


def test_a_private_key_in_place_of_a_public_one_is_not_sent(desk: Desk) -> None:
    Path("key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")

    ran = desk.keys(
        "add", "--service", desk.service, "--type", "MASTERCARD_ENCRYPTION", "--alias", "x", "--public-key", "key.pem"
    )

    assert (ran.code, "private key" in ran.err) == (1, True)


def test_an_id_that_the_project_does_not_have(desk: Desk) -> None:
    assert desk.keys("view", "00000000-0000-4000-8000-000000000000").code == 3


def test_a_key_is_named_by_its_alias_as_well(desk: Desk) -> None:
    made = desk.add("CLIENT_ENCRYPTION", "ours")
    other = desk.add("CLIENT_ENCRYPTION", "theirs")

    assert desk.done("view", "ours")["id"] == made["id"]
    assert desk.done("view", made["id"])["alias"] == "ours"
    assert desk.keys("view", "nobody's").code == 3
    assert desk.keys("revoke", "theirs", "--yes").code == 0
    assert desk.statuses() == {"ours": "ACTIVE", "theirs": "REVOKED"}
    assert desk.done("view", "theirs")["id"] == other["id"]


def test_activation_takes_an_alias(desk: Desk) -> None:
    for alias in ("first", "second"):
        desk.add("MASTERCARD_ENCRYPTION", alias, "--generate", "--new-password-file", "password")

    desk.done("activate", "second")

    assert desk.statuses() == {"first": "INACTIVE", "second": "ACTIVE"}


def test_an_alias_that_means_several_names_their_ids_and_changes_nothing(desk: Desk) -> None:
    first, second = (desk.add("CLIENT_ENCRYPTION", "ours")["id"] for _ in range(2))

    refused = desk.keys("revoke", "ours", "--yes")
    revoked = desk.keys("revoke", first, "--yes")

    assert (refused.code, first in refused.err, second in refused.err) == (2, True, True)
    assert revoked.code == 0
    assert desk.done("view", "ours")["id"] == second, "the revoked one is not meant"
    assert desk.keys("view", "ours", "--env", "production").code == 3


def test_an_operator_says_what_is_encrypted_and_takes_it_back(desk: Desk) -> None:
    Path("rules.json").write_text('{"encryption": {"mode": "JWE"}}')
    Path("wrong.json").write_text('{"encryption": {"mode": "ROT13"}}')
    at = ("service", "payload", desk.service, "--env", "sandbox")

    said = desk.run(*at, "--rules", "rules.json", "-o", "json")
    assert said.code == 0, said
    wrong = desk.run(*at, "--rules", "wrong.json")
    back = desk.run(*at, "--none", "-o", "json")
    shown = desk.run("service", "payload", desk.service, "-o", "json")
    both = desk.run(*at, "--none", "--rules", "rules.json")
    nowhere = desk.run("service", "payload", desk.service, "--none")

    assert said.document["payloadRules"]["SANDBOX"]["encryption"]["mode"] == "JWE"
    assert said.document["payloadRules"]["PRODUCTION"] is None
    assert (wrong.code, "ROT13" in wrong.err) == (1, True)
    assert back.document["payloadRules"]["SANDBOX"] is None
    assert shown.document == back.document
    assert (both.code, nowhere.code) == (2, 2)
