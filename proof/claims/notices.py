"""Every notice of expiry arrives, and no two under different ids, whoever is killed on the way (R15).

Two nodes live through 13 months and more in which keys are made, renewed, rotated and revoked. At every moment at which
a notice falls due one of them is armed to die, between two lines that differ from time to time; it is started again and
everything goes on. Mail goes to a real mail server and webhooks to a real receiver.
"""

from __future__ import annotations

import json
import random
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Self

from tests.actions.stage import OPERATOR, Shop, Stage, know_the_timeline, new_platform
from tests.adapters.mail_server import MailServer, mail_server
from tests.clock import NOON, Clock
from tests.servers import HOST, PostgreSQLServer

from credenza.actions import oauth_keys, webhooks
from credenza.domain.model import Credential
from credenza.store import migrate, traces
from credenza.store.engine import Database, open_database, writing
from credenza.store.traces import Caller
from proof import notice_node
from proof.claim import Claim, Progress, hold

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["proof.notice_node"])  # nodes die often, and what they import takes a second
_DAYS = (90, 60, 30, 15, 7, 1, 0)
_FAILPOINTS = (
    "notice_inserted",
    "delivery_after_send",
    "notices_before_commit",
    "delivery_claimed",
    "notices_after_commit",
    "delivery_before_send",
    "notices_planned",
    "delivery_noted",
)
_DAY = timedelta(days=1)
_STEP = timedelta(hours=6)
"""After a death the clock moves so far; the claim of a dead sender has lapsed then."""
_LONG = 30 * _DAY
_LATE = 4 * _STEP
_NEW_KEY_EVERY = 2 * _DAY + timedelta(hours=5)
_KILLS_A_KEY = 5


def on_sqlite(kills: int) -> str:
    with TemporaryDirectory(prefix="credenza-proof-") as directory:
        return _live(f"sqlite:///{directory}/credenza.db", kills)


def on_postgresql(kills: int) -> str:
    with PostgreSQLServer() as server:
        return _live(server.create_database(), kills)


