"""Every operation of the OpenAPI document, with made-up requests good and bad: nothing makes the server fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from schemathesis.specs.openapi.schemas import OpenApiSchema
from tests.api.desk import Desk
from tests.api.made_up_requests import KINDS, Kind, read_document, send

# At full volume 400 of each kind, of which there are some 250: the 100,000 cases of security.md, figure 17, are a claim
# of the proof.
FULL_VOLUME = 400


@pytest.fixture(scope="module")
def document(furnished: Desk) -> OpenApiSchema:
    return read_document(furnished)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.path}-{kind.method}-{kind.mode.name}")
def test_made_up_requests_are_answered(
    desk: Desk, document: OpenApiSchema, scale: Callable[[int], int], kind: Kind
) -> None:
    assert send(desk, document, kind, most=scale(FULL_VOLUME))
