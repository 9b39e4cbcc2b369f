"""The row that every kind of credential has."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import EXPIRING
from credenza.domain.lists import KeyOrder, KeyQuery, KeyState
from credenza.domain.model import (
    SERVICE_KINDS,
    AuthorityId,
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    OrganizationId,
    ProjectId,
    Provenance,
    ServiceId,
    Status,
    UserId,
)
from credenza.store.mtls_certificates import subject_holds
from credenza.store.prepared import Prepared
from credenza.store.schema import credentials, environments, folded, projects, thumbprint
from credenza.store.upsert import violates

_COLUMNS = (
    credentials.c.id,
    credentials.c.organization_id,
    credentials.c.kind,
    credentials.c.project_id,
    credentials.c.environment,
    credentials.c.client_id,
    credentials.c.alias,
    credentials.c.status,
    credentials.c.key_algorithm,
    credentials.c.public_key_der,
    credentials.c.spki_sha256,
    credentials.c.certificate_der,
    credentials.c.not_before,
    credentials.c.not_after,
    credentials.c.slot,
    credentials.c.owner_id,
    credentials.c.predecessor_id,
    credentials.c.created_at,
    credentials.c.revoked_at,
    credentials.c.revoked_reason,
    credentials.c.trusted_authority_id,
    credentials.c.brought_chain,
    credentials.c.service_id,
    credentials.c.inactive_since,
)


def _listed_slots(condition: ColumnElement[bool]) -> ColumnElement[str]:
    """In one row, which is read ten times as fast as a row for each."""
    return func.aggregate_strings(cast(credentials.c.slot, String), ",").filter(condition)


_SAME_KEY = Prepared(
    select(credentials.c.id).where(
        credentials.c.spki_sha256 == bindparam("of_spki"),
        or_(
            credentials.c.kind.in_([CredentialKind.SIGNING_KEY, CredentialKind.ACCOUNT_KEY]),
            (credentials.c.kind == CredentialKind.MTLS_CERTIFICATE)
            & (credentials.c.project_id != bindparam("of_project")),
        ),
    )
)
_HOLDS_SLOT = (credentials.c.project_id == bindparam("of_project"), credentials.c.slot.is_not(None))
_FREE_SLOTS = Prepared(
    update(credentials).where(*_HOLDS_SLOT, credentials.c.not_after < bindparam("now")).values(slot=None)
)
_SLOTS = Prepared(
    select(
        _listed_slots(credentials.c.not_after >= bindparam("now")).label("taken"),
        _listed_slots(credentials.c.not_after < bindparam("now")).label("ended"),
    ).where(*_HOLDS_SLOT)
)
_FIND = Prepared(select(*_COLUMNS).where(credentials.c.id == bindparam("of_id")))
_INSERT = Prepared(insert(credentials), sets=credentials.c.keys())


def insert_credential(connection: Connection, credential: Credential) -> None:
    """Insert a credential. Refuses a public key that was ever accepted before, and a certificate that another
    credential holds."""
    try:
        _INSERT.run(
            connection,
            {
                "organization_id": credential.organization_id,
                "id": credential.id,
                "kind": credential.kind,
                "project_id": credential.project_id,
                "environment": credential.environment,
                "client_id": credential.client_id,
                "alias": credential.alias,
                "folded_alias": folded(credential.alias),
                "status": credential.status,
                "key_algorithm": credential.key_algorithm,
                "public_key_der": credential.public_key_der,
                "spki_sha256": credential.spki_sha256,
                "certificate_der": credential.certificate_der,
                "certificate_sha256": thumbprint(credential.certificate_der),
                "not_before": credential.not_before,
                "not_after": credential.not_after,
                "slot": credential.slot,
                "owner_id": credential.owner_id,
                "predecessor_id": credential.predecessor_id,
                "created_at": credential.created_at,
                "revoked_at": credential.revoked_at,
                "revoked_reason": credential.revoked_reason,
                "service_id": credential.service_id,
                "inactive_since": credential.inactive_since,
                **_brought(credential.provenance),
            },
        )
    except IntegrityError as error:
        if violates(error, "uq_credentials_key", credentials.c.spki_sha256):
            raise key_known() from error
        if violates(error, "uq_credentials_certificate", credentials.c.certificate_sha256):
            raise _certificate_known() from error
        raise


def _certificate_known() -> Refusal:
    return Refusal(
        Code.DUPLICATE_SUBJECT,
        "Duplicate certificate: this very certificate is in use or was used before. Have a new one made and send that.",
        field="certificate",
    )


def key_known() -> Refusal:
    # The same words wherever the key is or was: a stranger learns nothing about other people's projects.
    return Refusal(
        Code.DUPLICATE_KEY,
        "This public key is in use or was used before. Make a new key pair and send a request for that one.",
        field="csr",
    )


def is_key_known(connection: Connection, spki_sha256: str, *, but_for: ProjectId | None = None) -> bool:
    """Say whether the public key signs for anybody already, or is in a certificate of any project `but_for` one: a
    project may sign with the key that its TLS client has."""
    # No project has an empty id.
    return _SAME_KEY.first(connection, {"of_spki": spki_sha256, "of_project": but_for or ""}) is not None


def find(connection: Connection, credential_id: CredentialId) -> Credential | None:
    row = _FIND.first(connection, {"of_id": credential_id})
    return None if row is None else _credential(row)


def find_by_certificate(connection: Connection, certificate_der: bytes) -> Credential | None:
    query = select(*_COLUMNS).where(credentials.c.certificate_sha256 == thumbprint(certificate_der))
    row = connection.execute(query).one_or_none()
    return None if row is None else _credential(row)


def not_found() -> Refusal:
    return Refusal(Code.CREDENTIAL_NOT_FOUND, "The project has no such credential.", field="credentialId")


def matching(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> tuple[Credential, ...]:
    """List credentials by id."""
    query = select(*_COLUMNS).where(*conditions).order_by(credentials.c.id).limit(limit)
    return tuple(map(_credential, connection.execute(query)))


def list_of_project(connection: Connection, project_id: ProjectId) -> tuple[Credential, ...]:
    query = select(*_COLUMNS).where(credentials.c.project_id == project_id).order_by(credentials.c.created_at)
    return tuple(map(_credential, connection.execute(query)))


def signing_keys_left(
    connection: Connection, project_id: ProjectId, *, limit: int | None, now: datetime
) -> tuple[Credential, ...]:
    """List a project's signing keys that are neither revoked nor expired, by environment and what ends first."""
    query = (
        select(*_COLUMNS)
        .where(
            credentials.c.project_id == project_id,
            credentials.c.kind == CredentialKind.SIGNING_KEY,
            credentials.c.status.in_((Status.ACTIVE, Status.INACTIVE)),
            credentials.c.not_after >= now,
        )
        .order_by(credentials.c.not_after, credentials.c.id)
        .limit(limit)
    )
    # One by one: an index has the keys of an environment in this order, so that a limit ends the look.
    found = [connection.execute(query.where(credentials.c.environment == each)) for each in EnvironmentName]
    return tuple(map(_credential, chain.from_iterable(found)))[:limit]


