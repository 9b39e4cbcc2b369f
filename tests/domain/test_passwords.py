"""What a password must be: long, not common, not about oneself; nothing else (NIST SP 800-63B, ASVS 6.2)."""

import pytest

from credenza.domain import passwords
from credenza.domain.errors import Code, Refusal

ANN = ("ann.oldman@example.org", "Ann Oldman", "Acme Payments")
COMMON = frozenset({"password", "qwertyuiop12345", "123"})


def check(password: str, *, shortest: int = passwords.SHORTEST_ALONE) -> None:
    passwords.check(password, shortest=shortest, context=ANN, is_common=COMMON.__contains__)


def refused(password: str, *, shortest: int = passwords.SHORTEST_ALONE) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check(password, shortest=shortest)
    assert (caught.value.code, caught.value.field) == (Code.INVALID, "password")
    return caught.value


@pytest.mark.parametrize(
    "password",
    [
        "fifteen letters",
        "               x and more blanks",
        "пароль из пятнадцати",
        "🦊🐔🐔🐔🐔🚧🦊🐔🐔🐔🐔🚧 x y z u v w",
        "a" * 7 + "b" * 121,
        "aaaaaaaaaaaaaaab",
    ],
)
def test_any_15_to_128_characters_make_a_password(password: str) -> None:
    check(password)


def test_alone_it_needs_15_characters() -> None:
    assert "at least 15 characters (8 when" in refused("fourteen chars").message


def test_with_a_second_factor_it_needs_8() -> None:
    check("8 chars!", shortest=passwords.SHORTEST_WITH_SECOND_FACTOR)

    assert "at least 8" in refused("7 chars", shortest=passwords.SHORTEST_WITH_SECOND_FACTOR).message


def test_more_than_128_characters_are_refused() -> None:
    check("ab" * 63 + "cd")

    assert "at most 128" in refused("ab" * 64 + "c").message


def test_characters_are_counted_after_composition() -> None:
    composed, decomposed = "ä" * 14 + "x", "a\u0308" * 14 + "x"

    assert passwords.usual_form(composed) == passwords.usual_form(decomposed)
    check(decomposed)
    refused("a\u0308" * 14)


@pytest.mark.parametrize("password", ["Qwertyuiop12345", "passwordpassword", "PassWordpassword", "123" * 5])
def test_a_common_password_is_refused_however_often_repeated_and_in_any_case(password: str) -> None:
    assert "tried first" in refused(password).message


@pytest.mark.parametrize(
    "password",
    [
        "ann.oldman@example.org",
        "Credenza-Credenza-1",
        "acme payments 2025",
        "OLDMAN payments 1!",
        "oldman example acme",
    ],
)
def test_a_password_made_of_what_is_known_is_refused(password: str) -> None:
    assert "made of your name" in refused(password).message


def test_a_known_word_among_others_is_no_harm() -> None:
    check("acme pays the ferryman")


def test_whether_it_stands_alone() -> None:
    assert passwords.stands_alone("fifteen letters")
    assert not passwords.stands_alone("fourteen chars")


def test_a_text_without_end_takes_no_time_without_end() -> None:
    refused("a" + "\u0316\u0301" * 100_000)
