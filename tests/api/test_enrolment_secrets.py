"""Enrolment secrets over HTTP, driven by our own SDK, on both databases."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.api.desk import Desk
from tests.api.test_certificates import project, refused

from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.wire.enrolment import EnrolmentSecret, NewEnrolmentSecret

pytestmark = pytest.mark.anyio


async def test_a_secret_is_made_listed_without_itself_and_revoked(any_desk: Desk) -> None:
    made = await project(any_desk)
    async with any_desk.client("owner") as client:
        issued = await client.send(operations.create_enrolment_secret(made.id, NewEnrolmentSecret(alias="till 7")))
        (listed,) = await client.send(operations.list_enrolment_secrets(made.id))
        await client.send(operations.revoke_enrolment_secret(made.id, issued.id))
        (revoked,) = await client.send(operations.list_enrolment_secrets(made.id))

    assert issued.secret.startswith("cze_")
    assert listed == EnrolmentSecret(**issued.model_dump(exclude={"secret"}))
    assert (listed.alias, listed.environment, listed.used_at, listed.revoked_at) == ("till 7", "SANDBOX", None, None)
    assert (listed.expires_at - listed.created_at).total_seconds() == 24 * 3600
    assert revoked.revoked_at is not None


async def test_a_repeated_request_gives_the_one_secret(desk: Desk) -> None:
    made = await project(desk)
    path, body = f"/api/projects/{made.id}/enrolment-secrets", {"alias": "till", "hours": 2}
    async with desk.http("owner") as http:
        first, second = [await http.post(path, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert (first.status_code, first.json()) == (201, second.json())


async def test_a_project_of_another_type_and_an_environment_that_is_not_there_have_none(desk: Desk) -> None:
    made = await project(desk)
    new = NewEnrolmentSecret(alias="till")
    elsewhere = NewEnrolmentSecret(alias="till", environment="PRODUCTION")

    assert (await refused(desk, operations.create_enrolment_secret(desk.project_id, new)))[:2] == (
        400,
        "INVALID_KEY_TYPE",
    )
    assert (await refused(desk, operations.create_enrolment_secret(made.id, elsewhere)))[:2] == (
        400,
        "INVALID_PROJECT_STATUS",
    )
    assert (await refused(desk, operations.revoke_enrolment_secret(made.id, str(uuid4()))))[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize("hours", [0, 169, "24", 1.5])
async def test_a_life_that_is_none_is_400(desk: Desk, hours: object) -> None:
    made = await project(desk)
    async with desk.http("owner") as http:
        answer = await http.post(f"/api/projects/{made.id}/enrolment-secrets", json={"alias": "x", "hours": hours})

    assert answer.status_code == 400


async def test_who_reads_the_project_makes_no_secret_for_it(desk: Desk) -> None:
    made = await project(desk)
    async with desk.client("compliance") as client:
        assert await client.send(operations.list_enrolment_secrets(made.id)) == ()
        with pytest.raises(ApiError) as caught:
            await client.send(operations.create_enrolment_secret(made.id, NewEnrolmentSecret(alias="x")))

    assert (caught.value.status, caught.value.reason_code) == (403, "NO_ACCESS_TO_PROJECT")
