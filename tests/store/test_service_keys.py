"""Service credentials in the tables: the constraint lets one of a kind be active at a place, whatever the code does."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tests.clock import NOON
from tests.store.rows import PRODUCTION, SANDBOX, Rows

from credenza.domain.model import CredentialId, CredentialKind, ProjectId, ServiceId
from credenza.store import schema, service_keys
from credenza.store.engine import Database, reading, writing
from credenza.store.service_keys import Place

READ, WRITE, SIGN = (
    CredentialKind.RESPONSE_ENCRYPTION,
    CredentialKind.REQUEST_ENCRYPTION,
    CredentialKind.REQUEST_SIGNATURE,
)
ASIDE = {"status": "INACTIVE", "inactive_since": NOON}


class Counter:
    """A project and a service, and keys between them by direct insert."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rows = Rows(database)
        self.organization = self.rows.organization()
        self.project = self.rows.project(self.organization)
        self.service = self.rows.service()

    def key(self, kind: CredentialKind, **columns: Any) -> CredentialId:
        columns = {"service_id": self.service, "environment": SANDBOX, **columns}
        return CredentialId(self.rows.credential(self.organization, project_id=self.project, kind=kind, **columns))

    def place(self, kind: CredentialKind) -> Place:
        return Place(ProjectId(self.project), ServiceId(self.service), SANDBOX, kind)

    def active(self) -> set[str]:
        query = select(schema.credentials.c.id).where(schema.credentials.c.status == "ACTIVE")
        with reading(self.database.records) as connection:
            return set(connection.execute(query).scalars())


@pytest.fixture
def counter(database: Database) -> Counter:
    return Counter(database)


@pytest.mark.parametrize("kind", [READ, SIGN])
def test_two_of_a_kind_are_never_active_at_one_place(counter: Counter, kind: CredentialKind) -> None:
    counter.key(kind)
    aside = counter.key(kind, **ASIDE)

    with pytest.raises(IntegrityError, match=r"uq_credentials_one_active|UNIQUE"):
        counter.key(kind)
    with pytest.raises(IntegrityError), writing(counter.database.records) as connection:
        service_keys.mark_active(connection, aside)


def test_other_places_and_kinds_have_active_ones_of_their_own(counter: Counter) -> None:
    made = {
        counter.key(READ),
        counter.key(SIGN),
        counter.key(READ, environment=PRODUCTION),
        counter.key(READ, service_id=counter.rows.service()),
        counter.key(WRITE),
        counter.key(WRITE),
    }

    assert counter.active() == made


def test_room_is_made_at_one_place_alone(counter: Counter) -> None:
    first, elsewhere = counter.key(READ), counter.key(READ, environment=PRODUCTION)
    second = counter.key(READ, **ASIDE)

    with writing(counter.database.records) as connection:
        gone = service_keys.make_room(connection, counter.place(READ), now=NOON)
        service_keys.mark_active(connection, second)

    assert gone == (first,)
    assert counter.active() == {second, elsewhere}


def test_what_is_revoked_is_never_made_active(counter: Counter) -> None:
    revoked = counter.key(READ, status="REVOKED", revoked_at=NOON)

    with writing(counter.database.records) as connection:
        service_keys.mark_active(connection, revoked)

    assert counter.active() == set()


def test_what_has_expired_is_not_usable(counter: Counter) -> None:
    old, new = counter.key(WRITE, not_after=NOON - timedelta(seconds=1)), counter.key(WRITE)
    place = counter.place(WRITE)

    with reading(counter.database.records) as connection:
        assert service_keys.count_usable(connection, place, now=NOON) == 1
        assert service_keys.count_usable(connection, place, but_for=new, now=NOON) == 0
        assert service_keys.count_usable(connection, place, but_for=old, now=NOON) == 1
