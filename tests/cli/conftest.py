"""Installations on both databases, for operators' commands."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.installation import Installation


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    """With the embedded database."""
    return Installation(tmp_path / "installation", monkeypatch, capsys)


@pytest.fixture
def on_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgresql_url: str
) -> Installation:
    return Installation(tmp_path / "on-postgresql", monkeypatch, capsys, database_url=postgresql_url)


@pytest.fixture
def on_migrated_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], migrated_postgresql_url: str
) -> Installation:
    return Installation(tmp_path / "on-postgresql", monkeypatch, capsys, database_url=migrated_postgresql_url)


@pytest.fixture
def migrated_installation(installation: Installation, sqlite_template: Path) -> Installation:
    """As `installation`, on the files of an empty database of this release."""
    installation.directory.mkdir(mode=0o700)
    for each in sqlite_template.glob("*.db"):
        shutil.copy(each, installation.directory)
    return installation


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Installation:
    """An empty installation of this release, on either database."""
    name = "migrated_installation" if request.param == "sqlite" else "on_migrated_postgresql"
    found: Installation = request.getfixturevalue(name)
    found.done("db", "upgrade")
    return found


@pytest.fixture
def anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Installation], Installation]:
    """Make an installation on an empty disk, with the key-encryption key of another."""

    def make(lost: Installation) -> Installation:
        made = Installation(tmp_path / "anew", monkeypatch, capsys)
        made.set(key_encryption_key_file=str(lost.key))
        return made

    return make
