"""P15: the portal's page of credentials, in an organization that has 100,000 of them, and the script that it loads.

Measured as browsers see it: requests over HTTP to `credenza serve`, one after the other, signed in. All credentials are
of one project, which is the worst case: every list and every search has all of them before it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from sqlalchemy import insert
from tests.installation import CredenzaServer, Installation, full_settings, furnish, now, upgrade
from tests.servers import PostgreSQLServer

from bench import many_credentials
from bench.line import Line, judge, milliseconds
from bench.measure import ROUNDS, figure, percentile, progress
from credenza.actions import people, sessions
from credenza.actions.sessions import Visitor
from credenza.cli import local
from credenza.domain.model import Project, SignInMethod
from credenza.store import schema
from credenza.store.engine import writing

_CREDENTIALS = 100_000
_USED = 2_000
_REQUESTS = 40
_GOAL_S = 0.05
_SCRIPT_GOAL_BYTES = 25_000


def measure() -> tuple[Line, ...]:
    with TemporaryDirectory(prefix="credenza-bench-") as directory, PostgreSQLServer() as postgresql:
        url = postgresql.create_database()
        upgrade(url)
        lines = []
        for kind, chosen in {"SQLite": {}, "PostgreSQL": {"database_url": url}}.items():
            progress(f"  {_CREDENTIALS} credentials on {kind}")
            with _portal(Path(directory) / kind, chosen) as (browser, views):
                lines.append(_line(kind, {what: _p95(browser, path, what) for what, path in views.items()}))
                script = _script_bytes(browser, views["first page"])
    return (*lines, _script_line(script))


@contextmanager
def _portal(directory: Path, chosen: Mapping[str, str]) -> Iterator[tuple[httpx.Client, Mapping[str, str]]]:
    """A client that is signed in, and the addresses that it looks at."""
    wanted = full_settings(directory, **chosen)
    with CredenzaServer(wanted) as server, furnish(wanted) as installation:
        project, _ = installation.add_project()
        _fill(installation, project)
        deep = many_credentials.key_id(_CREDENTIALS // 2)
        path = f"/projects/{project.id}/sandbox"
        views = {
            "first page": path,
            "page from the middle": f"{path}?order=alias&after={deep}",
            "search by alias": f"{path}?q=key+000777",
            "revoked ones": f"{path}?state=revoked&order=-expires",
            "expiring ones": f"{path}?state=expiring",
        }
        with httpx.Client(base_url=server.manage_origin, cookies={"credenza": _sign_in(installation)}) as browser:
            yield browser, views


def _fill(installation: Installation, project: Project) -> None:
    """Add the credentials, some of them used."""
    moment = now()
    many_credentials.add(installation, (project,), range(_CREDENTIALS), timedelta(minutes=5), now=moment)
    with writing(installation.platform.database.traces) as connection:
        callers = [_caller(installation, many_credentials.key_id(used), used, moment) for used in range(_USED)]
        connection.execute(insert(schema.callers), callers)


def _caller(installation: Installation, key_id: str, number: int, moment: datetime) -> dict[str, object]:
    return {
        "organization_id": installation.organization_id,
        "credential_id": key_id,
        "service_id": installation.service.id,
        "address": f"10.0.{number // 256}.{number % 256}",
        "user_agent": "bench",
        "first_seen_at": moment - timedelta(days=1),
        "last_seen_at": moment,
        "admitted": number,
        "refused": 0,
    }


def _sign_in(installation: Installation) -> str:
    found = people.list_users(installation.platform, local.OPERATOR, now=now())
    ada = next(each for each in found if each.id == installation.actor.user_id)
    return sessions.begin(installation.platform, ada, SignInMethod.LINK, Visitor(), now=now()).token


def _p95(browser: httpx.Client, path: str, what: str) -> float:
    """The median of several rounds' p95, after one that warms up."""
    rounds = []
    for number in range(ROUNDS + 1):
        progress(f"  round {number} of {ROUNDS}: {what}")
        rounds.append(percentile([_request(browser, path) for _ in range(_REQUESTS)], 95))
    return figure(rounds[1:]).median


def _request(browser: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = browser.get(path)
    taken = time.perf_counter() - began
    if answer.status_code != httpx.codes.OK or 'scope="row"' not in answer.text:
        raise RuntimeError(f"{path} shows no credentials: {answer.status_code}")
    return taken


def _script_bytes(browser: httpx.Client, path: str) -> int:
    """What the page's scripts take on the wire."""
    names = re.findall(r'<script src="([^"]+)"', browser.get(path).text)
    answers = (browser.get(name, headers={"Accept-Encoding": "gzip"}) for name in names)
    return sum(each.num_bytes_downloaded for each in answers)


def _line(kind: str, views: Mapping[str, float]) -> Line:
    slowest = max(views.values())
    return Line(
        id="P15",
        what=f"portal: credentials page, {_CREDENTIALS:,} credentials in the organization and the project, {kind}",
        figure=", ".join(f"{what} {milliseconds(seconds)}" for what, seconds in views.items()),
        compared="–",
        ratio="–",
        goal="p95 ≤ 50 ms",
        verdict=judge(slowest <= _GOAL_S),
    )


def _script_line(script: int) -> Line:
    return Line(
        id="P15",
        what="portal: script that the credentials page loads",
        figure=f"{script / 1000:.1f} kB gz",
        compared="–",
        ratio="–",
        goal="≤ 25 kB gz",
        verdict=judge(script <= _SCRIPT_GOAL_BYTES),
    )
