"""What callers may rely on in `credenza.protocol.errors`."""

from __future__ import annotations

from credenza.protocol.errors import Malformed, Refused


def test_malformed_names_the_field_and_reads_as_its_message() -> None:
    error = Malformed("csr", "The request is not PEM.")

    assert error.field == "csr"
    assert str(error) == "The request is not PEM."
    assert isinstance(error, ValueError)


def test_refused_carries_a_stable_reason_and_reads_as_its_message() -> None:
    error = Refused("weak_key", "RSA keys start at 2048 bits.")

    assert error.reason == "weak_key"
    assert str(error) == "RSA keys start at 2048 bits."
    assert isinstance(error, ValueError)
