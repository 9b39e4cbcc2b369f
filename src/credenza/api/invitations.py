"""Invitations into an organization over HTTP."""

from __future__ import annotations

from credenza.actions import invitations
from credenza.api.asked import Caller, InvitationPath, OrganizationPath
from credenza.api.idempotency import Repeatable
from credenza.domain.model import CustomRoleId, OrganizationId, OrganizationRole, ProjectId, ProjectRole
from credenza.wire import people as wire


def list_open(asked: Caller, organization_id: OrganizationPath) -> list[wire.Invitation]:
    """List the invitations that nobody has taken up yet."""
    found = invitations.list_open(asked.platform, asked.actor, OrganizationId(organization_id), now=asked.now)
    return [wire.Invitation.model_validate(each) for each in found]


def invite(
    asked: Caller, once: Repeatable, organization_id: OrganizationPath, new: wire.NewInvitation
) -> wire.Invitation:
    """Send an invitation by mail, good for seven days. The answer is the same whether the address has a user or not."""
    invited = invitations.invite(
        asked.platform,
        asked.actor,
        OrganizationId(organization_id),
        email=new.email,
        role=OrganizationRole(new.role),
        custom_role_id=None if new.custom_role_id is None else CustomRoleId(new.custom_role_id),
        project_id=None if new.project_id is None else ProjectId(new.project_id),
        project_role=None if new.project_role is None else ProjectRole(new.project_role),
        now=asked.now,
        once=once,
    )
    return wire.Invitation.model_validate(invited.invitation)


def withdraw(asked: Caller, organization_id: OrganizationPath, invitation_id: InvitationPath) -> None:
    invitations.withdraw(asked.platform, asked.actor, OrganizationId(organization_id), invitation_id, now=asked.now)
