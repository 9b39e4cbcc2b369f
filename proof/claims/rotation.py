"""A key that signs tokens gives way to its successor under load: no token is refused, and none is issued by a key that
was not published before (RFC 7517, `domain.token_keys`)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import update
from tests.installation import SANDBOX, now

from credenza.actions import token_keys as rotating
from credenza.actions.context import Platform
from credenza.domain import token_keys as life
from credenza.domain.model import PLATFORM
from credenza.domain.token_keys import IssuerKind, TokenKey
from credenza.protocol import access_token
from credenza.store import changes, schema, token_keys
from credenza.store.changes import ChangeKind
from credenza.store.engine import reading, writing
from proof import stage
from proof.calls import ADMITTED, Line, request
from proof.claim import Claim, Progress, hold
from proof.stage import Stage
from proof.token_calls import Partner, Partners

_CLIENTS = 6
_AHEAD = timedelta(seconds=1)
_TOKENS_EACH = 10
_USED_FOR_S = 600.0
_PATIENCE_S = 120.0


class _Key(msgspec.Struct):
    kid: str


class _KeySet(msgspec.Struct):
    keys: list[_Key]


@dataclass(slots=True)
class _Seen:
    """What the clients have got: the keys that each read last, tokens to use again, and how many of each key."""

    published: dict[int, frozenset[str]] = field(default_factory=dict)
    tokens: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=500))
    by_key: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    stopping: bool = False

    def note(self, kid: str, token: str) -> None:
        self.by_key[kid] = self.by_key.get(kid, 0) + 1
        self.tokens.append((time.monotonic(), token))

    def any_token(self) -> str:
        since = time.monotonic() - _USED_FOR_S
        return random.choice([token for at, token in self.tokens if at > since])


def on_sqlite(rotations: int) -> str:
    with stage.on_sqlite(workers=4) as where:
        return asyncio.run(_prove(where, rotations))


def on_postgresql(rotations: int) -> str:
    with stage.on_postgresql(gates=2) as where:
        return asyncio.run(_prove(where, rotations))


async def _prove(where: Stage, rotations: int) -> str:
    partner, seen, progress = Partners(where).add(), _Seen(), Progress("rotations", rotations)
    await partner.await_admission([gate.port for gate in where.gates])
    clients = [asyncio.create_task(_use(where, partner, seen, number)) for number in range(_CLIENTS)]
    try:
        for _ in range(rotations):
            await _rotate(where, seen, clients)
            progress.add()
    finally:
        seen.stopping = True
        await asyncio.gather(*clients)
    return (
        f"{sum(seen.by_key.values()):,} tokens of {len(seen.by_key)} keys, each published before; "
        f"0 of {seen.calls:,} calls with them refused"
    )


async def _use(where: Stage, partner: Partner, seen: _Seen, number: int) -> None:
    """Read the published keys, get a token, and call with it or with one of the last minutes, wherever it goes."""
    gates = [gate.port for gate in where.gates]
    path = f"{partner.prefix}/7"
    async with Line(random.choice(gates)) as reading_line, Line(random.choice(gates)) as asking_line:
        while not seen.stopping:
            published = seen.published[number] = await _published(reading_line)
            token = await _granted(partner, asking_line)
            kid = access_token.parse(token)[0].header.kid or ""
            hold(kid in published, f"a token is signed by {kid}, published were {sorted(published)}")
            seen.note(kid, token)
            for each in (token, seen.any_token()):
                async with Line(random.choice(gates)) as line:
                    answer = await line.ask(partner.call(each, path))
                hold(answer.status == ADMITTED, f"a token was refused: {answer.status} {answer.body[:200]!r}")
                seen.calls += 1


async def _published(line: Line) -> frozenset[str]:
    answer = await line.ask(request("GET", "/oauth/jwks"))
    return frozenset(each.kid for each in msgspec.json.decode(answer.body, type=_KeySet).keys)


async def _granted(partner: Partner, line: Line) -> str:
    answer = await line.ask(partner.token_request())
    hold(answer.status == ADMITTED, f"no token was given: {answer.status} {answer.body[:200]!r}")
    return partner.read(answer)


# ------------------------------------------------------------------------------------------------------------- rotate


async def _rotate(where: Stage, seen: _Seen, clients: Sequence[asyncio.Task[None]]) -> None:
    """Bring the successor's day forward, wait until all sign with it, and have the next one made."""
    platform = where.installation.platform
    successor = _newest(platform)
    # In ten minutes everybody reads the keys again; here they have to have done so before the successor signs.
    await _await(lambda: sum(successor.kid in each for each in seen.published.values()) == len(clients), clients)
    _bring_forward(platform, now() + _AHEAD)
    await _await(lambda: seen.by_key.get(successor.kid, 0) >= _TOKENS_EACH * len(clients), clients)
    await asyncio.to_thread(rotating.rotate_due, platform, now=now())
    hold(_newest(platform).generation > successor.generation, "no successor was made")


def _newest(platform: Platform) -> TokenKey:
    with reading(platform.database.records) as connection:
        keys = token_keys.list_all(connection)
    line = [each for each in keys if (each.environment, each.issuer) == (SANDBOX, IssuerKind.FAPI2)]
    return max(line, key=lambda each: each.generation)


def _bring_forward(platform: Platform, at: datetime) -> None:
    """As if the key that signs had done so for a month, and its successor been published for as long."""
    with writing(platform.database.records) as connection:
        *before, last = token_keys.list_line(connection, SANDBOX, IssuerKind.FAPI2)
        successor = replace(last, published_at=at - life.CACHE_TIME, signs_from=at)
        older = update(schema.token_keys).where(schema.token_keys.c.kid == successor.kid)
        connection.execute(older.values(published_at=successor.published_at))
        for each in (successor, *life.succession([*before, successor], now=now())):
            token_keys.set_times(connection, each)
        changes.record(connection, PLATFORM, ChangeKind.ISSUER, successor.kid)


async def _await(reached: Callable[[], bool], clients: Sequence[asyncio.Task[None]]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not reached():
        for client in clients:
            if client.done():
                client.result()  # says what broke
        hold(time.monotonic() < deadline, f"nothing came of it for {_PATIENCE_S:.0f} s")
        await asyncio.sleep(0.05)


CLAIMS = (
    Claim(
        "rotation, SQLite",
        "signing keys give way under load: no token refused, none by an unpublished key; 4 workers",
        50,
        "rotations",
        on_sqlite,
        in_tests=2,
    ),
    Claim("rotation, PostgreSQL", "the same with two gates on PostgreSQL", 50, "rotations", on_postgresql, in_tests=2),
)
