"""What gates have seen: callers, refusals, what still calls with OAuth 1.0a."""

from __future__ import annotations

from credenza.client.operations.answers import many, one
from credenza.client.operations.operation import Operation, query_of
from credenza.wire.refusals import Caller, CallRefusal, OAuth1Use


def list_callers(project_id: str, credential_id: str) -> Operation[tuple[Caller, ...]]:
    return Operation("GET", f"/api/projects/{project_id}/credentials/{credential_id}/callers", many(Caller))


def get_oauth1_use(project_id: str) -> Operation[OAuth1Use]:
    return Operation("GET", f"/api/projects/{project_id}/oauth1-use", one(OAuth1Use))


def list_refusals(project_id: str, *, limit: int | None = None) -> Operation[tuple[CallRefusal, ...]]:
    return Operation("GET", f"/api/projects/{project_id}/refusals", many(CallRefusal), query=query_of(limit=limit))


def get_refusal(refusal_id: str) -> Operation[CallRefusal]:
    return Operation("GET", f"/api/refusals/{refusal_id}", one(CallRefusal))
