"""HTTP Basic as clients of a token server use it: id and secret, both escaped as in a form (RFC 6749 2.3.1)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from urllib.parse import unquote_plus


def read(authorization: tuple[str, ...]) -> tuple[str, str] | None:
    """Read id and secret; None where the request has not exactly one header of this form."""
    scheme, _, encoded = (authorization[0] if len(authorization) == 1 else "").partition(" ")
    try:
        name, colon, secret = b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    if scheme.lower() != "basic" or not colon:
        return None
    return unquote_plus(name), unquote_plus(secret)
