"""Revoke, then call: what starts after the answer is never taken, on any gate (architecture, "Freshness"): no call that
the key has signed, no token that it has fetched, and no request for another one."""

from __future__ import annotations

import asyncio
import secrets
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from tests.gate.scene import Client
from tests.installation import SANDBOX, now

from credenza.actions import certificates, resource_servers
from credenza.cli import local
from credenza.client import operations
from credenza.client.auth import TokenAuth
from credenza.client.management import AsyncManagementClient
from credenza.domain.model import ProjectId
from proof import stage
from proof.calls import ADMITTED, Answer, Line, make_keys, signed
from proof.certificate_calls import Till, Tills, server_files
from proof.claim import Claim, Progress, hold
from proof.secret_calls import Holder, Holders
from proof.stage import Stage
from proof.token_calls import Partner, Partners, introspection

_LINES_PER_GATE = 4
_TARGET = "/orders/v1"


TAKEN = "taken"
_WAYS = 5
"""In which an API credential loses what it may do."""


@dataclass(frozen=True, slots=True)
class _Use:
    """A way to use a key: what is sent, how an answer to it reads, and which one is to come for ever. It goes over
    connections that `line` makes, which are kept, or new for every use."""

    request: Callable[[], bytes]
    verdict: Callable[[Answer], str]
    refused: str
    line: Callable[[int], Line] = Line
    kept: bool = True


@dataclass(frozen=True, slots=True)
class _Revocable:
    """What gives rights, how it is used, and how it is revoked; `revoke` returns with the answer."""

    uses: Sequence[_Use]
    revoke: Callable[[AsyncManagementClient], Awaitable[object]]


@dataclass(slots=True)
class _Watched:
    """The uses of one key: when they began, what became of them, and when its revocation was answered."""

    uses: list[tuple[float, str]] = field(default_factory=list)
    lines: set[int] = field(default_factory=set)
    answered_at: float | None = None
    took_s: float = 0.0

    @property
    def after(self) -> list[str]:
        if self.answered_at is None:
            return []
        return [verdict for began, verdict in self.uses if began > self.answered_at]


