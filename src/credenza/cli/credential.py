"""`credenza credential`: API credentials, which are a client id with its secrets, through the management API.

Not the keys of a project: those sign, and are `credenza key`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Literal

import typer

from credenza.cli import api_grants, client_secret, habits, output, remote, revoking
from credenza.cli.client_secret import Destination
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.client.management import ManagementClient
from credenza.wire.api_credentials import ApiCredential, ApiCredentialEdit, ClientSecret, KeepOld, NewApiCredential
from credenza.wire.shape import EnvironmentName

app = typer.Typer()

_COLUMNS = ("name", "environment", "status", "endsAt", "review", "clientId", "id")
_DAYS = re.compile(r"(\d{1,4})d")
_USUAL_END = "90d"

Named = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="Its name, id or client id: credenza credential list")]
Apis = Annotated[
    list[str] | None,
    typer.Option("--api", metavar="API:PERMISSION", help="What it may do: profile:read, or planning:read,write."),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="LEVEL:PLACE", help="Where: workspace:Web-EU, or for one API profile@workspace:…"),
]
Networks = Annotated[
    list[str] | None,
    typer.Option("--network", metavar="RANGE", help="Where it may be used from: 203.0.113.0/24. Else anywhere."),
]


@app.command("list")
def list_credentials(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="A part of the name, or the beginning of the client id.")] = None,
    state: Annotated[
        Literal["all", "active", "inactive", "expiring", "expired"],
        typer.Option(help="all, active, inactive, expiring (90 days or less to go) or expired."),
    ] = "all",
    api: Annotated[str | None, typer.Option(metavar="API", help="Only those that are granted this API.")] = None,
) -> None:
    """List the API credentials of the organization, in one environment with --env."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        granted = None
        if api is not None:
            granted = api_grants.find(api, client.send(operations.list_api_choices(organization))).service_id
        listing = partial(
            operations.list_api_credentials,
            organization,
            state=state,
            environment=remote.environment(context),
            service_id=granted,
            text=text,
        )
        found = list(client.each(listing))
    output.show_list(context, found, columns=_COLUMNS)


@app.command()
def view(context: typer.Context, credential: Named) -> None:
    """Show one API credential, without its secrets."""
    with remote.client(context) as client:
        found = _find(client, remote.organization(client), credential)
    output.show(context, found)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name to know it by.")],
    api: Apis = None,
    scope: Scopes = None,
    expires: Annotated[str, typer.Option(metavar="END", help="When it ends: 90d, 2027-02-19 or never.")] = _USUAL_END,
    network: Networks = None,
    note: Annotated[str, typer.Option(help="Where the secret will live, for one.")] = "",
    file: client_secret.File = None,
    show_secret: client_secret.ShowSecret = False,
    force: client_secret.Force = False,
) -> None:
    """Make an API credential. Its client secret goes to --file FILE (0600) or, with -o env or json, to a program."""
    destination = Destination(file, show_secret, force)
    destination.check(context)
    end = _end(expires, now=datetime.now(UTC))
    with remote.client(context) as client:
        organization = remote.organization(client)
        choices = client.send(operations.list_api_choices(organization))
        new = NewApiCredential(
            name=name,
            environment=_environment(context),
            note=note,
            networks=tuple(network or ()),
            endsAt=end,
            grants=api_grants.parse(api or (), scope or (), choices),
        )
        made = client.send(operations.create_api_credential(organization, new))
    output.note(context, made.review)
    destination.deliver(context, made)


@app.command()
def edit(
    context: typer.Context,
    credential: Named,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    api: Apis = None,
    scope: Scopes = None,
    expires: Annotated[str | None, typer.Option(metavar="END", help="When it ends: 90d, 2027-02-19 or never.")] = None,
    network: Networks = None,
    anywhere: Annotated[bool, typer.Option("--anywhere", help="It may be used from any address.")] = False,
    note: Annotated[str | None, typer.Option(help="Another note.")] = None,
) -> None:
    """Edit an API credential: what is left out stays. Given once, --api and --scope say all that it may do."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = _find(client, organization, credential)
        choices = client.send(operations.list_api_choices(organization))
        wanted = ApiCredentialEdit(
            version=found.version,
            name=found.name if name is None else name,
            note=found.note if note is None else note,
            networks=() if anywhere else tuple(network or found.networks),
            endsAt=found.ends_at if expires is None else _end(expires, now=datetime.now(UTC)),
            grants=api_grants.parse(api or (), scope or (), choices, held=found.grants),
        )
        edited = client.send(operations.edit_api_credential(organization, found.id, wanted))
    output.note(context, edited.result.review)
    output.show(context, edited.result)


@app.command()
def activate(context: typer.Context, credential: Named) -> None:
    """Switch an API credential on again."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = _find(client, organization, credential)
        client.send(operations.activate_api_credential(organization, found.id))
    output.note(context, f"{found.name} is active.")


