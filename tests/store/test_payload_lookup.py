"""Both databases tell a gate the same service credentials, with the number they are true at."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.clock import NOON
from tests.store.gate_connection import GateConnection
from tests.store.rows import PRODUCTION, SANDBOX, Rows, public_key_der, uuid

from credenza.domain.model import PLATFORM, ChangeNumber, CredentialKind, Status
from credenza.store import changes, payload_lookup, schema
from credenza.store.changes import ChangeKind
from credenza.store.engine import Database, writing
from credenza.store.payload_lookup import Parties, ServiceKey, ServiceKeySnapshot


class Questions(GateConnection):
    """Puts the question as a gate does, over a connection of its own."""

    def service_keys(self, parties: Parties) -> ServiceKeySnapshot:
        if self._embedded:
            return self._sqlite.service_keys(parties)
        statement = payload_lookup.SERVICE_KEYS.format(project_id="%s", service_id="%s", environment="%s")
        return payload_lookup.service_key_snapshot(self._rows(statement, *parties))


@pytest.fixture
def ask(database: Database) -> Iterator[Questions]:
    questions = Questions(database)
    yield questions
    questions.close()


class Pair:
    """A project that may use a service, and its keys."""

    def __init__(self, database: Database) -> None:
        self.rows = Rows(database)
        self.organization = self.rows.organization()
        self.project = self.rows.project(self.organization)
        self.client_id = self.rows.environment(self.organization, self.project)
        self.service = self.rows.service()
        self.rows.entitle(self.organization, self.project, self.service)
        self.parties = Parties(self.project, self.service, SANDBOX)

    def key(self, kind: str, **columns: Any) -> str:
        identity = uuid()
        self.rows.credential(
            self.organization,
            project_id=self.project,
            client_id=self.client_id,
            **{"id": identity, "kind": kind, "service_id": self.service, "spki_sha256": f"{identity:_<64}", **columns},
        )
        return identity


@pytest.fixture
def pair(database: Database) -> Pair:
    return Pair(database)


def test_a_key_comes_whole_and_with_the_number(ask: Questions, pair: Pair, database: Database) -> None:
    since = NOON + timedelta(days=1)
    ours = pair.key("REQUEST_ENCRYPTION", certificate_sha256="c" * 64, status="INACTIVE", inactive_since=since)
    pair.rows.insert(
        schema.service_private_keys,
        organization_id=pair.organization,
        credential_id=ours,
        wrapped_private_key=b"sealed",
    )
    with writing(database.records) as connection:
        changes.record(connection, PLATFORM, ChangeKind.SERVICE_KEY, pair.project)

    found = ask.service_keys(pair.parties)

    assert found.number == ChangeNumber(1)
    (key,) = found.keys
    assert key == ServiceKey(
        id=ours,
        kind=CredentialKind.REQUEST_ENCRYPTION,
        status=Status.INACTIVE,
        inactive_since=since,
        not_before=key.not_before,
        not_after=key.not_after,
        public_key_der=public_key_der(),
        spki_sha256=f"{ours:_<64}",
        certificate_sha256="c" * 64,
        wrapped_private_key=b"sealed",
    )
    assert key.not_before < key.not_after
    assert "sealed" not in repr(found)


def test_a_key_that_never_was_active_is_not_one_that_another_has_replaced(ask: Questions, pair: Pair) -> None:
    added = {"status": "INACTIVE", "created_at": NOON}
    waiting = pair.key("REQUEST_SIGNATURE", **added, inactive_since=NOON)
    replaced = pair.key("REQUEST_SIGNATURE", **added, inactive_since=NOON + timedelta(seconds=1))

    found = {key.id: key.inactive_since for key in ask.service_keys(pair.parties).keys}

    assert found == {waiting: None, replaced: NOON + timedelta(seconds=1)}


def test_a_key_that_was_replaced_by_a_clock_that_is_behind_has_been_replaced(ask: Questions, pair: Pair) -> None:
    before = NOON - timedelta(seconds=2)
    pair.key("REQUEST_SIGNATURE", status="INACTIVE", created_at=NOON, inactive_since=before)

    assert [key.inactive_since for key in ask.service_keys(pair.parties).keys] == [before]


def test_the_three_kinds_come_and_no_other_and_none_that_is_revoked(ask: Questions, pair: Pair) -> None:
    kinds = ("RESPONSE_ENCRYPTION", "REQUEST_ENCRYPTION", "REQUEST_SIGNATURE")
    wanted = {pair.key(kind) for kind in kinds}
    wanted |= {pair.key("REQUEST_ENCRYPTION")}
    pair.key("REQUEST_ENCRYPTION", status="REVOKED", revoked_at=NOON)
    pair.rows.credential(pair.organization, project_id=pair.project, client_id=pair.client_id)

    assert {key.id for key in ask.service_keys(pair.parties).keys} == wanted


def test_the_latest_key_comes_first(ask: Questions, pair: Pair) -> None:
    earlier = pair.key("REQUEST_ENCRYPTION", created_at=NOON)
    later = pair.key("REQUEST_ENCRYPTION", created_at=NOON + timedelta(hours=1))

    assert [key.id for key in ask.service_keys(pair.parties).keys] == [later, earlier]


def test_keys_are_those_between_two_parties_in_one_environment(ask: Questions, pair: Pair) -> None:
    key = pair.key("RESPONSE_ENCRYPTION")
    other = pair.rows.service()
    pair.rows.entitle(pair.organization, pair.project, other)

    assert [each.id for each in ask.service_keys(pair.parties).keys] == [key]
    assert ask.service_keys(Parties(pair.project, other, SANDBOX)).keys == ()
    assert ask.service_keys(Parties(pair.project, pair.service, PRODUCTION)).keys == ()
    assert ask.service_keys(Parties(uuid(), pair.service, SANDBOX)).keys == ()


@pytest.mark.parametrize("gone", ["project", "entitlement"])
def test_who_may_not_use_the_service_has_no_keys_for_it(
    ask: Questions, pair: Pair, database: Database, gone: str
) -> None:
    pair.key("RESPONSE_ENCRYPTION")
    with writing(database.records) as connection:
        if gone == "project":
            connection.execute(schema.projects.update().values(deleted_at=NOON))
        else:
            connection.execute(schema.project_services.update().values(status="PENDING_APPROVAL"))

    assert ask.service_keys(pair.parties) == ServiceKeySnapshot(ChangeNumber(0), ())
