"""Client ids: their form, and the mark of the installation that made them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credenza.domain import client_ids, secret_text

PEPPER, OTHERS = b"p" * 32, b"q" * 32
OCTETS = st.binary(min_size=client_ids.RANDOM_BYTES, max_size=client_ids.RANDOM_BYTES)


def bears_mark(pepper: bytes, client_id: str) -> bool:
    return client_ids.bears_mark(client_id, secret_text.keyed_hash(pepper, client_ids.marked(client_id)))


@given(OCTETS)
def test_an_id_has_the_form_of_the_contracts_and_the_mark_of_its_maker_alone(octets: bytes) -> None:
    made = client_ids.write(PEPPER, octets)

    assert re.fullmatch(r"[A-Za-z0-9_-]{48}", made)
    assert bears_mark(PEPPER, made)
    assert not bears_mark(OTHERS, made)


@pytest.mark.parametrize("first", range(256))
def test_an_id_begins_with_a_letter_so_that_no_command_line_takes_it_for_an_option(first: int) -> None:
    octets = bytes([first]) + b"\xff" * (client_ids.RANDOM_BYTES - 1)

    assert client_ids.spell(octets)[0].isalpha()
    assert client_ids.write(PEPPER, octets)[0].isalpha()


def test_ids_of_other_random_bytes_are_other_ids() -> None:
    made = {client_ids.write(PEPPER, bytes([number]) * client_ids.RANDOM_BYTES)[:40] for number in range(256)}

    assert len(made) == 256


@pytest.mark.parametrize("at", range(48))
def test_an_id_that_was_changed_anywhere_has_lost_its_mark(at: int) -> None:
    made = client_ids.write(PEPPER, bytes(range(client_ids.RANDOM_BYTES)))
    changed = made[:at] + ("A" if made[at] != "A" else "B") + made[at + 1 :]

    assert not bears_mark(PEPPER, changed)


@pytest.mark.parametrize("made_up", ["", "n" * 48, "n" * 40, "n" * 56])
def test_what_was_made_up_bears_no_mark(made_up: str) -> None:
    assert not bears_mark(PEPPER, made_up)
