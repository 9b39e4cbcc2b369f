"""`credenza audit verify`: no edit, deletion, swap or cut-off tail goes unseen, on the server or far from it."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import delete, update
from tests.actions.stage import OPERATOR, new_platform
from tests.cli.installation import Installation
from tests.clock import NOON

from credenza.actions import audit_files, audit_log, organizations
from credenza.actions.context import Platform
from credenza.cli import audit_archive
from credenza.cli.audit_archive import Unreadable
from credenza.domain import audit
from credenza.domain.model import OrganizationId
from credenza.store import audit as rows
from credenza.store import schema
from credenza.store.engine import Database, open_database, writing

LENGTH = 40
RECORD = audit.Record(
    at=NOON,
    actor_kind="access_token",
    actor_id="ann",
    user_id="u",
    address="192.0.2.7",
    action="key.revoke",
    outcome=audit.Outcome.DONE,
    code="",
    project_id="p",
    subject="s",
    detail="ends «today»",
)


@pytest.fixture
def platform(sqlite_database: Database) -> Platform:
    return new_platform(sqlite_database, now=NOON)


@pytest.fixture
def exported(platform: Platform) -> list[bytes]:
    """A log of 40 entries and their checkpoint, as the management API writes them."""
    organization = organizations.create(platform, OPERATOR, name="Acme", now=NOON)
    with writing(platform.database.records) as connection:
        for number in range(LENGTH):
            rows.append(connection, organization.id, replace(RECORD, subject=str(number)))
    return export(platform, organization.id)


def export(platform: Platform, organization_id: OrganizationId) -> list[bytes]:
    with audit_log.export(platform, OPERATOR, organization_id, now=NOON) as (entries, checkpoint):
        lines = audit_files.json_lines(entries, checkpoint)
    return b"".join(lines).splitlines()


def key_of(platform: Platform) -> bytes:
    return platform.checkpoint_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def is_found(lines: list[bytes], pinned: bytes | None = None) -> bool:
    try:
        return audit_archive.verify(lines, pinned=pinned).verdict.flaw is not None
    except Unreadable:
        return True


def test_an_unaltered_export_verifies(platform: Platform, exported: list[bytes]) -> None:
    verified = audit_archive.verify(exported, pinned=key_of(platform))

    assert (verified.verdict.flaw, verified.verdict.entries) == (None, LENGTH)


def test_a_new_organizations_empty_log_verifies(platform: Platform) -> None:
    organization = organizations.create(platform, OPERATOR, name="Empty", now=NOON)
    with writing(platform.database.records) as connection:
        for table in (schema.audit_entries, schema.audit_heads):
            connection.execute(delete(table))

    assert audit_archive.verify(export(platform, organization.id), pinned=None).verdict.entries == 0


def edit(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Change one value of one line, the checkpoint's included."""
    place = chance.randrange(len(lines))
    fields = json.loads(lines[place])
    name = chance.choice(sorted(fields))
    value = fields[name]
    if name == "outcome":
        fields[name] = "failed"
    elif name == "at":
        fields[name] = value.replace("2025", str(chance.randint(2026, 2036)))
    elif isinstance(value, int):
        fields[name] = value + chance.choice([-1, 1])
    else:
        at = chance.randint(0, len(value))
        fields[name] = value[:at] + chance.choice("0aZ-") + value[at:]
    return [*lines[:place], json.dumps(fields).encode(), *lines[place + 1 :]]


def delete_lines(lines: list[bytes], chance: random.Random) -> list[bytes]:
    start = chance.randrange(len(lines))
    return lines[:start] + lines[start + chance.randint(1, 3) :]


def swap(lines: list[bytes], chance: random.Random) -> list[bytes]:
    one, other = chance.sample(range(len(lines)), 2)
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    return swapped


