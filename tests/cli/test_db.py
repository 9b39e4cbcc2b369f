"""`credenza db`: what an operator sees when the database is upgraded, checked, backed up and brought back."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import update
from tests.cli.installation import Installation
from tests.store.rows import Rows

from credenza.adapters import vault
from credenza.domain.model import ChangeNumber
from credenza.store import enforced, schema
from credenza.store.engine import open_database, writing


@pytest.fixture
def started(installation: Installation) -> Installation:
    """With an organization, and a key of it."""
    installation.done("org", "create", "Acme")
    installation.key_id = add_key(installation)
    return installation


def add_key(installation: Installation) -> str:
    database = open_database(f"sqlite:///{installation.directory}/credenza.db")
    key = Rows(database).signing_key()
    database.close()
    return key


def change(installation: Installation, statement: object) -> None:
    database = open_database(f"sqlite:///{installation.directory}/credenza.db")
    with writing(database.records) as connection:
        connection.execute(statement)
    database.close()


def names(installation: Installation) -> set[str]:
    return {each["name"] for each in installation.done("org", "list", "-o", "json").document}


def test_an_upgrade_brings_a_new_database_to_this_release(on_postgresql: Installation) -> None:
    before = on_postgresql.run("org", "list")
    first, second = on_postgresql.done("db", "upgrade"), on_postgresql.done("db", "upgrade")

    assert (before.exit_code, "credenza db upgrade" in before.err) == (1, True)
    assert "brought to this release" in first.err
    assert "up to date" in second.err
    assert on_postgresql.done("org", "create", "Acme")


def test_a_sound_database_passes_the_check(either: Installation) -> None:
    either.done("org", "create", "Acme")

    checked = either.done("db", "check", "-o", "json")

    assert [(each["name"], each["ok"]) for each in checked.document] == [
        ("schema", True),
        ("tables", True),
        ("audit_log", True),
        ("key-encryption_key", True),
        ("shared_primes", True),
        ("age", True),
    ]


def test_keys_that_share_a_prime_are_named_and_the_prime_is_not(either: Installation) -> None:
    either.done("org", "create", "Acme")
    database = open_database(either.setting("DATABASE_URL") or f"sqlite:///{either.directory}/credenza.db")
    rows = Rows(database)
    sound, *weak = (rows.signing_key() for _ in range(3))
    numbers = [rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers() for _ in range(2)]
    p = numbers[0].p
    with writing(database.records) as connection:
        for key_id, q in zip(weak, (numbers[0].q, numbers[1].q), strict=True):
            public = rsa.RSAPublicNumbers(65537, p * q).public_key()
            der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            mine = schema.credentials.c.id == key_id
            connection.execute(update(schema.credentials).where(mine).values(public_key_der=der))
    database.close()

    checked = either.run("db", "check", "-o", "json")

    told = {each["detail"] for each in checked.document if each["name"] == "shared_primes" and not each["ok"]}
    assert checked.exit_code == 1
    assert told == {f"key {one} shares a prime with {other}" for one, other in (weak, weak[::-1])}
    assert sound not in str(told)
    assert str(p) not in checked.out + checked.err


def test_a_check_makes_no_database(installation: Installation) -> None:
    checked = installation.run("db", "check")

    assert checked.exit_code == 3
    assert not installation.directory.exists()


def test_an_unmigrated_database_fails_the_check(on_postgresql: Installation) -> None:
    checked = on_postgresql.run("db", "check")

    assert checked.exit_code == 1
    assert "✗ failed  schema" in checked.out
    assert "credenza db upgrade" in checked.out


def test_an_altered_audit_log_fails_the_check(started: Installation) -> None:
    change(started, update(schema.audit_entries).values(detail="nothing"))

    checked = started.run("db", "check")

    assert checked.exit_code == 1
    assert "entry 1 was altered" in checked.out


def test_another_key_encryption_key_fails_the_check_once_for_each_that_it_does_not_open(started: Installation) -> None:
    started.key.unlink()
    vault.make_key_file(started.key)

    checked = started.run("db", "check", "-o", "json")

    failed = [each["detail"] for each in checked.document if not each["ok"]]
    assert checked.exit_code == 1
    # Three secrets of the platform, and per environment a root, an issuing authority and both issuers' first two keys.
    assert len(failed) == 3 + 2 * (1 + 1 + 2 * 2)
    assert len([each for each in failed if "does not open the token key" in each]) == 2 * 2 * 2


def test_a_swapped_private_key_of_an_authority_fails_the_check(started: Installation) -> None:
    change(started, update(schema.authorities).values(wrapped_private_key=b"\0" * 40))

    checked = started.run("db", "check")

    assert checked.exit_code == 1
    assert checked.out.count("does not open the private key of authority") == 4


def test_a_database_older_than_what_was_enforced_fails_the_check(started: Installation) -> None:
    enforced.write(started.directory, ChangeNumber(7))

    checked = started.run("db", "check")

    assert checked.exit_code == 1
    assert "credenza db restore" in checked.out


def test_a_file_that_is_no_database_is_told_with_the_cure(started: Installation) -> None:
    for path in started.directory.glob("credenza.db*"):
        path.unlink()
    (started.directory / "credenza.db").write_bytes(b"no database" * 1000)

    checked = started.run("db", "check")

    assert checked.exit_code == 1
    assert "Traceback" not in checked.err
    assert "fault of Credenza" not in checked.err
    assert "credenza db restore" in checked.err + checked.out


def test_a_backup_is_for_its_owner_alone_and_overwrites_nothing_unasked(started: Installation, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    started.done("db", "backup", path)

    again = started.run("db", "backup", path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (again.exit_code, "--force" in again.err) == (1, True)
    started.done("db", "backup", path, "--force")


def test_a_backup_into_no_directory_is_a_sentence(started: Installation, tmp_path: Path) -> None:
    ended = started.run("db", "backup", tmp_path / "nowhere" / "backup")

    assert (ended.exit_code, ended.err) == (3, f"credenza: There is no directory {tmp_path}/nowhere.\n")


def test_a_lost_disk_comes_back_in_quarantine_until_it_is_released(
    started: Installation, anew: Callable[[Installation], Installation], tmp_path: Path
) -> None:
    started.done("db", "backup", tmp_path / "backup")
    found = anew(started)

    restored = found.done("db", "restore", tmp_path / "backup")

    assert "IN QUARANTINE: 1 credentials" in restored.err
    assert [each["id"] for each in found.done("db", "quarantine", "-o", "json").document] == [started.key_id]
    assert found.run("doctor").out.count("✗ failed  quarantine") == 1
    released = found.done("db", "release", started.key_id, "-o", "json")
    assert [each["id"] for each in released.document] == [started.key_id]
    assert found.done("db", "quarantine", "-o", "json").document == []
    found.done("db", "check")


def test_a_project_and_everything_can_be_released(
    started: Installation, anew: Callable[[Installation], Installation], tmp_path: Path
) -> None:
    other = add_key(started)
    started.done("db", "backup", tmp_path / "backup")
    found = anew(started)
    found.done("db", "restore", tmp_path / "backup", "--quiet")
    held = {each["id"]: each["projectId"] for each in found.done("db", "quarantine", "-o", "json").document}

    of_project = found.done("db", "release", "--project", held[other], "-o", "json").document
    rest = found.done("db", "release", "--all", "-o", "json").document

    assert [each["id"] for each in of_project] == [other]
    assert [each["id"] for each in rest] == [started.key_id]


@pytest.mark.parametrize("arguments", [(), ("--all", "--project", "x"), ("x", "--all")])
def test_a_release_says_what_it_is_of(started: Installation, arguments: tuple[str, ...]) -> None:
    assert started.run("db", "release", *arguments).exit_code == 2


def test_what_is_not_held_is_not_found(started: Installation) -> None:
    ended = started.run("db", "release", started.key_id)

    assert (ended.exit_code, "Not in quarantine" in ended.err) == (3, True)


def test_a_backup_moves_from_one_kind_of_database_to_the_other_and_back(
    started: Installation,
    on_postgresql: Installation,
    anew: Callable[[Installation], Installation],
    tmp_path: Path,
) -> None:
    shutil.copy(started.key, on_postgresql.key)
    on_postgresql.done("db", "upgrade")
    started.done("db", "backup", tmp_path / "first")

    on_postgresql.done("db", "restore", tmp_path / "first")
    on_postgresql.done("db", "check")
    on_postgresql.done("db", "backup", tmp_path / "second")
    back = anew(started)
    back.done("db", "restore", tmp_path / "second")

    back.done("db", "check")
    assert "Acme" in names(back)


def test_a_database_that_knows_what_was_revoked_comes_back_without_quarantine(
    started: Installation, tmp_path: Path
) -> None:
    started.done("db", "backup", tmp_path / "backup")
    unasked = started.run("db", "restore", tmp_path / "backup")

    restored = started.done("db", "restore", tmp_path / "backup", "--replace", "-o", "json")

    assert (unasked.exit_code, "--replace" in unasked.err) == (1, True)
    assert restored.document["held"] is None
    assert restored.document["changeNumber"] == enforced.read(started.directory)


def test_a_database_file_copied_back_is_refused_and_a_restore_of_it_lets_nobody_in(
    started: Installation, tmp_path: Path
) -> None:
    """Threat 24: the copy vouches for nothing, however it is brought back."""
    old = tmp_path / "old.db"
    shutil.copy(started.directory / "credenza.db", old)
    enforced.write(started.directory, ChangeNumber(5))
    shutil.copy(old, started.directory / "credenza.db")

    started.done("db", "backup", tmp_path / "backup")
    restored = started.done("db", "restore", tmp_path / "backup", "--replace", "-o", "json")

    assert restored.document["held"] == 1
    assert restored.document["changeNumber"] > 5
    started.done("db", "check")


def test_a_damaged_archive_is_a_sentence_and_changes_nothing(started: Installation, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    started.done("db", "backup", path)
    os.truncate(path, path.stat().st_size // 2)

    restored = started.run("db", "restore", path, "--replace")

    assert restored.exit_code == 1
    assert restored.err == "credenza: The archive is cut off: its manifest is missing. Nothing was changed.\n"
    assert "Acme" in names(started)


def test_a_restore_makes_no_key(installation: Installation, tmp_path: Path) -> None:
    restored = installation.run("db", "restore", tmp_path / "backup")

    assert (restored.exit_code, "is missing" in restored.err) == (1, True)
    assert not installation.key.exists()


def test_another_key_encryption_key_restores_nothing(
    started: Installation, anew: Callable[[Installation], Installation], tmp_path: Path
) -> None:
    started.done("db", "backup", tmp_path / "backup")
    found = anew(started)
    found.set(key_encryption_key_file=str(tmp_path / "other.key"))
    vault.make_key_file(tmp_path / "other.key")

    restored = found.run("db", "restore", tmp_path / "backup")

    assert (restored.exit_code, "another key-encryption key" in restored.err) == (1, True)


def test_a_database_that_does_not_answer_is_a_sentence(on_postgresql: Installation) -> None:
    on_postgresql.set(database_url="postgresql://credenza@127.0.0.1:1/nothing")

    ended = on_postgresql.run("db", "check")

    assert ended.exit_code == 1
    assert ended.err.startswith("credenza: The database does not answer")


def test_a_constraint_that_was_never_checked_fails_the_check(on_postgresql: Installation) -> None:
    on_postgresql.done("db", "upgrade")
    on_postgresql.done("org", "create", "Acme")
    url = on_postgresql.setting("DATABASE_URL")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE users ADD CONSTRAINT later CHECK (name <> 'x') NOT VALID")

    checked = on_postgresql.run("db", "check")

    assert (checked.exit_code, "later was never checked" in checked.out) == (1, True)
