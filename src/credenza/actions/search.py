"""Find projects and keys of an organization by what somebody has at hand: a name, an id, a fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from credenza.actions.context import Attempt, Platform, viewing
from credenza.actions.projects import narrowed_to
from credenza.domain.access import Action
from credenza.domain.lists import ProjectQuery
from credenza.domain.model import Actor, Credential, OrganizationId, Project
from credenza.store import credentials, projects

LIMIT = 50
"""Of each kind. Whoever has more in mind knows more of its name."""


@dataclass(frozen=True, slots=True)
class Found:
    by_name: tuple[Project, ...]
    keys: tuple[Credential, ...]


def find(platform: Platform, actor: Actor, organization_id: OrganizationId, text: str, *, now: datetime) -> Found:
    """Find what the actor may see: projects by a part of their name; signing keys by the beginning of alias, key id or
    public key's SHA-256, by client id or by consumer key."""
    with viewing(platform, Attempt(actor, Action.PROJECT_LIST, now, organization_id=organization_id)) as act:
        if not text.strip():
            return Found((), ())
        person = narrowed_to(act, actor)
        wanted = ProjectQuery(text=text.strip(), limit=LIMIT)
        mine = None if person is None else projects.ids_visible(act.connection, organization_id, to_user=person)
        return Found(
            projects.search_page(act.connection, organization_id, wanted, to_user=person),
            credentials.search(act.connection, organization_id, text.strip(), of_projects=mine, limit=LIMIT),
        )