def list_of_projects(
    connection: Connection, project_ids: Sequence[ProjectId]
) -> dict[ProjectId, tuple[Credential, ...]]:
    query = select(*_COLUMNS).where(credentials.c.project_id.in_(project_ids)).order_by(credentials.c.created_at)
    found: dict[ProjectId, tuple[Credential, ...]] = {}
    for credential in map(_credential, connection.execute(query)):
        assert credential.project_id is not None, "selected by its project"
        found[credential.project_id] = (*found.get(credential.project_id, ()), credential)
    return found


def list_page(
    connection: Connection,
    project_id: ProjectId,
    kind: CredentialKind,
    *,
    environment: EnvironmentName | None,
    status: Status | None,
    expiring: bool,
    text: str = "",
    after: str | None,
    limit: int,
    now: datetime,
) -> tuple[Credential, ...]:
    """List a project's credentials of one kind by id from the one after `after`, filtered in the database; `text` as
    `KeyQuery` has it."""
    query = select(*_COLUMNS).where(credentials.c.project_id == project_id, credentials.c.kind == kind)
    if environment is not None:
        query = query.where(credentials.c.environment == environment)
    if status is Status.EXPIRED:
        query = query.where(credentials.c.status != Status.REVOKED, credentials.c.not_after < now)
    elif status is Status.REVOKED:
        query = query.where(credentials.c.status == status)
    elif status is not None:
        query = query.where(credentials.c.status == status, credentials.c.not_after >= now)
    if expiring:
        query = query.where(
            credentials.c.status == Status.ACTIVE,
            credentials.c.not_after > now,
            credentials.c.not_after <= now + EXPIRING,
        )
    if text:
        query = query.where(or_(*_ways_to_name(kind, text)))
    if after is not None:
        query = query.where(credentials.c.id > after)
    return tuple(map(_credential, connection.execute(query.order_by(credentials.c.id).limit(limit))))


