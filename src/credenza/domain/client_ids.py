"""Client ids of API credentials: 48 characters (contracts 9.1), whose last eight this installation alone can write.

So an id that somebody made up is told from one that was made here before anything is looked up. One without that mark
(of an earlier release, or adopted from elsewhere) is as good; only look-ups for such ids are counted.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from typing import Final

from credenza.domain import secret_text

RANDOM_BYTES: Final = 30
_RANDOM_CHARACTERS = 40
_MARK_BYTES = 6
"""To guess one takes 2^47 requests on average: as many look-ups as nobody gets."""


def spell(octets: bytes) -> str:
    """base64url that begins with a letter: one in 64 would begin with a hyphen, an option to every command line."""
    return urlsafe_b64encode(bytes([octets[0] & 0x7F]) + octets[1:]).decode()


def write(pepper: bytes, octets: bytes) -> str:
    """Spell RANDOM_BYTES random bytes as a client id."""
    body = spell(octets)
    return body + _mark(secret_text.keyed_hash(pepper, _marked(body)))


def marked(client_id: str) -> str:
    """What the mark of an id is made of: its hash under the pepper."""
    return _marked(client_id[:_RANDOM_CHARACTERS])


def bears_mark(client_id: str, keyed_hash: str) -> bool:
    """Whether an id ends with the mark of this hash of `marked`."""
    return hmac.compare_digest(client_id[_RANDOM_CHARACTERS:].encode(), _mark(keyed_hash).encode())


def _marked(body: str) -> str:
    return f"client id\n{body}"


def _mark(keyed_hash: str) -> str:
    return urlsafe_b64encode(bytes.fromhex(keyed_hash)[:_MARK_BYTES]).decode()
