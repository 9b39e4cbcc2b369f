"""Both databases tell a gate the same API credentials and trees, with the number they are true at."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.clock import NOON
from tests.store.gate_connection import GateConnection
from tests.store.rows import SANDBOX, Rows, uuid

from credenza.domain.api_credentials import FOREVER
from credenza.domain.catalog import Grant, Tree
from credenza.domain.model import PLATFORM, ChangeNumber, CredentialKind, Status
from credenza.store import api_lookup, changes, schema
from credenza.store.api_lookup import ApiRecord, ApiSnapshot, SecretRecord, TreeSnapshot
from credenza.store.changes import ChangeKind
from credenza.store.engine import Database, writing


class Questions(GateConnection):
    """Puts the questions as a gate does, over a connection of its own."""

    def client(self, client_id: str) -> ApiSnapshot:
        if self._embedded:
            return self._sqlite.api_client(client_id)
        return api_lookup.api_snapshot(self._rows(api_lookup.BY_CLIENT_ID.format(name="%s"), client_id))

    def credential(self, credential_id: str) -> ApiSnapshot:
        if self._embedded:
            return self._sqlite.api_credential(credential_id)
        return api_lookup.api_snapshot(self._rows(api_lookup.BY_ID.format(name="%s"), credential_id))

    def tree(self, organization_id: str) -> TreeSnapshot:
        if self._embedded:
            return self._sqlite.tree(organization_id)
        return api_lookup.tree_snapshot(self._rows(api_lookup.TREE.format(organization_id="%s"), organization_id))


@pytest.fixture
def ask(database: Database) -> Iterator[Questions]:
    questions = Questions(database)
    yield questions
    questions.close()


class Made:
    """An organization with an API credential."""

    def __init__(self, database: Database) -> None:
        self.rows = Rows(database)
        self.organization = self.rows.organization()
        self.id, self.client_id = uuid(), f"{uuid():_<48}"
        self.rows.credential(
            self.organization,
            id=self.id,
            kind="CLIENT_SECRET",
            client_id=self.client_id,
            environment=SANDBOX,
            alias="Analytics",
            not_before=NOON,
            not_after=FOREVER,
            spki_sha256="",
            public_key_der=b"",
        )
        self.rows.insert(
            schema.api_credentials,
            organization_id=self.organization,
            credential_id=self.id,
            version=1,
            note="",
            networks='["192.0.2.0/24"]',
            updated_at=NOON,
        )

    def secret(self, slot: int | None, **columns: Any) -> str:
        identity = uuid()
        self.rows.insert(
            schema.client_secrets,
            organization_id=self.organization,
            id=identity,
            credential_id=self.id,
            slot=slot,
            prefix="czs_sbx_abc",
            secret_hash=f"{identity:_<64}",
            created_at=NOON,
            **columns,
        )
        return identity

    def permit(self, service_id: int, *permissions: str) -> None:
        for position, name in enumerate(permissions):
            common = {"organization_id": self.organization, "service_id": service_id}
            self.rows.insert(schema.service_permissions, **common, name=name, position=position, description="")
            self.rows.insert(schema.api_grants, **common, credential_id=self.id, permission=name)

    def pick(self, service_id: int, *places: str) -> None:
        for place in places:
            self.rows.insert(
                schema.api_places,
                organization_id=self.organization,
                credential_id=self.id,
                service_id=service_id,
                place_id=place,
            )


@pytest.fixture
def made(database: Database) -> Made:
    return Made(database)


def found(snapshot: ApiSnapshot) -> ApiRecord:
    assert snapshot.record is not None
    return snapshot.record


def test_a_credential_comes_whole_and_with_the_number_by_either_name(
    ask: Questions, made: Made, database: Database
) -> None:
    first, second = made.rows.service(), made.rows.service()
    ends = NOON + timedelta(hours=1)
    old, new = made.secret(1, expires_at=ends), made.secret(2)
    secrets = {SecretRecord(old, f"{old:_<64}", ends), SecretRecord(new, f"{new:_<64}", None)}
    made.permit(first, "read", "write")
    made.permit(second, "admin")
    made.pick(first, "eu", "us")
    with writing(database.records) as connection:
        changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, made.id)

    by_client, by_id = ask.client(made.client_id), ask.credential(made.id)

    record = found(by_client)
    assert by_client == by_id
    assert by_client.number == ChangeNumber(1)
    assert (record.key.key_id, record.key.client_id, record.key.alias) == (made.id, made.client_id, "Analytics")
    assert (record.key.kind, record.key.status) == (CredentialKind.CLIENT_SECRET, Status.ACTIVE)
    assert (record.key.environment, record.key.not_after) == (SANDBOX, FOREVER)
    assert record.key.services == frozenset({first, second})
    assert record.networks == ("192.0.2.0/24",)
    assert set(record.secrets) == secrets
    assert record.grants == {
        first: Grant(frozenset({"read", "write"}), frozenset({"eu", "us"})),
        second: Grant(frozenset({"admin"})),
    }
    assert "secret_hash" not in repr(record)


def test_a_deleted_secret_and_a_deleted_credential_do_not_come(ask: Questions, made: Made, database: Database) -> None:
    made.secret(None, deleted_at=NOON)
    assert found(ask.client(made.client_id)).secrets == ()

    with writing(database.records) as connection:
        connection.execute(update(schema.api_credentials).values(deleted_at=NOON))

    assert ask.client(made.client_id) == ApiSnapshot(ChangeNumber(0), None)
    assert ask.credential(made.id).record is None


def test_credentials_of_other_kinds_are_nobodys(ask: Questions, made: Made) -> None:
    key_id = made.rows.signing_key()

    assert ask.credential(key_id).record is None
    assert ask.client("nobody").record is None


def test_places_without_a_permission_grant_nothing(ask: Questions, made: Made) -> None:
    made.pick(made.rows.service(), "eu")

    assert found(ask.client(made.client_id)).grants == {}


def test_a_tree_has_what_is_live_and_the_organizations_own(ask: Questions, made: Made) -> None:
    other = made.rows.organization()

    def account(organization: str, **columns: Any) -> str:
        identity = uuid()
        made.rows.insert(
            schema.accounts, organization_id=organization, id=identity, name=identity, created_at=NOON, **columns
        )
        return identity

    def workspace(account_id: str, organization: str = made.organization, **columns: Any) -> str:
        identity = uuid()
        row = {"organization_id": organization, "id": identity, "account_id": account_id, "name": identity}
        made.rows.insert(schema.workspaces, **row, created_at=NOON, **columns)
        return identity

    live, empty, gone = (
        account(made.organization),
        account(made.organization),
        account(made.organization, archived_at=NOON),
    )
    foreign = account(other)
    inside = workspace(live)
    workspace(live, archived_at=NOON)
    workspace(gone)
    workspace(foreign, other)

    assert ask.tree(made.organization) == TreeSnapshot(ChangeNumber(0), Tree(frozenset({live, empty}), {inside: live}))
    assert ask.tree("nobody's") == TreeSnapshot(ChangeNumber(0), Tree(frozenset(), {}))
