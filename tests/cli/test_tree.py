"""`credenza account`, `workspace` and `role` against a real server, as an admin has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Ran, run
from tests.forked import ForkedServer
from tests.installation import furnish, settings

from credenza.cli.failure import ExitCode


class Line:
    """A command line that is signed in."""

    def __init__(self, home: Path, who: dict[str, str]) -> None:
        self._home = home
        self._who = who

    def run(self, *command: str) -> Ran:
        return run(*command, at=self._home, **self._who)

    def document(self, *command: str) -> Any:
        ran = self.run(*command, "-o", "json")
        assert ran.code == 0, ran.err
        return ran.document

    def names(self, noun: str) -> list[str]:
        return [each["name"] for each in self.document(noun, "list")]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    directory: Path = tmp_path_factory.mktemp("tree")
    chosen = settings(directory)
    with ForkedServer(chosen) as server, furnish(chosen) as installation:
        who = {"CREDENZA_URL": server.manage_origin, "CREDENZA_TOKEN": installation.token}
        yield Line(directory, who)


def test_the_tree_grows_moves_and_is_archived(line: Line) -> None:
    europe = line.document("account", "create", "Europe")
    line.document("account", "create", "Asia")
    web = line.document("workspace", "create", "Web", "--account", "Europe")
    assert web["accountId"] == europe["id"]

    line.document("workspace", "rename", "Web", "Web-EU")
    line.document("workspace", "move", web["id"], "--to", "Asia")
    line.document("account", "rename", "Asia", "APAC")

    (found,) = line.document("workspace", "list", "--account", "APAC")
    assert (found["id"], found["name"], found["account"]) == (web["id"], "Web-EU", "APAC")
    archived = line.run("workspace", "archive", "Web-EU", "--yes")
    assert (archived.code, archived.err) == (0, "Web-EU is archived.\n")
    assert line.run("account", "archive", "APAC", "--yes").code == 0
    assert "APAC" not in line.names("account")
    assert "Europe" in line.names("account")


def test_archiving_asks_first(line: Line) -> None:
    line.document("account", "create", "Africa")

    asked = line.run("account", "archive", "Africa")

    assert asked.code != 0
    assert "Archive Africa and its workspaces?" in asked.err
    assert "Africa" in line.names("account")


def test_a_name_that_several_have_is_asked_for_by_id(line: Line) -> None:
    for account in ("North", "South"):
        line.document("account", "create", account)
        line.document("workspace", "create", "Shop", "--account", account)

    several = line.run("workspace", "rename", "Shop", "Store")
    nobody = line.run("workspace", "rename", "Nowhere", "Store")

    assert (several.code, nobody.code) == (ExitCode.USAGE, ExitCode.NOT_FOUND)
    assert "Several are named 'Shop'." in several.err
    assert "credenza workspace list" in nobody.err


def test_a_role_is_made_edited_and_removed(line: Line) -> None:
    made = line.document("role", "create", "Viewers", "--action", "api_credential.view", "--action", "audit.view")
    assert made["actions"] == ["api_credential.view", "audit.view"]

    renamed = line.document("role", "edit", "Viewers", "--name", "Lookers")
    narrowed = line.document("role", "edit", made["id"], "--action", "audit.view")

    assert (renamed["name"], renamed["actions"]) == ("Lookers", made["actions"])
    assert (narrowed["name"], narrowed["actions"]) == ("Lookers", ["audit.view"])
    assert line.run("role", "remove", "Lookers", "--yes").code == 0
    assert line.names("role") == []


def test_what_a_role_cannot_be_made_of_is_said_in_a_sentence(line: Line) -> None:
    none = line.run("role", "create", "Viewers")
    unknown = line.run("role", "create", "Viewers", "--action", "api_credential.fly")
    blank = line.run("role", "create", " ", "--action", "audit.view")

    assert none.code == blank.code == ExitCode.USAGE
    assert "actions:" in none.err
    assert "name: no control or invisible characters, and no blank" in blank.err
    assert "There is no action 'api_credential.fly'." in unknown.err


def test_actions_for_roles_are_listed_with_who_has_them_anyway(line: Line) -> None:
    listed = {each["action"]: each["roles"] for each in line.document("role", "actions")}

    assert listed["api_credential.view"] == ["admin", "compliance_admin"]
    assert "organization.create" not in listed
    assert "organization.view" not in listed
