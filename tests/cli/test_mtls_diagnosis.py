"""`credenza debug mtls`: which step of a call with a client certificate fails, by what a gate goes by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.installation import Ended, Installation
from tests.clock import NOON
from tests.gate.certificate_scene import Party, foreign, hold, issuing, leaf, own, server_of
from tests.gate.scene import PRODUCTION, Scene, furnished

from credenza.protocol import issuance
from credenza.store import schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import writing

DAY = timedelta(days=1)
STEPS = ("certificate", "chain", "dates", "purpose", "revocation", "environment", "entitlement")


@dataclass
class Desk:
    """The gate's scene, and the command line of its operator."""

    scene: Scene
    here: Installation

    def debug(self, client: Party, *arguments: str, env: str = "sandbox") -> Ended:
        file = self.scene.directory / "client.pem"
        file.write_bytes(client.pem)
        moment = ("--now", "2025-01-31T12:00:00Z")
        return self.here.run("debug", "mtls", "--certificate", file, *moment, "--env", env, *arguments, "-o", "json")


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with furnished(tmp_path) as scene:
        yield Desk(scene, Installation(tmp_path, monkeypatch, capsys))


def steps(ended: Ended) -> dict[str, Any]:
    return {step["name"]: step["ok"] for step in ended.document["steps"]}


def failed(ended: Ended) -> list[str]:
    assert ended.exit_code == 1, ended
    return [name for name, ok in steps(ended).items() if ok is False]


def test_a_certificate_that_would_be_admitted_passes_every_step(at: Desk) -> None:
    client = hold(at.scene, leaf(own(at.scene)))

    result = at.debug(client, "--path", "/vault/1")

    assert result.exit_code == 0, result
    assert steps(result) == dict.fromkeys(STEPS, True)


def test_the_authority_between_may_come_from_us(at: Desk) -> None:
    client = replace(hold(at.scene, leaf(own(at.scene))), chain=())

    assert at.debug(client, "--path", "/vault/1").exit_code == 0


def test_an_authority_that_nobody_trusts_is_the_chain(at: Desk) -> None:
    own(at.scene)

    assert failed(at.debug(leaf(issuing("Others")))) == ["chain", "revocation"]


def test_an_authority_that_is_disabled_is_the_chain(at: Desk) -> None:
    identity = foreign(at.scene, issuing("Others"))
    client = hold(at.scene, leaf(issuing("Others")), trusted_authority_id=identity)
    assert at.debug(client, "--path", "/vault/1").exit_code == 0
    table = schema.trusted_authorities

    at.scene.change(table, table.c.id == identity, ChangeKind.TRUST, identity, disabled_at=NOON)

    assert failed(at.debug(client, "--path", "/vault/1")) == ["chain"]


def test_dates_fail_alone(at: Desk) -> None:
    over = issuance.Validity(NOON - 9 * DAY, NOON - DAY)
    client = hold(at.scene, leaf(own(at.scene), validity=over), not_after=NOON - DAY)

    assert failed(at.debug(client, "--path", "/vault/1")) == ["dates"]


def test_a_certificate_of_a_server_is_the_purpose(at: Desk) -> None:
    client = hold(at.scene, server_of(own(at.scene)))

    result = at.debug(client, "--path", "/vault/1")

    assert failed(result) == ["purpose"]
    assert steps(result)["chain"] is None


def test_a_revoked_certificate_is_the_revocation(at: Desk) -> None:
    client = hold(at.scene, leaf(own(at.scene)), status="REVOKED", revoked_at=NOON)

    assert failed(at.debug(client, "--path", "/vault/1")) == ["revocation"]


def test_a_certificate_that_was_never_added_is_the_revocation(at: Desk) -> None:
    assert failed(at.debug(leaf(own(at.scene)))) == ["revocation"]


def test_the_other_environment_is_chain_and_environment(at: Desk) -> None:
    client = hold(at.scene, leaf(own(at.scene)))
    own(at.scene, PRODUCTION)

    result = at.debug(client, "--path", "/vault/1", env="production")

    assert failed(result) == ["chain", "environment"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("/nowhere", "No API in SANDBOX has the path /nowhere.", id="path"),
        pytest.param("/orders/1", "Orders is called with OAUTH10A, not with a certificate.", id="another proof"),
        pytest.param("/vault/../orders", "The path has the segment . or ..", id="dots"),
    ],
)
def test_what_the_project_may_not_call_is_the_entitlement(at: Desk, path: str, said: str) -> None:
    result = at.debug(hold(at.scene, leaf(own(at.scene))), "--path", path)

    assert failed(result) == ["entitlement"]
    assert said in result.out


def test_an_api_of_others_is_the_entitlement(at: Desk) -> None:
    client = hold(at.scene, leaf(own(at.scene)))
    with writing(at.scene.database.records) as connection:
        connection.execute(schema.project_services.delete())

    result = at.debug(client, "--path", "/vault/1")

    assert failed(result) == ["entitlement"]
    assert "The project Shop may not use Vault in SANDBOX." in result.out


def test_elsewhere_a_file_says_whom_to_trust(at: Desk) -> None:
    bundle = at.scene.directory / "authorities.pem"
    bundle.write_bytes(issuing("Others").pem)

    result = at.debug(leaf(issuing("Others")), "--trust", str(bundle))

    assert result.exit_code == 0, result
    assert steps(result) == {
        **dict.fromkeys(("certificate", "chain", "dates", "purpose"), True),
        **dict.fromkeys(("revocation", "entitlement"), None),
    }


def test_a_private_key_in_the_file_goes_nowhere(at: Desk) -> None:
    client = leaf(issuing("Others"))
    file = at.scene.directory / "both.pem"
    file.write_bytes(client.pem + client.key_pem)

    result = at.here.run("debug", "mtls", "--certificate", file)

    assert result.exit_code == 1
    assert "private key" in result.err


@pytest.mark.parametrize("arguments", [[], ["--last", "--certificate", "x"], ["id", "--last"]])
def test_one_call_is_meant(at: Desk, arguments: list[str]) -> None:
    result = at.here.run("debug", "mtls", *arguments)

    assert result.exit_code == 2
    assert "Which call?" in result.err