def on_sqlite(calls: int) -> str:
    with stage.on_sqlite(workers=4) as where:
        return _prove(where, calls, keys=_signing(where, max(1, calls // 100)))


def on_postgresql(calls: int) -> str:
    with stage.on_postgresql(gates=2) as where:
        return _prove(where, calls, keys=_signing(where, max(1, calls // 100)))


def on_three_nodes(revocations: int) -> str:
    with stage.on_postgresql(gates=3) as where:
        return _prove(where, revocations * 12, keys=_signing(where, revocations))


def tokens_on_sqlite(uses: int) -> str:
    with stage.on_sqlite(workers=4) as where:
        return _prove(where, uses, keys=_fetching(where, max(1, uses // 100)))


def tokens_on_postgresql(uses: int) -> str:
    with stage.on_postgresql(gates=2) as where:
        return _prove(where, uses, keys=_fetching(where, max(1, uses // 100)))


def one_token_on_sqlite(uses: int) -> str:
    with stage.on_sqlite(workers=4) as where:
        return _prove(where, uses, keys=_revoking_tokens(where, max(1, uses // 100)))


def one_token_on_postgresql(uses: int) -> str:
    with stage.on_postgresql(gates=2) as where:
        return _prove(where, uses, keys=_revoking_tokens(where, max(1, uses // 100)))


def secrets_on_sqlite(uses: int) -> str:
    with stage.on_sqlite(workers=4) as where:
        return _prove(where, uses, keys=_by_secret(where, max(_WAYS, uses // 100)))


def secrets_on_postgresql(uses: int) -> str:
    with stage.on_postgresql(gates=2) as where:
        return _prove(where, uses, keys=_by_secret(where, max(_WAYS, uses // 100)))


def certificates_on_sqlite(calls: int) -> str:
    with TemporaryDirectory(prefix="credenza-proof-") as directory:
        files = server_files(Path(directory))
        with stage.on_sqlite(workers=4, **files) as where:
            return _prove(where, calls, keys=_proving_in_tls(where, Path(directory), max(1, calls // 100)))


def certificates_on_postgresql(calls: int) -> str:
    with TemporaryDirectory(prefix="credenza-proof-") as directory:
        files = server_files(Path(directory))
        with stage.on_postgresql(gates=2, **files) as where:
            return _prove(where, calls, keys=_proving_in_tls(where, Path(directory), max(1, calls // 100)))


def _prove(where: Stage, calls: int, *, keys: Sequence[Callable[[], Awaitable[_Revocable]]]) -> str:
    watched, expected = asyncio.run(_revoke_all(where, keys, -(-calls // len(keys))))
    after = [verdict for each in watched for verdict in each.after]
    before = sum(verdict == TAKEN for each in watched for _, verdict in each.uses) - after.count(TAKEN)
    hold(before >= len(keys), f"only {before} were taken before the revocations: nothing was at stake")
    hold(after.count(TAKEN) == 0, f"{after.count(TAKEN)} of {len(after)} later ones were taken")
    hold(set(after) == expected, f"later ones were answered {set(after)}")
    took = sorted(each.took_s for each in watched)
    return (
        f"0 of {len(after):,} taken that started after the answer to one of {len(keys):,} revocations, "
        f"{before:,} before; answered in {took[len(took) // 2] * 1e3:.0f} ms (median), "
        f"{took[int(len(took) * 0.99)] * 1e3:.0f} ms (p99), {took[-1] * 1e3:.0f} ms (most)"
    )


# --------------------------------------------------------------------------------------------------- keys and their use


def _signing(where: Stage, count: int) -> Sequence[Callable[[], Awaitable[_Revocable]]]:
    """Keys that sign calls."""
    project, _ = where.installation.add_project()
    clients = [where.installation.add_key(project, key) for key in make_keys(count)]

    async def key(client: Client) -> _Revocable:
        use = _Use(lambda: signed(client, where.gate.origin, _TARGET), _status, "403")
        return _Revocable([use], partial(_revoke_key, project.id, client.key_id))

    return [partial(key, client) for client in clients]


def _proving_in_tls(where: Stage, directory: Path, count: int) -> Sequence[Callable[[], Awaitable[_Revocable]]]:
    """Certificates, shown on connections that are kept and on one that is new for every call."""
    tills = Tills(where, directory)

    async def certificate() -> _Revocable:
        till = tills.add()
        kept = _Use(till.call, _status, "422", till.line)
        return _Revocable([kept, replace(kept, kept=False)], partial(_revoke_certificate, where, tills, till))

    return [certificate] * count


async def _revoke_certificate(where: Stage, tills: Tills, till: Till, _: AsyncManagementClient) -> None:
    made = where.installation
    revoke = partial(certificates.revoke, made.platform, made.actor, tills.project.id, till.held.id)
    await asyncio.to_thread(partial(revoke, keep_last=False, reason="", now=now()))


def _fetching(where: Stage, count: int) -> Sequence[Callable[[], Awaitable[_Revocable]]]:
    """Keys that fetch tokens, which are shown to gates and asked about by a resource server."""
    partners, basic = Partners(where), _resource_server(where)

    async def key() -> _Revocable:
        partner = partners.add()
        await partner.await_admission([gate.port for gate in where.gates])
        async with Line(where.gate.port) as line:
            token = await partner.fetch(line)
        shown, asked = _shown(partner, token), _asked(token, basic)
        fetched = _Use(partner.token_request, _status, "401")
        return _Revocable([shown, asked, shown, fetched], partial(_revoke_key, partners.project.id, partner.kid))

    return [key] * count


def _revoking_tokens(where: Stage, count: int) -> Sequence[Callable[[], Awaitable[_Revocable]]]:
    """Tokens of one key that goes on; their client revokes one after the other (RFC 7009)."""
    partner, basic = Partners(where).add(), _resource_server(where)

    async def token() -> _Revocable:
        await partner.await_admission([gate.port for gate in where.gates])
        async with Line(where.gate.port) as line:
            token = await partner.fetch(line)
        return _Revocable([_shown(partner, token), _asked(token, basic)], partial(_revoke_token, where, partner, token))

    return [token] * count


def _by_secret(where: Stage, count: int) -> Sequence[Callable[[], Awaitable[_Revocable]]]:
    """API credentials that lose what they may do, by turns in each way; none of their tokens goes on."""
    holders, ports = Holders(where), [gate.port for gate in where.gates]

    async def holder(end: Callable[[Holder], Awaitable[None]], refused: str) -> _Revocable:
        found, token = await holders.ready(ports)
        shown = _Use(lambda: found.call(token), _status, refused)
        fetched = _Use(found.token_request, _slowed, "401")
        # A narrowed credential still gets tokens.
        return _Revocable([shown, shown, fetched] if refused == "401" else [shown], lambda _: end(found))

    ends = (
        (holders.deactivate, "401"),
        (holders.delete, "401"),
        (holders.delete_secret, "401"),
        (holders.narrow, "403"),
        (holders.archive, "404"),
    )
    assert len(ends) == _WAYS, "each has its turn"
    return [partial(holder, *ends[number % _WAYS]) for number in range(count)]


def _shown(partner: Partner, token: str) -> _Use:
    return _Use(lambda: partner.call(token, f"{partner.prefix}/7"), _status, "401")


def _asked(token: str, basic: str) -> _Use:
    return _Use(lambda: introspection(token, basic), _standing, "inactive")


def _resource_server(where: Stage) -> str:
    """Who may ask, as an Authorization header."""
    platform, name = where.installation.platform, secrets.token_hex(4)
    asker = resource_servers.add(platform, local.OPERATOR, environment=SANDBOX, name=name, now=now())
    return "Basic " + b64encode(f"{asker.server.id}:{asker.secret}".encode()).decode()


async def _revoke_key(project_id: ProjectId, key_id: str, management: AsyncManagementClient) -> None:
    await management.send(operations.revoke_project_credential(project_id, key_id))


async def _revoke_token(where: Stage, partner: Partner, token: str, _: AsyncManagementClient) -> None:
    async with Line(where.gates[-1].port) as line:
        answer = await line.ask(partner.revocation(token))
    hold(answer.status == 200, f"a token was not revoked: {answer.status} {answer.body[:200]!r}")


def _status(answer: Answer) -> str:
    return TAKEN if answer.status == ADMITTED else str(answer.status)


def _slowed(answer: Answer) -> str:
    """Whoever goes on with a secret that is gone is slowed down as one who guesses."""
    return "401" if answer.status == 429 else _status(answer)


def _standing(answer: Answer) -> str:
    if answer.status != 200:
        return str(answer.status)
    return TAKEN if msgspec.json.decode(answer.body)["active"] else "inactive"


# --------------------------------------------------------------------------------------------------- revoke under fire


async def _revoke_all(
    where: Stage, keys: Sequence[Callable[[], Awaitable[_Revocable]]], calls: int
) -> tuple[list[_Watched], set[str]]:
    progress = Progress("revocations", len(keys))
    watched, expected = [], set[str]()
    token = TokenAuth(where.installation.token)
    async with AsyncManagementClient(where.manage.manage_origin, token) as management:
        for make in keys:
            key = await make()
            expected |= {use.refused for use in key.uses}
            watched.append(await _revoke_under_fire(where, management, key, calls))
            progress.add()
    return watched, expected


async def _revoke_under_fire(where: Stage, management: AsyncManagementClient, key: _Revocable, calls: int) -> _Watched:
    """Revoke a key while it is used at every gate, and go on until `calls` uses have started after the answer."""
    watched = _Watched()
    ports = [gate.port for gate in where.gates for _ in range(_LINES_PER_GATE)]
    firing = [
        asyncio.create_task(_fire(number, port, key.uses[number % len(key.uses)], watched, calls))
        for number, port in enumerate(ports)
    ]
    while len(watched.lines) < len(ports):
        await asyncio.sleep(0.001)
    began = time.monotonic()
    await key.revoke(management)
    watched.answered_at = time.monotonic()
    watched.took_s = watched.answered_at - began
    await asyncio.gather(*firing)
    return watched


async def _fire(number: int, port: int, use: _Use, watched: _Watched, calls: int) -> None:
    async with use.line(port) as line:
        while len(watched.after) < calls:
            request, began = use.request(), time.monotonic()
            try:
                verdict = use.verdict(await line.ask(request))
            except (OSError, EOFError):
                verdict = "no answer"
            watched.uses.append((began, verdict))
            if not use.kept:
                line.drop()
            if verdict == TAKEN:
                watched.lines.add(number)


CLAIMS = (
    Claim(
        "revoke, SQLite",
        "of calls that start after the answer to a revocation none is admitted; 4 workers",
        10_000,
        "calls",
        on_sqlite,
    ),
    Claim("revoke, PostgreSQL", "the same with two gates on PostgreSQL", 10_000, "calls", on_postgresql),
    Claim(
        "revoke tokens, SQLite",
        "no token of a revoked key is admitted, called active or given from the answer on; 4 workers",
        10_000,
        "uses",
        tokens_on_sqlite,
    ),
    Claim("revoke tokens, PostgreSQL", "the same with two gates on PostgreSQL", 10_000, "uses", tokens_on_postgresql),
    Claim(
        "revoke one token, SQLite",
        "no token that its client has revoked is admitted or called active from the answer on; 4 workers",
        10_000,
        "uses",
        one_token_on_sqlite,
    ),
    Claim(
        "revoke one token, PostgreSQL",
        "the same with two gates on PostgreSQL",
        10_000,
        "uses",
        one_token_on_postgresql,
    ),
    Claim(
        "revoke API credentials, SQLite",
        "no token opens what its credential has lost (switched off, deleted, secret deleted, edited, workspace "
        "archived) from the answer on, and none is given; 4 workers",
        10_000,
        "uses",
        secrets_on_sqlite,
    ),
    Claim(
        "revoke API credentials, PostgreSQL",
        "the same with two gates on PostgreSQL",
        10_000,
        "uses",
        secrets_on_postgresql,
    ),
    Claim("R1", "the same with three gates, PostgreSQL and Redis", 1_000, "revocations", on_three_nodes),
    Claim(
        "revoke certificates, SQLite",
        "no revoked certificate is admitted from the answer on, on TLS connections that are open or new; 4 workers",
        10_000,
        "calls",
        certificates_on_sqlite,
    ),
    Claim(
        "revoke certificates, PostgreSQL",
        "the same with two gates on PostgreSQL",
        10_000,
        "calls",
        certificates_on_postgresql,
    ),
)
