"""A revoked key stops at once: what a gate remembers is true at its last look, or the gate is closed."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import delete, select, text, update
from tests.clock import NOON
from tests.servers import PostgreSQLServer
from tests.store.rows import PRODUCTION, SANDBOX, Rows

from credenza.domain.model import PLATFORM, CredentialKind, OrganizationId, Reach, Status
from credenza.gate.freshness import GateClosed, SqliteFreshness, SqliteKeys
from credenza.gate.keyring import Entry, Keyring, RouteTable
from credenza.gate.payload_keys import PayloadKeys
from credenza.gate.postgresql import PostgresFreshness, PostgresKeys
from credenza.gate.trust import Trust
from credenza.store import changes, leases, migrate
from credenza.store.changes import ChangeKind
from credenza.store.embedded import EmbeddedReader
from credenza.store.engine import Database, open_database, reading, writing
from credenza.store.payload_lookup import Parties
from credenza.store.postgresql import Line, LineReader
from credenza.store.schema import credentials, gates, services, trusted_authorities

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=2)
LONG_LEASE = timedelta(seconds=60)
"""Where none is to run out, however busy the machine is."""


def revoke(database: Database, key_id: str) -> changes.ChangeNumber:
    with writing(database.records) as connection:
        connection.execute(
            update(credentials).where(credentials.c.id == key_id).values(status="REVOKED", revoked_at=NOON)
        )
        return changes.record(connection, PLATFORM, ChangeKind.CREDENTIAL, key_id)


def retire_services(database: Database) -> changes.ChangeNumber:
    with writing(database.records) as connection:
        connection.execute(update(services).values(status="RETIRED"))
        return changes.record(connection, PLATFORM, ChangeKind.CATALOG, "1")


# --- SQLite ----------------------------------------------------------------------------------------------------------


class SqliteGate:
    def __init__(self, database: Database) -> None:
        self.reader = EmbeddedReader(Path(database.records.url.database or ""))
        self.keyring = Keyring(SqliteKeys(self.reader), clock=time.monotonic)
        self.routes = RouteTable()
        self.freshness = SqliteFreshness(self.reader, self.keyring, self.routes)
        self.freshness.look()

    def find(self, key_id: str) -> Entry:
        entry = self.keyring.peek(key_id)
        assert isinstance(entry, Entry)
        return entry


@pytest.fixture(params=["shared memory", "pragma"])
def sqlite_gate(sqlite_database: Database, request: pytest.FixtureRequest) -> Iterator[SqliteGate]:
    gate = SqliteGate(sqlite_database)
    if request.param == "shared memory":
        gate.reader.watch()
        gate.freshness.look()
    yield gate
    gate.reader.close()


def test_on_sqlite_a_look_after_the_commit_knows_of_it(sqlite_database: Database, sqlite_gate: SqliteGate) -> None:
    key_id = Rows(sqlite_database).signing_key()
    entry = sqlite_gate.find(key_id)
    sqlite_gate.freshness.look()
    before = entry.live

    revoke(sqlite_database, key_id)
    sqlite_gate.freshness.look()

    assert (before, entry.live) == (True, False)
    assert sqlite_gate.find(key_id).record.status is Status.REVOKED


def test_on_sqlite_every_one_of_many_revocations_is_seen_at_the_next_look(
    sqlite_database: Database, sqlite_gate: SqliteGate
) -> None:
    rows = Rows(sqlite_database)
    keys = [rows.signing_key() for _ in range(20)]
    entries = [sqlite_gate.find(key_id) for key_id in keys]

    for key_id, entry in zip(keys, entries, strict=True):
        revoke(sqlite_database, key_id)
        sqlite_gate.freshness.look()
        assert not entry.live


def test_on_sqlite_a_key_added_is_usable_at_once_when_nobody_asked_before(
    sqlite_database: Database, sqlite_gate: SqliteGate
) -> None:
    assert sqlite_gate.find(Rows(sqlite_database).signing_key()).live


def test_on_sqlite_routes_follow_the_catalog(sqlite_database: Database) -> None:
    rows = Rows(sqlite_database)
    rows.route(rows.service(), "/a")
    gate = SqliteGate(sqlite_database)
    before = gate.routes.find(SANDBOX, "/a/x")

    retire_services(sqlite_database)
    gate.freshness.look()

    assert before is not None
    assert gate.routes.find(SANDBOX, "/a/x") is None
    gate.reader.close()


def test_on_sqlite_a_restored_backup_makes_the_gate_begin_anew(
    sqlite_database: Database, sqlite_gate: SqliteGate
) -> None:
    key_id = Rows(sqlite_database).signing_key()
    for _ in range(3):
        revoke(sqlite_database, "another")
    sqlite_gate.freshness.look()
    entry = sqlite_gate.find(key_id)

    with writing(sqlite_database.records) as connection:
        connection.execute(text("DELETE FROM changes WHERE number > 1"))
        connection.execute(text("UPDATE change_counter SET number = 1"))
    sqlite_gate.freshness.look()

    assert (entry.live, sqlite_gate.keyring.number) == (False, 1)


def test_on_sqlite_a_file_that_cannot_be_read_closes_the_gate(sqlite_gate: SqliteGate) -> None:
    sqlite_gate.reader.close()

    with pytest.raises(GateClosed, match="database"):
        sqlite_gate.freshness.look()
    with pytest.raises(GateClosed, match="database"):
        sqlite_gate.keyring.peek("key")


def test_on_sqlite_the_gate_cannot_write(sqlite_gate: SqliteGate) -> None:
    with pytest.raises(Exception, match="readonly"):
        sqlite_gate.reader._connection.execute("UPDATE change_counter SET number = 9")


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


class BootClock:
    """CLOCK_BOOTTIME, which a test can set forward as a machine's sleep does."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self.slept


