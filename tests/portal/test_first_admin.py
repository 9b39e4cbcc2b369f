"""The page behind the one-time link: it makes the first admin once, and its secrets stay on it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from tests.clock import Clock

from credenza.actions import access_tokens, first_admin, start
from credenza.actions.context import Platform
from credenza.adapters.passwords import Argon2Passwords
from credenza.adapters.vault import LocalVault
from credenza.adapters.weak_keys import WeakKeys
from credenza.portal.app import routes
from credenza.portal.portal import Portal
from credenza.store import migrate
from credenza.store.engine import open_database

pytestmark = pytest.mark.anyio

FORM = {
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "password": "an engine of brass and steam",
    "organization": "Example",
}


@pytest.fixture
def platform(tmp_path: Path, clock: Clock) -> Iterator[Platform]:
    database = open_database(f"sqlite:///{tmp_path}/credenza.db")
    migrate.upgrade(database)
    yield start.prepare(
        database,
        LocalVault(b"k" * 32),
        WeakKeys(),
        Argon2Passwords(memory_kib=8),
        random=os.urandom,
        pki_url="http://desk.test/pki",
        public_url="https://desk.example.com",
        now=clock.now(),
    )
    database.close()


def browser(platform: Platform, clock: Clock) -> httpx.AsyncClient:
    app = Starlette(routes=routes(Portal(platform, clock.now)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test")


async def test_the_link_makes_the_first_admin_and_shows_the_token_once(platform: Platform, clock: Clock) -> None:
    link = first_admin.make_link(platform, now=clock.now())
    async with browser(platform, clock) as http:
        form = await http.get("/first-admin", params={"token": link})
        done = await http.post("/first-admin", data={**FORM, "token": link})
        again = await http.post("/first-admin", data={**FORM, "token": link})

    shown = re.findall(r"czp_[0-9A-Za-z]{49}", done.text)
    actor = access_tokens.authenticate(platform, shown[0], address="", now=clock.now())
    assert f'value="{link}"' in form.text
    assert len(shown) == 1
    assert actor.organization_id is not None
    assert "credenza auth login --url https://desk.example.com --token-file -" in done.text
    assert again.status_code == 403
    assert "czp_" not in again.text


async def test_looking_at_the_page_does_not_use_the_link_up(platform: Platform, clock: Clock) -> None:
    link = first_admin.make_link(platform, now=clock.now())
    async with browser(platform, clock) as http:
        for _ in range(3):
            await http.get("/first-admin", params={"token": link})
        done = await http.post("/first-admin", data={**FORM, "token": link})

    assert done.status_code == 200


@pytest.mark.parametrize("path", ["/first-admin?token=x", "/first-admin"])
async def test_the_page_loads_nothing_from_elsewhere_and_tells_no_one(
    platform: Platform, clock: Clock, path: str
) -> None:
    async with browser(platform, clock) as http:
        page = await http.get(path)

    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "style=" not in page.text
    assert re.findall(r'(?:src|href|action)="(https?:)?//', page.text) == []


async def test_the_first_admin_is_signed_in_at_once(platform: Platform, clock: Clock) -> None:
    link = first_admin.make_link(platform, now=clock.now())
    async with browser(platform, clock) as http:
        done = await http.post("/first-admin", data={**FORM, "token": link})
        kept = done.headers["Set-Cookie"]

    assert kept.startswith("__Host-credenza=")
    assert all(word in kept for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))


async def test_what_is_typed_is_escaped(platform: Platform, clock: Clock) -> None:
    hostile = '"><script>alert(1)</script>'
    async with browser(platform, clock) as http:
        page = await http.get("/first-admin", params={"token": hostile})
        refused = await http.post("/first-admin", data={**FORM, "name": hostile, "token": "x"})

    assert "<script>alert" not in page.text
    assert "<script>alert" not in refused.text


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", ""), ("email", "nobody"), ("name", "  "), ("name", "x" * 121), ("organization", ""), ("name", "a\x00b")],
)
async def test_a_field_that_cannot_be_taken_is_named_and_the_link_stays_good(
    platform: Platform, clock: Clock, field: str, value: str
) -> None:
    link = first_admin.make_link(platform, now=clock.now())
    async with browser(platform, clock) as http:
        refused = await http.post("/first-admin", data={**FORM, "token": link, field: value})
        done = await http.post("/first-admin", data={**FORM, "token": link})

    assert refused.status_code == 400
    assert 'role="alert"' in refused.text
    assert done.status_code == 200
