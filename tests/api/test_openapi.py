"""The kept OpenAPI document: it is what the server does, and it says how to fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.desk import Desk

from credenza.api import openapi
from credenza.api.routes import OPEN, PROTECTED
from credenza.client import operations
from credenza.wire.errors import ReasonCode
from credenza.wire.shape import FORMS

KEPT = Path(__file__).parents[2] / "docs/reference/openapi.json"


def test_the_kept_document_is_the_one_of_this_source() -> None:
    assert KEPT.read_text() == openapi.text(), "python -m credenza.api.openapi > docs/reference/openapi.json"


@pytest.mark.anyio
async def test_the_server_serves_the_kept_document(desk: Desk) -> None:
    async with desk.http() as http:
        response = await http.get("/openapi.json")

    assert response.json() == json.loads(KEPT.read_text())


def test_the_document_lists_every_route_and_nothing_else() -> None:
    document = openapi.document()
    listed = {(method.upper(), path) for path, item in document["paths"].items() for method in item}

    assert document["openapi"].startswith("3.1")
    assert listed == {(row.method, row.path.replace(":path}", "}")) for row in (*PROTECTED, *OPEN)}


def test_operation_ids_are_unique() -> None:
    names = [row.operation_id for row in (*PROTECTED, *OPEN)]

    assert len(names) == len(set(names))


def test_the_sdk_has_every_operation() -> None:
    snake = {"".join(f"_{c.lower()}" if c.isupper() else c for c in row.operation_id) for row in (*PROTECTED, *OPEN)}

    assert {name for name in snake if not hasattr(operations, name)} == set()


def test_every_reason_code_is_explained_and_shown() -> None:
    document = openapi.document()
    shown = {
        code
        for item in document["paths"].values()
        for operation in item.values()
        for response in operation["responses"].values()
        for code in response.get("content", {}).get("application/json", {}).get("examples", {})
    }

    assert set(ReasonCode) - shown == {ReasonCode.METHOD_NOT_ALLOWED}
    assert set(document["components"]["examples"]) == set(ReasonCode)


def test_every_pattern_of_the_document_is_told_in_words() -> None:
    def patterns(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (value for name, value in node.items() if name == "pattern" and isinstance(value, str))
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from patterns(each)

    unread = {"^[A-Za-z0-9+/]+={0,2}$"}  # the request of OCSP in a path: it is answered by OCSP's own errors
    assert set(patterns(openapi.document())) - unread <= set(FORMS)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = openapi.document()
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}

    missing = [name for name in names if not leads_somewhere(document, name)]
    assert missing == []


def leads_somewhere(document: dict[str, object], name: str) -> bool:
    found: object = document
    for step in name.split("/"):
        if not isinstance(found, dict) or step not in found:
            return False
        found = found[step]
    return True


@pytest.mark.parametrize("row", PROTECTED, ids=lambda row: row.operation_id)
@pytest.mark.anyio
async def test_no_protected_route_answers_who_does_not_say_who_they_are(desk: Desk, row: object) -> None:
    async with desk.http() as http:
        response = await http.request(row.method, row.path)  # type: ignore[attr-defined]

    assert (response.status_code, response.json()["Errors"]["Error"][0]["ReasonCode"]) == (401, "UNAUTHORIZED")
