"""The vectors of Project Wycheproof (C2SP, Apache-2.0) that concern JOSE. They are no part of this repository: the Go
command fetches them, as it does other programs' modules, and what comes must be what was looked at here."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_MODULE = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
_SUM = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c="
_DEADLINE_S = 300


@cache
def _folder() -> Path | None:
    """Where the vectors are; None where this machine cannot get them."""
    if shutil.which("go") is None:
        return None
    asked = ["go", "mod", "download", "-json", _MODULE]
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    ended = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=_DEADLINE_S, check=False)
    if ended.returncode != 0:
        return None
    found = json.loads(ended.stdout)
    assert found["Sum"] == _SUM, "these are other vectors"
    return Path(found["Dir"]) / "testvectors_v1"


def groups(name: str) -> list[dict[str, Any]]:
    """Read one file of vectors."""
    folder = _folder()
    if folder is None:
        pytest.skip("the vectors of Wycheproof are fetched by Go, which is missing, too old or without a network")
    found: list[dict[str, Any]] = json.loads((folder / f"{name}_test.json").read_text())["testGroups"]
    return found
