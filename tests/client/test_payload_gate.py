"""The SDK and the gate, over a socket: what one encrypts and signs, the other reads, and the API sees plain JSON."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.gate.payload_scene import REQUEST, RESPONSE, SIGNATURE, PayloadStreet, ServiceKey, opened
from tests.gate.scene import AUTHORITY
from tests.gate.street import request as send

from credenza.client.auth import OAuth1Auth
from credenza.client.payload import AsyncPayloadTransport, Payloads, PayloadTransport, Signer
from credenza.client.payload_keys import DecryptionKeys, read_decryption_key
from credenza.protocol import payload_rules
from credenza.protocol.errors import Refused

URL = f"https://{AUTHORITY}/orders/1"
BODY = {"card": {"number": "5105105105105100", "holder": "Jérôme"}, "amount": 12.5}
CARD = {"places": [{"element": "$.card", "encrypted": "$.sealed"}]}
RULES: dict[str, dict[str, Any]] = {
    "JWE": {"encryption": {"mode": "JWE"}},
    "an element": {"encryption": {"mode": "JWE", "requests": CARD, "responses": CARD}},
    "in headers": {"encryption": {"mode": "FIELD", "parameters": {"in": "HEADERS"}, "signalHeader": "x-encrypted"}},
    "signed": {"signature": {}},
    "signed JWE": {"encryption": {"mode": "JWE"}, "signature": {}},
}


class Road(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Leads to the gate, which stands behind something that ends TLS; remembers what was asked for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.targets: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        target = request.url.raw_path.decode()
        self.targets.append(target)
        headers = [pair for pair in request.headers.multi_items() if pair[0] not in ("host", "content-length")]
        response = send(self._port, request.method, target, headers, body or None)
        return httpx.Response(response.status, headers=response.headers, content=response.body)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PayloadStreet]:
    with opened(tmp_path_factory.mktemp("payloads")) as street:
        yield street


def payloads(street: PayloadStreet, rules: dict[str, Any], **named: Any) -> Payloads:
    street.begin(rules)
    ours, theirs, signs = (street.add(kind) for kind in (REQUEST, RESPONSE, SIGNATURE))
    return Payloads(
        **{
            "rules": payload_rules.parse(json.dumps(rules)),
            "recipient": ours.recipient,
            "keys": held(theirs),
            "signer": Signer(signs.private_key, signs.id),
            "clock": street.scene.clock.now,
            **named,
        }
    )


def held(key: ServiceKey) -> DecryptionKeys:
    octets = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return DecryptionKeys((read_decryption_key(octets),))


def signing(street: PayloadStreet) -> OAuth1Auth:
    return OAuth1Auth(street.client.consumer_key, street.client.private_key, clock=street.scene.clock.now)


@pytest.mark.parametrize("name", RULES)
def test_the_api_and_the_caller_read_plain_json(name: str, street: PayloadStreet) -> None:
    protected, road = payloads(street, RULES[name]), Road(street.port)

    with httpx.Client(transport=PayloadTransport(protected, auth=signing(street), transport=road)) as http:
        answer = http.post(URL, json=BODY)

    assert answer.json() == BODY
    assert json.loads(street.upstream.seen[0][1]) == BODY


def test_the_same_for_tasks(street: PayloadStreet) -> None:
    protected, road = payloads(street, RULES["signed JWE"]), Road(street.port)

    async def call() -> httpx.Response:
        transport = AsyncPayloadTransport(protected, auth=signing(street), transport=road)
        async with httpx.AsyncClient(transport=transport) as http:
            return await http.post(URL, json=BODY)

    assert asyncio.run(call()).json() == BODY


def test_the_keys_that_sign_answers_are_fetched_once_in_five_minutes(street: PayloadStreet) -> None:
    protected, road = payloads(street, RULES["signed"]), Road(street.port)

    with httpx.Client(transport=PayloadTransport(protected, auth=signing(street), transport=road)) as http:
        for waited in (0, 1, 299, 2):
            street.scene.clock.advance(timedelta(seconds=waited))
            assert http.post(URL, json=BODY).json() == BODY

    assert [target for target in road.targets if target != "/orders/1"] == ["/.well-known/payload-keys"] * 2


def test_a_key_that_the_caller_has_given_is_the_only_one(street: PayloadStreet) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    protected, road = payloads(street, RULES["signed"], verifiers={"x": stranger}), Road(street.port)

    with (
        httpx.Client(transport=PayloadTransport(protected, auth=signing(street), transport=road)) as http,
        pytest.raises(Refused),
    ):
        http.post(URL, json=BODY)

    assert road.targets == ["/orders/1"]


def test_a_refusal_of_the_gate_is_read_as_it_is(street: PayloadStreet) -> None:
    protected, road = payloads(street, RULES["signed JWE"]), Road(street.port)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    unknown = OAuth1Auth(street.client.consumer_key, stranger, clock=street.scene.clock.now)

    with httpx.Client(transport=PayloadTransport(protected, auth=unknown, transport=road)) as http:
        answer = http.post(URL, json=BODY)

    assert answer.status_code == 403
    assert answer.json()["Errors"]["Error"][0]["ReasonCode"] == "AUTHENTICATION_FAILED"