@app.command()
def deactivate(context: typer.Context, credential: Named) -> None:
    """Switch an API credential off, with every token got with it."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = _find(client, organization, credential)
        off = client.send(operations.deactivate_api_credential(organization, found.id))
    output.note(context, f"{found.name} is inactive. {revoking.told(off.reach)}")


@app.command()
def delete(context: typer.Context, credential: Named) -> None:
    """Delete an API credential for good, with its secrets. There is no way back; deactivate it first if in doubt."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = _find(client, organization, credential)
        if not habits.of(context).yes:
            _ask_for_name(found)
        reach = client.send(operations.delete_api_credential(organization, found.id))
    output.note(context, f"Deleted. {revoking.told(reach)}")


@app.command()
def rotate(
    context: typer.Context,
    credential: Named,
    keep_old: Annotated[
        KeepOld,
        typer.Option("--keep-old", help="How long the old secret goes on: now, 1h, 24h, 7d, 30d, until_deleted."),
    ] = "24h",
    file: client_secret.File = None,
    show_secret: client_secret.ShowSecret = False,
    force: client_secret.Force = False,
) -> None:
    """Issue a new client secret beside the old one, under the same client id. It goes where `create` puts it."""
    destination = Destination(file, show_secret, force)
    destination.check(context)
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = _find(client, organization, credential)
        made = client.send(operations.issue_client_secret(organization, found.id, keep_old=keep_old))
    destination.deliver(context, made.result)


@app.command("delete-secret")
def delete_secret(
    context: typer.Context,
    credential: Named,
    secret: Annotated[str, typer.Argument(metavar="SECRET", help="Its prefix, as credenza credential view has it.")],
) -> None:
    """Delete one of the client secrets of an API credential."""
    with remote.client(context) as client:
        organization = remote.organization(client)
        found = _find(client, organization, credential)
        place = (organization, found.id, _secret(found, secret).id)
        try:
            reach = client.send(operations.delete_client_secret(*place, keep_last=True))
        except ApiError as error:
            if error.reason_code != "LAST_ACTIVE_CREDENTIAL":
                raise
            if not habits.of(context).yes:
                typer.confirm(
                    "This is its last secret: nobody gets a token with it any more. Delete it?", abort=True, err=True
                )
            reach = client.send(operations.delete_client_secret(*place))
    output.note(context, f"Deleted. {revoking.told(reach)}")


def _find(client: ManagementClient, organization: str, named: str) -> ApiCredential:
    """Find what somebody calls by its name, its id or its client id."""
    if re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", named):
        return client.send(operations.get_api_credential(organization, named))
    listing = partial(operations.list_api_credentials, organization, text=named)
    found = [each for each in client.each(listing) if named in (each.name, each.client_id)]
    if not found:
        raise CommandFailed(
            f"There is no API credential {named!r}. List them: credenza credential list", ExitCode.NOT_FOUND
        )
    if len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise CommandFailed(f"Several are named {named!r}. Name one by its id: {ids}", ExitCode.USAGE)
    return found[0]


def _secret(found: ApiCredential, given: str) -> ClientSecret:
    named = [each for each in found.secrets if given == each.id or given.startswith(each.prefix)]
    if len(named) != 1:
        known = ", ".join(each.prefix for each in found.secrets) or "none"
        raise CommandFailed(f"Which secret? Those of {found.name}: {known}.", ExitCode.NOT_FOUND)
    return named[0]


def _ask_for_name(found: ApiCredential) -> None:
    typed = typer.prompt(f"{found.name}, {found.environment}: {found.review}\nType its name to delete it", err=True)
    if typed != found.name:
        raise CommandFailed("Not deleted: that is not its name.")


def _environment(context: typer.Context) -> EnvironmentName:
    found = remote.environment(context)
    if found is None:
        raise CommandFailed("For which environment? Give --env sandbox or --env production.", ExitCode.USAGE)
    return found


def _end(written: str, *, now: datetime) -> datetime | None:
    if written == "never":
        return None
    days = _DAYS.fullmatch(written)
    if days:
        return now + timedelta(days=int(days[1]))
    try:
        end = datetime.fromisoformat(written)
    except ValueError:
        raise CommandFailed(
            f"{written!r} is no end. Write 90d, a date such as 2027-02-19, or never.", ExitCode.USAGE
        ) from None
    return end if end.tzinfo else end.replace(tzinfo=UTC)
