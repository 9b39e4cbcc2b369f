"""Is it up, and how does it do: for load balancers and Prometheus, who do not sign in."""

from __future__ import annotations

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from credenza.wire.health import Health


def health(request: Request) -> Health:
    """200 while the server can do its work; 503 while something it stands on is away."""
    request.app.state.ready()
    return Health(status="ok")


def metrics(request: Request) -> Response:
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
