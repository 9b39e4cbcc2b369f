"""What the HTTP rows measure: `credenza serve` on SQLite, pinned to the server's core, with one partner's key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.gate.scene import Client
from tests.installation import NOWHERE, CredenzaServer, full_settings, furnish

from bench import load, signing
from bench.load import Load

TARGET = "/orders/v1/accounts?status=open&limit=50"


@dataclass(frozen=True, slots=True)
class Gate:
    server: CredenzaServer
    client: Client

    def decide(self, count: int, *, seconds: int) -> Load:
        """Ask for `count` decisions on calls that were never seen before."""
        headers = signing.sign(self.client, count, url=self.server.origin + TARGET)
        requests = [check_request("/check/SANDBOX", header) for header in headers]
        return load.send(self.server.decision_port, requests, pids=self.server.worker_pids, seconds=seconds)


@contextmanager
def gate(*, workers: int = 1, core: int | None = None, upstream: str = NOWHERE) -> Iterator[Gate]:
    """A gate whose installation has been made before: `credenza serve --role gate`."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="credenza-bench-")))
        chosen = full_settings(directory)
        server = stack.enter_context(CredenzaServer(chosen, role="gate", workers=workers, core=core))
        installation = stack.enter_context(furnish(chosen, upstream=upstream))
        yield Gate(server, installation.add_project()[1])


def check_request(
    path: str, authorization: str, *, target: str = TARGET, more: Sequence[tuple[str, str]] = ()
) -> bytes:
    """A sub-request as nginx sends it."""
    return load.raw_request(
        "GET",
        path,
        [
            ("Host", "127.0.0.1"),
            ("Authorization", authorization),
            *more,
            ("X-Original-Method", "GET"),
            ("X-Original-URI", target),
            ("User-Agent", "bench/1"),
        ],
    )