_SORTED_BY = {
    KeyOrder.EXPIRES: credentials.c.not_after,
    KeyOrder.EXPIRES_LAST: credentials.c.not_after,
    KeyOrder.ALIAS: credentials.c.folded_alias,
    KeyOrder.ALIAS_LAST: credentials.c.folded_alias,
}
_LAST_FIRST = frozenset({KeyOrder.EXPIRES_LAST, KeyOrder.ALIAS_LAST})
_PLACE_OF: dict[Column[Any], Callable[[Credential], tuple[Any, str]]] = {
    credentials.c.not_after: lambda key: (key.not_after, key.id),
    credentials.c.folded_alias: lambda key: (folded(key.alias), key.id),
}
# Fewer begin the ids of too many keys to be meant.
_DIGITS_OF_A_KEY_ID = 4
_BETWEEN_DIGITS = str.maketrans("", "", ":- ")


def search_page(
    connection: Connection, project_id: ProjectId, kind: CredentialKind, wanted: KeyQuery, *, now: datetime
) -> tuple[Credential, ...]:
    """List a project's credentials of one kind as `wanted` asks, at most its limit."""
    column, last_first = _SORTED_BY[wanted.order], wanted.order in _LAST_FIRST
    conditions: list[ColumnElement[bool]] = [
        credentials.c.project_id == project_id,
        credentials.c.environment == wanted.environment,
        credentials.c.kind == kind,
        *_in_state(wanted.state, now),
    ]
    if wanted.after:
        # The row itself is still there: credentials are revoked, and never deleted.
        shown = select(column).where(credentials.c.id == wanted.after).scalar_subquery()
        place, last = tuple_(column, credentials.c.id), tuple_(shown, literal(wanted.after))
        conditions.append(place < last if last_first else place > last)
    order = (column.desc(), credentials.c.id.desc()) if last_first else (column, credentials.c.id)
    if not wanted.text:
        query = select(*_COLUMNS).where(*conditions).order_by(*order).limit(wanted.limit)
        return tuple(map(_credential, connection.execute(query)))
    found: dict[CredentialId, Credential] = {}
    for condition in _ways_to_name(kind, wanted.text):
        query = select(*_COLUMNS).where(credentials.c.id.in_(_first(wanted, *conditions, condition)))
        found |= {key.id: key for key in map(_credential, connection.execute(query))}
    return tuple(sorted(found.values(), key=_PLACE_OF[column], reverse=last_first)[: wanted.limit])


