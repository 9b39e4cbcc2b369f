"""The audit log over HTTP: pages, the export that proves itself offline, the signed head."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from tests.api.desk import Desk, request_for

from credenza.actions import audit_log
from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.domain import audit
from credenza.wire.audit import AuditEntry, SignedCheckpoint
from credenza.wire.credentials import AddSigningCredential

pytestmark = pytest.mark.anyio


async def test_every_change_leaves_an_entry_and_so_does_every_refusal(any_desk: Desk) -> None:
    async with any_desk.client("reader") as reader:
        with pytest.raises(ApiError):
            await reader.send(operations.delete_project(any_desk.project_id))
    async with any_desk.client("owner") as owner:
        new = AddSigningCredential(type="SIGNING", alias="next", csr=request_for(1))
        added = await owner.send(operations.add_credential(any_desk.project_id, new))
    async with any_desk.client("compliance") as client:
        page = await client.send(operations.list_audit_entries(any_desk.organization.id, limit=2))

    assert [(entry.action, entry.outcome, entry.code) for entry in page.items] == [
        ("key.add", "done", ""),
        ("project.delete", "refused", "project_forbidden"),
    ]
    assert (page.items[0].subject, page.items[0].address) == (added.id, "192.0.2.7")
    assert page.next_cursor == str(page.items[1].sequence)


async def test_entries_can_be_had_for_one_project(desk: Desk) -> None:
    async with desk.client("compliance") as client:
        found = await client.send(operations.list_audit_entries(desk.organization.id, project_id=desk.project_id))

    assert {entry.project_id for entry in found.items} == {desk.project_id}


async def test_an_export_verifies_with_nothing_but_itself(any_desk: Desk) -> None:
    async with any_desk.client("admin") as client:
        lines = (await client.send(operations.export_audit_log(any_desk.organization.id))).splitlines()
        head = await client.send(operations.get_audit_head(any_desk.organization.id))
    entries = [AuditEntry.model_validate_json(line) for line in lines[:-1]]
    signed = SignedCheckpoint.model_validate_json(lines[-1])
    chain = [as_entry(entry) for entry in entries]
    checkpoint = audit.Checkpoint(signed.chain, signed.sequence, signed.hash)

    assert audit.verify(any_desk.organization.id, chain, [checkpoint]) is None
    assert audit.verify(any_desk.organization.id, chain[:-1], [checkpoint]) is not None
    assert (head.sequence, head.hash) == (signed.sequence, signed.hash) == (len(entries), entries[-1].hash)
    assert audit_log.is_genuine(audit_log.SignedCheckpoint(checkpoint, signed.at, signed.public_key, signed.signature))


async def test_an_export_is_json_lines(desk: Desk) -> None:
    async with desk.http("admin") as http:
        response = await http.get(f"/api/organizations/{desk.organization.id}/audit/export")

    assert response.headers["Content-Type"] == "application/jsonl"
    assert [type(json.loads(line)) for line in response.text.splitlines()][:1] == [dict]


def as_entry(entry: AuditEntry) -> audit.Entry:
    record = audit.Record(
        at=datetime.fromisoformat(entry.at.isoformat()),
        actor_kind=entry.actor_kind,
        actor_id=entry.actor_id,
        user_id=entry.user_id,
        address=entry.address,
        action=entry.action,
        outcome=audit.Outcome(entry.outcome),
        code=entry.code,
        project_id=entry.project_id,
        subject=entry.subject,
        detail=entry.detail,
    )
    return audit.Entry(entry.chain, entry.sequence, record, entry.previous_hash, entry.hash)
