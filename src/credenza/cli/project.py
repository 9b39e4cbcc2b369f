"""`credenza project`: through the management API."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from credenza.cli import bundles, habits, output, remote, tls_client_name
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.client import operations
from credenza.wire.credentials import (
    NewCredential,
    NewProjectMTLSCertificateCredential,
    NewProjectMTLSCsrCredential,
    NewProjectOAuthSigningCredential,
)
from credenza.wire.projects import (
    NewEnvironment,
    NewProject,
    NewProjectService,
    NewTeamMember,
    Project,
    ProjectDetails,
    ProjectSummary,
    ServiceChoice,
)

app = typer.Typer()
app.add_typer(tls_client_name.app, name="tls-name")

_COLUMNS = ("id", "name", "type", "environments", "keys")

CsrFile = Annotated[
    Path | None,
    typer.Option("--csr", metavar="FILE", help="Certification request of the first key or certificate; - is stdin."),
]
CertFile = Annotated[
    Path | None,
    typer.Option("--cert", metavar="FILE", help="Instead: a certificate of a trusted authority, with its chain."),
]
Alias = Annotated[str, typer.Option(help="A name to know the key or certificate by.")]
Mtls = Annotated[bool, typer.Option("--mtls", help="The request is for a TLS client certificate, not for a key.")]


@app.command("list")
def list_projects(context: typer.Context) -> None:
    """List the projects you may see."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = list(client.each(partial(operations.list_projects_of_organization, organization)))
    if habits.of(context).output is habits.Output.TABLE:
        output.show_list(context, [_row(each) for each in found], columns=_COLUMNS)
    else:
        output.show_list(context, found, columns=())


@app.command()
def view(context: typer.Context) -> None:
    """Show the project in force."""
    with remote.client(context) as client:
        found = client.send(operations.get_project_details(remote.project(context)))
    _show(context, found)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name no other project of the organization has.")],
    service: Annotated[int, typer.Option(metavar="ID", help="Its first service: credenza project services")],
    alias: Alias,
    csr: CsrFile = None,
    cert: CertFile = None,
    project_type: Annotated[
        Literal["OAUTH10A", "OAUTH2_FAPI", "MTLS"], typer.Option("--type", help="OAUTH10A, OAUTH2_FAPI or MTLS.")
    ] = "OAUTH10A",
    mtls: Mtls = False,
) -> None:
    """Make a project with its first environment (--env, else sandbox) and its first key or certificate."""
    environment = remote.environment(context) or "SANDBOX"
    with remote.client(context) as client:
        new = NewProject(
            type=project_type,
            name=name,
            service=ServiceChoice(serviceId=service),
            environment=environment,
            credential=_first(alias, csr, cert, is_mtls=mtls or project_type == "MTLS"),
        )
        _show(context, client.send(operations.create_project(new)))


@app.command("services")
def list_services(context: typer.Context) -> None:
    """List the services that projects can use."""
    with remote.client(context) as client:
        found = client.send(operations.list_services())
    output.show_list(context, found, columns=("serviceId", "name", "authenticationType", "scopes", "description"))


@app.command()
def add_environment(
    context: typer.Context, alias: Alias, csr: CsrFile = None, cert: CertFile = None, mtls: Mtls = False
) -> None:
    """Request the project's other environment (--env) with a key or certificate (--mtls, --cert) of its own."""
    environment = remote.environment(context) or "PRODUCTION"
    with remote.client(context) as client:
        new = NewEnvironment(name=environment, credential=_first(alias, csr, cert, is_mtls=mtls))
        output.show(context, client.send(operations.add_environment_to_project(remote.project(context), new)))


@app.command()
def add_service(context: typer.Context, service: Annotated[int, typer.Argument(help="Its number.")]) -> None:
    """Let the project use one more service in an environment (--env)."""
    environment = remote.environment(context) or "SANDBOX"
    with remote.client(context) as client:
        new = NewProjectService(serviceId=service)
        operation = operations.add_service_to_environment(remote.project(context), environment, new)
        output.show(context, client.send(operation))


@app.command()
def members(context: typer.Context) -> None:
    """List the people on the project."""
    with remote.client(context) as client:
        found = client.send(operations.list_project_members(remote.project(context)))
    output.show_list(context, found, columns=("email", "name", "role", "status"))


