"""What an API credential is to be granted, as people write it: `--api profile:read,write --scope workspace:Web-EU`.

An API is named by its id, its name, or that in small letters with hyphens, a closing "API" left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from credenza.cli import tree
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.wire.api_credentials import ApiChoices, Grant, GrantedApi, OfferedApi, Place

_LEVELS = ("account", "workspace")


def parse(
    apis: Sequence[str], scopes: Sequence[str], choices: ApiChoices, *, held: Sequence[GrantedApi] = ()
) -> tuple[Grant, ...]:
    """Read what is asked for. What is left out stays as it is `held`: all APIs without `apis`, the places of an API
    without `scopes`."""
    wanted = dict(_permissions(each, choices) for each in apis) or {
        each.service_id: tuple(name.name for name in each.permissions) for each in held
    }
    offered = {each.service_id: each for each in choices.apis}
    kept = {each.service_id: tuple(place.id for place in each.places) for each in held}
    return tuple(
        Grant(
            serviceId=service_id,
            permissions=permissions,
            places=_places(offered.get(service_id), scopes, choices) if scopes else kept.get(service_id, ()),
        )
        for service_id, permissions in wanted.items()
    )


def find(named: str, choices: ApiChoices) -> OfferedApi:
    found = [
        each for each in choices.apis if named in (str(each.service_id), each.name) or _slug(named) == _slug(each.name)
    ]
    if len(found) == 1:
        return found[0]
    offered = ", ".join(f"{_slug(each.name)} ({each.service_id})" for each in choices.apis) or "none"
    said = "Several APIs are" if found else "No API is"
    raise CommandFailed(f"{said} named {named!r}. Offered are: {offered}.", ExitCode.NOT_FOUND)


def _permissions(written: str, choices: ApiChoices) -> tuple[int, tuple[str, ...]]:
    named, colon, permissions = written.rpartition(":")
    if not colon or not permissions:
        raise CommandFailed(f"{written!r} is not API:PERMISSION, such as profile:read", ExitCode.USAGE)
    return find(named, choices).service_id, tuple(dict.fromkeys(each.strip() for each in permissions.split(",")))


def _places(api: OfferedApi | None, scopes: Sequence[str], choices: ApiChoices) -> tuple[str, ...]:
    """The places that are meant for an API: those of its level, unless they are written for another one."""
    if api is None or api.fixed:
        return ()
    meant = (_place(each, api, choices) for each in scopes)
    return tuple(dict.fromkeys(place.id for place in meant if place is not None))


def _place(written: str, api: OfferedApi, choices: ApiChoices) -> Place | None:
    only, at, rest = written.rpartition("@")
    level, colon, named = rest.partition(":")
    if not colon or level not in _LEVELS:
        raise CommandFailed(
            f"{written!r} is no scope. Write workspace:NAME or account:NAME, and for one API alone: "
            "profile@workspace:NAME",
            ExitCode.USAGE,
        )
    if level != api.level.lower() or (at and find(only, choices).service_id != api.service_id):
        return None
    return tree.the_one([each for each in choices.places if each.level == api.level], named, level)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").removesuffix("-api")
