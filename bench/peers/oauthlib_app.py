"""The peer of P2: oauthlib behind Starlette, doing for a call what the decision listener does.

It is treated well: keys and nonces are in dictionaries of its own process, the key object is kept, and a refusal says
nothing. Run by uvicorn; PEER_KEY names a PEM file, PEER_CONSUMER_KEY says whose it is, PEER_ORIGIN what was signed.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

_KEYS = {os.environ["PEER_CONSUMER_KEY"]: load_pem_public_key(Path(os.environ["PEER_KEY"]).read_bytes())}


class _Validator(RequestValidator):  # type: ignore[misc]  # oauthlib has no types
    enforce_ssl = False
    allowed_signature_methods = ("RSA-SHA256",)
    nonce_length = 8, 64
    timestamp_lifetime = 300
    client_key_length = 97, 97
    dummy_client = "0" * 97

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[tuple[str, str, str]] = set()

    @property
    def safe_characters(self) -> set[str]:
        return {*super().safe_characters, *"-_!"}

    def validate_client_key(self, client_key: str, _request: object) -> bool:
        return client_key in _KEYS

    def validate_timestamp_and_nonce(
        self, client_key: str, timestamp: str, nonce: str, _request: object, **_tokens: object
    ) -> bool:
        seen = (client_key, timestamp, nonce)
        if seen in self._seen:
            return False
        self._seen.add(seen)
        return True

    def get_rsa_key(self, client_key: str, _request: object) -> object:
        return _KEYS[client_key]


_endpoint = SignatureOnlyEndpoint(_Validator())
_callers: Counter[tuple[str, str]] = Counter()


async def check(request: Request) -> PlainTextResponse:
    headers = request.headers
    valid, answer = _endpoint.validate_request(
        os.environ["PEER_ORIGIN"] + headers["x-original-uri"],
        headers["x-original-method"],
        None,
        {"Authorization": headers["authorization"]},
    )
    if not valid:
        return PlainTextResponse("", status_code=403)
    _callers[answer.client_key, headers.get("user-agent", "")] += 1
    return PlainTextResponse("", headers={"X-Client": answer.client_key})


app = Starlette(routes=[Route("/check", check)])
