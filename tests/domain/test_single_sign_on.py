"""Whose word counts for which mail addresses."""

import pytest

from credenza.domain.single_sign_on import ProvenAccount, may_be_linked

DOMAINS = frozenset({"example.org", "example.net"})


def account(email: str, *, verified: bool = True) -> ProvenAccount:
    return ProvenAccount("https://id.example.com", "7", email, verified, "Ann")


@pytest.mark.parametrize("email", ["ann@example.org", "ann@example.net", "Ann@Example.ORG"])
def test_a_verified_address_of_a_trusted_domain_may_be_linked(email: str) -> None:
    assert may_be_linked(account(email), DOMAINS)


@pytest.mark.parametrize(
    "email",
    ["ann@sub.example.org", "ann@example.org.evil.example", "example.org@evil.example", "example.org", "ann@", ""],
)
def test_no_other_address_may(email: str) -> None:
    assert not may_be_linked(account(email), DOMAINS)


def test_an_address_that_is_not_verified_may_not() -> None:
    assert not may_be_linked(account("ann@example.org", verified=False), DOMAINS)
