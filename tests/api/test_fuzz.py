"""Every operation of the OpenAPI document, with made-up requests good and bad: nothing makes the server fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.schemas import OpenApiSchema
from tests.api.desk import OPERATOR, Desk

from credenza.actions import accounts, workspaces
from credenza.wire.errors import Envelope

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())
OPERATIONS = [
    (path, method, mode)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or "parameters" in operation or "requestBody" in operation
]
"""Nothing can be wrong with a request that has nothing in it."""

# At full volume 1,000 of each mode for about 50 operations: the 100,000 cases of security.md, figure 17.
FULL_VOLUME = 1_000


@pytest.fixture(scope="module")
def document(furnished: Desk) -> OpenApiSchema:
    """Read once: that takes as long as making the requests of one operation."""
    return schemathesis.openapi.from_asgi("/openapi.json", furnished.app)


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_made_up_requests_are_answered(
    desk: Desk, document: OpenApiSchema, scale: Callable[[int], int], path: str, method: str, mode: GenerationMode
) -> None:
    operation = document[path][method]
    authorization = {"Authorization": f"Bearer {desk.tokens['admin']}"}
    place = (desk.platform, OPERATOR, desk.organization.id)
    there = {
        "project_id": desk.project_id,
        "credential_id": desk.key_id,
        "organization_id": desk.organization.id,
        "service_id": desk.services[0].id,
        "account_id": accounts.list_all(*place, now=desk.clock.now())[0].id,
        "workspace_id": workspaces.list_all(*place, now=desk.clock.now())[0].id,
    }

    @settings(max_examples=scale(FULL_VOLUME), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE:  # or all of them would end at an id that nothing has
            case.path_parameters = {name: there.get(name, made) for name, made in case.path_parameters.items()}
        response = case.call(app=desk.app, headers=authorization)

        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            Envelope.model_validate_json(response.content)

    answers()
