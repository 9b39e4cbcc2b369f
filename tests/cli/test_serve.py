"""`credenza serve`: what is looked at, and said, before anything is served."""

from __future__ import annotations

import pytest
from tests.cli.installation import Installation
from tests.clock import NOON
from tests.store.rows import Rows

from credenza.cli import local, serve
from credenza.cli.serve import Role
from credenza.store import quarantine
from credenza.store.engine import open_database, writing


@pytest.mark.parametrize("role", Role)
def test_an_installation_in_quarantine_says_so_at_every_start_and_what_ends_it(
    installation: Installation, capsys: pytest.CaptureFixture[str], role: Role
) -> None:
    installation.done("org", "create", "Acme")
    database = open_database(f"sqlite:///{installation.directory}/credenza.db")
    Rows(database).signing_key()
    serve.prepare(local.load_settings(), role)
    before = capsys.readouterr().err
    with writing(database.records) as connection:
        quarantine.impose(connection, now=NOON)
    database.close()

    for _ in range(2):
        serve.prepare(local.load_settings(), role)
        said = capsys.readouterr().err

        assert "IN QUARANTINE: 1 credentials" in said
        assert "credenza db quarantine" in said
        assert "credenza db release" in said
    assert "QUARANTINE" not in before
