"""API credentials: what they have besides the row that every kind has. Deleted ones are found by nobody here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from credenza.domain.api_credentials import (
    ApiCredential,
    ApiCredentialOrder,
    ApiCredentialQuery,
    ApiCredentialState,
    ApiGrant,
    ClientSecret,
)
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import EXPIRING
from credenza.domain.model import CredentialId, OrganizationId, ServiceId, Status
from credenza.store import credentials as credential_rows
from credenza.store.schema import (
    IS_API_CREDENTIAL,
    api_credentials,
    api_grants,
    api_places,
    client_secrets,
    credentials,
    folded,
)
from credenza.store.upsert import violates

_COLUMNS = (
    credentials.c.id,
    api_credentials.c.version,
    api_credentials.c.note,
    api_credentials.c.networks,
    api_credentials.c.updated_at,
)
_SLOTS = (1, 2)


def insert_api_credential(connection: Connection, new: ApiCredential) -> None:
    """Insert it with its grants; its secrets come by `insert_secret`."""
    credential_rows.insert_credential(connection, new.credential)
    connection.execute(
        insert(api_credentials).values(
            organization_id=new.credential.organization_id,
            credential_id=new.id,
            version=new.version,
            note=new.note,
            networks=json.dumps(new.networks),
            updated_at=new.updated_at,
        )
    )
    _insert_grants(connection, new)


def replace_api_credential(connection: Connection, edited: ApiCredential) -> None:
    """Put name, end, note, networks and grants in place of those it had."""
    named = {"alias": edited.name, "folded_alias": folded(edited.name), "not_after": edited.credential.not_after}
    connection.execute(update(credentials).where(credentials.c.id == edited.id).values(named))
    connection.execute(
        update(api_credentials)
        .where(api_credentials.c.credential_id == edited.id)
        .values(
            version=edited.version,
            note=edited.note,
            networks=json.dumps(edited.networks),
            updated_at=edited.updated_at,
        )
    )
    _delete_grants(connection, edited.id)
    _insert_grants(connection, edited)


def mark(connection: Connection, credential_id: CredentialId, status: Status, *, now: datetime) -> None:
    """Make it ACTIVE or INACTIVE."""
    since = now if status is Status.INACTIVE else None
    connection.execute(
        update(credentials).where(credentials.c.id == credential_id).values(status=status, inactive_since=since)
    )


def bury(connection: Connection, credential_id: CredentialId, *, now: datetime) -> None:
    """Delete all that it could be used with and for; its row stays, and is hidden."""
    credential_rows.mark_revoked(connection, credential_id, reason="deleted", now=now)
    connection.execute(delete(client_secrets).where(client_secrets.c.credential_id == credential_id))
    _delete_grants(connection, credential_id)
    connection.execute(
        update(api_credentials)
        .where(api_credentials.c.credential_id == credential_id)
        .values(note="", networks="[]", updated_at=now, deleted_at=now)
    )


def insert_secret(connection: Connection, found: ApiCredential, secret: ClientSecret, *, secret_hash: str) -> None:
    """Insert a secret at a free place. Refuses a third."""
    taken = set(
        connection.execute(select(client_secrets.c.slot).where(client_secrets.c.credential_id == found.id)).scalars()
    )
    slot = next((each for each in _SLOTS if each not in taken), _SLOTS[-1])
    try:
        connection.execute(
            insert(client_secrets).values(
                organization_id=found.credential.organization_id,
                id=secret.id,
                credential_id=found.id,
                slot=slot,
                prefix=secret.prefix,
                secret_hash=secret_hash,
                created_at=secret.created_at,
                expires_at=secret.expires_at,
            )
        )
    except IntegrityError as error:
        place = (client_secrets.c.credential_id, client_secrets.c.slot)
        if violates(error, "uq_client_secrets_credential_id_slot", *place):
            raise Refusal(
                Code.SECRET_LIMIT, "The credential has two secrets already. Delete one, then issue the new one."
            ) from error
        raise


def set_secret_end(connection: Connection, secret_id: str, expires_at: datetime | None) -> None:
    connection.execute(update(client_secrets).where(client_secrets.c.id == secret_id).values(expires_at=expires_at))


def mark_secrets_deleted(connection: Connection, secret_ids: Iterable[str], *, now: datetime) -> None:
    connection.execute(
        update(client_secrets)
        .where(client_secrets.c.id.in_(list(secret_ids)), client_secrets.c.deleted_at.is_(None))
        .values(slot=None, deleted_at=now)
    )


def find(connection: Connection, organization_id: OrganizationId, credential_id: CredentialId) -> ApiCredential | None:
    query = _all_of(organization_id).where(credentials.c.id == credential_id)
    return next(iter(_load(connection, query)), None)


def keep_own(
    connection: Connection, organization_id: OrganizationId, credential_ids: Sequence[CredentialId]
) -> tuple[CredentialId, ...]:
    """Keep of some ids those of the organization's API credentials."""
    query = _all_of(organization_id).where(credentials.c.id.in_(credential_ids))
    return tuple(CredentialId(row.id) for row in connection.execute(query))


