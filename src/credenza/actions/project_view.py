"""A project with what hangs on it, as most of what is done to a project answers."""

from __future__ import annotations

from dataclasses import dataclass

from credenza.actions.context import Act
from credenza.domain.model import Credential, Project, ProjectId, ProjectMember
from credenza.store import credentials, projects


@dataclass(frozen=True, slots=True)
class ProjectView:
    project: Project
    credentials: tuple[Credential, ...]
    members: tuple[ProjectMember, ...]


def view_of(act: Act, project_id: ProjectId) -> ProjectView:
    """Read a project as this transaction has left it."""
    project = projects.find(act.connection, project_id)
    assert project is not None, "the project was just read or written in this transaction"
    keys = credentials.list_of_project(act.connection, project_id)
    return ProjectView(project, keys, projects.list_members(act.connection, project))
