"""The manage origin as one ASGI application: the routes of the table behind one door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http import HTTPStatus
from time import monotonic

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from credenza.actions.certificate_status import CertificateStatus
from credenza.actions.context import Platform
from credenza.api import errors, openapi, routes
from credenza.api.arrival import Door, Show, as_it_is
from credenza.api.auth import Authentication, Verifier
from credenza.api.metrics import Metrics
from credenza.api.rate_limits import RateLimits, Rates
from credenza.api.short_way import ShortWay
from credenza.api.status_answers import RememberedAnswers, StatusAtOnce
from credenza.gate.arrival import Networks

_THREADS = 40
"""As many as the framework's own."""


def create_app(
    platform: Platform,
    verifier: Verifier,
    *,
    clock: Callable[[], datetime],
    ready: Callable[[], None],
    public_url: str | None = None,
    outages: tuple[type[Exception], ...] = (),
    pages: Sequence[BaseRoute] = (),
    registry: CollectorRegistry | None = None,
    rates: Rates | None = None,
    seconds: Callable[[], float] = monotonic,
    trusted_proxies: Networks = (),
    show: Show = as_it_is,
    change_number: Callable[[], int] | None = None,
) -> FastAPI:
    """Build the application.

    `ready` raises one of `outages` while the server cannot work, and is called on the event loop: it must not wait.
    Outages become 503. `public_url` is the origin that signatures cover, when it is not the one of the Host header.
    `pages` are the portal's routes. `rates` are counted in `seconds`. `trusted_proxies` are believed about a client's
    address. `show` puts a page in the place of an error document where a person reads it. `change_number` tells the
    last change of the sequence that this process knows of, without waiting; without it the database is asked. For a
    connection that can answer at once, `state.at_once` is the same application.
    """
    # Interactive documentation would load scripts from elsewhere: the document itself is at /openapi.json.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    metrics, limits = Metrics(registry or CollectorRegistry()), RateLimits(rates or Rates(), clock=seconds)
    status = CertificateStatus(platform, change_number)
    app.state.platform, app.state.ready, app.state.metrics = platform, ready, metrics
    app.state.certificate_status = status
    # As they are: a router that is included makes all its routes once more for each application.
    app.router.routes.extend(routes.router().routes)
    app.router.routes.extend([Route("/openapi.json", _document, include_in_schema=False), *pages])
    _answer_errors(app, show)
    threads = ThreadPoolExecutor(_THREADS, "management")
    app.add_middleware(ShortWay, platform=platform, routes=routes.protected(), threads=threads)
    app.add_middleware(RememberedAnswers, responder=status)  # behind the door
    app.state.at_once = StatusAtOnce(
        app, status, clock=clock, outages=outages, metrics=metrics, limits=limits, trusted_proxies=trusted_proxies
    )
    app.add_middleware(
        Door,
        clock=clock,
        authenticate=Authentication(platform, verifier, public_url),
        outages=outages,
        metrics=metrics,
        limits=limits,
        trusted_proxies=trusted_proxies,
        show=show,
    )
    return app


def _answer_errors(app: FastAPI, show: Show) -> None:
    """Those that FastAPI and Starlette raise themselves, before anything of ours is called."""

    async def answer(request: Request, error: Exception) -> Response:
        response = errors.answer(error)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = _methods_at(request)
        return show(request.scope, response)

    for error in (RequestValidationError, HTTPException):
        app.add_exception_handler(error, answer)


def _methods_at(request: Request) -> str:
    """RFC 9110 15.5.6 wants all that the path takes; the framework names those of the first route there."""
    routes = (
        each for each in request.app.routes if isinstance(each, Route) and each.path_regex.match(request.url.path)
    )
    return ", ".join(sorted({method for each in routes for method in each.methods or ()}))


def _document(_request: Request) -> Response:
    return Response(openapi.text(), media_type="application/json")