_SORTED_BY = {
    ApiCredentialOrder.NAME: credentials.c.folded_alias,
    ApiCredentialOrder.NAME_LAST: credentials.c.folded_alias,
    ApiCredentialOrder.ENDS: credentials.c.not_after,
    ApiCredentialOrder.ENDS_LAST: credentials.c.not_after,
}
_LAST_FIRST = frozenset({ApiCredentialOrder.NAME_LAST, ApiCredentialOrder.ENDS_LAST})


def list_page(
    connection: Connection, organization_id: OrganizationId, wanted: ApiCredentialQuery, *, now: datetime
) -> tuple[ApiCredential, ...]:
    """List what `wanted` asks for, at most its limit."""
    column, last_first = _SORTED_BY[wanted.order], wanted.order in _LAST_FIRST
    query = _all_of(organization_id).where(*_in_state(wanted.state, now), *_narrowed(wanted))
    if wanted.after:
        # The row itself is still there, also when the credential was deleted meanwhile.
        shown = select(column).where(credentials.c.id == wanted.after).scalar_subquery()
        place, last = tuple_(column, credentials.c.id), tuple_(shown, literal(wanted.after))
        query = query.where(place < last if last_first else place > last)
    order = (column.desc(), credentials.c.id.desc()) if last_first else (column, credentials.c.id)
    return _load(connection, query.order_by(*order).limit(wanted.limit))


def search(
    connection: Connection, organization_id: OrganizationId, text: str, *, limit: int
) -> tuple[ApiCredential, ...]:
    """Find those whose name contains `text`, or whose client id begins with it."""
    query = _all_of(organization_id).where(_has(text)).order_by(credentials.c.folded_alias, credentials.c.id)
    return _load(connection, query.limit(limit))


def _all_of(organization_id: OrganizationId) -> Select[*tuple[Any, ...]]:
    return (
        select(*_COLUMNS)
        .join(api_credentials, api_credentials.c.credential_id == credentials.c.id)
        .where(
            credentials.c.organization_id == organization_id, IS_API_CREDENTIAL, api_credentials.c.deleted_at.is_(None)
        )
    )


def _in_state(state: ApiCredentialState, now: datetime) -> tuple[ColumnElement[bool], ...]:
    status, end = credentials.c.status, credentials.c.not_after
    return {
        ApiCredentialState.ALL: (),
        ApiCredentialState.ACTIVE: (status == Status.ACTIVE, end >= now),
        ApiCredentialState.INACTIVE: (status == Status.INACTIVE, end >= now),
        ApiCredentialState.EXPIRING: (status == Status.ACTIVE, end > now, end <= now + EXPIRING),
        ApiCredentialState.EXPIRED: (end < now,),
    }[state]


def _narrowed(wanted: ApiCredentialQuery) -> tuple[ColumnElement[bool], ...]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.environment is not None:
        conditions.append(credentials.c.environment == wanted.environment)
    if wanted.service_id is not None:
        granted = exists().where(
            api_grants.c.credential_id == credentials.c.id, api_grants.c.service_id == wanted.service_id
        )
        conditions.append(granted)
    if wanted.text:
        conditions.append(_has(wanted.text))
    return tuple(conditions)


