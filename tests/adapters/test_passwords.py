"""Slow hashes of passwords, few at a time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from credenza.adapters.passwords import Argon2Passwords
from credenza.domain.errors import Code, Refusal


def test_a_hash_is_argon2id_with_46_mib_one_pass_and_one_lane() -> None:
    passwords = Argon2Passwords()

    assert passwords.hash("x").startswith("$argon2id$v=19$m=47104,t=1,p=1$")


def test_a_hash_matches_its_password_alone_and_nobodys_matches_none() -> None:
    passwords = Argon2Passwords(memory_kib=8)
    hashed = passwords.hash("x")

    assert passwords.matches(hashed, "x")
    assert not passwords.matches(hashed, "y")
    assert not passwords.matches(None, "x")
    assert not passwords.matches(None, "nobody has this password")
    assert passwords.hash("x") != hashed


def test_a_hash_of_other_parameters_matches_and_is_outdated() -> None:
    hashed = Argon2Passwords(memory_kib=8).hash("x")

    assert Argon2Passwords().matches(hashed, "x")
    assert Argon2Passwords().is_outdated(hashed)
    assert not Argon2Passwords(memory_kib=8).is_outdated(hashed)


def test_the_passwords_that_leaked_most_often_are_common() -> None:
    passwords = Argon2Passwords(memory_kib=8)

    assert passwords.is_common("qwertyuiop12345")
    assert not passwords.is_common("a fox, four hens and a fence")


def test_who_comes_when_too_many_wait_is_told_to_come_back() -> None:
    passwords, crowd = Argon2Passwords(), 64
    barrier = Barrier(crowd)

    def hashed(_number: int) -> str:
        barrier.wait()
        try:
            return passwords.hash("x")[:9]
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(crowd) as threads:
        seen = list(threads.map(hashed, range(crowd)))

    assert set(seen) == {"$argon2id", Code.BUSY}
    assert passwords.hash("x")


@pytest.mark.parametrize("secret", ["x", ""])
def test_any_text_can_be_hashed(secret: str) -> None:
    passwords = Argon2Passwords(memory_kib=8)

    assert passwords.matches(passwords.hash(secret), secret)
