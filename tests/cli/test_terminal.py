"""What only happens at a terminal: passwords are asked for and not shown, and secrets do not reach the screen."""

import os
import pty
import select
import sys
from pathlib import Path

import pytest

CREDENZA = str(Path(sys.executable).parent / "credenza")
TOKEN = f"czp_{7:049d}"


def test_a_new_password_is_asked_for_twice_and_never_shown(tmp_path: Path) -> None:
    screen, exit_code = _at_a_terminal(tmp_path, "csr", "create", "--cn", "billing", answer="correct horse battery")

    assert exit_code == 0
    assert "Repeat for confirmation" in screen
    assert "correct horse" not in screen
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "key.pem").read_bytes()


def test_a_private_key_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    _at_a_terminal(tmp_path, "csr", "create", "--cn", "billing", "--no-password")

    screen, exit_code = _at_a_terminal(tmp_path, "key", "export", "key.pem", "--format", "pkcs8-pem", "--out", "-")

    assert exit_code == 1
    assert "PRIVATE KEY" not in screen
    assert "Give a file." in screen


@pytest.mark.parametrize(("answer", "expected"), [("n", 1), ("y", 0)])
def test_a_token_is_shown_on_a_terminal_only_after_a_yes(tmp_path: Path, answer: str, expected: int) -> None:
    _at_a_terminal(tmp_path, "auth", "login", "--url", "http://localhost:8080", answer=TOKEN)

    screen, exit_code = _at_a_terminal(tmp_path, "auth", "token", answer=answer)

    assert exit_code == expected
    assert (TOKEN in screen) is (answer == "y")


def test_a_typed_token_is_not_shown(tmp_path: Path) -> None:
    screen, exit_code = _at_a_terminal(tmp_path, "auth", "login", "--url", "http://localhost:8080", answer=TOKEN)

    assert exit_code == 0
    assert TOKEN not in screen
    assert TOKEN in (tmp_path / ".config/credenza/config.toml").read_text()


def _at_a_terminal(home: Path, *arguments: str, answer: str = "") -> tuple[str, int]:
    """Run credenza where it has a terminal of its own, and type the answer at every prompt."""
    child, terminal = pty.fork()
    if child == 0:
        variables = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
        os.chdir(home)
        os.execve(CREDENZA, [CREDENZA, *arguments], variables)
    screen = ""
    while text := _read(terminal):
        screen += text
        # A prompt ends with a space: it is written when the echo is off, and what is typed before is thrown away.
        if screen.endswith(": "):
            os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return screen, os.waitstatus_to_exitcode(status)


def _read(terminal: int) -> str:
    ready, _, _ = select.select([terminal], [], [], 60)
    try:
        return os.read(terminal, 4096).decode() if ready else ""
    except OSError:
        return ""  # Linux says so when the other end is closed
