"""The short way of an ordinary request, which the framework is not asked about.

What a route takes and what it answers is known before anybody asks; the framework finds it out for each request anew,
which takes it longer than all else that happens on the event loop. An ordinary request has nothing but its path, an
Idempotency-Key and a body in JSON. Any other, one with a value that does not fit included, takes the framework's way,
which reads it once more and says what is wrong. Both ways end at the same function.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from inspect import Parameter, signature
from typing import Any, TypeAlias, get_args, get_type_hints

from fastapi import params
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from credenza.actions.context import Once, Platform
from credenza.api import idempotency
from credenza.api.arrival import Arrival, arrival_in
from credenza.api.asked import Asked, asked

_JSON = [b"application/json"]
_KEY_NAME = idempotency.NAME.lower().encode()
_KEY = TypeAdapter(idempotency.Key)


class _Unusual(Exception):  # noqa: N818 - nothing is wrong with it yet
    """The framework has to look at this request."""


@dataclass(frozen=True, slots=True)
class _Request:
    scope: Scope
    arrival: Arrival
    platform: Platform
    in_path: Mapping[str, str]

    def header(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.scope["headers"] if each == name]


_Read: TypeAlias = Callable[[_Request], Any]


@dataclass(frozen=True, slots=True)
class _Way:
    """How one route is taken. `unused` are the headers that it could be given and an ordinary request does not have;
    `answer` is None where the endpoint writes its answer itself, or has none."""

    route: APIRoute
    endpoint: Callable[..., Any]
    reads: Mapping[str, _Read]
    unused: tuple[bytes, ...]
    answer: TypeAdapter[Any] | None

    @property
    def status(self) -> int:
        return self.route.status_code or HTTPStatus.OK

    def call(self, given: Mapping[str, Any]) -> Response:
        found = self.endpoint(**given)
        if self.answer is None:
            return found if isinstance(found, Response) else Response(status_code=self.status)
        shaped = self.answer.validate_python(found, from_attributes=True)
        content = self.answer.dump_json(shaped, by_alias=True)
        return Response(content, self.status, media_type="application/json")


class ShortWay:
    """Stands behind the door. What the endpoints wait for, they wait for in `threads`."""

    def __init__(self, app: ASGIApp, *, platform: Platform, routes: Iterable[APIRoute], threads: Executor) -> None:
        self._app = app
        self._platform = platform
        self._threads = threads
        self._ways: dict[str, _Way | None] = {}
        self._routes: dict[tuple[str, int], list[APIRoute]] = defaultdict(list)
        for route in routes:
            for method in route.methods or ():
                self._routes[method, route.path.count("/")].append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            way, given = self._read(scope)
        except _Unusual:
            await self._app(scope, receive, send)
            return
        scope["route"] = way.route
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, way.call, given)
        await answer(scope, receive, send)

    def _read(self, scope: Scope) -> tuple[_Way, Mapping[str, Any]]:
        if scope["type"] != "http" or scope["query_string"]:
            raise _Unusual
        path: str = scope["path"]
        for route in self._routes.get((scope["method"], path.count("/")), ()):
            if match := route.path_regex.match(path):
                way = self._way_of(route)
                request = _Request(scope, arrival_in(scope), self._platform, match.groupdict())
                if way is None or any(map(request.header, way.unused)):
                    break
                return way, {name: read(request) for name, read in way.reads.items()}
        raise _Unusual

    def _way_of(self, route: APIRoute) -> _Way | None:
        """Found when it is first taken: all of them together would make the start longer."""
        if route.unique_id not in self._ways:
            self._ways[route.unique_id] = _find(route)
        return self._ways[route.unique_id]


def _find(route: APIRoute) -> _Way | None:
    """Say how to take a route; None for one that only the framework can."""
    endpoint = getattr(route.endpoint, "__wrapped__", None)  # one that is called in a thread
    if endpoint is None:
        return None
    hints = get_type_hints(endpoint, include_extras=True)
    reads: dict[str, _Read] = {}
    unused: list[bytes] = []
    for name, parameter in signature(endpoint).parameters.items():
        match _mark(hints[name]), parameter.default is Parameter.empty:
            case params.Depends(dependency=function), True if function in _DEPENDED:
                reads[name] = _DEPENDED[function]
            case params.Path(alias=str(alias)), True:
                reads[name] = partial(_in_path, TypeAdapter(hints[name]), alias)
            case params.Body(), True:
                reads[name] = partial(_in_body, TypeAdapter(hints[name]))
            case params.Header(alias=str(alias)), False:
                unused.append(alias.lower().encode())
            case params.Query(), False:
                pass  # an ordinary request has no query
            case _:
                return None
    return _Way(route, endpoint, reads, tuple(unused), _answer(hints["return"]))


def _mark(hint: Any) -> Any:
    """Where an argument comes from, which its annotation says."""
    marks = (params.Depends, params.Param, params.Body)
    return next((each for each in get_args(hint)[1:] if isinstance(each, marks)), None)


def _answer(hint: Any) -> TypeAdapter[Any] | None:
    return None if isinstance(hint, type) and issubclass(hint, Response | None) else TypeAdapter(hint)


def _in_path(adapter: TypeAdapter[Any], name: str, request: _Request) -> Any:
    return _fitting(adapter, request.in_path[name])


def _in_body(adapter: TypeAdapter[Any], request: _Request) -> Any:
    if request.header(b"content-type") != _JSON:
        raise _Unusual
    try:
        return _fitting(adapter, json.loads(request.arrival.body))
    except (ValueError, RecursionError) as error:
        raise _Unusual from error


def _fitting(adapter: TypeAdapter[Any], value: object) -> Any:
    try:
        return adapter.validate_python(value, from_attributes=True)
    except ValueError as error:
        raise _Unusual from error


def _caller(request: _Request) -> Asked:
    if request.arrival.actor is None:
        raise _Unusual
    return Asked(request.platform, request.arrival.actor, request.arrival.now)


def _once(request: _Request) -> Once | None:
    keys = request.header(_KEY_NAME)
    if len(keys) > 1:
        raise _Unusual
    for each in keys:
        return idempotency.chosen(_fitting(_KEY, each.decode("latin-1")), request.scope, request.arrival)
    return None


_DEPENDED: Mapping[Any, _Read] = {asked: _caller, idempotency.once: _once}
