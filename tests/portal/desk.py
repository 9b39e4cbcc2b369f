"""A portal as it really runs: `credenza serve` with a project in it, and a browser that is signed in.

    desk.sign_in(context); page.goto(desk.keys)

The gates are real too, with an upstream behind them: what a page makes can be used.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from playwright.sync_api import BrowserContext
from tests.forked import ForkedServer
from tests.installation import PREFIX, Installation, furnish, now, settings
from tests.static_site import static_site

from credenza.actions import people, sessions
from credenza.actions.sessions import Visitor
from credenza.cli import local
from credenza.domain.model import Project, SignInMethod

ROOT = Path(__file__).parents[2]
CLIENTS_PYTHON = ROOT / ".clients" / "bin" / "python"
SIGNER = ROOT / "tests" / "protocol" / "mastercard_oauth1_signer.py"


@dataclass(frozen=True, slots=True)
class Desk:
    server: ForkedServer
    installation: Installation
    project: Project

    @property
    def url(self) -> str:
        return self.server.manage_origin

    @property
    def keys(self) -> str:
        return f"{self.url}/projects/{self.project.id}/sandbox"

    @property
    def order(self) -> str:
        """What a call of the project's service goes to."""
        return f"{self.server.origin}{PREFIX}"

    def sign_in(self, context: BrowserContext) -> None:
        sign_in(context, self.installation, self.url)

    def add_key(self) -> str:
        """A key that was not made here; its id."""
        return self.installation.add_key(self.project).key_id


def sign_in(context: BrowserContext, installation: Installation, url: str) -> None:
    """Let the organization's admin be signed in at a browser."""
    found = people.list_users(installation.platform, local.OPERATOR, now=now())
    ada = next(each for each in found if each.id == installation.actor.user_id)
    begun = sessions.begin(installation.platform, ada, SignInMethod.LINK, Visitor("127.0.0.1", "tests"), now=now())
    context.add_cookies([{"name": "credenza", "value": begun.token, "url": url}])


@contextmanager
def open_desk(directory: Path) -> Iterator[Desk]:
    chosen = settings(directory)
    with (
        static_site({PREFIX: "an order"}) as upstream,
        ForkedServer(chosen) as server,
        furnish(chosen, upstream=upstream.origin) as installation,
    ):
        project, _ = installation.add_project()
        yield Desk(server, installation, project)


def call_with(store: bytes, password: str, consumer_key: str, url: str) -> httpx.Response:
    """Make a call with a key store from the portal, signed by the unmodified mastercard-oauth1-signer."""
    key, _, _ = pkcs12.load_key_and_certificates(store, password.encode())
    assert key is not None
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    request = {
        "url": url, "method": "GET", "body": "", "through": "requests", "params": None, "streamed": False,
        "signature_method": "RSA-SHA256",
    }  # fmt: skip
    lines = "\n".join(json.dumps(each) for each in ({"pem": pem, "consumer_key": consumer_key}, request))
    done = subprocess.run([CLIENTS_PYTHON, SIGNER], input=lines + "\n", capture_output=True, text=True, check=True)
    signed = json.loads(done.stdout)
    return httpx.get(signed["url"], headers={"Authorization": signed["authorization"]}, timeout=60)
