"""P12: one request decrypted and one answer encrypted, JWE of 2 kB, in process: JSON in, JSON out."""

from __future__ import annotations

import json
from os import urandom

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA256
from tests.protocol.payloads import KeyRing, recipient_of

from bench.line import Line, judge, microseconds
from bench.measure import alternate, cpu_seconds_each
from credenza.protocol import payload
from credenza.protocol.payload_rules import JweRules

_CALLS = 500
_GOAL = 0.75
_OAEP = OAEP(MGF1(SHA256()), SHA256(), None)
_RULES = JweRules()
_BODY = json.dumps(
    {"cards": [{"id": number, "number": "4111111111111111", "holder": "A. Person"} for number in range(36)]},
    separators=(",", ":"),
).encode()


def measure() -> tuple[Line, ...]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    found = alternate({"limit": lambda: _limit_seconds(key), "payload": lambda: _payload_seconds(key)})
    limit, both = found["limit"], found["payload"]
    ratio = limit.median / both.median
    return (
        Line(
            id="P12",
            what="payload: decrypt and encrypt 2 kB, JWE, in process",
            figure=f"{microseconds(both.median)} {both.spread}",
            compared=f"one RSA-2048 private and one public operation: {microseconds(limit.median)} {limit.spread}",
            ratio=f"{ratio:.2f}",
            goal=f"≥ {_GOAL}",
            verdict=judge(ratio >= _GOAL),
        ),
    )


def _limit_seconds(key: rsa.RSAPrivateKey) -> float:
    public = key.public_key()
    wrapped = [public.encrypt(urandom(32), _OAEP) for _ in range(_CALLS)]

    def both(index: int) -> None:
        public.encrypt(key.decrypt(wrapped[index], _OAEP), _OAEP)

    return cpu_seconds_each(both, _CALLS)


def _payload_seconds(key: rsa.RSAPrivateKey) -> float:
    keys, recipient = KeyRing.of(key), recipient_of(key)
    requests, answers = _RULES.requests, _RULES.responses
    assert requests is not None
    assert answers is not None
    sent = [payload.encrypt(_BODY, _RULES, requests, recipient=recipient, random=urandom).body for _ in range(_CALLS)]

    def both(index: int) -> None:
        body = payload.decrypt(sent[index], (), _RULES, requests, keys=keys, random=urandom)
        payload.encrypt(body, _RULES, answers, recipient=recipient, random=urandom)

    return cpu_seconds_each(both, _CALLS)
