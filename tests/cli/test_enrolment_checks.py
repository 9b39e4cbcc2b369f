"""What `credenza doctor` says of a machine at which devices enrol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.actions.stage import OPERATOR, SANDBOX, Shop, Stage, new_platform
from tests.clock import Clock
from tests.gate.certificate_scene import issuing, server_of

from credenza.actions import enrolment_secrets
from credenza.cli.enrolment_checks import enrolment_checks, settings_checks
from credenza.domain.model import ProjectType
from credenza.settings import Settings, read
from credenza.store.engine import Database

PUBLIC = {
    "manage_origin": "https://manage.example.com",
    "sandbox_origin": "https://api.example.com",
    "production_origin": "https://api.example.com:8444",
}


@pytest.fixture
def sound(tmp_path: Path) -> Settings:
    """The gates' own TLS, for the name that devices call."""
    made = server_of(issuing("Server CA"))
    certificate, key = tmp_path / "api.pem", tmp_path / "api.key"
    certificate.write_bytes(made.pem)
    key.write_bytes(made.key_pem)
    return read({**PUBLIC, "tls_certificate": str(certificate), "tls_private_key": str(key)})


def verdicts(settings: Settings, **changed: Any) -> dict[str, bool | None]:
    found = {each.name: each.ok for each in settings_checks(replace(settings, **changed))}
    return {name: ok for name, ok in found.items() if ok is not True}


def test_a_machine_that_devices_can_use_has_no_fault(sound: Settings) -> None:
    assert verdicts(sound) == {}


def test_everything_on_one_machine_is_in_order(tmp_path: Path) -> None:
    assert verdicts(read({"proxy_secret": "s" * 32})) == {}


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"manage_origin": "http://localhost:8080"}, {"EST_revocation_lists": False}),
        ({"sandbox_origin": "http://api.example.com"}, {"EST_sandbox": False}),
        ({"production_origin": "https://other.example.com"}, {"EST_production_name": False}),
        ({"production_origin": "https://other.example.com", "proxy_secret": "s" * 32}, {"EST_production_name": None}),
        (
            {"tls_certificate": None, "tls_private_key": None},
            {"EST_sandbox": False, "EST_production": False},
        ),
        ({"tls_certificate": Path("/nowhere")}, {"EST_sandbox_name": False, "EST_production_name": False}),
    ],
)
def test_what_a_device_would_stumble_over_is_found(
    sound: Settings, changed: dict[str, Any], wrong: dict[str, bool | None]
) -> None:
    assert verdicts(sound, **changed) == wrong


def test_without_devices_nothing_is_asked_of_a_machine(database: Database, clock: Clock) -> None:
    mtls_shop = Shop(Stage(new_platform(database, now=clock.now()), clock), ProjectType.MTLS)
    settings = Settings()
    before = [(each.name, each.ok) for each in enrolment_checks(database, settings)]
    enrolment_secrets.create(
        mtls_shop.stage.platform,
        OPERATOR,
        mtls_shop.project.id,
        alias="till",
        environment=SANDBOX,
        hours=1,
        now=mtls_shop.stage.now,
    )

    after = [each.name for each in enrolment_checks(database, settings) if each.ok is False]

    assert before == [("EST", True)]
    assert after == ["EST_sandbox", "EST_production"]
