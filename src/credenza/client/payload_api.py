"""The payload API of an environment, for a resource server: it opens requests and protects answers, and keeps the keys.

payloads = PayloadApi("https://api.example.com", credentials=(server_id, secret))
"""

from __future__ import annotations

import ssl
from typing import Final

import httpx
import msgspec

from credenza.client.oauth2 import check_secure
from credenza.wire.decisions import REFUSAL_ID
from credenza.wire.payloads import PLACE, Done, Task

DEADLINE_S: Final = 10.0
# What the caller's payload, or the answer to it, was refused for; all else is between the API and whoever asks it.
_FOR_CALLERS = frozenset({400, 413, 502})


class PayloadRefused(Exception):  # noqa: N818 - an answer
    """The caller is to be answered this: the status and the envelope of errors, and the id to find out more by."""

    def __init__(self, status: int, body: bytes, refusal_id: str) -> None:
        super().__init__(f"the payload was refused with {status}")
        self.status = status
        self.body = body
        self.refusal_id = refusal_id


class PayloadsUnavailable(Exception):  # noqa: N818 - what is the case
    """The payload API does not answer, or does not know who asks."""


class PayloadApi:
    """`origin` is the environment's, `credentials` are id and secret of a resource server there. Raises InsecureUrl."""

    def __init__(self, origin: str, *, credentials: tuple[str, str], verify: ssl.SSLContext | bool = True) -> None:
        check_secure(origin)
        self._http = httpx.AsyncClient(
            base_url=origin, auth=httpx.BasicAuth(*credentials), verify=verify, timeout=DEADLINE_S
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def take(self, step: str, task: Task) -> Done:
        """Have one step done (`wire.payloads`). Raises PayloadRefused and PayloadsUnavailable."""
        try:
            response = await self._http.post(f"{PLACE}{step}", content=msgspec.json.encode(task))
        except httpx.HTTPError as error:
            raise PayloadsUnavailable(f"The payload API does not answer: {type(error).__name__}.") from error
        if response.status_code in _FOR_CALLERS:
            raise PayloadRefused(response.status_code, response.content, response.headers.get(REFUSAL_ID, ""))
        if response.status_code != 200:
            raise PayloadsUnavailable(f"The payload API answers {response.status_code}.")
        try:
            return msgspec.json.decode(response.content, type=Done)
        except msgspec.MsgspecError as error:
            raise PayloadsUnavailable("The payload API's answer cannot be read.") from error
