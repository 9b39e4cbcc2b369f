"""How the answers of the management API are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import TypeAdapter

from credenza.client.operations.operation import Item, Page, Reached, Result
from credenza.wire.credentials import Reach

_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="next"')
_REACH = re.compile(r"gates=(\d+), confirmed=(\d+), lapsed=(\d+)")


def one(shape: type[Result]) -> Callable[[httpx.Response], Result]:
    adapter = TypeAdapter(shape)
    return lambda response: adapter.validate_json(response.content)


def many(shape: type[Item]) -> Callable[[httpx.Response], tuple[Item, ...]]:
    adapter = TypeAdapter(tuple[shape, ...])  # type: ignore[valid-type]  # the type is a value here
    return lambda response: adapter.validate_json(response.content)


def page(shape: type[Item]) -> Callable[[httpx.Response], Page[Item]]:
    read = many(shape)
    return lambda response: Page(read(response), _next_cursor(response))


def one_of(adapter: TypeAdapter[Result]) -> Callable[[httpx.Response], Result]:
    return lambda response: adapter.validate_json(response.content)


def page_of(adapter: TypeAdapter[tuple[Item, ...]]) -> Callable[[httpx.Response], Page[Item]]:
    return lambda response: Page(adapter.validate_json(response.content), _next_cursor(response))


def reach(response: httpx.Response) -> Reach:
    counts = _REACH.fullmatch(response.headers.get("Credenza-Reach", ""))
    gates, confirmed, lapsed = map(int, counts.groups()) if counts else (0, 0, 0)
    milliseconds = int(response.headers.get("Credenza-Reach-Milliseconds", "0"))
    return Reach(gates=gates, confirmed=confirmed, lapsed=lapsed, milliseconds=milliseconds)


def reached(shape: type[Result]) -> Callable[[httpx.Response], Reached[Result]]:
    read = one(shape)
    return lambda response: Reached(read(response), reach(response))


def nothing(_response: httpx.Response) -> None:
    return None


def octets(response: httpx.Response) -> bytes:
    return response.content


def _next_cursor(response: httpx.Response) -> str | None:
    link = _NEXT.search(response.headers.get("Link", ""))
    if link is None:
        return None
    return parse_qs(urlsplit(link[1]).query)["cursor"][0]
