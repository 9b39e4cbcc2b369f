"""Notices by the real server: mail and webhooks go out, and the commands say what expires."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from icalendar import Calendar
from sqlalchemy import update
from standardwebhooks import Webhook
from tests.adapters.mail_server import MailServer, mail_server
from tests.cli.command import Ran, run
from tests.forked import ForkedServer
from tests.installation import Installation, furnish, now, settings
from tests.servers import HOST

from credenza.settings import Settings
from credenza.store.engine import writing
from credenza.store.schema import certificates, credentials

PATIENCE_S = 120.0
ALMOST_A_WEEK = timedelta(days=7, seconds=-5)


@dataclass(frozen=True)
class Place:
    """A server that sends to `mail` and to `hook`, and a key of the installation."""

    server: ForkedServer
    chosen: Settings
    installation: Installation
    mail: MailServer
    hook: "Hook"
    key_id: str

    def credenza(self, *arguments: str) -> Ran:
        who = {"CREDENZA_URL": self.server.manage_origin, "CREDENZA_TOKEN": self.installation.token}
        return run(*arguments, at=self.chosen.data_dir.parent, **who)

    def measures(self, line: str) -> bool:
        return line in httpx.get(f"{self.server.manage_origin}/metrics", timeout=PATIENCE_S).text


class Hook(HTTPServer):
    def __init__(self) -> None:
        super().__init__((HOST, 0), Taking)
        self.calls: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


class Taking(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def place(tmp_path: Path, hook: Hook) -> Iterator[Place]:
    chosen = settings(tmp_path, webhook_allow_http=True)
    with mail_server() as mail:
        server = ForkedServer(
            chosen,
            smtp_host=HOST,
            smtp_port=mail.port,
            smtp_security="none",
            mail_from="desk@credenza.example",
            webhook_allowed_networks='["127.0.0.0/8"]',
            notices_interval_s=1,
            outbox_interval_s=0.2,
        )
        with server, furnish(chosen) as installation:
            key_id = installation.add_project()[1].consumer_key.partition("!")[2]
            yield Place(server, chosen, installation, mail, hook, key_id)


def nearly_end(place: Place) -> None:
    """Let the key have just less than seven days to go, and have been issued long ago."""
    long_ago = now() - timedelta(days=380)
    with writing(place.installation.platform.database.records) as connection:
        connection.execute(update(certificates).values(created_at=long_ago))
        connection.execute(update(credentials).values(not_after=now() + ALMOST_A_WEEK, created_at=long_ago))


def wait_until(come: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not come():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.05)


def test_a_server_tells_people_and_programs(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    added = place.credenza("webhook", "add", place.hook.url, "--file", str(secret))
    assert added.code == 0, added.err
    (webhook,) = place.credenza("webhook", "list", "-o", "json").document
    tested = place.credenza("webhook", "test", webhook["id"], "-o", "json")
    assert (tested.code, tested.document["state"]) == (0, "sent"), tested.err

    nearly_end(place)
    wait_until(lambda: len(place.mail.mails) == 1 and len(place.hook.calls) == 2)

    library = Webhook(secret.read_text().strip())
    (_, test_body), (headers, body) = place.hook.calls
    assert json.loads(test_body)["type"] == "webhook.test"
    assert library.verify(body, headers) == json.loads(body)
    assert (json.loads(body)["data"]["credentialId"], json.loads(body)["data"]["days"]) == (place.key_id, 7)
    (mail,) = place.mail.mails
    assert place.key_id in mail.as_string()
    wait_until(lambda: place.measures('credenza_credentials_expiring{days="7"} 1.0'))
    wait_until(lambda: place.measures('credenza_delivery_attempts_total{channel="mail",outcome="sent"} 1.0'))
    assert place.credenza("webhook", "remove", webhook["id"]).code == 0


def test_the_commands_say_what_expires(place: Place) -> None:
    far = place.credenza("expiry", "check", "--within", "30d")
    nearly_end(place)
    near = place.credenza("expiry", "check", "--within", "4w", "-o", "json")
    listed = place.credenza("expiry", "list", "-o", "json")
    fed = place.credenza("expiry", "ics")

    assert (far.code, near.code) == (0, 5)
    assert "1 expire within 4w." in near.err
    assert [each["credentialId"] for each in near.document] == [place.key_id]
    assert listed.out == near.out
    (event,) = Calendar.from_ical(httpx.get(fed.out.strip(), timeout=PATIENCE_S).text).walk("VEVENT")
    assert str(event["UID"]).startswith(place.key_id)
    assert place.credenza("expiry", "check", "--within", "soon").code == 2


def test_a_round_can_be_gone_by_hand(place: Place, tmp_path: Path) -> None:
    place.server.stop()
    nearly_end(place)
    variables = {"CREDENZA_DATA_DIR": str(place.chosen.data_dir), "CREDENZA_SMTP_HOST": HOST}
    variables |= {"CREDENZA_SMTP_PORT": str(place.mail.port), "CREDENZA_SMTP_SECURITY": "none"}
    done = run("notices", "send", "-o", "json", at=tmp_path, **variables)

    assert done.document == {"planned": 1, "waiting": 0, "sent": 1, "failed": 0, "dropped": 0}, done.err
    assert len(place.mail.mails) == 1
