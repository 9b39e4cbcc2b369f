"""Requests to the token server as they arrive: RFC 6749 3.2, RFC 7009 2.1, RFC 7662 2.1. Nothing is believed yet.

One form, each parameter once, nothing in the query.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from credenza.gate.token_faults import Denied, Fault

LONGEST_FORM = 32_768
_MOST_PARAMETERS = 32
_FORM = "application/x-www-form-urlencoded"


def parse(content_type: str, query: str, body: bytes) -> Mapping[str, str]:
    """Read the parameters. One without a value is as one that was not sent (RFC 6749 3.2). Raises Denied."""
    if query:
        raise _unreadable("Parameters belong into the body: a query is kept in logs.")
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise _unreadable(f"The body has to be {_FORM}.")
    if len(body) > LONGEST_FORM:
        raise _unreadable(f"The body is longer than {LONGEST_FORM} bytes.")
    pairs = [each for each in body.split(b"&") if each]
    if len(pairs) > _MOST_PARAMETERS:
        raise _unreadable(f"There are more than {_MOST_PARAMETERS} parameters.")
    found: dict[str, str] = {}
    for each in pairs:
        name, _, value = each.partition(b"=")
        text = _decoded(name)
        if text in found:
            raise _unreadable("A parameter comes more than once.")
        found[text] = _decoded(value)
    return {name: value for name, value in found.items() if value}


def _decoded(sent: bytes) -> str:
    try:
        return unquote_to_bytes(sent.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise _unreadable("A parameter is not UTF-8.") from None


def _unreadable(told: str) -> Denied:
    return Denied(Fault.REQUEST, told=told)
