"""Find projects, keys and API credentials of an organization by what somebody has at hand: name, id, fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from credenza.actions.context import Act, Attempt, Platform, viewing
from credenza.actions.expiry import hidden
from credenza.actions.projects_in_sight import narrowed_to
from credenza.domain.access import Action
from credenza.domain.api_credentials import ApiCredential
from credenza.domain.lists import ProjectQuery
from credenza.domain.model import Actor, Credential, CredentialKind, OrganizationId, Project
from credenza.store import api_credentials, credentials, projects

LIMIT = 50
"""Of each kind. Whoever has more in mind knows more of its name."""


@dataclass(frozen=True, slots=True)
class Found:
    by_name: tuple[Project, ...]
    keys: tuple[Credential, ...]
    clients: tuple[ApiCredential, ...] = ()
    """API credentials, for those who may list them."""


def find(platform: Platform, actor: Actor, organization_id: OrganizationId, text: str, *, now: datetime) -> Found:
    """Find what the actor may see: projects by a part of their name; keys and certificates by the beginning of their
    alias, by the first four digits or more of their id or of a SHA-256 of theirs, by client id or by consumer key; API
    credentials by a part of their name or the beginning of their client id."""
    with viewing(platform, Attempt(actor, Action.PROJECT_LIST, now, organization_id=organization_id)) as act:
        if not text.strip():
            return Found((), ())
        person = narrowed_to(act)
        wanted = ProjectQuery(text=text.strip(), limit=LIMIT)
        mine = None if person is None else projects.ids_visible(act.connection, organization_id, to_user=person)
        return Found(
            projects.search_page(act.connection, organization_id, wanted, to_user=person),
            credentials.search(act.connection, organization_id, text.strip(), of_projects=mine, limit=LIMIT),
            _clients(act, text.strip()),
        )


def _clients(act: Act, text: str) -> tuple[ApiCredential, ...]:
    if CredentialKind.CLIENT_SECRET in hidden(act):
        return ()
    return api_credentials.search(act.connection, act.organization_id, text, limit=LIMIT)
