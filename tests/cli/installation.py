"""An installation of the test's own, and the commands of its operator run in this process."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from credenza.cli.main import main


class Ended(NamedTuple):
    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Installation:
    """Everything of it is below `directory`; the key-encryption key is with it unless told otherwise."""

    def __init__(
        self,
        directory: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        *,
        database_url: str = "",
    ) -> None:
        self.directory = directory
        self.key = directory.with_name(f"{directory.name}.key")
        self.key_id = ""
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._settings = {
            "DATA_DIR": str(directory),
            "KEY_ENCRYPTION_KEY_FILE": str(self.key),
            "DATABASE_URL": database_url,
            "REPLAY_CAPACITY": "1000",
        }

    def set(self, **settings: str) -> None:
        self._settings |= {name.upper(): value for name, value in settings.items()}

    def setting(self, name: str) -> str:
        return self._settings[name]

    def run(self, *arguments: object) -> Ended:
        for name, value in self._settings.items():
            self._monkeypatch.setenv(f"CREDENZA_{name}", value)
        self._capsys.readouterr()
        exit_code = main([str(each) for each in arguments])
        printed = self._capsys.readouterr()
        return Ended(exit_code, printed.out, printed.err)

    def done(self, *arguments: object) -> Ended:
        ended = self.run(*arguments)
        assert ended.exit_code == 0, ended
        return ended