class PostgresGate:
    def __init__(self, database: Database, *, lease: timedelta = LEASE, memory: str = "here") -> None:
        self.url = url = database.records.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.clock = BootClock()
        self.reports: list[Exception] = []
        self.reader = LineReader(url, deadline_s=lease.total_seconds() / 2)
        self.trust = Trust()
        keys = PostgresKeys(self.reader)
        self.payload_keys = PayloadKeys(keys, None)
        self.keyring = Keyring(keys, clock=self.clock, followers=(self.payload_keys,))
        self.routes = RouteTable()
        self.freshness = PostgresFreshness(
            url,
            keys,
            self.keyring,
            self.routes,
            name="gate",
            clock=self.clock,
            report=self.reports.append,
            memory=memory,
            lease=lease,
            trust=self.trust,
        )

    def is_open(self) -> bool:
        with suppress(GateClosed):
            self.freshness.look()
            return True
        return False

    async def find(self, key_id: str) -> Entry:
        entry = await self.keyring.load(key_id)
        assert entry is not None
        return entry

    async def until(self, *, is_open: bool) -> None:
        while self.is_open() is not is_open:
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        await self.freshness.stop()
        await self.reader.close()


@pytest.fixture
async def gate(postgresql_database: Database) -> AsyncIterator[PostgresGate]:
    gate = PostgresGate(postgresql_database)
    await gate.freshness.start()
    yield gate
    await gate.stop()


@pytest.fixture
async def steady_gate(postgresql_database: Database) -> AsyncIterator[PostgresGate]:
    gate = PostgresGate(postgresql_database, lease=LONG_LEASE)
    await gate.freshness.start()
    yield gate
    await gate.stop()


async def reach(database: Database, number: changes.ChangeNumber) -> Reach:
    return await asyncio.to_thread(partial(leases.await_reach, database.records, number, lease=LEASE))


def registered(database: Database) -> list[str]:
    with reading(database.records) as connection:
        return list(connection.execute(select(gates.c.id)).scalars())


async def test_before_it_holds_a_lease_the_gate_is_closed(postgresql_database: Database) -> None:
    with pytest.raises(GateClosed, match="lease"):
        PostgresGate(postgresql_database).freshness.look()


async def test_when_a_revocation_is_answered_the_entry_is_dead(
    postgresql_database: Database, steady_gate: PostgresGate
) -> None:
    key_id = Rows(postgresql_database).signing_key()
    entry = await steady_gate.find(key_id)
    steady_gate.freshness.look()

    found = await reach(postgresql_database, revoke(postgresql_database, key_id))

    assert (found.gates, found.confirmed, found.lapsed) == (1, 1, 0)
    assert not entry.live
    assert (await steady_gate.find(key_id)).record.status is Status.REVOKED


