"""Who comes with a browser reads a page where a program reads an error document."""

import httpx
import pytest
from tests.actions.stage import new_platform
from tests.clock import Clock

from credenza.api.app import create_app
from credenza.api.auth import Verifier
from credenza.gate.decision import Call, Decision
from credenza.portal import unserved
from credenza.portal.app import routes
from credenza.portal.portal import Portal
from credenza.store.engine import Database

pytestmark = pytest.mark.anyio

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


class Away(Exception):  # noqa: N818
    pass


class NoSignedCalls(Verifier):
    async def decide(self, call: Call, *, now: object) -> Decision:
        raise Away


def desk(database: Database, clock: Clock, *, broken: type[Exception] | None = None) -> httpx.AsyncClient:
    portal = Portal(new_platform(database, now=clock.now()), clock.now)

    def ready() -> None:
        if broken is not None:
            raise broken

    app = create_app(
        portal.platform,
        NoSignedCalls(),
        clock=clock.now,
        ready=ready,
        outages=(Away,),
        pages=routes(portal),
        show=unserved.pages(portal),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test")


async def test_a_browser_reads_a_page_and_a_program_the_document(sqlite_database: Database, clock: Clock) -> None:
    async with desk(sqlite_database, clock) as http:
        page = await http.get("/nowhere", headers=BROWSER)
        document = await http.get("/nowhere")
        api = await http.get("/api/nowhere", headers=BROWSER)

    assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing here" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert document.json()["Errors"]["Error"][0]["ReasonCode"] == "NOT_FOUND"
    assert "Errors" in api.json()


async def test_a_page_that_takes_only_forms_says_so(sqlite_database: Database, clock: Clock) -> None:
    async with desk(sqlite_database, clock) as http:
        page = await http.get("/sign-out", headers=BROWSER)

    assert page.status_code == 405
    assert "takes a form" in page.text


async def test_a_form_that_is_too_large_says_so(sqlite_database: Database, clock: Clock) -> None:
    async with desk(sqlite_database, clock) as http:
        page = await http.post("/sign-in", headers=BROWSER, content=b"x" * (1024 * 1024 + 1))

    assert page.status_code == 413
    assert "too much at once" in page.text
