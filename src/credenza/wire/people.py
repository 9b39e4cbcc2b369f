"""Organizations, users and who belongs where."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StrictInt

from credenza.wire.shape import AnswerShape, Email, Moment, Name, RequestShape, Uuid

OrganizationRole: TypeAlias = Literal["admin", "compliance_admin", "user", "read_only", "custom"]
ProjectLimit: TypeAlias = Annotated[StrictInt, Field(ge=0, le=500)]


class Me(AnswerShape):
    """Who the caller is to the server. No `scopes` means no limit beyond the person's roles."""

    kind: Literal["access_token", "account_key", "session"]
    id: str
    user_id: str | None
    organization_id: str | None
    scopes: tuple[str, ...]


class NewOrganization(RequestShape):
    name: Name
    project_limit: ProjectLimit | None = None


class ProjectLimitEdit(RequestShape):
    project_limit: ProjectLimit


class Organization(AnswerShape):
    id: str
    name: str
    project_limit: int
    created_at: Moment


class NewUser(RequestShape):
    email: Email
    name: Name


class User(AnswerShape):
    id: str
    email: str
    name: str
    created_at: Moment
    disabled_at: Moment | None


class NewMember(RequestShape):
    """A member of the organization who gets another role in it. Whoever is not one yet is invited. `customRoleId` says
    which role a `custom` one is."""

    email: Email
    role: OrganizationRole
    custom_role_id: Uuid | None = None


class Member(AnswerShape):
    """Somebody in an organization or on a project, with the role held there. `customRole` is a custom one's name."""

    id: str
    email: str
    name: str
    role: Literal["admin", "compliance_admin", "user", "read_only", "custom", "owner"]
    custom_role_id: str | None = None
    custom_role: str = ""
    status: Literal["ACTIVE", "DISABLED"]


class NewInvitation(RequestShape):
    """Who is asked into the organization; onto one of its projects too when both `project` properties are there."""

    email: Email
    role: OrganizationRole
    custom_role_id: Uuid | None = None
    project_id: Uuid | None = None
    project_role: Literal["admin", "read_only"] | None = None


class Invitation(AnswerShape):
    """An open invitation. The link is in the mail alone. No `invitedBy` means an operator."""

    id: str
    email: str
    role: OrganizationRole
    custom_role_id: str | None = None
    custom_role: str = ""
    project_id: str | None
    project_role: Literal["admin", "read_only"] | None
    invited_by: str | None
    created_at: Moment
    expires_at: Moment
