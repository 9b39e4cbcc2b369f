"""Hostile tokens at the token server: each is refused, costs little and changes nothing (security.md, threats 1, 2, 8
and 22). Costs are of the CPU, of the whole request but for HTTP."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from tests.gate.scene import furnished
from tests.gate.token_scene import NOW_S, URI, Desk
from tests.journeys.freehand import hmac_with, signed_by_hand

from credenza.gate.token_server import Granted, TokenCall
from credenza.protocol import dpop, jose
from credenza.store.replay import LmdbReplay
from proof.claim import Claim, Progress, hold

Make: TypeAlias = Callable[[], TokenCall]


class _Asked:
    """The replay memory, and how often it was asked."""

    def __init__(self, memory: LmdbReplay) -> None:
        self._memory = memory
        self.times = 0

    @property
    def remembers_since(self) -> float:
        return self._memory.remembers_since

    def first_seen(self, key: bytes, now: float) -> bool:
        self.times += 1
        return self._memory.first_seen(key, now)

    def first_seen_each(self, keys: Sequence[bytes], now: float) -> tuple[bool, ...]:
        self.times += 1
        return self._memory.first_seen_each(keys, now)

    def close(self) -> None:
        self._memory.close()


def all_are_refused_for_little(requests: int) -> str:
    with TemporaryDirectory(prefix="credenza-proof-") as directory, furnished(Path(directory)) as scene:
        desk, memory = Desk(scene), _Asked(scene.replay)
        scene.replay = memory  # type: ignore[assignment]  # it is one
        desk.server = desk.make()
        desk.granted()
        asked, costs = memory.times, asyncio.run(_send_all(desk, requests))
        hold(memory.times == asked, "a refused request came as far as the replay memory")
        desk.granted()
    every = sorted(cost for each in costs.values() for cost in each)
    dearest = max(costs, key=lambda name: _middle(costs[name]))
    return (
        f"0 of {requests:,} accepted or remembered, {len(costs)} kinds; CPU {_middle(every) * 1e6:.0f} µs (median), "
        f"{every[int(len(every) * 0.99)] * 1e6:.0f} µs (p99); most: {dearest}, {_middle(costs[dearest]) * 1e6:.0f} µs"
    )


async def _send_all(desk: Desk, requests: int) -> dict[str, list[float]]:
    makers = kinds(desk)
    costs: dict[str, list[float]] = {name: [] for name in makers}
    progress, names = Progress("requests", requests), list(makers)
    for number in range(requests):
        name = names[number % len(names)]
        call = makers[name]()
        began = time.process_time()
        answer = await desk.server.grant(call, clock=desk.scene.clock.now)
        costs[name].append(time.process_time() - began)
        hold(not isinstance(answer, Granted), f"a token was given for {name}")
        progress.add()
    return costs


def _middle(costs: list[float]) -> float:
    return sorted(costs)[len(costs) // 2]


# -------------------------------------------------------------------------------------------------------------- kinds


def kinds(desk: Desk) -> Mapping[str, Make]:
    """Name each kind, with what makes one."""
    forge = _Forge(desk, ec.generate_private_key(ec.SECP256R1()))
    return {
        **{f"assertion with alg {each}": forge.algorithm(each) for each in ("none", "HS256", "RS256", "ES256")},
        **{f"kid {each[:12]!r}": forge.kid(each) for each in ("f" * 48, "../key", "' OR 1=1 --", "k\0", "k" * 5000)},
        "key in the header": forge.assertion({"jwk": jose.jwk(forge.thief.public_key())}),
        "key by address": forge.assertion({"jku": "https://evil.example/keys", "x5u": "https://evil.example/x5u"}),
        "crit": forge.assertion({"crit": ["exp"]}),
        "proof with a private key": forge.jwk(lambda: _with_private(forge.thief)),
        "proof with RSA of 16,384 bits": forge.jwk(lambda: _rsa(16_384)),
        "proof with RSA and a huge exponent": forge.jwk(lambda: _rsa(2048, exponent_bits=2048)),
        "proof with a point off the curve": forge.jwk(_off_the_curve),
        "proof signed by another key": forge.jwk(
            lambda: jose.jwk(ec.generate_private_key(ec.SECP256R1()).public_key())
        ),
        "claims twice": forge.text(lambda token: _payload(token, b'{"iss":"a",' + _claims(token)[1:])),
        "data behind the claims": forge.text(lambda token: _payload(token, _claims(token) + b" {}")),
        "nested claims": forge.text(lambda token: _payload(token, b"[" * 3000 + b"]" * 3000)),
        "padding": forge.text(lambda token: token + "=="),
        "base64url with loose bits": forge.text(lambda token: token[:-1] + ("B" if token[-1] != "B" else "C")),
        "a part too many": forge.text(lambda token: f"{token}.e30"),
        "1 MB of assertion": forge.text(lambda token: token + "A" * 1_000_000),
        "1 MB of proof": lambda: desk.call(proofs=(desk.proof() + "A" * 1_000_000,)),
        "1 MB of header": lambda: desk.call(proofs=(jose.encode(b'{"a":"' + b"a" * 1_000_000).decode() + ".e30.AA",)),
    }


@dataclass(frozen=True, slots=True)
class _Forge:
    """Makes one kind of request after the other; every one is new, so that no memory of the last makes it cheap."""

    desk: Desk
    thief: ec.EllipticCurvePrivateKey

    def assertion(self, header: Mapping[str, Any]) -> Make:
        return self.text(lambda _: jose.sign(self._header() | header, self._claims(), self.thief))

    def kid(self, kid: str) -> Make:
        return self.text(lambda _: self.desk.assertion(header={"kid": kid, "x": secrets.token_hex(8)}))

    def algorithm(self, name: str) -> Make:
        signer = hmac_with(json.dumps(jose.jwk(self.desk.client.private_key.public_key())).encode())
        return self.text(lambda _: signed_by_hand(self._header() | {"alg": name}, self._claims(), signer))

    def jwk(self, make: Callable[[], Mapping[str, str]]) -> Make:
        def proof() -> str:
            header = {"typ": dpop.TYPE, "jwk": make(), "x": secrets.token_hex(8)}
            claims = {"jti": secrets.token_hex(8), "htm": "POST", "htu": URI, "iat": NOW_S}
            return jose.sign(header, claims, self.thief)

        return lambda: self.desk.call(proofs=(proof(),))

    def text(self, change: Callable[[str], str]) -> Make:
        return lambda: self.desk.call(form={"client_assertion": change(self.desk.assertion())})

    def _header(self) -> dict[str, Any]:
        return {"typ": "JWT", "kid": self.desk.client.key_id, "x": secrets.token_hex(8)}

    def _claims(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(_claims(self.desk.assertion()))
        return found


def _claims(token: str) -> bytes:
    return jose.decode(token.split(".")[1].encode(), "payload")


def _payload(token: str, payload: bytes) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{jose.encode(payload).decode()}.{signature}"


def _with_private(key: ec.EllipticCurvePrivateKey) -> Mapping[str, str]:
    secret = key.private_numbers().private_value.to_bytes(32)
    return jose.jwk(key.public_key()) | {"d": jose.encode(secret).decode()}


def _rsa(bits: int, *, exponent_bits: int = 17) -> Mapping[str, str]:
    modulus = secrets.randbits(bits) | 1 << bits - 1 | 1
    exponent = 1 << exponent_bits - 1 | 1
    return {"kty": "RSA", "n": _number(modulus, bits), "e": _number(exponent, exponent_bits)}


def _off_the_curve() -> Mapping[str, str]:
    x, y = (_number(secrets.randbits(255), 256) for _ in range(2))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _number(number: int, bits: int) -> str:
    return jose.encode(number.to_bytes((bits + 7) // 8)).decode()


CLAIMS = (
    Claim(
        "hostile tokens",
        "no hostile assertion or proof gets a token, or as far as the replay memory",
        26_000,
        "requests",
        all_are_refused_for_little,
    ),
)
