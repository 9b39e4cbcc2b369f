"""`credenza member`: for operators, on the server."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.actions import invitations, people, roles
from credenza.actions.context import Platform
from credenza.cli import local, output
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.domain.model import CustomRoleId, Member, OrganizationId, OrganizationRole

app = typer.Typer()

_COLUMNS = ("email", "name", "role", "id")
_INVITATION_COLUMNS = ("email", "role", "expiresAt", "id")

CustomRole = Annotated[
    str | None, typer.Option(metavar="NAME", help="Instead of --role: a role that the organization has made.")
]
Organization = Annotated[str, typer.Option("--org", metavar="NAME", help="The organization.")]


@app.command("list")
def list_members(context: typer.Context, org: Organization) -> None:
    """List the members of an organization."""
    with local.organization(org) as (platform, found):
        members = local.attempt(lambda: people.list_members(platform, local.OPERATOR, found.id, now=local.now()))
    output.show_list(context, [_row(each) for each in members], columns=_COLUMNS)


@app.command()
def add(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="Mail address of a user.")],
    org: Organization,
    role: Annotated[OrganizationRole, typer.Option(help="Role in the organization.")] = OrganizationRole.USER,
    custom_role: CustomRole = None,
) -> None:
    """Put a user into an organization, or give a member another role. Who has no account yet is invited."""
    with local.organization(org) as (platform, found):
        held, role_id = _held(platform, found.id, role, custom_role)
        member = local.attempt(
            lambda: people.set_member(
                platform, local.OPERATOR, found.id, email=email, role=held, custom_role_id=role_id, now=local.now()
            )
        )
    output.show(context, _row(member))


@app.command()
def invite(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="Any mail address.")],
    org: Organization,
    role: Annotated[OrganizationRole, typer.Option(help="Role in the organization.")] = OrganizationRole.USER,
    custom_role: CustomRole = None,
) -> None:
    """Invite somebody by mail, for seven days. The link is printed too, so that it can be handed over."""
    with local.organization(org) as (platform, found):
        held, role_id = _held(platform, found.id, role, custom_role)
        invited = local.attempt(
            lambda: invitations.invite(
                platform, local.OPERATOR, found.id, email=email, role=held, custom_role_id=role_id, now=local.now()
            )
        )
        link = invitations.link_to(platform, invited.token)
    output.note(
        context, f"{invited.invitation.email} is invited to {org} until {invited.invitation.expires_at:%F %R} UTC."
    )
    output.show(context, {"link": link})


@app.command("invitations")
def list_invitations(context: typer.Context, org: Organization) -> None:
    """List the open invitations of an organization."""
    with local.organization(org) as (platform, found):
        listed = local.attempt(lambda: invitations.list_open(platform, local.OPERATOR, found.id, now=local.now()))
    output.show_list(context, listed, columns=_INVITATION_COLUMNS)


@app.command()
def withdraw(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="The address that was invited.")],
    org: Organization,
) -> None:
    """Withdraw an open invitation: its link stops at once."""
    with local.organization(org) as (platform, found):
        listed = local.attempt(lambda: invitations.list_open(platform, local.OPERATOR, found.id, now=local.now()))
        invitation = next((each for each in listed if each.email == email.strip().lower()), None)
        if invitation is None:
            raise CommandFailed(f"{org} has no open invitation for {email}.", ExitCode.NOT_FOUND)
        identity = invitation.id
        local.attempt(lambda: invitations.withdraw(platform, local.OPERATOR, found.id, identity, now=local.now()))
    output.note(context, f"The invitation of {email} to {org} is withdrawn.")


@app.command()
def remove(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="Mail address of a member.")],
    org: Organization,
) -> None:
    """Take a member out of an organization."""
    with local.organization(org) as (platform, found):
        members = local.attempt(lambda: people.list_members(platform, local.OPERATOR, found.id, now=local.now()))
        member = next((each for each in members if each.user.email == email.strip().lower()), None)
        if member is None:
            raise CommandFailed(f"{org} has no member {email}.", ExitCode.NOT_FOUND)
        user_id = member.user.id
        local.attempt(lambda: people.remove_member(platform, local.OPERATOR, found.id, user_id, now=local.now()))
    output.note(context, f"{email} is no longer a member of {org}.")


def _held(
    platform: Platform, organization_id: OrganizationId, role: OrganizationRole, custom_role: str | None
) -> tuple[OrganizationRole, CustomRoleId | None]:
    """What --role and --custom-role say together."""
    if custom_role is None:
        return role, None
    made = local.attempt(lambda: roles.list_all(platform, local.OPERATOR, organization_id, now=local.now()))
    found = next((each for each in made if custom_role in (each.name, each.id)), None)
    if found is None:
        raise CommandFailed(f"The organization has made no role {custom_role!r}.", ExitCode.NOT_FOUND)
    return OrganizationRole.CUSTOM, found.id


def _row(member: Member) -> dict[str, str]:
    return {
        "email": member.user.email,
        "name": member.user.name,
        "role": member.custom_role or member.role,
        "id": member.user.id,
    }
