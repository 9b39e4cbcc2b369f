"""P7: a token for a client secret, over HTTP, from one worker on one core."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.installation import NOWHERE, SANDBOX, now

from bench import load, token_stage
from bench.line import Line, judge, microseconds, rate
from bench.load import Load, raw_request, server_core
from bench.measure import ROUNDS, alternate, cpu_seconds_each, figure
from bench.peers.servers import DjangoServer, OidcProviderServer
from bench.token_stage import TokenGate
from credenza.actions import api_credentials, services
from credenza.actions.api_credentials import IssuedApiCredential, NewApiCredential
from credenza.actions.services import NewService
from credenza.cli import local
from credenza.domain.api_credentials import ApiGrant
from credenza.domain.catalog import CatalogEntry, Permission, RouteRule, ScopeLevel
from credenza.domain.model import AuthenticationType, ServiceEnvironment
from credenza.gate.token_app import COMPAT

_CALLS = 20_000
_PEER_CALLS = 4_000
_DJANGO = "django-oauth-toolkit"
_OPERATIONS = 1_000
_SECONDS = 3
_GOAL, _GOAL_PEER = 0.35, 8
_SIGNED = b"x" * 400  # as long as a token
_ECDSA = ec.ECDSA(SHA256())


def measure() -> tuple[Line, ...]:
    loads: list[Load] = []
    with ExitStack() as stack:
        gate = stack.enter_context(token_stage.token_gate(ec.generate_private_key(ec.SECP256R1()), core=server_core()))
        issued = _issue(gate)
        client_id, secret = issued.view.credential.client_id, issued.secret
        peer = stack.enter_context(OidcProviderServer(gate.partner, client_secret=secret))
        django = stack.enter_context(DjangoServer(gate.partner.client_id, secret))
        ours = [_request(gate.server.origin, COMPAT.token, client_id, secret)] * _CALLS
        theirs = [_request(peer.issuer, peer.PATH, gate.partner.client_id, secret)] * _PEER_CALLS
        djangos = [_request(django.issuer, django.PATH, gate.partner.client_id, secret)] * _PEER_CALLS

        def grant() -> float:
            loads.append(load.send(gate.server.port, ours, pids=gate.server.worker_pids, seconds=_SECONDS))
            return loads[-1].per_second

        found = alternate(
            {
                "limit": lambda: 1 / _sign_seconds(),
                "credenza": grant,
                "oidc-provider": lambda: load.send(peer.port, theirs, pids=peer.pids, seconds=_SECONDS).per_second,
                _DJANGO: lambda: load.send(django.port, djangos, pids=django.pids, seconds=_SECONDS).per_second,
            }
        )
    granted, given, most = found["credenza"], found["oidc-provider"], found["limit"]
    cpu = figure(each.cpu_each_s for each in loads[-ROUNDS:])
    said = f"{rate(granted.median)} {granted.spread}, {microseconds(cpu.median)} CPU a call"
    line = partial(Line, id="P7", what="token by client secret (form), ES256 token, over HTTP, per core", figure=said)
    of_limit, of_peer = granted.median / most.median, granted.median / given.median
    slower = found[_DJANGO]
    of_django = granted.median / slower.median
    return (
        line(
            compared=f"a P-256 sign: {rate(most.median)} {most.spread}",
            ratio=f"{of_limit:.2f}",
            goal=f"≥ {_GOAL}",
            verdict=judge(of_limit >= _GOAL),
        ),
        line(
            compared=f"npm oidc-provider: {rate(given.median)} {given.spread}",
            ratio=f"{of_peer:.1f} ×",
            goal=f"≥ {_GOAL_PEER} ×",
            verdict=judge(of_peer >= _GOAL_PEER),
        ),
        line(
            compared=f"{_DJANGO}: {rate(slower.median)} {slower.spread}",
            ratio=f"{of_django:.1f} ×",
            goal=f"≥ {_GOAL_PEER} ×",
            verdict=judge(of_django >= _GOAL_PEER),
        ),
    )


def _issue(gate: TokenGate) -> IssuedApiCredential:
    made = gate.installation
    entry = CatalogEntry(
        scope_level=ScopeLevel.ORGANIZATION,
        scope_fixed=True,
        permissions=(Permission("read"),),
        routes=(RouteRule("GET", "/v1/things", "read"),),
    )
    places = (ServiceEnvironment(SANDBOX, "/things", NOWHERE, 13, None),)
    new = NewService("Things", AuthenticationType.CLIENT_SECRET, "", places, entry=entry)
    service = services.create(made.platform, local.OPERATOR, new, now=now())
    asked = NewApiCredential("Bench", SANDBOX, (ApiGrant(service.id, frozenset({"read"})),))
    return api_credentials.create(made.platform, made.actor, made.organization_id, asked, now=now())


def _request(issuer: str, path: str, client_id: str, secret: str) -> bytes:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    headers = [
        ("Host", issuer.partition("://")[2]),
        ("User-Agent", "bench/1"),
        ("Accept", "application/json"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    return raw_request("POST", path, headers, urlencode(form).encode())


def _sign_seconds() -> float:
    """The limit: CPU seconds of the token's signature alone, the key object kept."""
    key = ec.generate_private_key(ec.SECP256R1())
    return cpu_seconds_each(lambda _: key.sign(_SIGNED, _ECDSA), _OPERATIONS)
