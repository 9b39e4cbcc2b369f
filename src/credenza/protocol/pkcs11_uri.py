"""PKCS#11 URIs (RFC 7512): which object in which token.

Where the module and the PIN are is this machine's business, and no URI that is stored may say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from credenza.protocol.errors import Malformed, Refused

_FIELD: Final = "key_uri"
_KNOWN: Final = frozenset(("token", "serial", "manufacturer", "model", "object", "id", "type"))


@dataclass(frozen=True, slots=True)
class KeyUri:
    """A private key by its label or id, in a token by its label or serial number; empty where it does not say."""

    token: str
    serial: str
    object: str
    id: bytes


def parse(uri: str) -> KeyUri:
    """Read `pkcs11:token=ca;object=issuing`. Raises Malformed("key_uri"), and Refused("key_uri") for one that names a
    module or a PIN, another kind of object, or nothing."""
    scheme, _, rest = uri.partition(":")
    path, question, _ = rest.partition("?")
    if scheme.lower() != "pkcs11":
        raise Malformed(_FIELD, "A PKCS#11 URI begins with pkcs11: (RFC 7512).")
    if question:
        raise Refused(
            _FIELD,
            "The URI must not name a module or a PIN: they are set where the token is, by pkcs11_module and "
            "pkcs11_pin_file.",
        )
    named = _attributes(path)
    if named.get("type", b"private") != b"private":
        raise Refused(_FIELD, "The URI must name a private key (type=private).")
    found = KeyUri(_text(named, "token"), _text(named, "serial"), _text(named, "object"), named.get("id", b""))
    if not (found.token or found.serial) or not (found.object or found.id):
        raise Refused(_FIELD, "The URI must name a token (token or serial) and a key in it (object or id).")
    return found


def _attributes(path: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in path.split(";"):
        name, equals, value = part.partition("=")
        if not equals or name in found or name not in _KNOWN:
            raise Malformed(_FIELD, f"{name[:40]!r} is no attribute that such a URI has here, or it is there twice.")
        found[name] = unquote_to_bytes(value)
    return found


def _text(named: dict[str, bytes], name: str) -> str:
    try:
        return named.get(name, b"").decode()
    except UnicodeDecodeError as error:
        raise Malformed(_FIELD, f"The {name} of the URI is not UTF-8.") from error
