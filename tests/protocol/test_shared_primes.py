"""RSA keys whose random numbers were poor give each other away."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from credenza.protocol import shared_primes

PRIMES = [101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157]


def test_two_keys_that_share_a_prime_are_found_among_sound_ones() -> None:
    made = [rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers() for _ in range(3)]
    moduli = {f"sound {index}": each.p * each.q for index, each in enumerate(made)}
    other, third = (rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers() for _ in range(2))
    moduli |= {"one": other.p * other.q, "two": other.p * third.q}

    assert shared_primes.find(moduli) == {"one": ("two",), "two": ("one",)}


@pytest.mark.parametrize(
    ("moduli", "expected"),
    [
        pytest.param({}, {}, id="no key"),
        pytest.param({"a": 101 * 103}, {}, id="one key"),
        pytest.param({"a": 101 * 103, "b": 107 * 109}, {}, id="two sound keys"),
        pytest.param({"a": 101 * 103, "b": 101 * 103}, {"a": ("b",), "b": ("a",)}, id="the same modulus"),
        pytest.param(
            {"a": 101 * 103, "b": 103 * 107, "c": 107 * 109},
            {"a": ("b",), "b": ("a", "c"), "c": ("b",)},
            id="a chain, the middle one with both primes",
        ),
    ],
)
def test_what_is_shared_is_named(moduli: dict[str, int], expected: dict[str, tuple[str, ...]]) -> None:
    assert shared_primes.find(moduli) == expected


@given(st.lists(st.tuples(st.sampled_from(PRIMES), st.sampled_from(PRIMES)), max_size=12))
def test_the_answer_is_that_of_comparing_every_two(pairs: list[tuple[int, int]]) -> None:
    moduli = {str(index): one * other for index, (one, other) in enumerate(pairs)}
    expected: dict[str, set[str]] = {}
    for one, other in combinations(moduli, 2):
        if math.gcd(moduli[one], moduli[other]) != 1:
            expected.setdefault(one, set()).add(other)
            expected.setdefault(other, set()).add(one)

    assert {name: set(others) for name, others in shared_primes.find(moduli).items()} == expected
