"""Every claim of `make proof`, at about a hundredth of its volume: one implementation, no second one for tests."""

import pytest
from proof.claim import Claim
from proof.claims import CLAIMS


@pytest.mark.parametrize("claim", [pytest.param(each, id=each.id) for each in CLAIMS])
def test_the_claim_holds(claim: Claim) -> None:
    assert claim.prove(claim.hundredth)


def test_no_two_claims_have_one_name() -> None:
    names = [each.id for each in CLAIMS]

    assert sorted(set(names)) == sorted(names)
    assert not [name for name in names if "|" in name]
