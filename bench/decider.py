"""A gate without a listener: the verifier over real SQLite and LMDB, and calls that were signed beforehand."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from tests.gate.scene import AUTHORITY, Client, Scene, furnished

from bench.measure import cpu_seconds_each
from credenza.domain.model import EnvironmentName
from credenza.gate.decision import Call
from credenza.protocol import oauth1
from credenza.store.replay import LmdbReplay

URL = f"https://{AUTHORITY}/orders/v1/accounts?status=open&limit=50"
_CAPACITY = 500_000


@contextmanager
def scene() -> Iterator[Scene]:
    """The gate's scene of the tests, with a replay memory of the size that an installation has."""
    with TemporaryDirectory(prefix="credenza-bench-") as directory, furnished(Path(directory)) as made:
        made.replay.close()
        LmdbReplay.establish(Path(directory) / "calls")
        made.replay = LmdbReplay(
            Path(directory) / "calls",
            remember=timedelta(seconds=600),
            ahead=timedelta(seconds=300),
            now=made.clock.now().timestamp(),
            capacity=_CAPACITY,
        )
        made.reader.watch()  # as a server does
        made.freshness.look()
        yield made


def call(client: Client, url: str = URL, *, authorization: str | None = None) -> Call:
    """Sign a call, or give it the header that is to be tried."""
    target = urlsplit(url)
    request = oauth1.Request("GET", target.scheme, target.netloc, target.path, target.query)
    return Call(
        id=secrets.token_hex(16),
        request=request,
        authorization=(client.sign("GET", url) if authorization is None else authorization,),
        environment=EnvironmentName.SANDBOX,
        body_sha256=sha256(b"").digest(),
        address="192.0.2.1",
        user_agent="bench/1",
    )


def calls(client: Client, count: int) -> list[Call]:
    return [call(client) for _ in range(count)]


def as_client_of(client: Client, key_id: str) -> Client:
    return replace(client, consumer_key=f"{client.consumer_key.partition('!')[0]}!{key_id}")


def verify_seconds(key: RSAPublicKey, signed: Sequence[Call]) -> float:
    """The limit: CPU seconds of one signature check alone, the key object kept."""
    checks = []
    for each in signed:
        claim = oauth1.parse(each.authorization[0])
        base_string = oauth1.signature_base_string(each.request, claim, oauth1.MASTERCARD)
        checks.append((claim.signature, base_string.encode()))
    padding, digest = PKCS1v15(), SHA256()
    return cpu_seconds_each(lambda index: key.verify(*checks[index], padding, digest), len(checks))
