"""Requests to the token server as they arrive: RFC 6749 3.2, RFC 7009 2.1, RFC 7662 2.1. Nothing is believed yet.

One form, each parameter once, nothing in the query.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from credenza.gate.token_faults import Denied, Fault
from credenza.protocol.client_assertion import ASSERTION_TYPE

GRANT_TYPE = "client_credentials"
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
    sent = [_USUAL.get(each) or _pair(each) for each in pairs]
    found = dict(sent)
    if len(found) != len(sent):
        raise _unreadable("A parameter comes more than once.")
    return {name: value for name, value in sent if value}


def _pair(sent: bytes) -> tuple[str, str]:
    name, _, value = sent.partition(b"=")
    return _decoded(name), _decoded(value)


def _decoded(sent: bytes) -> str:
    try:
        # Tokens, which are nearly all of a form, need no escapes.
        plain = sent if b"%" not in sent and b"+" not in sent else unquote_to_bytes(sent.replace(b"+", b" "))
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        raise _unreadable("A parameter is not UTF-8.") from None


def _unreadable(told: str) -> Denied:
    return Denied(Fault.REQUEST, told=told)


# Nearly every request for a token has these, and to undo their escapes takes as long as to read the assertion.
_USUAL = {
    each: _pair(each)
    for each in (
        f"grant_type={GRANT_TYPE}".encode(),
        f"client_assertion_type={quote(ASSERTION_TYPE, safe='')}".encode(),
        f"client_assertion_type={ASSERTION_TYPE}".encode(),
    )
}