async def test_service_credentials_are_as_dead_as_keys_when_a_change_is_answered(
    postgresql_database: Database, steady_gate: PostgresGate
) -> None:
    rows = Rows(postgresql_database)
    organization = rows.organization()
    project, service = rows.project(organization), rows.service()
    client_id = rows.environment(organization, project)
    rows.entitle(organization, project, service)
    place = {"project_id": project, "service_id": service, "client_id": client_id, "id": str(uuid4())}
    rows.credential(organization, kind=CredentialKind.RESPONSE_ENCRYPTION, **place)
    parties = Parties(project, service, SANDBOX)
    pair = await steady_gate.payload_keys.load(parties)
    steady_gate.freshness.look()

    with writing(postgresql_database.records) as connection:
        number = changes.record(connection, OrganizationId(organization), ChangeKind.SERVICE_KEY, project)
        connection.execute(credentials.update().values(status="REVOKED", revoked_at=NOON))
    await reach(postgresql_database, number)

    assert len(pair.keys) == 1
    assert not pair.live
    assert (await steady_gate.payload_keys.load(parties)).keys == ()


async def test_three_gates_confirm_each_of_many_revocations(postgresql_database: Database) -> None:
    rows = Rows(postgresql_database)
    keys = [rows.signing_key() for _ in range(10)]
    fleet = [PostgresGate(postgresql_database, lease=LONG_LEASE) for _ in range(3)]
    await asyncio.gather(*(gate.freshness.start() for gate in fleet))

    for key_id in keys:
        entries = [await gate.find(key_id) for gate in fleet]
        found = await reach(postgresql_database, revoke(postgresql_database, key_id))
        assert (found.confirmed, found.lapsed) == (3, 0)
        assert not any(entry.live for entry in entries)

    await asyncio.gather(*(gate.stop() for gate in fleet))


async def test_routes_follow_the_catalog(postgresql_database: Database) -> None:
    rows = Rows(postgresql_database)
    service_id = rows.service()
    rows.route(service_id, "/a")
    rows.route(service_id, "/b", PRODUCTION)
    gate = PostgresGate(postgresql_database, lease=LONG_LEASE)
    await gate.freshness.start()
    before = gate.routes.find(SANDBOX, "/a"), gate.routes.find(PRODUCTION, "/b")

    await reach(postgresql_database, retire_services(postgresql_database))

    assert None not in before
    assert (gate.routes.find(SANDBOX, "/a"), gate.routes.find(PRODUCTION, "/b")) == (None, None)
    await gate.stop()


async def test_certificates_and_whom_to_trust_follow_too(postgresql_database: Database) -> None:
    rows, identity, digest = Rows(postgresql_database), str(uuid4()), sha256(b"certificate").digest()
    rows.insert(
        trusted_authorities,
        organization_id=PLATFORM,
        id=identity,
        environment=SANDBOX,
        name="Others",
        certificate_der=b"authority",
        certificate_sha256=identity,
        is_anchor=True,
        checks_revocation=False,
        crl_url="",
        created_at=NOON,
    )
    rows.signing_key(
        kind=CredentialKind.MTLS_CERTIFICATE, certificate_der=b"certificate", trusted_authority_id=identity
    )
    gate = PostgresGate(postgresql_database, lease=LONG_LEASE)
    await gate.freshness.start()
    entry = await gate.keyring.load_certificate(digest)
    before = gate.trust.version

    with writing(postgresql_database.records) as connection:
        connection.execute(update(trusted_authorities).values(disabled_at=NOON))
        number = changes.record(connection, PLATFORM, ChangeKind.TRUST, identity)
    await reach(postgresql_database, number)

    again = await gate.keyring.load_certificate(digest)
    assert entry is not None
    assert again is not None
    assert (entry.record.trusted, entry.live, again.record.trusted) == (True, False, False)
    assert (before, gate.trust.version) == (1, 2)
    await gate.stop()


async def test_the_lease_goes_on_while_nothing_happens(gate: PostgresGate) -> None:
    await asyncio.sleep(2 * LEASE.total_seconds())

    assert gate.is_open()


