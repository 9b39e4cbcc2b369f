"""Every block of the README runs as it stands, one after the other, against the demo."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sys.executable).parent
CLIENTS = ROOT / ".clients" / "bin" / "python"
START_DEADLINE_S, RUN_DEADLINE_S = 150, 600
PORTS = (8080, 8082, 8443, 8444, 9000)

_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    found = _BLOCK.findall((ROOT / "README.md").read_text())
    return [(language, text) for language, text in found if text != "make run\n"]


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Path]:
    """A folder in which the demo is being served, as `make run` does it."""
    taken = [port for port in PORTS if is_taken(port)]
    if taken:
        pytest.skip(f"the demo's ports are taken on this machine: {taken}")
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [SCRIPTS / "credenza", "demo"], cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            await_start(process, tmp_path / "output")
            yield tmp_path
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=120)


def await_start(process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get("http://localhost:8080/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the demo did not start:\n{output.read_text()}")


def script(folder: Path) -> str:
    """All blocks as one shell script that stops at the first failure and says which block that was."""
    lines = ["set -eu"]
    for number, (language, text) in enumerate(blocks(), 1):
        lines.append(f"echo '=== block {number}'")
        if language == "python":
            file = folder / f"block{number}.py"
            file.write_text(text)
            lines.append(f"env -u REQUESTS_CA_BUNDLE -u CURL_CA_BUNDLE '{CLIENTS}' '{file}'")
        else:
            lines.append(text)
    return "\n".join(lines)


@pytest.mark.timeout(900)  # of which START_DEADLINE_S and RUN_DEADLINE_S are for the demo
def test_the_blocks_of_the_readme_run_as_they_stand(demo: Path) -> None:
    if not CLIENTS.exists():
        pytest.skip("the client libraries need Python 3.11 or 3.12 (make setup says which was found)")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDENZA_")}

    run = subprocess.run(
        ["bash", "-c", script(demo)],
        cwd=demo,
        env=environment,
        capture_output=True,
        text=True,
        timeout=RUN_DEADLINE_S,
        check=False,
    )

    transcript = run.stdout + run.stderr
    assert run.returncode == 0, transcript
    for expected in (
        '"x-credenza-environment": "SANDBOX"',
        "AUTHENTICATION_FAILED",
        "revoked",
        "200 Hello, ",
        "scope: payments:read",
        '"path": "/payments/7"',
        '"path": "/tokenize/cards"',
        "my-first-key",
        "INVALID_CSR",
        "checkout-2027",
        "Revoked. No gate admits it any more.",
    ):
        assert expected in transcript