def _first(wanted: KeyQuery, *conditions: ColumnElement[bool]) -> Select[tuple[str]]:
    """The ids of the first that are wanted. Found before they are sorted, which OFFSET 0 has both databases do: they
    would walk through the index of the order instead, to its end when there is little to find."""
    column = _SORTED_BY[wanted.order]
    found = select(credentials.c.id, column.label("place")).where(*conditions).offset(0).subquery()
    order = (found.c.place, found.c.id)
    sorted_ = (each.desc() for each in order) if wanted.order in _LAST_FIRST else order
    return select(found.c.id).order_by(*sorted_).limit(wanted.limit)


def _in_state(state: KeyState, now: datetime) -> tuple[ColumnElement[bool], ...]:
    live, end = credentials.c.status != Status.REVOKED, credentials.c.not_after
    return {
        KeyState.CURRENT: (live, end >= now),
        KeyState.EXPIRING: (live, end > now, end <= now + EXPIRING),
        KeyState.EXPIRED: (live, end < now),
        KeyState.REVOKED: (credentials.c.status == Status.REVOKED,),
        KeyState.ALL: (),
    }[state]


def _ways_to_name(kind: CredentialKind, text: str) -> tuple[ColumnElement[bool], ...]:
    """Each has an index of its own, but for a certificate's subject; together in one query they would have none."""
    is_certificate = kind is CredentialKind.MTLS_CERTIFICATE
    digits = _hex_digits(text)
    written = _as_uuid(digits) if is_certificate else digits
    by_id = (_begins_with_digits(credentials.c.id, written),) if len(digits) >= _DIGITS_OF_A_KEY_ID else ()
    return (_begins_with(text), *by_id, *((subject_holds(text),) if is_certificate else ()))


def _hex_digits(text: str) -> str:
    """Read an id or a fingerprint, or the beginning of one, whatever stands between its digits; empty when it is
    none."""
    digits = text.lower().translate(_BETWEEN_DIGITS)
    return digits if not digits.strip("0123456789abcdef") else ""


def _as_uuid(digits: str) -> str:
    """Write the beginning of an id as those have it that are no key ids: of certificates, of service credentials."""
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(part for part in parts if part)


# Ranges, because SQLite uses no index for LIKE. Each ends behind whatever may follow: the last character that there is
# where bytes are compared, and for digits the letter after f, which comes next in every collation.


def _begins_with(text: str) -> ColumnElement[bool]:
    return credentials.c.folded_alias.between(folded(text), folded(text) + "\U0010ffff")


def _begins_with_digits(column: Column[Any], digits: str) -> ColumnElement[bool]:
    return column.between(digits, digits + "g")


@dataclass(frozen=True, slots=True)
class Holding:
    """How many usable keys a project has in one environment, and when the first of them ends."""

    keys: int
    first_end: datetime


def holdings(
    connection: Connection, project_ids: Sequence[ProjectId], *, now: datetime
) -> dict[tuple[ProjectId, EnvironmentName], Holding]:
    """Count the usable keys and certificates that prove who calls, of projects by environment; who has none is left
    out."""
    place = (credentials.c.project_id, credentials.c.environment)
    query = (
        select(*place, func.count().label("keys"), func.min(credentials.c.not_after).label("first_end"))
        .where(
            credentials.c.project_id.in_(project_ids),
            credentials.c.environment.is_not(None),
            credentials.c.kind.not_in(SERVICE_KINDS),
            credentials.c.status == Status.ACTIVE,
            credentials.c.not_after >= now,
        )
        .group_by(*place)
    )
    return {
        (ProjectId(row.project_id), EnvironmentName(row.environment)): Holding(row.keys, row.first_end)
        for row in connection.execute(query)
    }


_FOUND = sorted({CredentialKind.SIGNING_KEY, CredentialKind.MTLS_CERTIFICATE} | SERVICE_KINDS)


