"""What gates leave behind, over HTTP: why a call was refused, and who calls with a credential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path

from credenza.actions import traces
from credenza.api import paging
from credenza.api.asked import Caller, CredentialPath, ProjectPath
from credenza.domain.model import CredentialId, ProjectId
from credenza.wire import refusals as wire
from credenza.wire.shape import CallId

_USUAL_PAGE = 50

RefusalPath = Annotated[CallId, Path(alias="refusal_id")]


def refusal(asked: Caller, refusal_id: RefusalPath) -> wire.CallRefusal:
    """Explain a refused call of a project that the caller sees. Refusals are kept for an hour."""
    return _shown(traces.refusal(asked.platform, asked.actor, refusal_id, now=asked.now))


def refusals(asked: Caller, project_id: ProjectPath, limit: paging.Limit = _USUAL_PAGE) -> Sequence[wire.CallRefusal]:
    """List the newest refused calls of a project, the last first."""
    found = traces.refusals(asked.platform, asked.actor, ProjectId(project_id), limit=limit, now=asked.now)
    return [_shown(each) for each in found]


def callers(asked: Caller, project_id: ProjectPath, credential_id: CredentialPath) -> Sequence[wire.Caller]:
    """List who has called with a credential, the last first; counters are at most five seconds behind."""
    found = traces.callers(
        asked.platform, asked.actor, ProjectId(project_id), CredentialId(credential_id), now=asked.now
    )
    return [wire.Caller.model_validate(each) for each in found]


def oauth1_use(asked: Caller, project_id: ProjectPath) -> wire.OAuth1Use:
    """Say which share of a project's calls of the last seven days is still OAuth 1.0a, by caller."""
    found = traces.oauth1_use(asked.platform, asked.actor, ProjectId(project_id), now=asked.now)
    return wire.OAuth1Use.model_validate(found)


def _shown(found: traces.RefusedCall) -> wire.CallRefusal:
    return wire.CallRefusal(
        id=found.id,
        project_id=found.project_id,
        credential_id=found.credential_id,
        at=found.at,
        code=found.code,
        explanation=wire.Explanation.model_validate(found.explanation),
    )
