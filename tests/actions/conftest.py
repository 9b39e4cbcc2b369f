"""A stage on both databases. Whatever a test did, its audit chains verify at the end."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.actions.kept_stages import KeptStages
from tests.actions.killer import Killer
from tests.actions.stage import Shop, Stage
from tests.clock import Clock

from credenza.domain.model import ProjectType


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged."""
    with capture_logs() as logs:
        yield logs


_SHOPS = {"shop": ProjectType.OAUTH10A, "mtls_shop": ProjectType.MTLS, "oauth2_shop": ProjectType.OAUTH2_FAPI}


@pytest.fixture
def open_shops(request: pytest.FixtureRequest, kept_stages: KeptStages, clock: Clock) -> dict[str, Shop]:
    """The shop that the test asks for, by its name. A second one would be opened on the same stage."""
    asked = [name for name in _SHOPS if name in request.fixturenames]
    return {name: kept_stages.shop(clock, _SHOPS[name]) for name in asked[:1]}


@pytest.fixture
def stage(open_shops: dict[str, Shop], kept_stages: KeptStages, clock: Clock) -> Iterator[Stage]:
    stage = next((shop.stage for shop in open_shops.values()), None) or kept_stages.stage(clock)
    yield stage
    assert stage.flaws() == []


@pytest.fixture
def shop(open_shops: dict[str, Shop], stage: Stage) -> Shop:
    return open_shops.get("shop") or Shop(stage)


@pytest.fixture
def mtls_shop(open_shops: dict[str, Shop], stage: Stage) -> Shop:
    return open_shops.get("mtls_shop") or Shop(stage, ProjectType.MTLS)


@pytest.fixture
def oauth2_shop(open_shops: dict[str, Shop], stage: Stage) -> Shop:
    return open_shops.get("oauth2_shop") or Shop(stage, ProjectType.OAUTH2_FAPI)


@pytest.fixture(scope="session")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    with Killer(tmp_path_factory.mktemp("killer")) as killer:
        yield killer
