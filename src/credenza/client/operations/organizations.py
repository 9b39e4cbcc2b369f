"""Organizations, the people in them, and who asks."""

from __future__ import annotations

from credenza.client.operations.answers import many, nothing, one
from credenza.client.operations.operation import Operation
from credenza.wire.people import (
    Invitation,
    Me,
    Member,
    NewInvitation,
    NewMember,
    NewOrganization,
    NewUser,
    Organization,
    ProjectLimitEdit,
    User,
)


def get_me() -> Operation[Me]:
    return Operation("GET", "/api/me", one(Me))


def list_organizations() -> Operation[tuple[Organization, ...]]:
    return Operation("GET", "/api/organizations", many(Organization))


def create_organization(new: NewOrganization) -> Operation[Organization]:
    return Operation("POST", "/api/organizations", one(Organization), body=new)


def get_organization(organization_id: str) -> Operation[Organization]:
    return Operation("GET", f"/api/organizations/{organization_id}", one(Organization))


def set_project_limit(organization_id: str, edit: ProjectLimitEdit) -> Operation[Organization]:
    return Operation("PUT", f"/api/organizations/{organization_id}/project-limit", one(Organization), body=edit)


def list_members(organization_id: str) -> Operation[tuple[Member, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/members", many(Member))


def set_member(organization_id: str, new: NewMember) -> Operation[Member]:
    return Operation("POST", f"/api/organizations/{organization_id}/members", one(Member), body=new)


def remove_member(organization_id: str, user_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/members/{user_id}", nothing)


def list_invitations(organization_id: str) -> Operation[tuple[Invitation, ...]]:
    return Operation("GET", f"/api/organizations/{organization_id}/invitations", many(Invitation))


def invite_member(organization_id: str, new: NewInvitation) -> Operation[Invitation]:
    return Operation("POST", f"/api/organizations/{organization_id}/invitations", one(Invitation), body=new)


def withdraw_invitation(organization_id: str, invitation_id: str) -> Operation[None]:
    return Operation("DELETE", f"/api/organizations/{organization_id}/invitations/{invitation_id}", nothing)


def list_users() -> Operation[tuple[User, ...]]:
    return Operation("GET", "/api/users", many(User))


def create_user(new: NewUser) -> Operation[User]:
    return Operation("POST", "/api/users", one(User), body=new)