def _has(text: str) -> ColumnElement[bool]:
    # A range, because SQLite compares without regard to case where LIKE does.
    of_client = credentials.c.client_id.between(text, text + "\U0010ffff")
    return or_(credentials.c.folded_alias.contains(folded(text), autoescape=True), of_client)


def _load(connection: Connection, query: Select[*tuple[Any, ...]]) -> tuple[ApiCredential, ...]:
    rows = connection.execute(query).all()
    ids = [CredentialId(row.id) for row in rows]
    stored = {each.id: each for each in credential_rows.matching(connection, credentials.c.id.in_(ids))}
    grants, secrets = _grants(connection, ids), _secrets(connection, ids)
    return tuple(
        ApiCredential(
            credential=stored[row.id],
            version=row.version,
            note=row.note,
            networks=tuple(json.loads(row.networks)),
            updated_at=row.updated_at,
            grants=grants.get(row.id, ()),
            secrets=secrets.get(row.id, ()),
        )
        for row in rows
    )


def _grants(connection: Connection, ids: Sequence[CredentialId]) -> Mapping[str, tuple[ApiGrant, ...]]:
    permissions: dict[tuple[str, int], set[str]] = {}
    places: dict[tuple[str, int], set[str]] = {}
    granted = select(api_grants.c.credential_id, api_grants.c.service_id, api_grants.c.permission)
    for row in connection.execute(granted.where(api_grants.c.credential_id.in_(ids))):
        permissions.setdefault((row.credential_id, row.service_id), set()).add(row.permission)
    picked = select(api_places.c.credential_id, api_places.c.service_id, api_places.c.place_id)
    for row in connection.execute(picked.where(api_places.c.credential_id.in_(ids))):
        places.setdefault((row.credential_id, row.service_id), set()).add(row.place_id)
    found: dict[str, tuple[ApiGrant, ...]] = {}
    # An API all of whose permissions have left the catalog is granted no more, whatever places are left.
    for key in sorted(permissions):
        grant = ApiGrant(ServiceId(key[1]), frozenset(permissions[key]), frozenset(places.get(key, ())))
        found[key[0]] = (*found.get(key[0], ()), grant)
    return found


def _secrets(connection: Connection, ids: Sequence[CredentialId]) -> Mapping[str, tuple[ClientSecret, ...]]:
    query = (
        select(
            client_secrets.c.credential_id,
            client_secrets.c.id,
            client_secrets.c.prefix,
            client_secrets.c.created_at,
            client_secrets.c.expires_at,
        )
        .where(client_secrets.c.credential_id.in_(ids), client_secrets.c.deleted_at.is_(None))
        .order_by(
            client_secrets.c.expires_at.is_(None),
            client_secrets.c.expires_at,
            client_secrets.c.created_at,
            client_secrets.c.id,
        )
    )
    found: dict[str, tuple[ClientSecret, ...]] = {}
    for row in connection.execute(query):
        secret = ClientSecret(row.id, row.prefix, row.created_at, row.expires_at)
        found[row.credential_id] = (*found.get(row.credential_id, ()), secret)
    return found


def _insert_grants(connection: Connection, new: ApiCredential) -> None:
    of = {"organization_id": new.credential.organization_id, "credential_id": new.id}
    granted = [
        {**of, "service_id": each.service_id, "permission": name}
        for each in new.grants
        for name in sorted(each.permissions)
    ]
    picked = [
        {**of, "service_id": each.service_id, "place_id": place} for each in new.grants for place in sorted(each.places)
    ]
    try:
        if granted:
            connection.execute(insert(api_grants), granted)
        if picked:
            connection.execute(insert(api_places), picked)
    except IntegrityError as error:
        # The only constraint that another transaction can bring about: a permission left the catalog a moment ago.
        raise Refusal(
            Code.INVALID, "One of the permissions is no longer offered. Look at the APIs again.", field="grants"
        ) from error


def _delete_grants(connection: Connection, credential_id: CredentialId) -> None:
    connection.execute(delete(api_places).where(api_places.c.credential_id == credential_id))
    connection.execute(delete(api_grants).where(api_grants.c.credential_id == credential_id))
