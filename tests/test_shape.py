"""The code keeps its shape: one road to the data, and no action without permission, proof and documentation."""

import ast
from pathlib import Path

import pytest

from credenza.api.errors import CODES
from credenza.domain.access import PERMISSIONS, Action
from credenza.domain.errors import Code

ROOT = Path(__file__).parents[1]
MODULES = {path.stem: ast.parse(path.read_text()) for path in ROOT.glob("src/credenza/actions/*.py")}
FUNCTIONS = {
    (module, node.name): node
    for module, tree in MODULES.items()
    for node in tree.body
    if isinstance(node, ast.FunctionDef)
}
ASKED = [
    (module, name)
    for (module, name), node in FUNCTIONS.items()
    if not name.startswith("_") and {"platform", "actor"} <= {argument.arg for argument in node.args.args}
]
# Steps of an action that was begun: they are given its transaction, and checked with it.
STEPS = {"claim", "settle"}


def begun(module: str, name: str) -> set[str]:
    """The actions that a function begins an attempt with, itself or through another function of its module."""
    calls = [each for each in ast.walk(FUNCTIONS[module, name]) if isinstance(each, ast.Call)]
    called = {each.func.id for each in calls if isinstance(each.func, ast.Name)}
    attempts = [each for each in calls if isinstance(each.func, ast.Name) and each.func.id == "Attempt"]
    own = {word for each in attempts for word in map(ast.unparse, each.args) if word.startswith("Action.")}
    return own.union(*(begun(module, other) for other in called - {name} if (module, other) in FUNCTIONS))


@pytest.mark.parametrize(("module", "name"), [each for each in ASKED if each[1] not in STEPS])
def test_a_public_action_begins_an_attempt(module: str, name: str) -> None:
    assert begun(module, name)


@pytest.mark.parametrize("action", Action)
def test_an_action_is_permitted_begun_proven_and_documented(action: Action) -> None:
    source = "".join(path.read_text() for path in ROOT.glob("src/credenza/actions/*.py"))
    tests = "".join(path.read_text() for path in ROOT.glob("tests/actions/*.py"))

    assert action in PERMISSIONS
    assert f"Action.{action.name}" in source
    assert f'"{action}"' in tests or f"Action.{action.name}" in tests, "no test looks at its audit row"
    assert f"`{action}`" in (ROOT / "docs/reference/actions.md").read_text()


@pytest.mark.parametrize("code", Code)
def test_a_code_is_mapped_and_documented(code: Code) -> None:
    assert code in CODES
    assert f"`{code}`" in (ROOT / "docs/reference/errors.md").read_text()


@pytest.mark.parametrize("code", Code)
def test_a_code_is_used(code: Code) -> None:
    files = [*ROOT.glob("src/credenza/*/*.py")]

    assert any(f"Code.{code.name}" in path.read_text() for path in files if path.parts[-2:] != ("domain", "errors.py"))
