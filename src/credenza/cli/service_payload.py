"""`credenza service payload`: what of a service's payloads is encrypted and signed, kept by operators on the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from credenza.actions import services
from credenza.cli import files, habits, local, output, service_entry
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.domain.model import EnvironmentName, Service, ServiceId

app = typer.Typer()


@app.command()
def payload(
    context: typer.Context,
    service_id: Annotated[int, typer.Argument(metavar="SERVICE", help="Its number: credenza service list")],
    rules: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What is encrypted and signed, as JSON: docs/guide/payloads.md"),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Payloads travel as they are.")] = False,
) -> None:
    """Say what of a service's payloads is encrypted and signed in one environment (--env). Without --rules and --none:
    show what was said."""
    if none and rules is not None:
        raise CommandFailed("Give --rules FILE or --none, one of the two.", ExitCode.USAGE)
    if none or rules is not None:
        found = _set(context, ServiceId(service_id), None if rules is None else files.read_text(rules))
    else:
        found = service_entry.live(service_id)
    output.show(context, _row(found))


def _set(context: typer.Context, service_id: ServiceId, rules: str | None) -> Service:
    environment = _environment(context)
    with local.platform(local.load_settings()) as platform:
        return local.attempt(
            lambda: services.set_payload_rules(
                platform, local.OPERATOR, service_id, environment, rules, now=local.now()
            )
        )


def _environment(context: typer.Context) -> EnvironmentName:
    named = habits.of(context).environment
    if named is None:
        raise CommandFailed("Which environment? Give --env sandbox or --env production.", ExitCode.USAGE)
    return EnvironmentName(named.name)


def _row(service: Service) -> dict[str, object]:
    return {
        "id": service.id,
        "name": service.name,
        "payloadRules": {
            each.environment: None if each.payload_rules is None else json.loads(each.payload_rules)
            for each in service.environments
        },
    }
