"""`credenza credential` against a real server."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.cli.command import Ran
from tests.forked import ForkedServer
from tests.installation import NOWHERE, Installation, furnish, now, settings

from credenza.actions import accounts, services, workspaces
from credenza.actions.services import NewService
from credenza.cli import local
from credenza.cli.main import main
from credenza.domain.catalog import CatalogEntry, Permission, ScopeLevel
from credenza.domain.model import AuthenticationType, EnvironmentName, ServiceEnvironment

READS = ("--api", "profile:read", "--scope", "workspace:Web-EU", "--env", "sandbox")


class Served(NamedTuple):
    origin: str
    token: str


class Desk:
    """Runs commands in this process, in a directory of the test's own, against one server."""

    def __init__(
        self, directory: Path, server: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.directory = directory
        self._capsys = capsys
        monkeypatch.chdir(directory)
        monkeypatch.setenv("HOME", str(directory))
        monkeypatch.setenv("CREDENZA_URL", server.origin)
        monkeypatch.setenv("CREDENZA_TOKEN", server.token)

    def run(self, *command: str) -> Ran:
        self._capsys.readouterr()
        code = main(list(command))
        return Ran(code, *self._capsys.readouterr())

    def done(self, *command: str) -> Any:
        ran = self.run(*command, "-o", "json")
        assert ran.code == 0, ran
        return json.loads(ran.out)

    def write(self, name: str, octets: bytes) -> None:
        (self.directory / name).write_bytes(octets)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With an organization that has two workspaces, and two APIs that take API credentials."""
    directory = tmp_path_factory.mktemp("credential")
    chosen = settings(directory)
    with ForkedServer(chosen) as server, furnish(chosen) as installation:
        furnish_apis(installation)
        yield Served(server.manage_origin, installation.token)


def furnish_apis(installation: Installation) -> None:
    organization = (installation.platform, local.OPERATOR, installation.organization_id)
    account = accounts.create(*organization, name="Web", now=now())
    for name in ("Web-EU", "Web-US"):
        workspaces.create(*organization, account_id=account.id, name=name, now=now())
    profile = CatalogEntry(ScopeLevel.WORKSPACE, permissions=(Permission("read", "Read profiles"),))
    platform = CatalogEntry(ScopeLevel.ACCOUNT, scope_fixed=True, permissions=(Permission("user"),))
    for name, entry in (("Profile API", profile), ("Platform API", platform)):
        place = ServiceEnvironment(EnvironmentName.SANDBOX, f"/{name[:4].lower()}", NOWHERE, 13, None)
        new = NewService(name, AuthenticationType.CLIENT_SECRET, "", (place,), entry=entry)
        services.create(installation.platform, local.OPERATOR, new, now=now())


@pytest.fixture
def desk(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, server, monkeypatch, capsys)


def made(desk: Desk, name: str, *more: str) -> Any:
    """The new credential, its secret in the file `name`.secret."""
    return desk.done("credential", "create", name, *READS, "--file", f"{name}.secret", *more)


def find(desk: Desk, name: str) -> Any:
    return desk.done("credential", "view", name)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_written_for_its_owner_alone_and_shown_nowhere(desk: Desk) -> None:
    ran = desk.run("credential", "create", "first", *READS, "--file", "first.secret")

    assert ran.code == 0, ran
    written = desk.directory / "first.secret"
    assert written.read_text().startswith("czs_sbx_")
    assert mode(written) == 0o600
    assert written.read_text().strip() not in ran.out + ran.err
    assert "Can read profiles in Web-EU until" in ran.err
    assert "first" in desk.run("credential", "list").out


def test_a_program_gets_both_as_env_lines_or_json(desk: Desk) -> None:
    lines = desk.run("credential", "create", "as env", *READS, "-o", "env")
    document = desk.done("credential", "create", "as json", *READS)
    kept = desk.run("credential", "create", "kept", *READS, "-o", "env", "--file", "kept.env")

    names = [line.split("=")[0] for line in lines.out.splitlines()]
    assert names == ["CREDENZA_CLIENT_ID", "CREDENZA_CLIENT_SECRET"]
    assert document["clientSecret"].startswith("czs_sbx_")
    assert (kept.code, kept.out) == (0, "")
    assert "CREDENZA_CLIENT_SECRET=czs_sbx_" in (desk.directory / "kept.env").read_text()
    assert mode(desk.directory / "kept.env") == 0o600


def test_nothing_is_made_when_there_is_no_place_for_the_secret(desk: Desk) -> None:
    desk.write("taken", b"mine")
    before = desk.done("credential", "list")

    table = desk.run("credential", "create", "nowhere", *READS)
    taken = desk.run("credential", "create", "nowhere", *READS, "--file", "taken")

    assert (table.code, "--file" in table.err) == (2, True)
    assert taken.code == 1
    assert (desk.directory / "taken").read_bytes() == b"mine"
    assert desk.done("credential", "list") == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(("--api", "profile", "--env", "sandbox"), 2, id="no permission"),
        pytest.param(("--api", "weather:read", "--env", "sandbox"), 3, id="no such API"),
        pytest.param(("--api", "profile:read", "--scope", "Web-EU", "--env", "sandbox"), 2, id="no level"),
        pytest.param(("--api", "profile:read", "--scope", "workspace:Mars", "--env", "sandbox"), 3, id="no such place"),
        pytest.param(("--api", "profile:read", "--env", "sandbox"), 1, id="no place"),
        pytest.param(
            ("--api", "profile:write", "--scope", "workspace:Web-EU", "--env", "sandbox"), 1, id="not offered"
        ),
        pytest.param(("--api", "profile:read", "--scope", "workspace:Web-EU"), 2, id="no environment"),
        pytest.param((*READS, "--expires", "soon"), 2, id="no end"),
        pytest.param((*READS, "--network", "everywhere"), 1, id="no network"),
    ],
)
def test_what_cannot_be_granted_ends_with_a_sentence(desk: Desk, words: tuple[str, ...], code: int) -> None:
    ran = desk.run("credential", "create", "refused", *words, "--file", "refused.secret")

    assert (ran.code, bool(ran.err.strip())) == (code, True), ran
    assert not (desk.directory / "refused.secret").exists()


def test_scope_of_one_api_is_not_that_of_another(desk: Desk) -> None:
    both = ("--api", "profile:read", "--api", "platform:user", "--env", "sandbox")

    ran = desk.done(
        "credential", "create", "both", *both, "--scope", "profile@workspace:Web-US", "--file", "both.secret"
    )

    assert [[place["name"] for place in each["places"]] for each in ran["grants"]] == [["Web-US"], []]
    assert ran["review"].startswith("Can read profiles in Web-US; can user (Platform API) in all accounts")


def test_an_edit_leaves_what_is_left_out(desk: Desk) -> None:
    before = made(desk, "edited", "--note", "vault", "--network", "192.0.2.0/24")

    desk.done("credential", "edit", "edited", "--scope", "workspace:Web-US", "--expires", "never")
    after = find(desk, "edited")

    assert [place["name"] for place in after["grants"][0]["places"]] == ["Web-US"]
    assert (after["endsAt"], after["version"]) == (None, 2)
    kept = ("name", "note", "networks", "clientId", "secrets")
    assert {each: after[each] for each in kept} == {each: before[each] for each in kept}
    desk.done("credential", "edit", "edited", "--anywhere", "--name", "renamed")
    assert find(desk, "renamed")["networks"] == []


def test_a_credential_is_switched_off_and_on(desk: Desk) -> None:
    made(desk, "switched")

    assert desk.run("credential", "deactivate", "switched").code == 0
    assert find(desk, "switched")["status"] == "INACTIVE"
    assert "switched" in desk.run("credential", "list", "--state", "inactive").out
    assert desk.run("credential", "activate", "switched").code == 0
    assert find(desk, "switched")["status"] == "ACTIVE"


def test_a_rotation_keeps_the_old_secret_a_while_under_the_same_client_id(desk: Desk) -> None:
    before = made(desk, "rotated")

    rotated = desk.done("credential", "rotate", "rotated", "--keep-old", "24h", "--file", "rotated.next")
    third = desk.run("credential", "rotate", "rotated", "--file", "rotated.third")
    old, _ = rotated["secrets"]
    dropped = desk.run("credential", "delete-secret", "rotated", old["prefix"])

    assert rotated["clientId"] == before["clientId"]
    assert old["expiresAt"] is not None
    assert (desk.directory / "rotated.next").read_text() != (desk.directory / "rotated.secret").read_text()
    assert (third.code, "CLIENT_SECRETS_MAX_EXCEEDED" in third.err) == (1, True)
    assert not (desk.directory / "rotated.third").exists()
    assert dropped.code == 0, dropped
    assert len(find(desk, "rotated")["secrets"]) == 1
    last = find(desk, "rotated")["secrets"][0]["prefix"]
    assert desk.run("credential", "delete-secret", "rotated", last).code == 1
    assert desk.run("credential", "delete-secret", "rotated", last, "--yes").code == 0


def test_a_deleted_credential_is_gone(desk: Desk) -> None:
    made(desk, "deleted")

    unasked = desk.run("credential", "delete", "deleted")
    deleted = desk.run("credential", "delete", "deleted", "--yes")

    assert unasked.code != 0
    assert deleted.code == 0, deleted
    assert desk.run("credential", "view", "deleted").code == 3


def test_two_of_one_name_are_told_apart_by_their_ids(desk: Desk) -> None:
    first, second = made(desk, "twin"), made(desk, "twin", "--force")

    ran = desk.run("credential", "view", "twin")

    assert ran.code == 2
    assert first["id"] in ran.err
    assert second["id"] in ran.err
    assert json.loads(desk.run("credential", "view", second["id"], "-o", "json").out)["name"] == "twin"
