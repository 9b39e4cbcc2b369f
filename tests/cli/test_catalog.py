"""`credenza catalog`: a reviewed file, a plan that says whom it concerns, and nothing half done."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.installation import Ended, Installation

PROFILE = """\
services:
- name: Profile
  authenticationType: CLIENT_SECRET
  environments:
  - {name: SANDBOX, pathPrefix: /profile, upstream: 'http://127.0.0.1:9000'}
  catalogEntry:
    scopeLevel: WORKSPACE
    permissions:
    - {name: read, description: Read profiles}
    routes:
    - {method: GET, path: '/v1/workspaces/{workspace}', permission: read, workspaceVariable: workspace}
"""


PAYMENTS = """\
services:
- name: Payments
  authenticationType: OAUTH10A
  environments:
  - {name: SANDBOX, pathPrefix: /payments, upstream: 'http://127.0.0.1:9000'}
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "catalog.yaml"
        path.write_text(text)
        return path

    return write


def plan(installation: Installation, path: Path) -> Ended:
    return installation.run("catalog", "plan", path)


def test_a_catalog_is_planned_applied_and_exported(either: Installation, written: Callable[[str], Path]) -> None:
    file = written(PROFILE)

    planned = either.done("catalog", "plan", file)
    either.done("catalog", "apply", file, "--yes")
    exported = either.done("catalog", "export")

    assert "Profile: created" in planned.out
    assert "+ route GET /v1/workspaces/{workspace}: read, workspace {workspace}" in planned.out
    assert "changes nothing" not in planned.out
    assert plan(either, written(exported.out)).out == "The catalog is what the file says.\n"
    assert plan(either, written(PROFILE)).out == "The catalog is what the file says.\n"


def test_a_plan_says_what_it_does_to_live_credentials(either: Installation, written: Callable[[str], Path]) -> None:
    either.done("catalog", "apply", written(PROFILE), "--yes")

    wider = plan(either, written(PROFILE.replace("scopeLevel", "admitsUnmapped: true\n    scopeLevel")))

    assert "~ calls without a route: refused -> admitted" in wider.out
    assert "! widens: calls without a route are admitted; 0 live credentials" in wider.out


def test_payload_rules_go_only_where_the_file_says_so(either: Installation, written: Callable[[str], Path]) -> None:
    protected = PAYMENTS.replace("9000'}", "9000', payloadRules: {encryption: {mode: JWE}}}")
    either.done("catalog", "apply", written(protected), "--yes")

    silent = either.run("catalog", "apply", written(PAYMENTS), "--yes")
    spoken = plan(either, written(PAYMENTS.replace("9000'}", "9000', payloadRules: null}")))

    assert (silent.exit_code, "Payments: The service has payload rules in SANDBOX" in silent.err) == (1, True)
    assert plan(either, written(protected)).out == "The catalog is what the file says.\n"
    assert "- SANDBOX payload rules" in spoken.out


def test_callers_with_client_secrets_have_no_keys_for_payloads(
    either: Installation, written: Callable[[str], Path], tmp_path: Path
) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"encryption": {"mode": "JWE"}}')
    either.done("catalog", "apply", written(PROFILE), "--yes")
    (profile,) = either.done("service", "list", "-o", "json").document

    by_file = plan(either, written(PROFILE.replace("9000'}", "9000', payloadRules: {encryption: {mode: JWE}}}")))
    by_command = either.run("service", "payload", profile["id"], "--env", "sandbox", "--rules", rules)

    for ended in (by_file, by_command):
        assert (ended.exit_code, "belong to projects" in ended.err) == (1, True)


