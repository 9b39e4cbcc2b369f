"""A memory keeps what fits, in number and in bytes, and lets go of what came first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from credenza.domain.bounded_memory import BoundedMemory


def kept(memory: BoundedMemory[int], keys: str) -> str:
    return "".join(each for each in keys if memory.get(each.encode()) is not None)


def test_the_first_goes_when_there_are_too_many() -> None:
    memory = BoundedMemory[int](most=2, most_bytes=100)

    for number, key in enumerate("abc"):
        memory.put(key.encode(), number, size_bytes=1)

    assert kept(memory, "abc") == "bc"


def test_as_many_go_as_take_the_room_of_one_that_is_large() -> None:
    memory = BoundedMemory[int](most=10, most_bytes=10)
    for key in "abcd":
        memory.put(key.encode(), 1, size_bytes=2)

    memory.put(b"e", 1, size_bytes=7)

    assert kept(memory, "abcde") == "de"


def test_what_has_no_room_at_all_is_not_kept() -> None:
    memory = BoundedMemory[int](most=10, most_bytes=10)

    memory.put(b"a", 1, size_bytes=11)
    memory.put(b"b", 1, size_bytes=10)

    assert kept(memory, "ab") == "b"


def test_a_value_takes_the_place_of_the_one_before() -> None:
    memory = BoundedMemory[int](most=2, most_bytes=10)
    memory.put(b"a", 1, size_bytes=4)
    memory.put(b"b", 2, size_bytes=4)

    memory.put(b"a", 3, size_bytes=6)

    assert (memory.get(b"a"), memory.get(b"b")) == (3, 2)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=60))
def test_it_never_holds_more_than_it_may(asked: list[tuple[int, int]]) -> None:
    memory = BoundedMemory[int](most=4, most_bytes=50)

    for key, size_bytes in asked:
        memory.put(b"%d" % key, size_bytes, size_bytes=size_bytes)

        sizes = [size for each in range(10) if (size := memory.get(b"%d" % each)) is not None]
        assert len(sizes) <= 4
        assert sum(sizes) <= 50
