"""The catalog over HTTP. Partners read it; only operators change it, and they sit at the command line."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Path

from credenza.actions import services
from credenza.api import answers, catalog_entries
from credenza.api.asked import Caller
from credenza.api.idempotency import Repeatable
from credenza.domain.model import AuthenticationType, EnvironmentName, ServiceEnvironment, ServiceId
from credenza.wire import services as wire

ServicePath = Annotated[int, Path(alias="service_id", ge=1, le=2_147_483_647)]


def list_live(asked: Caller) -> list[wire.Service]:
    return [answers.service(each) for each in services.list_live(asked.platform, asked.actor, now=asked.now)]


def create(asked: Caller, once: Repeatable, new: wire.NewService) -> wire.Service:
    return answers.service(services.create(asked.platform, asked.actor, read_new(new), now=asked.now, once=once))


def change(asked: Caller, service_id: ServicePath, new: wire.NewService) -> wire.Service:
    changed = services.change(asked.platform, asked.actor, ServiceId(service_id), read_new(new), now=asked.now)
    return answers.service(changed)


def retire(asked: Caller, service_id: ServicePath) -> None:
    services.retire(asked.platform, asked.actor, ServiceId(service_id), now=asked.now)


def read_new(new: wire.NewService) -> services.NewService:
    return services.NewService(
        name=new.name,
        authentication=AuthenticationType(new.authentication_type),
        description=new.description,
        environments=tuple(
            ServiceEnvironment(
                environment=EnvironmentName(each.name),
                path_prefix=each.path_prefix,
                upstream=each.upstream,
                validity_months=each.validity_months,
                validity_days=each.validity_days,
                payload_rules=None if each.payload_rules is None else json.dumps(each.payload_rules),
            )
            for each in new.environments
        ),
        scopes=frozenset(new.scopes),
        entry=catalog_entries.read(new.catalog_entry),
        silent_on_payloads=frozenset(
            EnvironmentName(each.name) for each in new.environments if "payload_rules" not in each.model_fields_set
        ),
    )
