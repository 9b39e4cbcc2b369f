"""Roles that an organization has made of single actions; docs/reference/actions.md says which they can be made of."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints

from credenza.wire.shape import AnswerShape, Moment, Name, RequestShape

_MOST_ACTIONS = 200

ActionName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=48)]
RoleName: TypeAlias = Annotated[Name, Field(max_length=80)]


class RoleContent(RequestShape):
    """What a role is called, and what its holders may do besides what every member may."""

    name: RoleName
    actions: Annotated[tuple[ActionName, ...], Field(min_length=1, max_length=_MOST_ACTIONS)]


class Role(AnswerShape):
    id: str
    name: str
    actions: tuple[str, ...]
    created_at: Moment