def search(
    connection: Connection,
    organization_id: OrganizationId,
    text: str,
    *,
    of_projects: Sequence[ProjectId] | None,
    limit: int,
) -> tuple[Credential, ...]:
    """Find an organization's signing keys, certificates and service credentials whose alias, id or fingerprint begins
    with `text`, or whose client id it is; in some of its projects or, with None, in all."""
    found: dict[CredentialId, Credential] = {}
    there = exists().where(
        projects.c.id == credentials.c.project_id,
        projects.c.organization_id == organization_id,
        projects.c.deleted_at.is_(None),
    )
    for way in _ways_to_find(connection, organization_id, text):
        query = select(*_COLUMNS).where(*way.conditions, credentials.c.kind.in_(_FOUND), there)
        if of_projects is not None:
            query = query.where(credentials.c.project_id.in_(of_projects))
        rows = connection.execute(query.order_by(*way.order).limit(limit))
        found |= {key.id: key for key in map(_credential, rows)}
    return tuple(found.values())[:limit]


@dataclass(frozen=True, slots=True)
class _Way:
    """Some rows, in the order in which an index has them, which is then read from where they begin, and no further than
    to the limit. Told anything that another index begins with, SQLite reads all that an organization has."""

    conditions: tuple[ColumnElement[bool], ...]
    order: tuple[Column[Any], ...]


def _ways_to_find(connection: Connection, organization_id: OrganizationId, text: str) -> Iterator[_Way]:
    """Each has an index of its own; together in one query they would have none."""
    client_id, _, key_id = text.strip().rpartition("!")  # a whole consumer key is sought by its key id
    by_alias = (credentials.c.folded_alias, credentials.c.id)
    yield _Way((credentials.c.organization_id == organization_id, _begins_with(text)), by_alias)
    digits = _hex_digits(key_id)
    if len(digits) >= _DIGITS_OF_A_KEY_ID:
        for column in (credentials.c.id, credentials.c.spki_sha256, credentials.c.certificate_sha256):
            yield _Way((_begins_with_digits(column, digits),), (column,))
        if _as_uuid(digits) != digits:
            yield _Way((_begins_with_digits(credentials.c.id, _as_uuid(digits)),), (credentials.c.id,))
    of_client = select(environments.c.project_id, environments.c.name)
    place = connection.execute(of_client.where(environments.c.client_id == (client_id or key_id))).first()
    if place is not None:
        project_id, environment = place
        yield _Way((credentials.c.project_id == project_id, credentials.c.environment == environment), by_alias)


def successors(connection: Connection, credential_id: CredentialId) -> tuple[Credential, ...]:
    query = select(*_COLUMNS).where(credentials.c.predecessor_id == credential_id).order_by(credentials.c.created_at)
    return tuple(map(_credential, connection.execute(query)))


def of_project(
    connection: Connection, project_id: ProjectId, credential_ids: Sequence[CredentialId]
) -> tuple[CredentialId, ...]:
    """Keep of some credentials those that belong to the project."""
    # Asked for the project as well, SQLite would look through all that it has.
    query = select(credentials.c.id, credentials.c.project_id).where(credentials.c.id.in_(credential_ids))
    return tuple(CredentialId(each) for each, owner in connection.execute(query) if owner == project_id)


def list_account_keys(
    connection: Connection, organization_id: OrganizationId, *, owner_id: UserId | None
) -> tuple[Credential, ...]:
    query = select(*_COLUMNS).where(
        credentials.c.organization_id == organization_id, credentials.c.kind == CredentialKind.ACCOUNT_KEY
    )
    if owner_id is not None:
        query = query.where(credentials.c.owner_id == owner_id)
    return tuple(map(_credential, connection.execute(query.order_by(credentials.c.created_at))))


def free_expired_slots(connection: Connection, project_id: ProjectId, *, now: datetime) -> None:
    """Give back the places of keys that have ended by themselves."""
    _FREE_SLOTS.run(connection, {"of_project": project_id, "now": now})


