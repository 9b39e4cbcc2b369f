"""The documents are in step with the code: generated pages, links, codes, decision records."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from credenza.domain.errors import Code
from credenza.gate.decision import Code as GateCode
from credenza.wire.errors import ReasonCode

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))
ERRORS = (ROOT / "docs" / "reference" / "errors.md").read_text()

_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_generated_pages_say_what_the_code_says() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs", "--check"], capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stdout) == (0, "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text()) if "://" not in link]

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_a_variable_is_either_a_setting_of_the_server_or_an_option_of_commands() -> None:
    settings, commands = (ROOT / "docs" / "reference" / name for name in ("settings.md", "commands.md"))
    of_server = set(re.findall(r"^\| `(CREDENZA_\w+)`", settings.read_text(), re.MULTILINE))
    of_commands = set(re.findall(r"\[env var: (CREDENZA_\w+)", commands.read_text()))

    assert of_server
    assert of_commands
    assert of_server & of_commands == set()


@pytest.mark.parametrize("code", [*ReasonCode, *GateCode, *Code])
def test_every_code_is_documented(code: str) -> None:
    assert f"`{code}`" in ERRORS


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_record_has_its_five_parts(decision: Path) -> None:
    parts = re.findall(r"^\*\*(\w+)\.\*\*", decision.read_text(), re.MULTILINE)

    assert parts == ["Context", "Decision", "Consequences", "Alternatives", "References"]


def test_decision_records_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]

    assert numbers == list(range(1, len(DECISIONS) + 1))


def test_no_tracked_file_names_a_machine_path() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    texts = {path: path.read_bytes() for path in paths if path.is_file()}

    home = re.compile(rb"/(?:root|home/[a-z]+|work)/(?!\.|\*)[A-Za-z]")
    assert [str(path.relative_to(ROOT)) for path, text in texts.items() if home.search(text)] == []
