"""A proof is taken once, for as long as it could be sent again; what is full says so instead of forgetting."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.clock import NOON

from credenza.client.proof_memory import WINDOW, MemoryFull, ProofMemory
from credenza.protocol import dpop
from credenza.protocol.dpop import Proof

KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def proof(jti: str, key: ec.EllipticCurvePrivateKey = KEY) -> Proof:
    return dpop.parse(dpop.write(key=key, method="GET", uri="https://api.example.com/", jti=jti, now=NOON))


@pytest.mark.parametrize("begins", [timedelta(0), timedelta(seconds=129)], ids=["early", "late in a span"])
def test_a_proof_is_new_once_for_as_long_as_it_could_be_sent(begins: timedelta) -> None:
    memory = ProofMemory(100)
    memory.first_seen(proof("first"), now=NOON)
    taken = NOON + begins

    assert memory.first_seen(proof("a"), now=taken)
    for later in (timedelta(0), timedelta(seconds=1), WINDOW - timedelta(seconds=1), WINDOW):
        assert not memory.first_seen(proof("a"), now=taken + later)


def test_what_is_long_past_is_forgotten() -> None:
    memory = ProofMemory(3)
    for number in range(3):
        memory.first_seen(proof(f"{number}"), now=NOON)

    assert memory.first_seen(proof("a"), now=NOON + 2 * WINDOW)
    assert memory.first_seen(proof("0"), now=NOON + 9 * WINDOW)


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=365)])
def test_a_clock_that_was_ahead_does_not_fill_the_memory(ahead: timedelta) -> None:
    memory = ProofMemory(3)
    memory.first_seen(proof("by the wrong clock"), now=NOON + ahead)

    for number in range(5):
        assert memory.first_seen(proof(f"{number}"), now=NOON + number * WINDOW)


def test_a_clock_that_is_set_back_a_little_makes_nothing_forgotten() -> None:
    memory = ProofMemory(100)
    memory.first_seen(proof("first"), now=NOON)
    memory.first_seen(proof("a"), now=NOON + WINDOW - timedelta(seconds=1))
    memory.first_seen(proof("b"), now=NOON + WINDOW)

    behind = NOON + WINDOW - timedelta(seconds=2)
    for later in (timedelta(0), timedelta(seconds=1), WINDOW):
        assert not memory.first_seen(proof("a"), now=behind + later)
        assert not memory.first_seen(proof("b"), now=behind + later)


def test_the_same_id_of_another_key_is_another_proof() -> None:
    memory = ProofMemory(100)

    assert memory.first_seen(proof("a"), now=NOON)
    assert memory.first_seen(proof("a", OTHER), now=NOON)


def test_a_full_memory_forgets_nothing_and_takes_nothing() -> None:
    memory = ProofMemory(2)
    for jti in ("a", "b"):
        memory.first_seen(proof(jti), now=NOON)

    with pytest.raises(MemoryFull):
        memory.first_seen(proof("c"), now=NOON)
    assert not memory.first_seen(proof("a"), now=NOON)