@app.command()
def add_member(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="Mail address of a member of the organization.")],
    admin: Annotated[bool, typer.Option("--admin", help="As admin; read-only without this.")] = False,
) -> None:
    """Put somebody on the project, or change the role there."""
    with remote.client(context) as client:
        new = NewTeamMember(email=email, role="admin" if admin else "read_only")
        output.show(context, client.send(operations.set_project_member(remote.project(context), new)))


@app.command("upgrade-oauth2")
def upgrade_oauth2(context: typer.Context) -> None:
    """Let every key of an OAuth 1.0a project, present and future, work with OAuth 2.0 as well. There is no way back."""
    project = remote.project(context)
    if not habits.of(context).yes:
        question = (
            f"Upgrade project {project} to OAuth 2.0? Its keys work both ways from then on. They are not renewed or "
            "rotated any more: you add a new key and switch. There is no way back."
        )
        typer.confirm(question, abort=True, err=True)
    with remote.client(context) as client:
        _show(context, client.send(operations.upgrade_project(project)))
    output.note(context, "Upgraded: every key works both ways. Call with: credenza call GET URL --auth oauth2")


@app.command("oauth1-use")
def oauth1_use(context: typer.Context) -> None:
    """Show which share of the last seven days' calls is still OAuth 1.0a, and who made any."""
    with remote.client(context) as client:
        found = client.send(operations.get_oauth1_use(remote.project(context)))
    if habits.of(context).output is not habits.Output.TABLE:
        output.show(context, found)
        return
    share = found.oauth1 / found.admitted if found.admitted else 0.0
    output.note(
        context,
        f"{found.oauth1} of {found.admitted} calls since {found.since:%Y-%m-%d} (UTC), {share:.0%}, were signed with "
        "OAuth 1.0a.",
    )
    columns = ("address", "userAgent", "serviceId", "credentialId", "admitted", "lastSeenAt")
    output.show_list(context, found.callers, columns=columns)


@app.command()
def delete(context: typer.Context) -> None:
    """Delete the project and revoke all its keys."""
    project = remote.project(context)
    if not habits.of(context).yes:
        typer.confirm(f"Delete project {project} and revoke all its keys?", abort=True, err=True)
    with remote.client(context) as client:
        reach = client.send(operations.delete_project(project))
    output.note(context, f"Deleted. No gate admits its keys any more ({reach.milliseconds} ms).")


def _first(alias: str, csr: Path | None, cert: Path | None, *, is_mtls: bool) -> NewCredential:
    if (csr is None) == (cert is None):
        raise CommandFailed("Give --csr FILE or --cert FILE, one of the two.", ExitCode.USAGE)
    if cert is not None:
        leaf, chain = bundles.texts(cert)
        return NewProjectMTLSCertificateCredential(type="MTLS_CERT", alias=alias, certificate=leaf, chain=chain)
    assert csr is not None, "one of the two is given"
    if is_mtls:
        return NewProjectMTLSCsrCredential(type="MTLS_CSR", alias=alias, csr=remote.csr_text(csr))
    return NewProjectOAuthSigningCredential(type="SIGNING", alias=alias, csr=remote.csr_text(csr))


def _row(project: ProjectSummary) -> dict[str, object]:
    return {
        "id": project.id,
        "name": project.name,
        "type": project.type,
        "environments": ", ".join(each.name for each in project.environments),
        "keys": sum(len(each.credentials) for each in project.environments),
    }


def _show(context: typer.Context, project: Project) -> None:
    """Print a project; a table names its keys and people, `-o json` has all that is known of them."""
    if habits.of(context).output is not habits.Output.TABLE:
        output.show(context, project)
        return
    facts = project.model_dump(by_alias=True, include={"id", "name", "type", "region", "commercial_countries"})
    if isinstance(project, ProjectDetails) and project.dual:
        facts["type"] = f"{project.type}, upgraded: its keys work with OAuth 2.0 as well"
    keys: dict[str, list[str]] = {
        each.name: [f"{key.alias}  {key.status}  until {key.not_after:%Y-%m-%d}" for key in each.credentials]
        for each in project.environments
    }
    people = [f"{each.email}  {'owner' if each.is_owner else each.role}" for each in project.team_members]
    services = [f"{each.id}  {each.name}" for each in project.services]
    view: dict[str, object] = {**facts, "services": services, **keys, "members": people}
    output.show(context, view)
