"""Secrets as text, and what is kept of them."""

from __future__ import annotations

import pytest

from credenza.domain import secret_text

# RFC 4231 4.3 and 4.2: HMAC-SHA-256 under keys that fit into a block.
VECTORS = [
    (b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
]


@pytest.mark.parametrize(("pepper", "secret", "expected"), VECTORS, ids=["test case 2", "test case 1"])
def test_what_is_kept_of_a_secret_is_its_hmac_under_the_pepper(pepper: bytes, secret: str, expected: str) -> None:
    assert expected == secret_text.keyed_hash(pepper, secret)


def test_a_secret_is_hashed_alike_each_time_and_otherwise_under_another_pepper() -> None:
    first, other = (secret_text.keyed_hash(pepper, "czs_sbx_1") for pepper in (b"pepper", b"other"))

    assert secret_text.keyed_hash(b"pepper", "czs_sbx_1") == first != other


def test_a_secret_with_a_letter_changed_is_none() -> None:
    secret = secret_text.write("czs_sbx_", bytes(range(secret_text.RANDOM_BYTES)))

    assert secret_text.is_well_formed("czs_sbx_", secret)
    assert not secret_text.is_well_formed("czs_sbx_", secret.replace(secret[20], "!", 1))


@pytest.mark.parametrize("place", range(-6, 0))
def test_a_check_that_is_spelled_otherwise_fits_nothing(place: int) -> None:
    secret = secret_text.write("czs_sbx_", bytes(range(secret_text.RANDOM_BYTES)))
    others = {chr(code) for code in range(256)} - {secret[place]}

    changed = {secret[:place] + other + secret[len(secret) + place + 1 :] for other in others}

    assert not [each for each in changed if secret_text.is_well_formed("czs_sbx_", each)]
