"""`credenza` run in this process: a process of its own takes many times as long to start as most commands take to run.
What is about the process is tested in test_transcripts.py and test_terminal.py.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from credenza.cli.main import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str, at: Path, **variables: str) -> Ran:
    """Run a command in a directory, which is its home too, with these environment variables and nobody to answer."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(at)
        patch.setattr(sys, "stdin", io.StringIO())
        for name, value in {"HOME": str(at), **variables}.items():
            patch.setenv(name, value)
        code = main(arguments)
    return Ran(code, _printed(out), _printed(err))


def _printed(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
