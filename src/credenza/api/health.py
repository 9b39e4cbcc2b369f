"""Is it up, and how does it do: for load balancers and Prometheus, who do not sign in."""

from __future__ import annotations

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from credenza.wire.health import Health


async def health(request: Request) -> Health:
    """200 while the server can do its work; 503 while something it stands on is away."""
    # On the event loop: what a gate knows of its freshness belongs to that thread.
    request.app.state.ready()
    return Health(status="ok")


def metrics(request: Request) -> Response:
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
