"""The clients that exist, unmodified, through the gateway: every awkward URL, every kind of body, both methods."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.gate.scene import Client
from tests.protocol.test_oauth1_clients import QUERIES

from proof import stage
from proof.claim import Claim, Progress, hold

_SCRIPT = Path(__file__).parents[1] / "clients" / "call.py"
_PYTHON = Path(__file__).parents[2] / ".clients" / "bin" / "python"
_PATHS = (
    "/orders",
    "/orders/",
    "/orders/a%20b/caf%C3%A9/x%2Fy",
    "/orders/a:b/~c/d,e/f@g/$i/k=l&m",
    "/orders//double//slash/",
)


def are_admitted(rounds: int) -> str:
    hold(_PYTHON.exists(), "the client libraries are not installed: make setup")
    with stage.on_sqlite() as where:
        client = where.installation.add_project()[1]
        progress, answers = Progress("rounds", rounds), Counter[tuple[str, str, int]]()
        for _ in range(rounds):
            answers += _round(client, where.gate.origin)
            progress.add()
    refused = [f"{library}: {call} {status}" for library, call, status in answers if status != 200]
    hold(not refused, f"{len(refused)} kinds of calls were refused: {'; '.join(refused[:10])}")
    by_library = Counter[str]()
    for (library, _, _), count in answers.items():
        by_library[library] += count
    return "all admitted: " + ", ".join(f"{count:,} of {library}" for library, count in by_library.items())


def _round(client: Client, origin: str) -> Counter[tuple[str, str, int]]:
    pem = client.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    asked = {
        "origin": origin,
        "consumer_key": client.consumer_key,
        "pem": pem,
        "queries": QUERIES,
        "paths": _PATHS,
    }
    done = subprocess.run(
        [_PYTHON, _SCRIPT], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=600
    )
    hold(done.returncode == 0, f"the clients failed: {done.stderr[-1000:]}")
    return Counter((library, call, status) for library, call, status in map(json.loads, done.stdout.splitlines()))


CLAIMS = (
    Claim(
        "clients",
        "mastercard-oauth1-signer (both methods, all bodies) and requests-oauthlib (GET and forms), unmodified, are "
        "admitted with every awkward URL",
        20,
        "rounds of the matrix",
        are_admitted,
    ),
)
