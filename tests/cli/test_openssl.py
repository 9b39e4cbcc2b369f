"""The OpenSSL commands that `credenza key export` shows write the same key as the command itself (row B13)."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from credenza.cli.main import main
from credenza.protocol import pkcs12

PASSWORD = "correct horse battery"
SOURCES = ("key.p12", "key.pem", "encrypted.pem")
PEM_LABELS = {
    "pkcs1-pem": b"-----BEGIN RSA PRIVATE KEY-----",
    "pkcs8-pem": b"-----BEGIN PRIVATE KEY-----",
    "encrypted-pem": b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key in three files, made by OpenSSL alone."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "password").write_text(f"{PASSWORD}\n")
    for command in (
        "openssl req -x509 -newkey rsa:2048 -noenc -keyout key.pem -out certificate.pem -subj /CN=billing -days 30",
        "openssl pkcs8 -topk8 -in key.pem -out encrypted.pem -passout file:password",
        "openssl pkcs12 -export -inkey key.pem -in certificate.pem -name billing -out key.p12 -passout file:password",
    ):
        subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("key_format", ["pkcs1-pem", "pkcs8-pem", "pkcs8-der", "encrypted-pem", "p12"])
def test_the_command_shown_writes_the_same_key(
    source: str,
    key_format: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    out = tmp_path / "out"
    certificate = ["--certificate", "certificate.pem"] if key_format == "p12" else []
    arguments = ["key", "export", source, "--format", key_format, "--out", str(out), "-o", "json", *certificate]
    monkeypatch.setenv("CREDENZA_KEY_PASSWORD", PASSWORD)
    monkeypatch.setenv("CREDENZA_NEW_PASSWORD", PASSWORD)

    assert main(arguments) == 0
    ours = out.read_bytes()
    out.unlink()
    subprocess.run(_with_passwords(json.loads(capsys.readouterr().out)["openssl"]), shell=True, check=True)
    theirs = out.read_bytes()

    assert _number(theirs) == _number(ours) == _number((folder / "key.pem").read_bytes())
    assert ours.startswith(PEM_LABELS.get(key_format, b"\x30"))
    assert theirs.startswith(PEM_LABELS.get(key_format, b"\x30"))


def _with_passwords(command: str) -> str:
    """Answer the prompts of OpenSSL; a password that is not needed is not looked at."""
    command = re.sub(r"-in(key)? (\S+)", r"\g<0> -passin env:CREDENZA_KEY_PASSWORD", command, count=1)
    return re.sub(r"-export|-v2 ", r"-passout env:CREDENZA_NEW_PASSWORD \g<0>", command)


def _number(octets: bytes) -> bytes:
    key = pkcs12.load_private_key(octets, PASSWORD)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