def take_slot(connection: Connection, credential_id: CredentialId, slot: int) -> None:
    """Give a key its place among the project's OAuth 2.0 keys."""
    connection.execute(update(credentials).where(credentials.c.id == credential_id).values(slot=slot))


@dataclass(frozen=True, slots=True)
class Slots:
    """The places of a project's OAuth 2.0 keys that are not revoked: of those that live, and of those that have ended
    and give theirs back when it is needed."""

    taken: frozenset[int]
    ended: frozenset[int]


def slots(connection: Connection, project_id: ProjectId, *, now: datetime) -> Slots:
    row = _SLOTS.one(connection, {"of_project": project_id, "now": now})
    return Slots(_numbers(row.taken), _numbers(row.ended))


def _numbers(listed: str | None) -> frozenset[int]:
    return frozenset(map(int, listed.split(","))) if listed else frozenset()


def count_other_active(connection: Connection, credential: Credential, *, now: datetime) -> int:
    """Count the usable credentials of the same kind beside one, in its project and environment."""
    query = (
        select(func.count())
        .select_from(credentials)
        .where(
            credentials.c.project_id == credential.project_id,
            credentials.c.environment == credential.environment,
            credentials.c.kind == credential.kind,
            credentials.c.status == Status.ACTIVE,
            credentials.c.not_after >= now,
            credentials.c.id != credential.id,
        )
    )
    return int(connection.execute(query).scalar_one())


def mark_revoked(connection: Connection, credential_id: CredentialId, *, reason: str, now: datetime) -> None:
    connection.execute(
        update(credentials)
        .where(credentials.c.id == credential_id)
        .values(status=Status.REVOKED, revoked_at=now, revoked_reason=reason, slot=None)
    )


def mark_renewed(
    connection: Connection, credential_id: CredentialId, *, certificate_der: bytes, not_after: datetime
) -> None:
    connection.execute(
        update(credentials)
        .where(credentials.c.id == credential_id, credentials.c.status == Status.ACTIVE)
        .values(certificate_der=certificate_der, certificate_sha256=thumbprint(certificate_der), not_after=not_after)
    )


def _credential(row: Row[*tuple[Any, ...]]) -> Credential:
    return Credential(
        id=CredentialId(row.id),
        organization_id=OrganizationId(row.organization_id),
        kind=CredentialKind(row.kind),
        project_id=None if row.project_id is None else ProjectId(row.project_id),
        environment=None if row.environment is None else EnvironmentName(row.environment),
        client_id=row.client_id,
        alias=row.alias,
        status=Status(row.status),
        key_algorithm=row.key_algorithm,
        public_key_der=row.public_key_der,
        spki_sha256=row.spki_sha256,
        certificate_der=row.certificate_der,
        not_before=row.not_before,
        not_after=row.not_after,
        slot=row.slot,
        owner_id=None if row.owner_id is None else UserId(row.owner_id),
        predecessor_id=None if row.predecessor_id is None else CredentialId(row.predecessor_id),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        revoked_reason=row.revoked_reason,
        provenance=_provenance(row),
        service_id=None if row.service_id is None else ServiceId(row.service_id),
        inactive_since=row.inactive_since,
    )


def _brought(provenance: Provenance | None) -> dict[str, str | None]:
    if provenance is None:
        return {"trusted_authority_id": None, "brought_chain": None}
    chain = json.dumps([base64.b64encode(each).decode() for each in provenance.chain])
    return {"trusted_authority_id": provenance.trusted_authority_id, "brought_chain": chain}


def _provenance(row: Row[*tuple[Any, ...]]) -> Provenance | None:
    if row.brought_chain is None:
        return None
    authority = None if row.trusted_authority_id is None else AuthorityId(row.trusted_authority_id)
    return Provenance(authority, tuple(map(base64.b64decode, json.loads(row.brought_chain))))