def test_nothing_is_applied_unasked(
    either: Installation, written: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(PROFILE)

    unasked = either.run("catalog", "apply", file)

    assert (unasked.exit_code, "there is nobody to ask" in unasked.err) == (1, True)
    assert either.done("service", "list", "-o", "json").document == []


@pytest.mark.parametrize(("answer", "exit_code"), [("APPLY\n", 0), ("yes\n", 1)])
def test_whoever_sits_there_types_the_word(
    either: Installation,
    written: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    exit_code: int,
) -> None:
    file = written(PROFILE)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    assert either.run("catalog", "apply", file).exit_code == exit_code


class Terminal:
    """A person at a terminal, who types one line."""

    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        return True

    def readline(self, _limit: int = -1) -> str:
        line, self._line = self._line, ""
        return line


def test_a_reviewed_plan_is_applied_and_no_other(either: Installation, written: Callable[[str], Path]) -> None:
    file = written(PROFILE)
    fingerprint = either.done("catalog", "plan", file, "-o", "json").document["fingerprint"]

    other = either.run("catalog", "apply", written(PROFILE.replace("/profile,", "/other,")), "--plan", fingerprint)
    same = either.run("catalog", "apply", written(PROFILE), "--plan", fingerprint)

    assert (other.exit_code, "no longer what was planned" in other.err, same.exit_code) == (1, True, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(PROFILE.replace("scopeLevel", "scopeLevle"), ":7: services.catalogEntry", id="an unknown key"),
        pytest.param(PROFILE + "services: []\n", ":12: a key that stands twice", id="a key twice"),
        pytest.param(PROFILE.replace("/profile", "profile"), ":5: services.environments.pathPrefix", id="no path"),
        pytest.param(PROFILE.replace("WORKSPACE", "GALAXY"), ":7: services.catalogEntry.scopeLevel", id="no level"),
        pytest.param(PROFILE.replace("read, w", "write, w"), "needs 'write', which is none", id="no such permission"),
        pytest.param("a: &x 1\nb: *x\n", ":2: aliases are not read", id="an alias"),
        pytest.param("services: !!python/object:os.system []\n", ":1: ", id="a tag"),
        pytest.param("services:\n  <<: {a: b}\n", ":2: ", id="a merge key"),
        pytest.param("services: [\n", "catalog.yaml:", id="no YAML"),
        pytest.param("[" * 100_000, "no YAML file that can be read", id="too deep"),
        pytest.param("", ":1: the file", id="nothing"),
        pytest.param("? [a]\n: b\n", ":1: a key that stands twice, or is no word", id="a key that is a list"),
        pytest.param("#" * 1_000_001, "is larger than 1,000,000 bytes", id="too large"),
    ],
)
def test_a_file_is_refused_with_its_line(
    installation: Installation, written: Callable[[str], Path], text: str, message: str
) -> None:
    installation.done("db", "upgrade")

    refused = plan(installation, written(text))

    assert (refused.exit_code, refused.out) == (1, "")
    assert message in refused.err


def test_a_file_that_is_not_there_or_not_text(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    assert plan(installation, tmp_path / "missing").err.endswith("No such file or directory.\n")
    assert "no YAML file that can be read" in plan(installation, tmp_path / "binary").err


ADD = ("service", "add", "Profile", "--path", "/profile", "--upstream", "http://127.0.0.1:9000")
SECRET = (*ADD, "--auth", "CLIENT_SECRET")


def test_a_service_for_client_secrets_is_added_and_viewed(either: Installation) -> None:
    route = "GET /v1/accounts/{account}/workspaces/{workspace} read account=account workspace=workspace"
    either.done(*SECRET, "--level", "workspace", "--permission", "read=Read it", "--route", route)

    shown = either.done("service", "view", "1", "-o", "json").document

    assert (shown["scopeLevel"], shown["scopeFixed"], shown["permissions"]) == ("WORKSPACE", False, ["read: Read it"])
    assert shown["routes"] == [
        "GET /v1/accounts/{account}/workspaces/{workspace} needs read, account {account}, workspace {workspace}"
    ]
    assert either.run("service", "view", "2").exit_code == 3


@pytest.mark.parametrize(
    ("level", "shown"), [("account:fixed", ("ACCOUNT", True)), ("organization", ("ORGANIZATION", True))]
)
def test_a_level_is_chosen_or_fixed(installation: Installation, level: str, shown: tuple[str, bool]) -> None:
    installation.done("db", "upgrade")
    installation.done(*SECRET, "--level", level, "--permission", "admin")

    found = installation.done("service", "view", "1", "-o", "json").document

    assert (found["scopeLevel"], found["scopeFixed"]) == shown


@pytest.mark.parametrize(
    ("options", "exit_code"),
    [
        ((*SECRET,), 1),
        ((*SECRET, "--level", "galaxy"), 2),
        ((*SECRET, "--level", "account:loose"), 2),
        ((*SECRET, "--level", "account", "--permission", "read", "--route", "GET /v1"), 2),
        ((*SECRET, "--level", "account", "--permission", "read", "--route", "GET /v1/{a} read a=a"), 2),
        ((*SECRET, "--level", "account", "--permission", "read", "--route", "GET /v1 write"), 1),
        ((*ADD, "--level", "account", "--permission", "read"), 1),
    ],
)
def test_a_service_that_cannot_be_is_not_added(
    installation: Installation, options: tuple[str, ...], exit_code: int
) -> None:
    installation.done("db", "upgrade")

    assert installation.run(*options).exit_code == exit_code
    assert installation.done("service", "list", "-o", "json").document == []


def test_a_service_of_projects_is_viewed_without_an_entry(installation: Installation) -> None:
    installation.done("db", "upgrade")
    installation.done(*ADD)

    assert "scopeLevel" not in installation.done("service", "view", "1", "-o", "json").document
