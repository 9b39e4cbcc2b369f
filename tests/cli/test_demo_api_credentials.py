"""The demo's API credentials: in every state, and one for the partner's shell."""

import stat
from pathlib import Path

from tests.actions.stage import know_the_timeline, new_platform
from tests.clock import Clock

from credenza.actions import api_credentials
from credenza.cli import demo_api_credentials, demo_catalog, demo_seed
from credenza.domain import secret_text
from credenza.domain.api_credentials import ApiCredentialQuery
from credenza.domain.model import Status
from credenza.store.engine import Database


def test_there_is_one_in_every_state_and_one_to_call_with(
    sqlite_database: Database, clock: Clock, tmp_path: Path
) -> None:
    know_the_timeline(sqlite_database.records)
    platform, now = new_platform(sqlite_database, now=clock.now()), clock.now()
    seeded = demo_seed.seed(platform, tmp_path, upstream="http://127.0.0.1:9000", now=now)
    demo_catalog.seed(platform, upstream="http://127.0.0.1:9000", now=now)

    demo_api_credentials.seed(platform, tmp_path, seeded, now=now)

    place = (platform, seeded.owner, seeded.organization.id)
    found = [each.credential for each in api_credentials.list_page(*place, ApiCredentialQuery(), now=now)]
    states = {each.name: each.status_at(now) for each in found}
    assert states == {
        "Data planner": Status.ACTIVE,
        "Former agency": Status.INACTIVE,
        "Nightly export": Status.ACTIVE,
        "Trial of a partner": Status.EXPIRED,
        "Web analytics": Status.ACTIVE,
    }
    client = tmp_path / demo_api_credentials.CLIENT
    names = dict(line.removeprefix("export ").split("=") for line in client.read_text().splitlines())
    rotating = next(each for each in found if len(each.secrets) == 2)
    assert names["API_CLIENT_ID"] == f"'{rotating.client_id}'"
    assert secret_text.is_well_formed("czs_sbx_", names["API_CLIENT_SECRET"].strip("'"))
    assert stat.S_IMODE(client.stat().st_mode) == 0o600
