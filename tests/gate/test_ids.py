"""Ids of calls."""

from itertools import islice

from credenza.gate.ids import ids


def test_ids_are_128_random_bits_and_never_the_same() -> None:
    drawn = list(islice(ids(), 2_000))

    assert len(set(drawn)) == 2_000
    assert {len(each) for each in drawn} == {32}
    assert all(int(each, 16) >= 0 for each in drawn)
