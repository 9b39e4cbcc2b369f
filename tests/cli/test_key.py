"""`credenza key` against a real server: an OAuth 2.0 key that replaces another is linked to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.cli.command import Ran, run
from tests.forked import ForkedServer
from tests.installation import NOWHERE, Installation, furnish, settings

from credenza.domain.model import AuthenticationType
from credenza.protocol import csr


class Desk(NamedTuple):
    server: ForkedServer
    installation: Installation
    service: int
    directory: Path

    def run(self, *command: str) -> Ran:
        who = {"CREDENZA_URL": self.server.manage_origin, "CREDENZA_TOKEN": self.installation.token}
        return run(*command, "-o", "json", at=self.directory, **who)

    def request(self, name: str) -> str:
        octets = csr.build(ec.generate_private_key(ec.SECP256R1()), common_name=name)
        (self.directory / f"{name}.csr").write_bytes(octets)
        return f"{name}.csr"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    chosen = settings(tmp_path)
    with ForkedServer(chosen) as server, furnish(chosen) as installation:
        service = installation.add_service("Vault", "/vault", AuthenticationType.OAUTH2_FAPI, NOWHERE)
        yield Desk(server, installation, service.id, tmp_path)


def test_an_added_key_replaces_another(desk: Desk) -> None:
    made = desk.run(
        "project", "create", "Vault", "--service", str(desk.service), "--type", "OAUTH2_FAPI",
        "--csr", desk.request("first"), "--alias", "first",
    )  # fmt: skip
    assert made.code == 0, made.err
    project = made.document
    (old,) = project["environments"][0]["credentials"]
    second = ("key", "add", "--alias", "second", "--csr", desk.request("second"), "--project", project["id"])

    added = desk.run(*second, "--replaces", old["id"])
    misspelt = desk.run(*second, "--replaces", "first")

    assert added.document["predecessorId"] == old["id"], added.err
    assert f"credenza key revoke {old['id']}" in added.err
    assert (misspelt.code, "first is no key id" in misspelt.err) == (2, True)
