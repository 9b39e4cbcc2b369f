"""The catalog: services and where they are reached in each environment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from credenza.domain.catalog import NO_ENTRY
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    PLATFORM,
    AuthenticationType,
    CredentialId,
    EnvironmentName,
    OrganizationId,
    Service,
    ServiceEnvironment,
    ServiceId,
    ServiceStatus,
)
from credenza.store import service_entries
from credenza.store.prepared import Prepared
from credenza.store.schema import service_environments, service_scopes, services
from credenza.store.upsert import violates

_EVERY_PLACE = select(
    service_environments.c.service_id,
    service_environments.c.environment,
    service_environments.c.path_prefix,
    service_environments.c.upstream,
    service_environments.c.validity_months,
    service_environments.c.validity_days,
    service_environments.c.payload_rules,
).order_by(service_environments.c.service_id, service_environments.c.environment.desc())
_PLACES = Prepared(_EVERY_PLACE)
_PLACES_OF = Prepared(
    _EVERY_PLACE.where(service_environments.c.service_id.in_(bindparam("ids", expanding=True))), lists=("ids",)
)


def insert_service(connection: Connection, service: Service, *, now: datetime) -> ServiceId:
    """Insert a service (its id is given by the database). Refuses a name, path prefix or scope that is taken."""
    try:
        identity = connection.execute(
            insert(services)
            .values(
                organization_id=PLATFORM,
                name=service.name,
                authentication=service.authentication,
                status=service.status,
                description=service.description,
                created_at=now,
                **service_entries.terms(service.entry),
            )
            .returning(services.c.id)
        ).scalar_one()
        _insert_environments(connection, ServiceId(identity), service.environments)
        _insert_scopes(connection, ServiceId(identity), service.scopes)
        service_entries.insert_entry(connection, ServiceId(identity), service.entry)
    except IntegrityError as error:
        if _is_taken(error):
            raise _taken() from error
        raise
    return ServiceId(identity)


def replace_service(
    connection: Connection, old: Service, service: Service
) -> tuple[tuple[OrganizationId, CredentialId], ...]:
    """Put a service's new facts in place of the old ones; the answer is who has lost permissions or places by it.
    Refuses a name, path prefix or scope that is taken."""
    try:
        connection.execute(
            update(services)
            .where(services.c.id == service.id)
            .values(
                name=service.name,
                status=service.status,
                description=service.description,
                **service_entries.terms(service.entry),
            )
        )
        connection.execute(delete(service_environments).where(service_environments.c.service_id == service.id))
        _insert_environments(connection, service.id, service.environments)
        connection.execute(delete(service_scopes).where(service_scopes.c.service_id == service.id))
        _insert_scopes(connection, service.id, service.scopes)
        return service_entries.replace_entry(connection, service.id, old.entry, service.entry)
    except IntegrityError as error:
        if _is_taken(error):
            raise _taken() from error
        raise


def find(connection: Connection, service_id: ServiceId, *, lock: bool = False) -> Service | None:
    if lock:
        connection.execute(select(services.c.id).where(services.c.id == service_id).with_for_update()).all()
    return next(iter(_load(connection, [service_id])), None)


def lock_all(connection: Connection) -> None:
    """Let nobody else change a service until this transaction ends."""
    connection.execute(select(services.c.id).order_by(services.c.id).with_for_update()).all()


def clear_places(connection: Connection, service_ids: list[ServiceId]) -> None:
    """Free the paths and scopes of services that are about to be given others."""
    connection.execute(delete(service_environments).where(service_environments.c.service_id.in_(service_ids)))
    connection.execute(delete(service_scopes).where(service_scopes.c.service_id.in_(service_ids)))


def list_live(connection: Connection) -> tuple[Service, ...]:
    return tuple(each for each in _load(connection, None) if each.status is ServiceStatus.LIVE)


def list_all(connection: Connection) -> tuple[Service, ...]:
    """List every service, the retired ones too, by number."""
    return _load(connection, None)


def load(connection: Connection, service_ids: Iterable[ServiceId]) -> tuple[Service, ...]:
    return _load(connection, list(service_ids))


def load_places(
    connection: Connection, service_ids: Iterable[ServiceId], environment: EnvironmentName
) -> tuple[ServiceEnvironment, ...]:
    """Read what services say about one environment, and nothing else of them."""
    found = _environments(connection, list(service_ids)).values()
    return tuple(each for places in found for each in places if each.environment is environment)


def _load(connection: Connection, service_ids: list[ServiceId] | None) -> tuple[Service, ...]:
    query = select(
        services.c.id,
        services.c.name,
        services.c.authentication,
        services.c.status,
        services.c.description,
        *service_entries.TERMS,
    ).order_by(services.c.id)
    if service_ids is not None:
        query = query.where(services.c.id.in_(service_ids))
    places, scopes = _environments(connection, service_ids), _scopes(connection, service_ids)
    rows = connection.execute(query).all()
    entries = service_entries.load_entries(connection, rows)
    return tuple(
        Service(
            id=ServiceId(row.id),
            name=row.name,
            authentication=AuthenticationType(row.authentication),
            status=ServiceStatus(row.status),
            description=row.description,
            environments=tuple(places.get(row.id, ())),
            scopes=frozenset(scopes.get(row.id, ())),
            entry=entries.get(row.id, NO_ENTRY),
        )
        for row in rows
    )


def _environments(connection: Connection, service_ids: list[ServiceId] | None) -> dict[int, list[ServiceEnvironment]]:
    rows = _PLACES.all(connection) if service_ids is None else _PLACES_OF.all(connection, {"ids": service_ids})
    found: dict[int, list[ServiceEnvironment]] = {}
    for row in rows:
        place = ServiceEnvironment(
            EnvironmentName(row.environment),
            row.path_prefix,
            row.upstream,
            row.validity_months,
            row.validity_days,
            row.payload_rules,
        )
        found.setdefault(row.service_id, []).append(place)
    return found


def _scopes(connection: Connection, service_ids: list[ServiceId] | None) -> dict[int, set[str]]:
    query = select(service_scopes.c.service_id, service_scopes.c.scope)
    if service_ids is not None:
        query = query.where(service_scopes.c.service_id.in_(service_ids))
    found: dict[int, set[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.service_id, set()).add(row.scope)
    return found


def _insert_scopes(connection: Connection, service_id: ServiceId, scopes: Iterable[str]) -> None:
    for scope in sorted(scopes):
        row = {"organization_id": PLATFORM, "scope": scope, "service_id": service_id}
        connection.execute(insert(service_scopes).values(row))


def _insert_environments(
    connection: Connection, service_id: ServiceId, environments: Iterable[ServiceEnvironment]
) -> None:
    for each in environments:
        connection.execute(
            insert(service_environments).values(
                organization_id=PLATFORM,
                service_id=service_id,
                environment=each.environment,
                path_prefix=each.path_prefix,
                upstream=each.upstream,
                validity_months=each.validity_months,
                validity_days=each.validity_days,
                payload_rules=each.payload_rules,
            )
        )


def _is_taken(error: IntegrityError) -> bool:
    place = (service_environments.c.environment, service_environments.c.path_prefix)
    return (
        violates(error, "uq_services_name", services.c.name)
        or violates(error, "uq_service_environments_environment_path_prefix", *place)
        or violates(error, "pk_service_scopes", service_scopes.c.scope)
    )


def _taken() -> Refusal:
    return Refusal(
        Code.DUPLICATE_NAME,
        "Another service has this name, one of these scopes, or this path prefix in the same environment. Choose "
        "another.",
        field="name",
    )
