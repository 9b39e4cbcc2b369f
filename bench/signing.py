"""Signed calls by the thousand: signing takes ten times as long as checking, so all cores do it beforehand."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from tests.gate.scene import Client

from credenza.protocol import oauth1
from credenza.protocol.oauth1 import MASTERCARD, RFC5849, Reading

_Made = TypeVar("_Made")

_READINGS = {reading.name: reading for reading in (MASTERCARD, RFC5849)}


def sign(
    client: Client, count: int, *, url: str, method: str = "GET", body: bytes = b"", reading: Reading = MASTERCARD
) -> list[str]:
    """Make Authorization headers of calls made now, each with a nonce of its own."""
    der = client.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return by_all_cores(_sign, count, der, client.consumer_key, method, url, body, reading.name)


def by_all_cores(make: Callable[..., list[_Made]], count: int, *arguments: object) -> list[_Made]:
    """Have `make(share, *arguments)` make `count` of something in as many processes as there are cores."""
    processes = len(os.sched_getaffinity(0))
    share = -(-count // processes)
    with ProcessPoolExecutor(processes, mp_context=get_context("forkserver")) as pool:
        parts = [pool.submit(make, share, *arguments) for _ in range(processes)]
        return [made for part in parts for made in part.result()][:count]


def _sign(count: int, der: bytes, consumer_key: str, method: str, url: str, body: bytes, reading: str) -> list[str]:
    key = load_der_private_key(der, None)
    assert isinstance(key, RSAPrivateKey)
    timestamp = int(time.time())
    return [
        oauth1.sign(
            consumer_key=consumer_key,
            key=key,
            method=method,
            url=url,
            body=body,
            timestamp=timestamp,
            nonce=secrets.token_hex(8),
            reading=_READINGS[reading],
        )
        for _ in range(count)
    ]
