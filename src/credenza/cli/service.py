"""`credenza service`: the catalog, kept by operators on the server."""

from __future__ import annotations

from typing import Annotated

import typer

from credenza.actions import services
from credenza.actions.services import NewService
from credenza.cli import local, output, service_entry
from credenza.cli.service_entry import ROUTE_FORM
from credenza.domain.expiry import VALIDITY_MONTHS
from credenza.domain.model import AuthenticationType, EnvironmentName, Service, ServiceEnvironment, ServiceId

app = typer.Typer()

_COLUMNS = ("id", "name", "authentication", "status", "scopes", "places")


@app.command("list")
def list_services(context: typer.Context) -> None:
    """List the services in the catalog."""
    with local.platform(local.load_settings()) as platform:
        found = local.attempt(lambda: services.list_live(platform, local.OPERATOR, now=local.now()))
    output.show_list(context, [_row(each) for each in found], columns=_COLUMNS)


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What partners know it by.")],
    path: Annotated[str, typer.Option(help="Path prefix at the gate, such as /payments.")],
    upstream: Annotated[str, typer.Option(help="Origin that its calls are forwarded to.")],
    sandbox_upstream: Annotated[str | None, typer.Option(help="The same for SANDBOX, when it is another one.")] = None,
    authentication: Annotated[
        AuthenticationType, typer.Option("--auth", help="What callers authenticate with.")
    ] = AuthenticationType.OAUTH10A,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="What tokens may be narrowed to, such as payments:read. May be repeated."),
    ] = None,
    description: Annotated[str, typer.Option(help="One sentence.")] = "",
    validity_months: Annotated[int, typer.Option(help="How long new credentials for it last.")] = VALIDITY_MONTHS,
    sandbox_days: Annotated[
        int | None, typer.Option(help="The same in days, for SANDBOX, in place of the months.")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL", help="For client secrets: organization, account, workspace; account:fixed is all."
        ),
    ] = None,
    permission: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DESCRIPTION", help="What a client secret may be granted. May be repeated."),
    ] = None,
    route: Annotated[
        list[str] | None, typer.Option(metavar="ROUTE", help=f"What a call needs: {ROUTE_FORM}. May be repeated.")
    ] = None,
) -> None:
    """Add a service in both environments."""
    new = NewService(
        name,
        authentication,
        description,
        (
            ServiceEnvironment(
                EnvironmentName.SANDBOX, path, sandbox_upstream or upstream, validity_months, sandbox_days
            ),
            ServiceEnvironment(EnvironmentName.PRODUCTION, path, upstream, validity_months, None),
        ),
        frozenset(scope or ()),
        service_entry.read(level, permission or (), route or ()),
    )
    with local.platform(local.load_settings()) as platform:
        made = local.attempt(lambda: services.create(platform, local.OPERATOR, new, now=local.now()))
    output.show(context, _row(made))


@app.command()
def view(context: typer.Context, service_id: Annotated[int, typer.Argument(help="Its number.")]) -> None:
    """Show a service with its permissions and what each of its calls needs."""
    service = service_entry.live(service_id)
    output.show(context, _row(service) | service_entry.shown(service.entry))


@app.command()
def retire(context: typer.Context, service_id: Annotated[int, typer.Argument(help="Its number.")]) -> None:
    """Take a service out of the catalog; the gate stops serving it at once."""
    with local.platform(local.load_settings()) as platform:
        gone = local.attempt(lambda: services.retire(platform, local.OPERATOR, ServiceId(service_id), now=local.now()))
    output.show(context, _row(gone))


def _row(service: Service) -> dict[str, object]:
    return {
        "id": service.id,
        "name": service.name,
        "authentication": service.authentication,
        "status": service.status,
        "scopes": sorted(service.scopes),
        "places": [f"{each.environment} {each.path_prefix} -> {each.upstream}" for each in service.environments],
    }
