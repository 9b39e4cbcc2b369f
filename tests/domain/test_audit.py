"""The hash chain without a database: it verifies offline, and no alteration of it goes unseen."""

import random
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta, timezone

import pytest
from tests.clock import NOON

from credenza.domain import audit
from credenza.domain.audit import Checkpoint, Entry, Flaw, Outcome, Record

CHAIN = "3f0d9a52-6f0c-4a55-9a3d-1f6f6a1d9b11"
LENGTH = 200
ALTERATIONS = 1_000

RECORD = Record(
    at=NOON,
    actor_kind="access_token",
    actor_id="7a1c8f8e-4a1f-4f0e-8f1b-2f4f5f6f7f8f",
    user_id="0e8f6f4e-2f1b-4f0e-9a3d-1f6f6a1d9b11",
    address="192.0.2.7",
    action="key.revoke",
    outcome=Outcome.DONE,
    code="",
    project_id="5b3f0d9a-6f0c-4a55-9a3d-1f6f6a1d9b11",
    subject="0123456789abcdef0123456789abcdef0000000000000000",
    detail="leaked “key”\nof Łódź",
)


def chain_of(records: list[Record], chain: str = CHAIN) -> list[Entry]:
    entries: list[Entry] = []
    for record in records:
        sequence, previous = (entries[-1].sequence, entries[-1].hash) if entries else (0, audit.GENESIS)
        entries.append(audit.follow(chain, sequence, previous, record))
    return entries


ENTRIES = chain_of([replace(RECORD, subject=str(number)) for number in range(LENGTH)])
HEAD = Checkpoint(CHAIN, LENGTH, ENTRIES[-1].hash)


def test_the_canonical_hash_never_changes() -> None:
    """A fixed vector: whoever wrote a verifier of their own relies on it."""
    assert (
        audit.entry_hash(CHAIN, 1, RECORD, audit.GENESIS)
        == "a4fb2542c2aa69166ad308e83a2986f097d6af6db36e1bb6a54df45e7709f46a"
    )


def test_the_hash_is_of_the_moment_and_not_of_its_zone() -> None:
    elsewhere = replace(RECORD, at=NOON.astimezone(timezone(timedelta(hours=5, minutes=45))))

    assert audit.entry_hash(CHAIN, 1, elsewhere, audit.GENESIS) == audit.entry_hash(CHAIN, 1, RECORD, audit.GENESIS)


@pytest.mark.parametrize("field", [each.name for each in fields(Record)])
def test_every_field_is_hashed(field: str) -> None:
    other = NOON + timedelta(microseconds=1) if field == "at" else Outcome.FAILED if field == "outcome" else "other"

    altered = replace(RECORD, **{field: other})

    assert audit.entry_hash(CHAIN, 1, altered, audit.GENESIS) != audit.entry_hash(CHAIN, 1, RECORD, audit.GENESIS)


def test_text_moved_from_one_field_to_the_next_gives_another_hash() -> None:
    moved = replace(RECORD, subject="", detail=RECORD.subject + RECORD.detail)

    assert audit.entry_hash(CHAIN, 1, moved, audit.GENESIS) != audit.entry_hash(CHAIN, 1, RECORD, audit.GENESIS)


def test_an_unaltered_chain_verifies_with_every_checkpoint_ever_taken() -> None:
    taken = [Checkpoint(CHAIN, entry.sequence, entry.hash) for entry in ENTRIES]

    assert audit.verify(CHAIN, ENTRIES, taken) is None
    assert audit.verify(CHAIN, ENTRIES) is None


def test_an_empty_chain_verifies_and_its_checkpoint_says_nothing() -> None:
    empty = Checkpoint(CHAIN, 0, audit.GENESIS)

    assert audit.verify(CHAIN, [], [empty]) is None
    assert audit.verify(CHAIN, ENTRIES, [empty]) is None


def edit(entries: list[Entry], chance: random.Random) -> None:
    at = chance.randrange(LENGTH)
    field = chance.choice([each.name for each in fields(Record)])
    values = {"at": NOON + timedelta(days=1), "outcome": Outcome.REFUSED}
    record = replace(entries[at].record, **{field: values.get(field, f"{chance.getrandbits(64):x}")})
    entries[at] = replace(entries[at], record=record)


def edit_and_hash_again(entries: list[Entry], chance: random.Random) -> None:
    at = chance.randrange(LENGTH)
    was = entries[at]
    entries[at] = audit.follow(CHAIN, was.sequence - 1, was.previous_hash, replace(was.record, detail="nothing"))


def edit_a_hash(entries: list[Entry], chance: random.Random) -> None:
    at = chance.randrange(LENGTH)
    field = chance.choice(["hash", "previous_hash"])
    entries[at] = replace(entries[at], **{field: f"{chance.getrandbits(256):064x}"})


def delete_one(entries: list[Entry], chance: random.Random) -> None:
    del entries[chance.randrange(LENGTH)]


