"""The strict reader of DER: what X.690 allows in DER, and nothing of BER."""

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol import forge

from credenza.protocol import der
from credenza.protocol.errors import Malformed


@given(st.binary(max_size=300) | st.sampled_from([bytes(size) for size in (127, 128, 255, 256, 65_535, 65_536)]))
def test_what_is_encoded_is_parsed_to_the_same_content(content: bytes) -> None:
    element = der.parse(der.encode(der.OCTET_STRING, content), field="csr")

    assert element.content == content
    assert element.encoded == der.encode(der.OCTET_STRING, content)
    assert element.children == ()


def test_a_constructed_element_shows_its_children() -> None:
    element = der.parse(forge.sequence(der.encode_unsigned(5), forge.sequence()), field="csr")

    assert [child.tag for child in element.children] == [der.INTEGER, der.SEQUENCE]
    assert der.unsigned(element.children[0]) == 5


@given(st.integers(min_value=0, max_value=1 << 2100))
def test_an_integer_is_positive_and_as_short_as_possible(number: int) -> None:
    element = der.parse(der.encode_unsigned(number), field="csr")

    assert der.unsigned(element) == number
    assert len(element.content) == number.bit_length() // 8 + 1


@pytest.mark.parametrize("dotted", ["1.2.840.113549.1.1.1", "2.5.4.3", "2.999.1", "0.9.2342.19200300.100.1.25"])
def test_an_object_identifier_is_read_and_written_as_people_write_it(dotted: str) -> None:
    usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(dotted)]).public_bytes()

    assert der.dotted(der.parse(usage, field="csr").children[0]) == dotted
    assert der.encode_dotted(dotted) == der.parse(usage, field="csr").children[0].encoded


def test_an_empty_object_identifier_reads_as_nobody_s() -> None:
    assert der.dotted(der.parse(b"\6\0", field="csr")) == "0.0"


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        pytest.param(b"", "exactly one", id="nothing"),
        pytest.param(b"\5\0\5\0", "exactly one", id="two elements"),
        pytest.param(b"\x30\x80\5\0\0\0", "indefinite", id="indefinite length"),
        pytest.param(b"\x30", "not DER", id="a tag alone"),
        pytest.param(b"\x3f\x81\x01\x00", "not DER", id="a tag of two bytes"),
        pytest.param(b"\4\x81\x05hello", "not DER", id="long form for a short length"),
        pytest.param(b"\4\x82\x00\x80" + bytes(128), "not DER", id="leading zero in a length"),
        pytest.param(b"\4\x84\x00\x01\x00\x00", "not DER", id="length of four bytes"),
        pytest.param(b"\4\x82\x01", "not DER", id="length cut short"),
        pytest.param(b"\4\x05hell", "cut short", id="content cut short"),
        pytest.param(b"\x30\x03\4\x05h", "cut short", id="content of a child reaching beyond its parent"),
    ],
)
def test_anything_but_der_is_malformed(octets: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words) as caught:
        der.parse(octets, field="csr")

    assert caught.value.field == "csr"


def test_nesting_is_bounded() -> None:
    octets = b""
    for _ in range(1000):
        octets = forge.sequence(octets)

    with pytest.raises(Malformed, match="nested"):
        der.parse(octets, field="csr")


def test_the_number_of_elements_is_bounded() -> None:
    with pytest.raises(Malformed, match="more parts"):
        der.parse(forge.sequence(*(forge.sequence(forge.NULL * 20) for _ in range(100))), field="csr")


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_malformed_and_nothing_else(octets: bytes) -> None:
    try:
        element = der.parse(octets, field="csr")
    except Malformed:
        return

    assert element.encoded == octets