async def test_a_machine_that_slept_has_no_lease_when_it_wakes(gate: PostgresGate) -> None:
    gate.clock.slept = LEASE.total_seconds()

    with pytest.raises(GateClosed, match="lease"):
        gate.freshness.look()
    await gate.until(is_open=True)


async def test_the_lease_counts_from_before_its_renewal_was_sent(postgresql_database: Database) -> None:
    gate = PostgresGate(postgresql_database, lease=timedelta(seconds=60))
    await gate.freshness.start()

    with writing(postgresql_database.records) as connection:
        connection.execute(select(gates.c.id).with_for_update())
        number = revoke(postgresql_database, "another")
        while not renewal_waits(postgresql_database):
            await asyncio.sleep(0.005)
        gate.clock.slept = 60
    found = await reach(postgresql_database, number)
    await asyncio.sleep(0.05)

    assert found.confirmed == 1
    assert not gate.is_open()
    await gate.stop()


def renewal_waits(database: Database) -> bool:
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE gates%'"
    with reading(database.records) as connection:
        return connection.execute(text(query)).first() is not None


async def test_a_gate_that_was_given_up_forgets_everything_and_joins_anew(
    postgresql_database: Database, gate: PostgresGate
) -> None:
    entry = await gate.find(Rows(postgresql_database).signing_key())
    (first,) = registered(postgresql_database)

    with writing(postgresql_database.records) as connection:
        connection.execute(delete(gates))
    while not (joined := registered(postgresql_database)):
        await asyncio.sleep(0.005)
    await gate.until(is_open=True)

    assert joined != [first]
    assert not entry.live


async def test_a_fenced_gate_forgets_everything_and_joins_anew(
    postgresql_database: Database, gate: PostgresGate
) -> None:
    entry = await gate.find(Rows(postgresql_database).signing_key())

    with writing(postgresql_database.records) as connection:
        connection.execute(update(gates).values(fenced=True))
    while len(registered(postgresql_database)) < 2:
        await asyncio.sleep(0.005)
    await gate.until(is_open=True)

    assert not entry.live


async def test_a_gate_that_stops_is_closed_and_has_left(postgresql_database: Database) -> None:
    gate = PostgresGate(postgresql_database, lease=timedelta(days=1))
    await gate.freshness.start()
    assert (gate.is_open(), len(registered(postgresql_database))) == (True, 1)

    await gate.stop()

    assert (gate.is_open(), registered(postgresql_database)) == (False, [])


async def test_changes_made_while_the_connection_was_broken_are_caught_up(
    postgresql_database: Database, steady_gate: PostgresGate
) -> None:
    key_id = Rows(postgresql_database).signing_key()
    entry = await steady_gate.find(key_id)

    with writing(postgresql_database.records) as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    found = await reach(postgresql_database, revoke(postgresql_database, key_id))

    assert (found.confirmed, found.lapsed, entry.live) == (1, 0, False)
    assert steady_gate.reports


# --- PostgreSQL that hangs, dies and fails over ----------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[PostgreSQLServer]:
    """A server of the test's own: the others go on with theirs."""
    with PostgreSQLServer(durable=True) as server:
        yield server


@pytest.fixture
def own_database(server: PostgreSQLServer) -> Iterator[Database]:
    database = open_database(server.create_database())
    migrate.upgrade(database)
    yield database
    database.close()


async def test_a_frozen_database_closes_the_gate_and_a_thawed_one_opens_it(
    server: PostgreSQLServer, own_database: Database
) -> None:
    rows = Rows(own_database)
    known, unknown = rows.signing_key(), rows.signing_key()
    gate = PostgresGate(own_database)
    await gate.freshness.start()
    entry = await gate.find(known)

    server.freeze()
    loads = [asyncio.create_task(gate.keyring.load(unknown)) for _ in range(6)]
    await gate.until(is_open=False)
    refused = await asyncio.gather(*loads, return_exceptions=True)
    server.thaw()
    await gate.until(is_open=True)

    assert [type(each) for each in refused] == [GateClosed] * 6
    assert (await gate.find(unknown)).live
    assert entry.live
    await gate.stop()