def _live(url: str, kills: int) -> str:
    database = open_database(url)
    migrate.upgrade(database)
    with ExitStack() as stack:
        stack.callback(database.close)
        mail = stack.enter_context(mail_server())
        receiver = stack.enter_context(_receiver())
        nodes = [stack.enter_context(_Node(url, mail.port)) for _ in range(2)]
        life = _Life(database, receiver.url, keys=max(4, kills // _KILLS_A_KEY))
        killed = _go_through(life, nodes, _Arrivals(mail, receiver), kills)
    return f"{killed} kills of two nodes: {life.check()}"


def _go_through(life: _Life, nodes: list[_Node], arrivals: _Arrivals, kills: int) -> int:
    """Move the clock from one moment at which anything happens to the next; kill where a notice falls due."""
    killed, died, progress = 0, 0, Progress("kills", kills)
    while not life.over:
        due = life.advance(repair=died > 0)
        armed = _FAILPOINTS[killed % len(_FAILPOINTS)] if due and killed < kills else "-"
        victims = random.choice((nodes[:1], nodes[1:], nodes))
        for node in nodes:
            node.begin(life.now, armed if node in victims else "-")
        died = sum(not node.ended() for node in nodes)
        killed += died
        progress.add(died)
        life.note(arrivals.since_last())
    hold(killed, "no node came past its failpoint")
    return killed


class _Node:
    """A process that is told the time, and started again when it has died."""

    def __init__(self, url: str, smtp_port: int) -> None:
        self._place = url, smtp_port
        self._process: BaseProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def begin(self, now: datetime, failpoint: str) -> None:
        if self._process is None:
            self._line, its = _CONTEXT.Pipe()
            self._process = _CONTEXT.Process(target=notice_node.go_round_when_told, args=(*self._place, its))
            self._process.start()
            its.close()
        self._line.send((now, failpoint))

    def ended(self) -> bool:
        """Await the end of the round; False when the node died in it."""
        assert self._process is not None
        with suppress(EOFError, ConnectionResetError):
            self._line.recv()
            return True
        self._line.close()
        self._process.join()
        hold(self._process.exitcode == -signal.SIGKILL, f"a node ended by itself: {self._process.exitcode}")
        self._process = None
        return False


# ---------------------------------------------------------------------------------------------------- what was received


@dataclass(frozen=True, slots=True)
class _Arrival:
    """Something received: under which id, by whom, about which end of which key."""

    identity: str
    to: str
    credential_id: str
    not_after: datetime


class _Receiver(ThreadingHTTPServer):
    """A webhook receiver; `bodies` are by id, in the order of their coming."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Taking)
        self.bodies: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/hook"


class _Taking(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.headers["webhook-id"], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _receiver() -> Iterator[_Receiver]:
    with _Receiver() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Arrivals:
    """Reads what mail server and receiver were given since the last time."""

    def __init__(self, mail: MailServer, receiver: _Receiver) -> None:
        self._mail = mail
        self._receiver = receiver
        self._read = [0, 0]

    def since_last(self) -> list[_Arrival]:
        mails, bodies = self._mail.mails[self._read[0] :], self._receiver.bodies[self._read[1] :]
        self._read = [len(self._mail.mails), len(self._receiver.bodies)]
        return [
            *(_of_mail(str(each["Message-ID"]), str(each["To"]), str(each.get_body(("plain",)))) for each in mails),
            *(_of_event(identity, json.loads(body)["data"]) for identity, body in bodies),
        ]


def _of_mail(identity: str, to: str, text: str) -> _Arrival:
    """Read a mail as its reader would: which key it names, and when that ends."""
    joined = text.replace("=\n", "")
    moment = joined.split(" on ", 1)[1][: len("2026-01-01 00:00:00")]
    credential_id = joined.split("Id: ", 1)[1][:48]
    return _Arrival(identity, to, credential_id, datetime.fromisoformat(f"{moment}+00:00"))


def _of_event(identity: str, event: dict[str, str]) -> _Arrival:
    not_after = datetime.fromisoformat(event["notAfter"])
    return _Arrival(identity, "webhook", event["credentialId"], not_after)


# --------------------------------------------------------------------------------------------------- what has to arrive


@dataclass(slots=True)
class _Key:
    """A key, and what becomes of it in its last months. `ends` are its ends so far, with the moments of each at which
    a notice must arrive."""

    credential: Credential
    fate: str
    ends: dict[datetime, list[datetime]] = field(default_factory=dict)

    def expect(self, not_after: datetime, *, after: datetime) -> None:
        moments = (not_after - days * _DAY for days in _DAYS)
        self.ends[not_after] = [each for each in moments if each > after]

    @property
    def turning_point(self) -> datetime:
        """When its fate is met: between two notices."""
        return min(self.ends) - 40 * _DAY

    def expect_no_more(self, now: datetime) -> None:
        self.ends = {end: [each for each in moments if each <= now] for end, moments in self.ends.items()}


class _Life:
    """Thirteen months and more of an organization. What must arrive is counted from the dates alone."""

    def __init__(self, database: Database, hook: str, *, keys: int) -> None:
        self._clock = Clock(NOON)
        know_the_timeline(database.records)
        platform = new_platform(database, now=NOON)
        self._stage = Stage(platform, self._clock).with_policy(webhook_schemes=frozenset({"http"}))
        self._shop = Shop(self._stage)
        webhooks.add(self._stage.platform, OPERATOR, self._shop.organization.id, url=hook, now=NOON)
        self._keys = [self._key(self._shop.key, "kept")]
        self._to_make = keys - 1
        self._arrived: dict[tuple[str, datetime, str], dict[str, datetime]] = defaultdict(dict)
        self._repeats: Counter[str] = Counter()

    @property
    def now(self) -> datetime:
        return self._clock.now()

    @property
    def over(self) -> bool:
        return not self._to_make and self.now > max(end for key in self._keys for end in key.ends) + _LATE

    def advance(self, *, repair: bool) -> bool:
        """Move to the next moment at which anything happens, to `repair` a short step at most, so that what a dead node
        had taken is taken again; say whether a notice falls due."""
        falling_due = [each for key in self._keys for moments in key.ends.values() for each in moments]
        eventful = [*falling_due, *(key.turning_point for key in self._keys), self._next_key_at]
        coming = [each for each in eventful if each > self.now]
        target = min([*coming, self.now + (_STEP if repair or not coming else _LONG)])
        self._clock.set(target)
        self._let_happen()
        return target in falling_due

    @property
    def _next_key_at(self) -> datetime:
        return NOON + len(self._keys) * _NEW_KEY_EVERY if self._to_make else NOON

    def _let_happen(self) -> None:
        if self._to_make and self.now >= self._next_key_at:
            fate = ("kept", "revoked", "renewed", "rotated")[len(self._keys) % 4]
            self._keys.append(self._key(self._shop.add(), fate))
            self._to_make -= 1
        for key in list(self._keys):
            if key.fate != "kept" and key.turning_point <= self.now:
                self._meet_fate(key)

    def _meet_fate(self, key: _Key) -> None:
        key.expect_no_more(self.now)
        if key.fate == "revoked":
            self._shop.revoke(key.credential)
        elif key.fate == "renewed":
            renewed = self._shop.done("key.renew", oauth_keys.renew, key.credential.id)
            key.expect(renewed.not_after, after=self.now)
        else:
            new = self._stage.new_key("successor")
            successor = self._shop.done("key.rotate", oauth_keys.rotate, key.credential.id, new)
            self._use(successor)
            self._keys.append(self._key(successor, "kept"))
        key.fate = "kept"

    def _use(self, credential: Credential) -> None:
        now, organization = self.now, self._shop.organization.id
        with writing(self._stage.platform.database.traces) as connection:
            traces.add_callers(connection, [Caller(organization, credential.id, 1, "192.0.2.1", "", now, now, 1, 0)])

    def _key(self, credential: Credential, fate: str) -> _Key:
        key = _Key(credential, fate)
        key.expect(credential.not_after, after=self.now)
        return key

    def note(self, arrivals: list[_Arrival]) -> None:
        for each in arrivals:
            self._repeats[each.identity] += 1
            self._arrived[each.credential_id, each.not_after, each.to].setdefault(each.identity, self.now)

    def check(self) -> str:
        """Each has arrived in time under one id, and nothing else has."""
        wanted = 0
        for key in self._keys:
            for end, moments in key.ends.items():
                for to in (self._shop.owner.user.email, "webhook"):
                    came = sorted(self._arrived.pop((key.credential.id, end, to), {}).values())
                    self._compare(key, sorted(moments), came)
                    wanted += len(moments)
        hold(not self._arrived, f"{len(self._arrived)} arrived that nobody expected")
        repeats = sum(count - 1 for count in self._repeats.values())
        return f"{wanted:,} notices, none missed, none under a second id; {repeats} came twice under their own"

    def _compare(self, key: _Key, moments: list[datetime], came: list[datetime]) -> None:
        about = f"of key {key.credential.id} {len(came)} notices arrived, not {len(moments)}"
        hold(len(came) == len(moments), about)
        late = [at for due, at in zip(moments, came, strict=True) if not due <= at <= due + _LATE]
        hold(not late, f"{about}; {len(late)} of them at the wrong time")


CLAIMS = (
    Claim(
        "R15, SQLite",
        "each notice of expiry arrives and none under two ids, though either of two nodes is killed between any two "
        "lines; 13 months and more, keys kept, renewed, rotated and revoked",
        200,
        "kills",
        on_sqlite,
        in_tests=8,
    ),
    Claim("R15, PostgreSQL", "the same on PostgreSQL", 200, "kills", on_postgresql, in_tests=8),
)
