"""Parts that live: sent when they change, ended with the session and the server, and no sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from tests.portal.house import House
from tests.portal.shop import SANDBOX, Shop

from credenza.actions import oauth_keys, projects, sessions
from credenza.actions.sessions import Visitor
from credenza.domain.model import SignInMethod
from credenza.domain.sessions import IDLE
from credenza.portal import keys, live
from credenza.portal.portal import Portal
from credenza.portal.streams import MOST_OF_A_SESSION, Full, Streams

pytestmark = pytest.mark.anyio


@pytest.fixture
def shop(house: House, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(live, "LOOK_EVERY", timedelta(milliseconds=5))
    return Shop(house)


class Watcher:
    """Opens a stream the way the framework does, and reads its events."""

    def __init__(self, shop: Shop) -> None:
        house = shop.house
        self.portal = Portal(house.platform, clock=house.clock.now)
        self.begun = sessions.begin(house.platform, shop.ada, SignInMethod.PASSKEY, Visitor(), now=house.clock.now())
        route = live.route(self.portal, "/projects/{project_id}/{environment}/live", keys.environment_part)
        self._route: Route = route
        self._path = shop.path("/sandbox/live")
        self._parameters = {"project_id": shop.project.id, "environment": SANDBOX.lower()}

    async def open(self, *, signed_in: bool = True) -> Any:
        cookie = f"credenza={self.begun.token if signed_in else 'nonsense'}".encode()
        scope = {
            "type": "http", "method": "GET", "path": self._path, "query_string": b"state=all", "scheme": "http",
            "server": ("localhost", 80), "client": ("127.0.0.1", 1), "headers": [(b"cookie", cookie)],
            "path_params": self._parameters,
        }  # fmt: skip
        return await self._route.endpoint(Request(scope))

    async def events(self) -> AsyncIterator[str]:
        response = await self.open()
        assert isinstance(response, StreamingResponse)
        return decoded(response.body_iterator)


async def decoded(body: Any) -> AsyncIterator[str]:
    try:
        async for each in body:
            yield each.decode()
    finally:
        await body.aclose()  # as a server does when its client is gone


async def test_a_part_is_sent_first_and_then_when_it_changes(shop: Shop) -> None:
    events = await Watcher(shop).events()
    first = await anext(events)
    await asyncio.to_thread(
        oauth_keys.revoke, shop.house.platform, shop.actor, shop.project.id, shop.key.id,
        keep_last=False, reason="", now=shop.house.clock.now(),
    )  # fmt: skip

    second = await next_message(events)

    assert first.startswith("data: ")
    assert first.endswith("\n\n")
    assert all(line.startswith("data: ") for line in first.strip().splitlines())
    assert '<span class="status active">' in first
    assert '<span class="status revoked">' in second


async def next_message(events: AsyncIterator[str]) -> str:
    async for each in events:
        if not each.startswith(":"):
            return each
    raise AssertionError("the stream ended")


async def test_silence_is_broken_by_comments(shop: Shop) -> None:
    events = await Watcher(shop).events()
    await anext(events)

    assert await anext(events) == ": still here\n\n"


async def test_a_stream_ends_with_its_session_and_does_not_keep_it(shop: Shop) -> None:
    watcher = Watcher(shop)
    events = await watcher.events()
    await anext(events)
    shop.house.clock.advance(IDLE)

    assert [each async for each in events] == ["event: ended\ndata: signed out\n\n"]
    watcher.portal.streams.check(watcher.begun.session.id)


async def test_what_may_not_be_seen_any_more_is_said_in_its_place(shop: Shop) -> None:
    events = await Watcher(shop).events()
    await anext(events)
    await asyncio.to_thread(
        projects.delete, shop.house.platform, shop.actor, shop.project.id, now=shop.house.clock.now()
    )

    assert "No such project." in await next_message(events)


async def test_a_stream_ends_with_the_server(shop: Shop) -> None:
    stopping = asyncio.Event()
    watcher = Watcher(shop)
    object.__setattr__(watcher.portal, "streams", Streams(stopping))
    events = await watcher.events()
    await anext(events)

    stopping.set()

    assert [each async for each in events if not each.startswith(":")] == []


async def test_nobody_who_is_not_signed_in_gets_a_stream(shop: Shop) -> None:
    assert (await Watcher(shop).open(signed_in=False)).status_code == 401


async def test_a_session_holds_so_many_streams_and_gets_its_places_back(shop: Shop) -> None:
    watcher = Watcher(shop)
    open_streams = [await watcher.events() for _ in range(MOST_OF_A_SESSION)]
    for each in open_streams:
        await anext(each)

    refused = await watcher.open()
    for each in open_streams:
        await each.aclose()  # type: ignore[attr-defined] # it is a generator
    watcher.portal.streams.check(watcher.begun.session.id)

    assert refused.status_code == 503
    assert refused.headers["Retry-After"]


def test_places_are_counted_in_all_too() -> None:
    streams = Streams()

    with pytest.raises(Full):
        fill(streams, 0)


def fill(streams: Streams, number: int) -> None:
    with streams.place(f"session {number}"):
        fill(streams, number + 1)