def delete_several(entries: list[Entry], chance: random.Random) -> None:
    first = chance.randrange(LENGTH)
    del entries[first : first + chance.randint(1, 20)]


def delete_and_number_again(entries: list[Entry], chance: random.Random) -> None:
    del entries[chance.randrange(LENGTH)]
    entries[:] = [replace(entry, sequence=number) for number, entry in enumerate(entries, 1)]


def swap(entries: list[Entry], chance: random.Random) -> None:
    one, other = chance.sample(range(LENGTH), 2)
    entries[one], entries[other] = entries[other], entries[one]


def repeat_one(entries: list[Entry], chance: random.Random) -> None:
    at = chance.randrange(LENGTH)
    entries.insert(at, entries[at])


def put_in_an_entry_of_another_chain(entries: list[Entry], chance: random.Random) -> None:
    at = chance.randrange(LENGTH)
    entries[at] = chain_of([entry.record for entry in ENTRIES], chain="another")[at]


def cut_off_tail(entries: list[Entry], chance: random.Random) -> None:
    del entries[chance.randrange(LENGTH) :]


def write_the_whole_chain_anew(entries: list[Entry], chance: random.Random) -> None:
    at = chance.randrange(LENGTH)
    records = [entry.record for entry in entries]
    records[at] = replace(records[at], detail="nothing happened")
    entries[:] = chain_of(records)


ALTERING = [
    edit,
    edit_and_hash_again,
    edit_a_hash,
    delete_one,
    delete_several,
    delete_and_number_again,
    swap,
    repeat_one,
    put_in_an_entry_of_another_chain,
    cut_off_tail,
    write_the_whole_chain_anew,
]
MAY_TOUCH_THE_LAST_ALONE = {
    edit_and_hash_again,
    delete_one,
    delete_several,
    delete_and_number_again,
    cut_off_tail,
    write_the_whole_chain_anew,
}


def flaws(alter: Callable[[list[Entry], random.Random], None], *checkpoints: Checkpoint) -> list[Flaw | None]:
    found = []
    for seed in range(ALTERATIONS // len(ALTERING) + 1):
        entries = list(ENTRIES)
        alter(entries, random.Random(seed))
        found.append(audit.verify(CHAIN, entries, checkpoints))
    return found


@pytest.mark.parametrize("alter", ALTERING, ids=lambda alter: alter.__name__)
def test_with_a_checkpoint_kept_elsewhere_every_alteration_is_found(
    alter: Callable[[list[Entry], random.Random], None],
) -> None:
    assert None not in flaws(alter, HEAD)


@pytest.mark.parametrize(
    "alter", [each for each in ALTERING if each not in MAY_TOUCH_THE_LAST_ALONE], ids=lambda alter: alter.__name__
)
def test_without_any_checkpoint_alterations_inside_the_chain_are_found(
    alter: Callable[[list[Entry], random.Random], None],
) -> None:
    assert None not in flaws(alter)


def test_without_a_checkpoint_a_cut_off_tail_goes_unseen() -> None:
    assert audit.verify(CHAIN, ENTRIES[:-1]) is None
    assert audit.verify(CHAIN, ENTRIES[:-1], [HEAD]) == Flaw(
        CHAIN, LENGTH, f"missing: a checkpoint names entry {LENGTH}"
    )


def test_the_database_s_own_head_does_not_hide_a_checkpoint_that_differs() -> None:
    """Whoever writes the chain anew writes its head anew as well; the two name the same entry."""
    forged = chain_of([replace(entry.record, detail="nothing happened") for entry in ENTRIES])
    own = Checkpoint(CHAIN, LENGTH, forged[-1].hash)

    for checkpoints in ([HEAD, own], [own, HEAD]):
        assert audit.verify(CHAIN, forged, checkpoints) == Flaw(CHAIN, LENGTH, "differs from its checkpoint")


@pytest.mark.parametrize(
    ("entries", "flaw"),
    [
        pytest.param([*ENTRIES[:4], *ENTRIES[5:]], Flaw(CHAIN, 5, "missing: the next entry is 6"), id="deleted"),
        pytest.param(ENTRIES[1:], Flaw(CHAIN, 1, "missing: the next entry is 2"), id="first one deleted"),
        pytest.param(
            [replace(ENTRIES[0], record=replace(RECORD, code="x"))], Flaw(CHAIN, 1, "was altered"), id="altered"
        ),
        pytest.param(
            [ENTRIES[0], replace(ENTRIES[1], previous_hash=audit.GENESIS)],
            Flaw(CHAIN, 2, "does not follow the entry before it"),
            id="parted",
        ),
        pytest.param([replace(ENTRIES[0], chain="x")], Flaw(CHAIN, 1, "belongs to chain x"), id="of another chain"),
    ],
)
def test_the_flaw_says_where_and_what(entries: list[Entry], flaw: Flaw) -> None:
    assert audit.verify(CHAIN, entries) == flaw
