"""What resource servers ask of the payload API, and its answers: they hold calls that a gate has admitted.

Structs of msgspec, as in `decisions`: they travel with every call. Bytes are base64 in JSON.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

PLACE = "/oauth/payload/"
KEY_SET = "/.well-known/payload-keys"

VERIFY, DECRYPT, ENCRYPT, SIGN = STEPS = ("verify", "decrypt", "encrypt", "sign")


class Task(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A body between a project and a service. `headers` are those of a request, `target` its path and query; `status`
    is that of an answer. `key_id`, `method` and `scheme` (of its Authorization) tell of the call, for the owner of the
    key to find why its payload was refused; they may be left out."""

    project_id: Annotated[str, msgspec.Meta(pattern=r"^[\w-]{1,64}$")]
    service_id: int
    payload: bytes
    headers: tuple[tuple[str, str], ...] = ()
    target: str = ""
    status: int = 200
    key_id: Annotated[str, msgspec.Meta(pattern=r"^[\w-]{0,64}$")] = ""
    method: str = ""
    scheme: str = ""


class Done(msgspec.Struct, frozen=True, rename="camel"):
    """The body as it goes on. `headers` belong to it; those named in `removed` (in lower case) do not any more."""

    payload: bytes
    headers: tuple[tuple[str, str], ...] = ()
    removed: tuple[str, ...] = ()
