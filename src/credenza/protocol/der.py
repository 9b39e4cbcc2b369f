"""DER (ITU-T X.690), read strictly and written plainly, for the few structures no library shows us in time.

`parse` answers a tree of elements whose values it does not interpret. Lengths are definite and minimal,
nothing follows the outermost element, nesting and the number of elements are bounded. `encode` is its inverse
for one element.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from credenza.protocol.errors import Malformed

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31

_CONSTRUCTED: Final = 0x20
_MULTI_BYTE_TAG: Final = 0x1F
_INDEFINITE: Final = 0x80
_LONGEST_LENGTH_BYTES: Final = 3
_DEEPEST: Final = 24
_MOST_ELEMENTS: Final = 2000


@dataclass(frozen=True, slots=True)
class Element:
    """One tag, length and value. `encoded` is all three as sent; `children` is empty for a primitive."""

    tag: int
    content: bytes
    encoded: bytes
    children: tuple[Element, ...]


def parse(der: bytes, *, field: str) -> Element:
    """Read exactly one element. Raises Malformed(field) for BER, for trailing bytes and for anything cut short."""
    elements = _Reader(field).elements(der, depth=0)
    if len(elements) != 1:
        raise Malformed(field, f"The {field} must be exactly one DER element, with nothing after it.")
    return elements[0]


def unsigned(element: Element) -> int:
    """Read the content of an INTEGER as sent by its owner: a negative one comes out huge, and is refused by size."""
    return int.from_bytes(element.content)


def dotted(element: Element) -> str:
    """Read an OBJECT IDENTIFIER (X.690 8.19) into the form people write: `1.2.840.113549.1.1.1`."""
    arcs: list[int] = []
    arc = 0
    for octet in element.content:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    # X.690 8.19.4: the first two arcs share one number, and only below arc 2 may the second exceed 39.
    first, *rest = arcs or [0]
    root = min(first // 40, 2)
    return ".".join(str(number) for number in (root, first - 40 * root, *rest))


def encode(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < _INDEFINITE:
        return bytes((tag, length)) + content
    length_bytes = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _INDEFINITE | len(length_bytes))) + length_bytes + content


def encode_unsigned(number: int) -> bytes:
    # X.690 8.3.2: a leading zero octet keeps the number positive, and there is none without that need.
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def encode_dotted(dotted: str) -> bytes:
    """Write an OBJECT IDENTIFIER as `dotted` reads it."""
    first, second, *rest = map(int, dotted.split("."))
    return encode(OBJECT_IDENTIFIER, *map(_arc, (40 * first + second, *rest)))


def _arc(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(0x80 | number & 0x7F)
    return bytes(reversed(octets))


class _Reader:
    """Reads one document and counts its elements, so that the cost is bounded however they are nested."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._elements_left = _MOST_ELEMENTS

    def elements(self, octets: bytes, depth: int) -> tuple[Element, ...]:
        if depth > _DEEPEST:
            raise Malformed(self._field, f"The {self._field} is nested deeper than any certificate is.")
        found: list[Element] = []
        position, end = 0, len(octets)
        while position < end:
            element = self._element(octets, position, end, depth)
            found.append(element)
            position += len(element.encoded)
        return tuple(found)

    def _element(self, octets: bytes, position: int, end: int, depth: int) -> Element:
        self._elements_left -= 1
        if self._elements_left < 0:
            raise Malformed(self._field, f"The {self._field} has more parts than any certificate has.")
        tag = octets[position]
        if position + 1 == end or tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
            raise self._not_der()
        start, length = position + 2, octets[position + 1]
        if length >= _INDEFINITE:
            start, length = self._long_length(octets, start, length & 0x7F)
        if start + length > end:
            raise Malformed(self._field, f"The {self._field} is cut short.")
        content = octets[start : start + length]
        children = self.elements(content, depth + 1) if tag & _CONSTRUCTED else ()
        return Element(tag, content, octets[position : start + length], children)

    def _long_length(self, octets: bytes, start: int, count: int) -> tuple[int, int]:
        if count == 0:
            raise Malformed(self._field, f"The {self._field} uses BER's indefinite length; encode it as DER.")
        length_bytes = octets[start : start + count]
        length = int.from_bytes(length_bytes)
        # X.690 10.1: the shortest possible form, so neither a leading zero nor a long form for a short
        # length.
        too_long = count > _LONGEST_LENGTH_BYTES or len(length_bytes) < count
        if too_long or length_bytes[0] == 0 or length < _INDEFINITE:
            raise self._not_der()
        return start + count, length

    def _not_der(self) -> Malformed:
        return Malformed(self._field, f"The {self._field} is not DER. Send the file as the tool wrote it, PEM or DER.")
