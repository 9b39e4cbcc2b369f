"""A client certificate in a header field, as what terminated TLS hands it on: RFC 9440's Client-Cert.

Besides the RFC's own spelling, those that servers can write without it are read, and none of the three can be taken for
another: a byte sequence between colons (RFC 8941 3.3.5), PEM with percent escapes (nginx) and bare base64 (HAProxy,
Caddy). Whether to believe the field is not asked here.
"""

from __future__ import annotations

import binascii
from typing import Final
from urllib.parse import unquote_to_bytes

from credenza.protocol import pem
from credenza.protocol.errors import Malformed

_FIELD: Final = "Client-Cert"
_ESCAPED_PEM: Final = "-----BEGIN%20"
_EMPTY: Final = ("", "::")
LONGEST: Final = 16_384


def parse(value: str) -> bytes:
    """Return the certificate's DER; nothing for a field that says that there is none. Raises Malformed("Client-Cert").

    The octets are those that were sent: nothing but their spelling is judged.
    """
    text = value.strip(" \t")
    if len(text) > LONGEST:
        raise Malformed(_FIELD, f"Client-Cert is longer than {LONGEST} characters.")
    if text in _EMPTY:
        return b""
    if text.startswith(_ESCAPED_PEM):
        return pem.read(unquote_to_bytes(text), labels=("CERTIFICATE",), field=_FIELD)
    return _decoded(text[1:-1] if text[0] == text[-1] == ":" else text)


def write(der: bytes) -> str:
    """Spell a certificate as RFC 9440 2.1 does."""
    return f":{binascii.b2a_base64(der, newline=False).decode('ascii')}:"


def _decoded(text: str) -> bytes:
    try:
        der = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        der = b""
    # A certificate is a SEQUENCE: what begins otherwise was encoded twice, or is something else.
    if der[:1] != b"\x30":
        raise Malformed(_FIELD, "Client-Cert is not a certificate: its DER as :base64:, as base64, or as escaped PEM.")
    return der
