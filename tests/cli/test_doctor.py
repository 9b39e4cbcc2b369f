"""`credenza doctor`: every fault is found, named, and comes with its cure."""

import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from tests.cli.installation import Installation
from tests.clock import NOON
from tests.servers import RedisServer, free_port
from tests.store.rows import Rows

from credenza.cli import demo_tls, local, machine_checks
from credenza.domain.model import ChangeNumber
from credenza.settings import Settings
from credenza.store import enforced, quarantine, schema
from credenza.store.engine import Database, open_database, writing

PORTS = ("manage", "sandbox", "production", "decision")


@pytest.fixture
def sound(either: Installation) -> Installation:
    """An installation on either database that has nothing wrong with it."""
    for name in PORTS:
        either.set(**{f"{name}_bind": f"127.0.0.1:{free_port()}"})
    either.done("org", "create", "Acme")
    return either


@pytest.fixture
def embedded(installation: Installation) -> Installation:
    for name in PORTS:
        installation.set(**{f"{name}_bind": f"127.0.0.1:{free_port()}"})
    installation.done("org", "create", "Acme")
    return installation


def failed(installation: Installation) -> dict[str, dict[str, str]]:
    """What the doctor found wrong, by its name."""
    examined = installation.run("doctor", "-o", "json")
    found = {each["name"]: each for each in examined.document if each["ok"] is False}
    assert examined.exit_code == (1 if found else 0)
    return found


def open_records(installation: Installation) -> Database:
    return open_database(installation.setting("DATABASE_URL") or f"sqlite:///{installation.directory}/credenza.db")


@contextmanager
def records(installation: Installation) -> Iterator[Database]:
    database = open_records(installation)
    try:
        yield database
    finally:
        database.close()


def test_a_sound_installation_has_no_failures(sound: Installation) -> None:
    # The PostgreSQL of these tests does without what makes it slow and durable.
    assert failed(sound).keys() == ({"fsync", "full_page_writes"} if sound.setting("DATABASE_URL") else set())


def test_settings_that_cannot_be_read_are_told_and_nothing_else_is_looked_at(embedded: Installation) -> None:
    embedded.set(max_skew_s="many")

    assert failed(embedded).keys() == {"settings"}


def test_a_new_machine_is_told_what_makes_it(installation: Installation) -> None:
    assert {"data_directory", "key_encryption_key", "database"} <= failed(installation).keys()
    assert not installation.directory.exists()


def test_a_data_directory_or_key_file_open_to_others_is_found(embedded: Installation) -> None:
    embedded.directory.chmod(0o755)
    embedded.key.chmod(0o640)

    found = failed(embedded)

    assert found["data_directory"]["cure"] == f"Run: chmod 700 {embedded.directory}"
    assert "chmod 600" in found["key_encryption_key"]["detail"]


def test_a_database_that_does_not_answer_is_found(embedded: Installation) -> None:
    embedded.set(database_url="postgresql://credenza@127.0.0.1:1/nothing")

    assert failed(embedded).keys() == {"database"}


def test_an_unmigrated_database_is_found(on_postgresql: Installation) -> None:
    assert failed(on_postgresql)["schema"]["cure"] == "Run: credenza db upgrade"


def test_a_postgresql_that_answers_before_it_has_written_is_found(on_postgresql: Installation) -> None:
    on_postgresql.done("db", "upgrade")
    with records(on_postgresql) as database, writing(database.records) as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))

    found = failed(on_postgresql)

    assert found["synchronous_commit"]["detail"] == "off"
    assert found["fsync"]["detail"] == "off"  # the server of these tests


@pytest.mark.parametrize("apart", [timedelta(seconds=-10), timedelta(seconds=10)])
def test_a_clock_that_is_more_than_two_seconds_off_is_found(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch, apart: timedelta
) -> None:
    true_now = local.now
    monkeypatch.setattr(local, "now", lambda: true_now() + apart)

    check = machine_checks.clock_check(postgresql_database)

    seconds, _, rest = check.detail.partition(" ")
    assert (check.ok, rest) == (False, "s from the database's")
    assert 2 < float(seconds) <= 10  # less by what the question took


def test_what_the_database_itself_has_wrong_is_found(sound: Installation) -> None:
    with records(sound) as database:
        Rows(database).signing_key()
        with writing(database.records) as connection:
            connection.execute(update(schema.audit_entries).values(detail="nothing"))
            quarantine.impose(connection, now=NOON)
    enforced.write(sound.directory, ChangeNumber(7))

    found = failed(sound)

    assert {"audit_log", "quarantine", "age"} <= found.keys()


def test_an_authority_that_ends_soon_is_found(embedded: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    true_now = local.now
    monkeypatch.setattr(local, "now", lambda: true_now() + timedelta(days=8 * 365))

    assert failed(embedded).keys() == {"sandbox_issuing_authority", "production_issuing_authority"}


def test_a_redis_that_may_forget_is_found(embedded: Installation) -> None:
    with RedisServer(append_only=False) as redis:
        embedded.set(replay_url=redis.url)
        found = failed(embedded)

    assert "appendonly" in found["replay_memory"]["detail"] or "appendfsync" in found["replay_memory"]["detail"]


def test_a_durable_redis_is_sound(embedded: Installation, redis_server: RedisServer) -> None:
    embedded.set(replay_url=redis_server.url)

    assert failed(embedded) == {}


def test_replay_memory_without_room_is_found(embedded: Installation) -> None:
    embedded.set(replay_capacity=str(10**12))

    assert "MiB free" in failed(embedded)["replay_memory"]["detail"]


def test_a_network_file_system_is_told_from_a_local_one() -> None:
    assert machine_checks._file_system(Path("/proc/self")) == "proc"


@contextmanager
def listening(port: int, answer: bytes) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_request(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_a_port_that_another_program_has_is_found_and_one_of_ours_is_not(embedded: Installation) -> None:
    ours, theirs = free_port(), free_port()
    embedded.set(manage_bind=f"127.0.0.1:{ours}", sandbox_bind=f"127.0.0.1:{theirs}")

    with listening(ours, b'{"status":"ok"}'), listening(theirs, b"It works!"):
        found = failed(embedded)

    assert found.keys() == {"sandbox_gate"}
    assert "taken by another program" in found["sandbox_gate"]["detail"]


def test_tls_files_are_read_and_their_end_is_seen(embedded: Installation, tmp_path: Path) -> None:
    files = demo_tls.make(tmp_path, now=local.now())
    embedded.set(tls_certificate=str(files.certificate), tls_private_key=str(files.private_key))
    assert failed(embedded) == {}

    demo_tls.make(tmp_path, now=local.now() - timedelta(days=340))
    assert failed(embedded).keys() == {"TLS_of_the_gates"}

    files.private_key.write_text("no key")
    assert failed(embedded)["TLS_of_the_gates"]["cure"].startswith("Both must be PEM")


def test_without_badkeys_the_doctor_says_what_is_not_checked(
    embedded: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "badkeys", None)

    examined = embedded.done("doctor")

    assert "- not checked  known weak keys" in examined.out
    assert "pip install 'credenza[badkeys]'" in examined.out


def test_the_doctor_changes_nothing(embedded: Installation) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in embedded.directory.rglob("*")}

    before = files()
    embedded.done("doctor")

    assert files() == before


def test_settings_of_a_replay_directory_that_is_not_there_yet_are_fine(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a" / "b", replay_capacity=1000)

    (check,) = machine_checks.replay_checks(settings)

    assert check.ok
