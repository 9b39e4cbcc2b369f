"""P4 and P5: a token for a client assertion and a DPoP proof, over HTTP, from one worker on one core."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from bench import load, token_requests, token_stage
from bench.line import Line, judge, microseconds, rate
from bench.load import Load, server_core
from bench.measure import ROUNDS, Figure, alternate, cpu_seconds_each, figure
from bench.peers.servers import OidcProviderServer
from bench.token_stage import TokenGate
from credenza.protocol.jose import PrivateKey

_CALLS = 10_000
_PEER_CALLS = 2_500
_OPERATIONS = 1_000
_SECONDS = 3
_GOAL_PEER = 5
_SIGNED = b"x" * 400  # as long as an assertion

_HASH = SHA256()
_ECDSA = ec.ECDSA(_HASH)
_PSS = padding.PSS(mgf=padding.MGF1(_HASH), salt_length=32)


def measure_es256() -> tuple[Line, ...]:
    key = ec.generate_private_key(ec.SECP256R1())
    what = "token: private_key_jwt and DPoP, ES256 both, ES256 token, over HTTP, per core"
    return _measure("P4", what, "two P-256 verifies and a sign", key, goal=0.62)


def measure_ps256() -> tuple[Line, ...]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    what = "the same with a PS256 assertion"
    return _measure("P5", what, "a PSS verify, a P-256 verify and a sign", key, goal=0.55)


def _measure(name: str, what: str, limit: str, key: PrivateKey, *, goal: float) -> tuple[Line, ...]:
    loads: list[Load] = []
    with ExitStack() as stack:
        gate = stack.enter_context(token_stage.token_gate(key, core=server_core()))
        peer = stack.enter_context(OidcProviderServer(gate.partner))

        def grant() -> float:
            loads.append(gate.grant(_CALLS, seconds=_SECONDS))
            return loads[-1].per_second

        found = alternate(
            {
                "limit": lambda: 1 / _crypto_seconds(key),
                "credenza": grant,
                "oidc-provider": lambda: _peer(peer, gate).per_second,
            }
        )
    ours, theirs, most = found["credenza"], found["oidc-provider"], found["limit"]
    cpu = figure(each.cpu_each_s for each in loads[-ROUNDS:])
    said = f"{rate(ours.median)} {ours.spread}, {microseconds(cpu.median)} CPU a call"
    line = partial(Line, id=name, what=what, figure=said)
    of_limit, of_peer = ours.median / most.median, ours.median / theirs.median
    return (
        line(compared=_named(limit, most), ratio=f"{of_limit:.2f}", goal=f"≥ {goal}", verdict=judge(of_limit >= goal)),
        line(
            compared=_named("npm oidc-provider", theirs),
            ratio=f"{of_peer:.1f} ×",
            goal=f"≥ {_GOAL_PEER} ×",
            verdict=judge(of_peer >= _GOAL_PEER),
        ),
    )


def _named(name: str, found: Figure) -> str:
    return f"{name}: {rate(found.median)} {found.spread}"


def _crypto_seconds(key: PrivateKey) -> float:
    """The limit: CPU seconds of what a request's signatures cost alone, key objects kept."""
    proof_key = ec.generate_private_key(ec.SECP256R1())
    verify = _verify_seconds(proof_key)
    sign = cpu_seconds_each(lambda _: proof_key.sign(_SIGNED, _ECDSA), _OPERATIONS)
    return _verify_seconds(key) + verify + sign


def _verify_seconds(key: PrivateKey) -> float:
    if isinstance(key, rsa.RSAPrivateKey):
        return _pss_seconds(key)
    public, signature = key.public_key(), key.sign(_SIGNED, _ECDSA)
    return cpu_seconds_each(lambda _: public.verify(signature, _SIGNED, _ECDSA), _OPERATIONS)


def _pss_seconds(key: rsa.RSAPrivateKey) -> float:
    public, signature = key.public_key(), key.sign(_SIGNED, _PSS, _HASH)
    return cpu_seconds_each(lambda _: public.verify(signature, _SIGNED, _PSS, _HASH), _OPERATIONS)


def _peer(peer: OidcProviderServer, gate: TokenGate) -> Load:
    partner = token_stage.as_client_of(gate.partner, peer.issuer, peer.PATH)
    requests = token_requests.token_requests(partner, _PEER_CALLS)
    return load.send(peer.port, requests, pids=peer.pids, seconds=_SECONDS)
