"""The SDK without a server: what it sends, and what it makes of answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.clock import NOON

from credenza.client import operations
from credenza.client.auth import OAuth1Auth, TokenAuth
from credenza.client.errors import ApiError
from credenza.client.management import ManagementClient
from credenza.protocol import oauth1
from credenza.protocol.oauth1 import SignatureMethod
from credenza.wire.people import NewMember
from credenza.wire.projects import ProjectEdit

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CONSUMER_KEY = "c" * 48 + "!" + "ab" * 16 + "0" * 16


def client(answer: Callable[[httpx.Request], httpx.Response], auth: httpx.Auth | None = None) -> ManagementClient:
    return ManagementClient("https://desk.test", auth, transport=httpx.MockTransport(answer))


def sent_by(operation: operations.Operation[object], answer: object = None, **kwargs: object) -> httpx.Request:
    seen: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=answer if answer is not None else [])

    with client(keep, TokenAuth("czp_secret")) as desk:
        desk.send(operation, **kwargs)  # type: ignore[arg-type]  # keywords of send
    return seen[0]


def test_a_token_travels_in_the_header_and_in_no_repr() -> None:
    assert sent_by(operations.list_services()).headers["Authorization"] == "Bearer czp_secret"
    assert "secret" not in repr(TokenAuth("czp_secret"))


def test_what_is_not_changed_is_not_sent() -> None:
    operation = operations.update_project("p", ProjectEdit(commercialCountries=("IRL",)))

    assert operation.content == b'{"commercialCountries":["IRL"]}'


def test_every_post_has_a_key_of_its_own_and_keeps_one_that_is_given() -> None:
    operation = operations.set_member("o", NewMember(email="a@example.com", role="user"))
    member = {"id": "u", "email": "a@example.com", "name": "A", "role": "user", "status": "ACTIVE"}
    keys = [sent_by(operation, member).headers["Idempotency-Key"] for _ in range(2)]

    assert keys[0] != keys[1]
    assert sent_by(operation, member, idempotency_key="mine").headers["Idempotency-Key"] == "mine"
    assert "Idempotency-Key" not in sent_by(operations.list_services()).headers


def test_a_refusal_is_an_error_that_programs_can_branch_on() -> None:
    body = {
        "Errors": {
            "Error": [
                {
                    "Source": "DEVELOPERS_API",
                    "ReasonCode": "PROJECT_NOT_FOUND",
                    "Description": "No such project.",
                    "Recoverable": False,
                    "Details": "projectId",
                }
            ]
        }
    }
    answer = httpx.Response(404, json=body, headers={"Credenza-Request-Id": "1-x"})
    with client(lambda _: answer) as desk, pytest.raises(ApiError) as caught:
        desk.send(operations.get_project("p"))

    error = caught.value
    assert (error.status, error.reason_code, error.details, error.request_id) == (
        404, "PROJECT_NOT_FOUND", "projectId", "1-x",
    )  # fmt: skip
    assert str(error) == "404 PROJECT_NOT_FOUND: No such project."


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"{}", b'{"Errors": {"Error": []}}'])
def test_an_answer_of_something_in_between_says_so(body: bytes) -> None:
    with client(lambda _: httpx.Response(502, content=body)) as desk, pytest.raises(ApiError) as caught:
        desk.send(operations.get_me())

    assert (caught.value.status, caught.value.reason_code) == (502, "UNEXPECTED_ANSWER")
    assert "desk.test" in caught.value.description


def test_pages_are_followed_to_the_end() -> None:
    member = {"name": "x", "type": "OAUTH10A", "region": "", "environments": [], "services": []}

    def answer(request: httpx.Request) -> httpx.Response:
        cursor = int(request.url.params.get("cursor", "0"))
        link = {"Link": f'</developer/projects?limit=100&cursor={cursor + 1}>; rel="next"'} if cursor < 2 else {}
        return httpx.Response(200, json=[{"id": str(cursor), **member}], headers=link)

    with client(answer) as desk:
        assert [project.id for project in desk.each(operations.list_projects)] == ["0", "1", "2"]


def test_the_reach_of_a_revocation_is_read_from_its_headers() -> None:
    headers = {"Credenza-Reach": "gates=3, confirmed=2, lapsed=1", "Credenza-Reach-Milliseconds": "12"}
    with client(lambda _: httpx.Response(204, headers=headers)) as desk:
        reach = desk.send(operations.revoke_credential("p", "k", keep_last=True))

    assert (reach.gates, reach.confirmed, reach.lapsed, reach.milliseconds) == (3, 2, 1, 12)


@pytest.mark.parametrize("method", SignatureMethod)
@pytest.mark.parametrize("target", ["/", "/a b/ü?x=1&x=2", "/a%2Fb?q=%2B+%20&empty=", "/p?a=b%26c"])
def test_a_signed_request_verifies_against_the_bytes_on_the_wire(method: SignatureMethod, target: str) -> None:
    auth = OAuth1Auth(CONSUMER_KEY, KEY, signature_method=method, clock=lambda: NOON)
    request = httpx.Request("POST", f"https://desk.test:8443{target}", content=b'{"a": 1}')
    signed = next(auth.auth_flow(request))
    path, _, query = signed.url.raw_path.decode().partition("?")
    received = oauth1.Request("POST", "https", signed.headers["Host"], path, query)
    call = oauth1.parse(signed.headers["Authorization"])

    assert call.consumer_key == CONSUMER_KEY
    oauth1.check_signature(received, call, KEY.public_key())
    oauth1.check_body_hash(received, call, oauth1.sha256(b'{"a": 1}').digest())


def test_a_signed_request_that_is_sent_again_is_signed_again() -> None:
    auth = OAuth1Auth(CONSUMER_KEY, KEY, clock=lambda: datetime.now(UTC))
    request = httpx.Request("GET", "https://desk.test/")
    nonces = {oauth1.parse(next(auth.auth_flow(request)).headers["Authorization"]).nonce for _ in range(2)}

    assert len(nonces) == 2
    assert "PRIVATE" not in repr(auth)
