"""Requests that schemathesis makes up from the OpenAPI document, good and bad ones, sent to a desk."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.schemas import OpenApiSchema
from tests.api.desk import OPERATOR, Desk

from credenza.actions import accounts, workspaces
from credenza.wire.errors import Envelope

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())


class Kind(NamedTuple):
    """One operation, and whether its requests are as the document wants them or not."""

    path: str
    method: str
    mode: GenerationMode


# Nothing can be wrong with a request that has nothing in it.
KINDS = tuple(
    Kind(path, method, mode)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or "parameters" in operation or "requestBody" in operation
)


def read_document(desk: Desk) -> OpenApiSchema:
    """To be read once: that takes as long as making the requests of one operation."""
    return schemathesis.openapi.from_asgi("/openapi.json", desk.app)


def send(desk: Desk, document: OpenApiSchema, kind: Kind, *, most: int) -> Counter[int]:
    """Send requests of a kind, fewer than `most` where there are no more different ones, and count their statuses.
    Raises AssertionError: the server failed, or an error has no envelope."""
    authorization, there = {"Authorization": f"Bearer {desk.tokens['admin']}"}, _there(desk)
    found: Counter[int] = Counter()

    @settings(max_examples=most, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=document[kind.path][kind.method].as_strategy(generation_mode=kind.mode))
    def answers(case: schemathesis.Case) -> None:
        if kind.mode is GenerationMode.POSITIVE:  # or all of them would end at an id that nothing has
            case.path_parameters = {name: there.get(name, made) for name, made in case.path_parameters.items()}
        response = case.call(app=desk.app, headers=authorization)

        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            Envelope.model_validate_json(response.content)
        found[response.status_code] += 1

    answers()
    return found


def _there(desk: Desk) -> dict[str, object]:
    """What there is, by the names of the parameters that ask for it."""
    place = (desk.platform, OPERATOR, desk.organization.id)
    return {
        "project_id": desk.project_id,
        "credential_id": desk.key_id,
        "organization_id": desk.organization.id,
        "service_id": desk.services[0].id,
        "account_id": accounts.list_all(*place, now=desk.clock.now())[0].id,
        "workspace_id": workspaces.list_all(*place, now=desk.clock.now())[0].id,
    }
