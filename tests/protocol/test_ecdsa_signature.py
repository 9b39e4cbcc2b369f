from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import example, given
from hypothesis import strategies as st

from credenza.protocol import ecdsa_signature

_BYTES = 32

# As many numbers begin with zeros as not: that is where the spellings part.
_numbers = st.integers(0, 256).flatmap(lambda bits: st.integers(0, 2**bits - 1))


def _raw(r: int, s: int) -> bytes:
    return r.to_bytes(_BYTES) + s.to_bytes(_BYTES)


@given(_numbers, _numbers)
@example(0, 0)
@example(0x7F, 0x80)
@example(2**255, 2**255 - 1)
def test_a_signature_is_encoded_as_the_library_encodes_it(r: int, s: int) -> None:
    assert encode_dss_signature(r, s) == ecdsa_signature.to_der(_raw(r, s))


@given(_numbers, _numbers)
@example(0, 0)
@example(0x7F, 0x80)
@example(2**255, 2**255 - 1)
def test_what_was_encoded_is_read_again(r: int, s: int) -> None:
    assert _raw(r, s) == ecdsa_signature.of_der(encode_dss_signature(r, s))


@pytest.mark.parametrize("length", [0, 1, 63, 65, 96, 128])
def test_a_signature_of_another_length_is_none(length: int) -> None:
    with pytest.raises(InvalidSignature):
        ecdsa_signature.to_der(b"\1" * length)


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
def test_a_signature_on_a_longer_curve_is_not_cut_short(curve: ec.EllipticCurve) -> None:
    made = ec.generate_private_key(curve).sign(b"text", ec.ECDSA(SHA256()))

    with pytest.raises(ValueError, match="not of P-256"):
        ecdsa_signature.of_der(made)
