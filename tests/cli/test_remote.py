"""Commands that send something: what was typed is looked at before a server is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.cli.command import run

from credenza.cli.failure import ExitCode
from credenza.protocol import csr

PROJECT = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    "command",
    [
        ("key", "add", "--csr", "request.csr"),
        ("key", "rotate", "0" * 48, "--csr", "request.csr"),
        ("cert", "add", "--csr", "request.csr"),
        ("cert", "add", "--generate"),
        ("service-key", "add", "--service", "1", "--type", "CLIENT_ENCRYPTION"),
        ("service-key", "add", "--service", "1", "--type", "MASTERCARD_ENCRYPTION", "--csr", "request.csr"),
        ("service-key", "add", "--service", "1", "--type", "MASTERCARD_ENCRYPTION", "--generate"),
        ("project", "create", "Shop", "--service", "1", "--csr", "request.csr"),
        ("project", "add-environment", "--csr", "request.csr"),
        ("enrolment", "create", "--file", "secret"),
    ],
    ids=" ".join,
)
def test_a_name_that_no_request_takes_is_the_users_to_mend(tmp_path: Path, command: tuple[str, ...]) -> None:
    request = csr.build(ec.generate_private_key(ec.SECP256R1()), common_name="shop")
    (tmp_path / "request.csr").write_bytes(request)
    nowhere = {
        "CREDENZA_URL": "http://127.0.0.1:9",
        "CREDENZA_TOKEN": "czp_x",
        "CREDENZA_NEW_PASSWORD": "keystorepassword",
    }

    ran = run("--project", PROJECT, *command, "--alias", "till\u00a0", at=tmp_path, **nowhere)

    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert ran.err == "credenza: alias: no control or invisible characters, and no blank at its beginning or end\n"