async def test_a_revocation_during_a_freeze_is_never_missed(server: PostgreSQLServer, own_database: Database) -> None:
    """It is committed the moment the database thaws, before the gate has been heard of again."""
    key_id = Rows(own_database).signing_key()
    gate = PostgresGate(own_database)
    await gate.freshness.start()
    entry = await gate.find(key_id)

    server.freeze()
    revocation = asyncio.create_task(asyncio.to_thread(revoke, own_database, key_id))
    await gate.until(is_open=False)
    server.thaw()
    await reach(own_database, await revocation)

    assert not (entry.live and gate.is_open())
    await gate.until(is_open=True)
    assert not entry.live
    await gate.stop()


async def test_a_gate_can_be_stopped_while_the_database_is_frozen(
    server: PostgreSQLServer, own_database: Database
) -> None:
    gate = PostgresGate(own_database)
    await gate.freshness.start()
    server.freeze()
    await gate.until(is_open=False)

    async with asyncio.timeout(120):
        await gate.stop()

    assert not gate.is_open()
    server.thaw()


async def test_a_restarted_database_is_joined_again(server: PostgreSQLServer, own_database: Database) -> None:
    key_id = Rows(own_database).signing_key()
    gate = PostgresGate(own_database)
    await gate.freshness.start()
    entry = await gate.find(key_id)

    await asyncio.to_thread(server.kill)
    await gate.until(is_open=False)
    server.restart()
    await gate.until(is_open=True)

    assert entry.live
    assert (await gate.find(Rows(own_database).signing_key())).live
    await gate.stop()


async def test_a_gate_starts_closed_while_the_database_is_down(
    server: PostgreSQLServer, own_database: Database
) -> None:
    server.stop()
    gate = PostgresGate(own_database)

    await gate.freshness.start()
    before = gate.is_open()
    server.restart()
    await gate.until(is_open=True)

    assert not before
    assert isinstance(gate.reports[0], psycopg.OperationalError)
    await gate.stop()


async def test_after_a_failover_nothing_from_before_is_trusted(
    server: PostgreSQLServer, own_database: Database
) -> None:
    """A standby leases to nobody; promoted, it may have lost registrations and changes, so all begins anew."""
    gate = PostgresGate(own_database)
    await gate.freshness.start()
    entry = await gate.find(Rows(own_database).signing_key())
    (first,) = registered(own_database)

    server.stop()
    (server.directory / "cluster" / "standby.signal").touch()
    server.start()
    own_database.records.dispose()
    await gate.until(is_open=False)
    as_standby = registered(own_database)
    with psycopg.connect(gate.url) as connection:
        connection.execute("SELECT pg_promote()")
    await gate.until(is_open=True)

    found = await reach(own_database, revoke(own_database, "another"))
    assert as_standby == [first]
    assert registered(own_database) != [first]
    assert not entry.live
    assert found.took >= LEASE
    await gate.stop()


async def test_on_postgresql_a_gate_beside_one_that_remembers_calls_elsewhere_stays_closed_until_that_has_gone(
    postgresql_database: Database, steady_gate: PostgresGate
) -> None:
    other = PostgresGate(postgresql_database, memory="there")
    await other.freshness.start()

    closed, reports = other.is_open(), list(other.reports)
    await steady_gate.freshness.stop()
    await other.until(is_open=True)

    assert not closed
    assert [type(each) for each in reports] == [leases.OtherMemory]
    await other.stop()


async def test_on_postgresql_a_gate_that_comes_back_to_another_in_its_place_closes(
    postgresql_database: Database, gate: PostgresGate
) -> None:
    with writing(postgresql_database.records) as connection:  # as if the other had come while this one was frozen
        connection.execute(update(gates).values(renewed_at=NOON))
    assert await until_registered(postgresql_database, memory="there")

    await gate.until(is_open=False)
    while not gate.reports:
        await asyncio.sleep(0.005)

    assert isinstance(gate.reports[-1], leases.OtherMemory)
    assert not gate.is_open()


async def until_registered(database: Database, *, memory: str) -> bool:
    """Register by hand a gate that never lapses, as soon as it may."""
    url = database.records.url.set(drivername="postgresql").render_as_string(hide_password=False)
    line = await Line.open(url, deadline_s=5)
    try:
        while True:
            with suppress(leases.OtherMemory):
                await leases.register(line, "other", name="other", lease=timedelta(days=1), memory=memory)
                return True
            with writing(database.records) as connection:
                connection.execute(update(gates).values(renewed_at=NOON))
    finally:
        await line.close()
