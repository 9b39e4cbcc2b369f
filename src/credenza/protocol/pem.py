"""PEM (RFC 7468): one block of a wanted label, or the DER itself, out of what people paste, upload and put
into JSON.

Newlines are lost on the way more often than not: in a JSON string they arrive as backslash and n, from a
shell variable as spaces, from Windows as CRLF. None of that changes the octets a block stands for, so all of
it is read; base64 is strict.
"""

from __future__ import annotations

import binascii
import re
from itertools import pairwise
from typing import Final

from credenza.protocol import der
from credenza.protocol.errors import Malformed, Refused

LARGEST_BYTES: Final = 64 * 1024

_BEGIN: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_END: Final = re.compile(r"-----END [A-Z0-9 ]{1,40}-----")
_BLANKS: Final = str.maketrans("", "", " \t\r\n\v\f")
_DER_SEQUENCE: Final = bytes((der.SEQUENCE,))


def read(text_or_der: bytes | str, *, labels: tuple[str, ...], field: str) -> bytes:
    """Return the DER of the only block, which carries one of labels.

    Raises Malformed(field) for a wrong label, a second block, text after the
    block, damaged base64 and more than 64 KiB; Refused("private_key") when a private key or a key store was
    sent by mistake.
    """
    octets = text_or_der.encode() if isinstance(text_or_der, str) else text_or_der
    if len(octets) > LARGEST_BYTES:
        raise Malformed(field, f"The {field} is larger than 64 KiB.")
    encoded = octets if octets.startswith(_DER_SEQUENCE) else _only_block(octets, labels, field=field)
    _check_not_private(encoded)
    return encoded


def read_all(text_or_der: bytes | str, *, labels: tuple[str, ...], field: str, most: int) -> tuple[bytes, ...]:
    """Return the DER of every block, one after another, each with one of labels; or of the one DER.

    Text between blocks is explanatory (RFC 7468 section 2). Raises as `read`, and Malformed(field) for more than
    `most` blocks.
    """
    octets = text_or_der.encode() if isinstance(text_or_der, str) else text_or_der
    if len(octets) > LARGEST_BYTES or octets.startswith(_DER_SEQUENCE):
        return (read(octets, labels=labels, field=field),)
    text = _with_newlines(octets)
    if "PRIVATE KEY-----" in text:
        raise _private_key()
    ends = [end.end() for end in _END.finditer(text)]
    if len(ends) > most:
        raise Malformed(field, f"The {field} holds more than {most} PEM blocks.")
    blocks = [text[start:end] for start, end in pairwise((0, *ends))]
    rest = text[ends[-1] if ends else 0 :]
    if not ends or "-----BEGIN" in rest:
        blocks.append(rest)  # and be told what is missing in it
    return tuple(read(block, labels=labels, field=field) for block in blocks)


def _only_block(octets: bytes, labels: tuple[str, ...], *, field: str) -> bytes:
    text = _with_newlines(octets)
    if "PRIVATE KEY-----" in text:
        raise _private_key()
    label, body, after = _split(text, field=field)
    if label not in labels:
        raise Malformed(field, f"This is a {label}, not a {labels[0]}.")
    if "-----BEGIN" in after:
        raise Malformed(field, f"The text holds more than one PEM block; send only the {labels[0]}.")
    if after.strip():
        raise Malformed(field, f"Text follows the END line; send only the {labels[0]}.")
    return _decoded(body, field=field)


def _with_newlines(octets: bytes) -> str:
    # Latin-1 never fails, and a character beyond ASCII has no place inside a block: the base64 check meets
    # it.
    return octets.decode("latin-1").replace("\\r", "").replace("\\n", "\n")


def _split(text: str, *, field: str) -> tuple[str, str, str]:
    # RFC 7468 section 2 allows explanatory text before a block: `openssl req -text` writes it. Only the first
    # BEGIN line is followed up, so the cost stays linear in a text full of them.
    begin = _BEGIN.search(text)
    body, end, after = text[begin.end() :].partition(f"-----END {begin[1]}-----") if begin else ("", "", "")
    if begin is None or not end:
        raise Malformed(field, "There is no complete PEM block, from its BEGIN to its END line.")
    return begin[1], body, after


def _decoded(body: str, *, field: str) -> bytes:
    try:
        return binascii.a2b_base64(body.translate(_BLANKS), strict_mode=True)
    except ValueError as error:
        raise Malformed(field, "The base64 between the BEGIN and END lines is damaged.") from error


def _check_not_private(encoded: bytes) -> None:
    # PKCS#1, PKCS#8, SEC 1 and PKCS#12 all open with a version number, inside the outer SEQUENCE; requests
    # and certificates open with another SEQUENCE.
    if encoded[:1] == _DER_SEQUENCE and _first_inner_tag(encoded) == der.INTEGER:
        raise _private_key()


def _first_inner_tag(encoded: bytes) -> int | None:
    length_bytes = encoded[1] & 0x7F if len(encoded) > 1 and encoded[1] & 0x80 else 0
    inner = encoded[2 + length_bytes :]
    return inner[0] if inner else None


def _private_key() -> Refused:
    return Refused(
        "private_key",
        "This is a private key, or a file that holds one. It was not stored and not logged, but nobody except you "
        "should ever see it: if in doubt, make a new key. What to send is the certificate request or certificate.",
    )
