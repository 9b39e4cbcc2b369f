"""Made-up requests, good and bad, to every operation of the OpenAPI document: none makes a server fail (threat 17)."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from schemathesis.specs.openapi.schemas import OpenApiSchema
from tests.api.desk import Desk
from tests.api.made_up_requests import KINDS, Kind, read_document, send
from tests.databases import SqlitePlace, migrate_files

from proof.claim import Broken, Claim, Progress

_AT_ONCE = 200
"""Of one kind on one desk: what the requests do to it must not make all later ones end at nothing."""


@dataclass(frozen=True, slots=True)
class _Sent:
    kind: Kind
    statuses: Counter[int]
    failure: str


def every_request_is_answered(requests: int) -> str:
    """In rounds, over all kinds: of some there are few different requests, and the others make up for them."""
    progress, statuses = Progress("requests", requests), Counter[int]()
    kinds = random.Random(requests).sample(KINDS, min(len(KINDS), requests))
    most_processes = -(-requests // _AT_ONCE)  # each makes a desk first, which takes longer than some requests
    with TemporaryDirectory(prefix="credenza-proof-") as directory, _processes(directory, most_processes) as pool:
        while statuses.total() < requests:
            most = min(_AT_ONCE, -(-(requests - statuses.total()) // len(kinds)))
            tired = set()
            for sent in pool.map(_send, kinds, [most] * len(kinds)):
                if sent.failure:
                    raise Broken(f"{sent.kind.method} {sent.kind.path}: {sent.failure}")
                statuses += sent.statuses
                progress.add(sent.statuses.total())
                if sent.statuses.total() < most:
                    tired.add(sent.kind)
            kinds = [each for each in kinds if each not in tired] or kinds
    return f"{statuses.total():,} requests of {len(KINDS)} kinds, 0 × 5xx: {_listed(statuses)}"


def _processes(directory: str, most: int) -> ProcessPoolExecutor:
    cores = len(os.sched_getaffinity(0))
    return ProcessPoolExecutor(min(cores, most), get_context("forkserver"), _begin, (directory,))


def _begin(directory: str) -> None:
    """Let each process work in a directory of its own."""
    own = Path(directory) / str(os.getpid())
    own.mkdir()
    os.chdir(own)


def _send(kind: Kind, most: int) -> _Sent:
    bench = _bench()
    desk = Desk(bench.directory, bench.place.put(bench.furnished.directory), template=bench.furnished)
    try:
        return _Sent(kind, send(desk, bench.document, kind, most=most), "")
    except Exception as failure:  # noqa: BLE001 - whatever it is, the claim does not hold
        return _Sent(kind, Counter(), f"{type(failure).__name__}: {failure}"[:500])
    finally:
        desk.close()


@dataclass(frozen=True, slots=True)
class _Bench:
    """What a process needs again and again: a desk whose rows all others begin with, and a place for those."""

    furnished: Desk
    document: OpenApiSchema
    place: SqlitePlace
    directory: Path


@cache
def _bench() -> _Bench:
    migrated, furnished, place, own = (Path(name).absolute() for name in ("migrated", "furnished", "place", "own"))
    for directory in (migrated, furnished, place, own):
        directory.mkdir()
    desk = Desk(furnished, SqlitePlace(furnished).put(migrate_files(migrated)))
    document = read_document(desk)
    desk.close()
    return _Bench(desk, document, SqlitePlace(place), own)


def _listed(statuses: Counter[int]) -> str:
    return ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))


CLAIMS: Sequence[Claim] = (
    Claim(
        "made-up requests",
        "no request that can be made up from the OpenAPI document, good or bad, makes the server fail",
        100_000,
        "requests",
        every_request_is_answered,
        in_tests=20,  # tests/api/test_fuzz.py sends a hundredth
    ),
)