def repeat(lines: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(len(lines))
    return [*lines[:place], lines[place], *lines[place:]]


def cut_off_tail(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Without its newest entries, but with the checkpoint."""
    return [*lines[: chance.randrange(len(lines) - 1)], lines[-1]]


def flip_a_bit(lines: list[bytes], chance: random.Random) -> list[bytes]:
    place = chance.randrange(len(lines) - 1)
    line = bytearray(lines[place])
    line[chance.randrange(len(line))] ^= 1 << chance.randrange(8)
    return [*lines[:place], bytes(line), *lines[place + 1 :]]


def hide_a_field(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """A second value, or one that nobody asked for, which a lenient reader would show."""
    place = chance.randrange(len(lines) - 1)
    name = chance.choice([b'"detail"', b'"note"'])
    return [*lines[:place], b"{" + name + b':"hidden",' + lines[place][1:], *lines[place + 1 :]]


ALTERING = [edit, delete_lines, swap, repeat, cut_off_tail, flip_a_bit, hide_a_field]


@pytest.mark.parametrize("alter", ALTERING, ids=lambda alter: alter.__name__)
def test_a_random_alteration_of_an_export_is_found(
    exported: list[bytes],
    alter: Callable[[list[bytes], random.Random], list[bytes]],
    scale: Callable[[int], int],
) -> None:
    unseen = [seed for seed in range(scale(10_000)) if not is_found(alter(exported, random.Random(seed)))]

    assert unseen == []


def test_a_forged_log_signed_by_another_key_is_found_by_who_knows_the_key(
    platform: Platform, exported: list[bytes]
) -> None:
    forged = export(replace(platform, checkpoint_key=ec.generate_private_key(ec.SECP256R1())), chain_of(exported))

    assert not is_found(forged)
    assert is_found(forged, pinned=key_of(platform))


def chain_of(lines: list[bytes]) -> OrganizationId:
    return OrganizationId(json.loads(lines[-1])["chain"])


def test_the_command_verifies_an_export_far_from_any_server(
    platform: Platform, exported: list[bytes], installation: Installation, tmp_path: Path
) -> None:
    log, key = tmp_path / "log.jsonl", tmp_path / "key.pem"
    log.write_bytes(b"\n".join(exported) + b"\n")
    key.write_bytes(key_of(platform))

    unpinned = installation.done("audit", "verify", "--archive", log)
    pinned = installation.done("audit", "verify", "--archive", log, "--public-key", key, "-o", "json")

    assert "Is it the platform's key?" in unpinned.err
    assert pinned.err == ""
    assert pinned.document == [{"chain": chain_of(exported), "entries": LENGTH, "outcome": "ok"}]
    assert not installation.directory.exists()


def test_the_command_names_the_first_flaw(installation: Installation, exported: list[bytes], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join([*exported[:6], *exported[7:]]))

    ended = installation.run("audit", "verify", "--archive", log, "-o", "json")

    assert ended.exit_code == 1
    assert ended.document[0]["outcome"] == "entry 7 missing: the next entry is 8"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The file is empty."),
        (b"{}\n", "Line 1 is not the signed checkpoint."),
        (b"\xff\xfe\n", "Line 1 is not the signed checkpoint."),
    ],
)
def test_what_is_no_export_is_a_sentence(installation: Installation, tmp_path: Path, content: bytes, told: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(content)

    ended = installation.run("audit", "verify", "--archive", log)

    assert (ended.exit_code, ended.err) == (1, f"credenza: {told}\n")


def test_a_truncated_export_lacks_its_checkpoint(
    installation: Installation, exported: list[bytes], tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(exported[:-1]))

    ended = installation.run("audit", "verify", "--archive", log)

    assert (ended.exit_code, ended.err) == (1, f"credenza: Line {LENGTH} is not the signed checkpoint.\n")


def test_a_key_alone_is_a_mistake(installation: Installation, tmp_path: Path) -> None:
    assert installation.run("audit", "verify", "--public-key", tmp_path / "key.pem").exit_code == 2


def test_every_chain_of_an_installation_is_verified(either: Installation) -> None:
    either.done("org", "create", "Acme")

    verified = either.done("audit", "verify", "-o", "json")

    assert [each["outcome"] for each in verified.document] == ["ok"]


@pytest.mark.parametrize(
    ("alter", "outcome"),
    [
        (lambda: update(schema.audit_entries).values(detail="nothing"), "entry 1 was altered"),
        (lambda: delete(schema.audit_entries), "entry 1 missing: a checkpoint names entry 2"),
        (lambda: delete(schema.audit_heads), "entry 1 stands behind the recorded head"),
        (lambda: update(schema.audit_heads).values(sequence=1), "entry 1 differs from its checkpoint"),
    ],
)
def test_an_altered_chain_ends_the_command_with_1(
    installation: Installation, alter: Callable[[], Any], outcome: str
) -> None:
    for name in ("One", "Two"):
        installation.done("org", "create", name)
    database = open_database(f"sqlite:///{installation.directory}/credenza.db")
    with writing(database.records) as connection:
        connection.execute(alter())
    database.close()

    ended = installation.run("audit", "verify", "-o", "json")

    assert (ended.exit_code, [each["outcome"] for each in ended.document]) == (1, [outcome])
