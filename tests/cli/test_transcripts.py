"""The command line as a user meets it: `transcripts/*.txt` are run against the installed `credenza`.

In a transcript, text at the margin explains. Indented lines are a session: after `$` a command for the shell, then what
it prints without blank lines, then stderr with `! ` before each line, and in brackets the exit code when it is not 0.
What differs from run to run is written in capitals (HEX, TIME, HOME, ...). Each session starts in an empty home.

A Python that imports Credenza takes many times as long as most commands take. So the commands of a session are forked
from a process that has imported all of them; those of the sessions that `STARTED` names start on their own.

CREDENZA_REWRITE_TRANSCRIPTS=1 writes down what was printed instead of comparing it; read the difference before you
commit it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.cli.answering_server import AnsweringServer
from tests.forked import forked_command

STARTED = {"habits"}
FOLDER = Path(__file__).parent / "transcripts"
REWRITE = "CREDENZA_REWRITE_TRANSCRIPTS" in os.environ
CONSUMER_KEY = f"{'c' * 48}!{'0' * 48}"

VARYING = (
    (re.compile(r'oauth_signature=(\\?")[^"\\]+'), r"oauth_signature=\1SIGNATURE"),
    (re.compile(r'oauth_nonce="(?!0123456789abcdef)\w+"'), 'oauth_nonce="NONCE"'),
    (re.compile(r'oauth_timestamp="(?!1738324800)\d+"'), 'oauth_timestamp="SECONDS"'),
    (re.compile(r"20(?!25-01-31)\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"), "JWT"),
    (re.compile(r"\b(?!0{48})[0-9a-f]{38,64}\b"), "HEX"),
    (re.compile(r"_ssl\.c:\d+"), "_ssl.c:LINE"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[AnsweringServer]:
    with AnsweringServer() as server:
        yield server


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a `credenza` whose process is a fork."""
    directory = tmp_path_factory.mktemp("commands")
    with forked_command(directory, _environment()):
        yield directory


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_a_session_goes_as_its_transcript_says(
    path: Path, tmp_path: Path, server: AnsweringServer, commands: Path
) -> None:
    written = path.read_text().splitlines()
    programs = () if path.stem in STARTED else (commands,)
    environment = _environment(*programs) | {"HOME": str(tmp_path), "SERVER": server.url, "CONSUMER_KEY": CONSUMER_KEY}

    played = list(_played(written, tmp_path, environment))

    if REWRITE:
        path.write_text("\n".join(played) + "\n")
    assert written == played


def test_help_loads_no_command_and_no_server() -> None:
    loaded = _modules_after("--help")

    assert "credenza.cli.commands" in loaded
    assert {"credenza.cli.csr", "credenza.cli.call", "fastapi", "sqlalchemy", "aiohttp", "httpx"}.isdisjoint(loaded)


def test_local_tools_load_no_server_and_no_client() -> None:
    loaded = _modules_after("csr", "lint", "/dev/null")

    assert "credenza.cli.csr" in loaded
    assert {"fastapi", "sqlalchemy", "uvicorn", "aiohttp", "httpx"}.isdisjoint(loaded)


def _modules_after(*arguments: str) -> set[str]:
    program = f"import sys; from credenza.cli.main import main; main({list(arguments)!r}); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].split())


def _environment(*programs: Path) -> dict[str, str]:
    places = [*map(str, programs), str(Path(sys.executable).parent), os.environ["PATH"]]
    return {"PATH": ":".join(places), "LC_ALL": "C.UTF-8"}


def _played(written: list[str], home: Path, environment: Mapping[str, str]) -> Iterator[str]:
    for line in written:
        if not line.startswith("  "):
            yield line
        elif line.startswith("  $ "):
            yield line
            yield from _printed(line[4:], home, environment)


def _printed(command: str, home: Path, environment: Mapping[str, str]) -> Iterator[str]:
    ended = subprocess.run(
        ["bash", "-c", command],
        check=False,
        cwd=home,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    for stream, mark in ((ended.stdout, ""), (ended.stderr, "! ")):
        text = stream.replace(str(home), "HOME").replace(environment["SERVER"], "SERVER")
        for encoded in ("!", "%21", "%2521"):
            text = text.replace(CONSUMER_KEY.replace("!", encoded), "CONSUMER_KEY")
        for pattern, placeholder in VARYING:
            text = pattern.sub(placeholder, text)
        yield from (f"  {mark}{line}".rstrip() for line in text.splitlines() if line.strip())
    if ended.returncode:
        yield f"  [{ended.returncode}]"
