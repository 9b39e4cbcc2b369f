"""Requests to the token server as they arrive: RFC 6749 3.2, RFC 7009 2.1, RFC 7662 2.1. Nothing is believed yet.

One form, each parameter once, nothing in the query; at the compat issuer a JSON object may stand in the form's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from credenza.gate.token_faults import Denied, Fault
from credenza.protocol import jose
from credenza.protocol.errors import Malformed

GRANT_TYPE = "client_credentials"
LONGEST_FORM = 32_768
_MOST_PARAMETERS = 32
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


def parse(content_type: str, query: str, body: bytes) -> Mapping[str, str]:
    """Read the parameters. One without a value is as one that was not sent (RFC 6749 3.2). Raises Denied."""
    _check_place(query, body)
    if not _is(content_type, _FORM):
        raise _unreadable(f"The body has to be {_FORM}.")
    pairs = [each for each in _text(body).split("&") if each]
    if len(pairs) > _MOST_PARAMETERS:
        raise _unreadable(f"There are more than {_MOST_PARAMETERS} parameters.")
    found = dict([_pair(each) for each in pairs])
    if len(found) != len(pairs):
        raise _unreadable("A parameter comes more than once.")
    return _with_values(found)


def parse_json_or_form(content_type: str, query: str, body: bytes) -> Mapping[str, str]:
    """Read the parameters of a form, or the members of an object, all of them strings. Raises Denied."""
    if not _is(content_type, _JSON):
        return parse(content_type, query, body)
    _check_place(query, body)
    try:
        sent = jose.read(body, dict[str, str], "body")
    except Malformed as malformed:
        raise _unreadable(str(malformed)) from malformed
    if len(sent) > _MOST_PARAMETERS:
        raise _unreadable(f"There are more than {_MOST_PARAMETERS} parameters.")
    return _with_values(sent)


def _check_place(query: str, body: bytes) -> None:
    if query:
        raise _unreadable("Parameters belong into the body: a query is kept in logs.")
    if len(body) > LONGEST_FORM:
        raise _unreadable(f"The body is longer than {LONGEST_FORM} bytes.")


def _is(content_type: str, media_type: str) -> bool:
    return content_type == media_type or content_type.partition(";")[0].strip().lower() == media_type


def _pair(sent: str) -> tuple[str, str]:
    # Tokens and secrets, which are nearly all of a form, need no escapes.
    if "%" not in sent and "+" not in sent:
        return sent.partition("=")[::2]
    return _repeated(sent) if sent.startswith(_REPEATED) and len(sent) <= _LONGEST_REPEATED else _escaped(sent)


def _escaped(sent: str) -> tuple[str, str]:
    name, _, value = sent.partition("=")
    return _unescaped(name), _unescaped(value)


# What is no secret, and comes with escapes in request after request: to undo them takes as long as to read a proof.
_REPEATED = ("scope=", "client_assertion_type=", "grant_type=")
_LONGEST_REPEATED = 256
_repeated = lru_cache(maxsize=1024)(_escaped)


def _unescaped(sent: str) -> str:
    return _text(unquote_to_bytes(sent.replace("+", " ")))


def _text(sent: bytes) -> str:
    try:
        return sent.decode("utf-8")
    except UnicodeDecodeError:
        raise _unreadable("A parameter is not UTF-8.") from None


def _with_values(sent: dict[str, str]) -> dict[str, str]:
    return sent if all(sent.values()) else {name: value for name, value in sent.items() if value}


def _unreadable(told: str) -> Denied:
    return Denied(Fault.REQUEST, told=told)
