"""The few things that the product's values work out themselves."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.clock import NOON
from tests.domain.values import KEY

from credenza.domain.model import (
    AuthenticationType,
    Environment,
    EnvironmentName,
    OrganizationId,
    Project,
    ProjectId,
    ProjectType,
    Service,
    ServiceEnvironment,
    ServiceId,
    ServiceStatus,
    Status,
)

SECOND = timedelta(seconds=1)


def test_the_consumer_key_is_client_id_and_key_id_97_characters_long() -> None:
    assert KEY.consumer_key == "c" * 48 + "!0123456789abcdef0123456789abcdef0000000000000000"
    assert len(KEY.consumer_key) == 97


@pytest.mark.parametrize(
    ("stored", "after_end", "status"),
    [
        pytest.param(Status.ACTIVE, timedelta(), Status.ACTIVE, id="valid to the last moment"),
        pytest.param(Status.ACTIVE, SECOND, Status.EXPIRED, id="expired"),
        pytest.param(Status.INACTIVE, -SECOND, Status.INACTIVE, id="inactive"),
        pytest.param(Status.INACTIVE, SECOND, Status.EXPIRED, id="an inactive one expires too"),
        pytest.param(Status.REVOKED, SECOND, Status.REVOKED, id="what was revoked stays revoked"),
    ],
)
def test_expired_is_read_from_the_end(stored: Status, after_end: timedelta, status: Status) -> None:
    assert replace(KEY, status=stored).status_at(KEY.not_after + after_end) is status


@pytest.mark.parametrize(
    ("inactive_since", "replaced_at"),
    [
        pytest.param(None, None, id="active, or held by a restore"),
        pytest.param(KEY.created_at, None, id="never active"),
        pytest.param(KEY.created_at + SECOND, KEY.created_at + SECOND, id="replaced"),
    ],
)
def test_only_what_was_active_has_been_replaced(inactive_since: datetime | None, replaced_at: datetime | None) -> None:
    assert replace(KEY, inactive_since=inactive_since).replaced_at == replaced_at


def test_sandbox_and_production_are_apart() -> None:
    sandbox = Environment(EnvironmentName.SANDBOX, "c" * 48, ())
    project = Project(
        ProjectId("p"),
        OrganizationId("o"),
        "Billing",
        ProjectType.OAUTH10A,
        "EUROPE",
        None,
        (),
        None,
        False,
        False,
        NOON,
        (sandbox,),
    )

    assert project.environment(EnvironmentName.SANDBOX) is sandbox
    assert project.environment(EnvironmentName.PRODUCTION) is None


def test_a_service_may_be_offered_in_one_environment_alone() -> None:
    place = ServiceEnvironment(EnvironmentName.SANDBOX, "/accounts", "http://127.0.0.1:9000", 13, None)
    service = Service(ServiceId(1), "Accounts", AuthenticationType.OAUTH10A, ServiceStatus.LIVE, "", (place,))

    assert service.in_environment(EnvironmentName.SANDBOX) is place
    assert service.in_environment(EnvironmentName.PRODUCTION) is None
