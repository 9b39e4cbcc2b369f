"""OAuth 2.0 in the SDK: a token is fetched once, shown with a proof each time, and renewed before anybody misses it."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import anyio
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.client.token_server import CLIENT_ID, ISSUER, KID, TokenServer, Wire
from tests.clock import Clock

from credenza.client.auth import PrivateKeyJwtAuth
from credenza.client.errors import InsecureUrl, IssuerUnavailable, TokenRefused
from credenza.client.keys import ClientKey, GivenKey
from credenza.client.oauth2 import Tokens
from credenza.protocol import dpop

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
URL = f"{ISSUER}/payments/1?full=yes"


@pytest.fixture(params=[RSA, EC], ids=["rsa", "ec"])
def key(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def server(clock: Clock, key: Any) -> TokenServer:
    return TokenServer(clock, {KID: key.public_key()})


@pytest.fixture
def auth(clock: Clock, key: Any) -> PrivateKeyJwtAuth:
    return authenticated(clock, key)


def authenticated(clock: Clock, key: Any = EC, **named: Any) -> PrivateKeyJwtAuth:
    return PrivateKeyJwtAuth(ISSUER, CLIENT_ID, GivenKey(ClientKey(key, KID)), clock=clock.now, **named)


def client(server: TokenServer, auth: httpx.Auth, **named: Any) -> httpx.Client:
    return httpx.Client(**{"transport": Wire(server), "auth": auth, **named})


def test_one_token_serves_many_calls_with_a_proof_each(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    with client(server, auth) as http:
        answers = [http.get(URL).text for _ in range(3)]

    assert answers == ["hello"] * 3
    assert len(server.token_requests) == 1
    assert len({call.headers["Authorization"] for call in server.calls}) == 1
    assert len({call.headers["DPoP"] for call in server.calls}) == 3


@pytest.mark.anyio
async def test_the_same_works_for_asyncio(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    server.nonce = "n-1"
    async with httpx.AsyncClient(transport=Wire(server), auth=auth) as http:
        answers = [(await http.post(URL, content=b"{}")).text for _ in range(2)]

    assert answers == ["hello"] * 2
    assert (len(server.token_requests), len(server.calls)) == (2, 2)


def test_scopes_are_asked_for_each_once(server: TokenServer, clock: Clock, key: Any) -> None:
    auth = authenticated(clock, key, scopes=["payments:write", "payments:read", "payments:read"])
    with client(server, auth) as http:
        http.get(URL)

    assert b"scope=payments%3Aread+payments%3Awrite" in server.token_requests[0].content


def test_a_token_is_renewed_a_minute_before_its_end(server: TokenServer, auth: PrivateKeyJwtAuth, clock: Clock) -> None:
    with client(server, auth) as http:
        for seconds in (0, 839, 1):
            clock.advance(timedelta(seconds=seconds))
            assert http.get(URL).status_code == 200

    assert len(server.token_requests) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_nonce_is_answered_once_with_a_fresh_proof_and_a_fresh_assertion(
    server: TokenServer, auth: PrivateKeyJwtAuth, method: str
) -> None:
    server.nonce = "n-1"
    with client(server, auth) as http:
        assert http.request(method, URL, content=b"{}").text == "hello"

    first, second = server.token_requests
    assert first.content != second.content
    # Token endpoint and resource share an origin here, and so the nonce.
    assert len(server.calls) == 1
    assert set(server.bodies) == {b"{}"}


def test_a_nonce_that_changes_is_kept_from_any_answer(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    with client(server, auth) as http:
        http.get(URL)
        for nonce in ("n-1", "n-2"):
            server.nonce = nonce
            before = len(server.calls)
            assert http.get(URL).status_code == 200
            assert len(server.calls) == before + 2
        before = len(server.calls)
        http.get(URL)
        assert len(server.calls) == before + 1


def test_a_server_that_never_has_enough_of_nonces_is_not_asked_a_third_time(
    server: TokenServer, auth: PrivateKeyJwtAuth
) -> None:
    def again(_request: httpx.Request) -> httpx.Response:
        nonce = f"n-{len(server.token_requests)}"
        return httpx.Response(400, json={"error": "use_dpop_nonce"}, headers={"DPoP-Nonce": nonce})

    server.answer_instead = again
    with client(server, auth) as http, pytest.raises(TokenRefused) as refused:
        http.get(URL)

    assert (refused.value.error, len(server.token_requests)) == ("use_dpop_nonce", 2)


def test_a_resource_that_never_has_enough_of_nonces_has_the_last_word(
    server: TokenServer, auth: PrivateKeyJwtAuth
) -> None:
    def again(request: httpx.Request) -> httpx.Response | None:
        headers = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": f"n-{len(server.calls)}"}
        return None if request.url.path == "/oauth/token" else httpx.Response(401, headers=headers)

    server.answer_instead = again
    with client(server, auth) as http:
        assert http.get(URL).status_code == 401

    assert len(server.calls) == 2


def test_a_token_that_died_before_its_time_is_replaced_once(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    with client(server, auth) as http:
        http.get(URL)
        server.revoke(server.calls[0].headers["Authorization"].removeprefix("DPoP "))
        assert http.get(URL).text == "hello"

    assert (len(server.token_requests), len(server.calls)) == (2, 3)


def test_a_new_token_that_is_refused_is_not_replaced_again(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    server.life = timedelta(seconds=61)
    server.answer_instead = lambda request: (
        None
        if request.url.path == "/oauth/token"
        else httpx.Response(401, headers={"WWW-Authenticate": 'DPoP error="invalid_token"'})
    )
    with client(server, auth) as http:
        assert http.get(URL).status_code == 401

    assert (len(server.token_requests), len(server.calls)) == (1, 1)


def test_a_body_that_streams_is_sent_once_and_the_challenge_is_the_callers(
    server: TokenServer, auth: PrivateKeyJwtAuth
) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one"

    with client(server, auth) as http:
        http.get(URL)
        server.nonce = "n-1"
        assert http.post(URL, content=chunks()).status_code == 401
        assert http.post(URL, content=chunks()).text == "hello"


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Notes when it is read."""

    read = False

    def __iter__(self) -> Iterator[bytes]:
        self.read = True
        yield b"x"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.read = True
        yield b"x"


def streaming(body: Body) -> Callable[[httpx.Request], httpx.Response | None]:
    return lambda request: None if request.url.path == "/oauth/token" else httpx.Response(200, stream=body)


def test_an_answer_that_streams_is_not_read_ahead(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    server.answer_instead = streaming(body := Body())
    with client(server, auth) as http, http.stream("GET", URL) as response:
        assert not body.read
        assert response.read() == b"x"


@pytest.mark.anyio
async def test_an_answer_that_streams_is_not_read_ahead_by_asyncio_either(
    server: TokenServer, auth: PrivateKeyJwtAuth
) -> None:
    server.answer_instead = streaming(body := Body())
    async with httpx.AsyncClient(transport=Wire(server), auth=auth) as http, http.stream("GET", URL) as response:
        assert not body.read
        assert await response.aread() == b"x"


def test_tokens_may_be_shared_and_are_told_apart_by_scope_and_key(server: TokenServer, clock: Clock, key: Any) -> None:
    shared: Tokens = {}
    same = {"tokens": shared, "dpop_key": EC}
    for named in (same, same, {**same, "scopes": ["payments:read"]}, {"tokens": shared}):
        with client(server, authenticated(clock, key, **named)) as http:
            http.get(URL)

    assert len(server.token_requests) == 3
    assert "eyJ" not in repr(shared)


def test_the_clients_own_key_may_make_the_proofs(server: TokenServer, clock: Clock, key: Any) -> None:
    with client(server, authenticated(clock, key, dpop_key=key)) as http:
        assert http.get(URL).text == "hello"


def test_a_token_can_be_had_for_other_hands(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    with httpx.Client(transport=Wire(server)) as http:
        token = auth.get_token(http)

    assert token.access_token.count(".") == 2
    assert token.access_token not in repr(token)


# ------------------------------------------------------------------------------------------------- metadata (RFC 8414)


def test_the_token_endpoint_is_the_one_that_the_metadata_name(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    server.metadata = httpx.Response(200, json={"issuer": ISSUER, "token_endpoint": "https://tokens.test/oauth/token"})
    with client(server, auth) as http:
        assert http.get(URL).text == "hello"

    assert [str(each.url) for each in server.metadata_requests] == [
        "https://api.test/.well-known/oauth-authorization-server"
    ]
    assert [str(each.url) for each in server.token_requests] == ["https://tokens.test/oauth/token"]


def test_the_metadata_are_read_once(server: TokenServer, auth: PrivateKeyJwtAuth, clock: Clock) -> None:
    with client(server, auth) as http:
        for _ in range(3):
            http.get(URL)
            clock.advance(server.life)

    assert (len(server.metadata_requests), len(server.token_requests)) == (1, 3)


def test_the_metadata_are_read_again_when_the_token_endpoint_has_moved(
    server: TokenServer, auth: PrivateKeyJwtAuth, clock: Clock
) -> None:
    with client(server, auth) as http:
        http.get(URL)
        clock.advance(server.life)
        server.metadata = httpx.Response(200, json={"issuer": ISSUER, "token_endpoint": "https://new.test/oauth/token"})
        server.answer_instead = lambda each: httpx.Response(404) if each.url.path == "/oauth/token" else None
        with pytest.raises(TokenRefused):
            http.get(URL)
        server.answer_instead = lambda _request: None
        assert http.get(URL).text == "hello"

    assert server.token_requests[-1].url.host == "new.test"


NO_METADATA = [
    (httpx.Response(404, text="Nothing here."), "answers 404, not with an issuer's metadata: is https://api.test"),
    (httpx.Response(200, text="<html>"), "does not answer with metadata"),
    (httpx.Response(200, json={"token_endpoint": f"{ISSUER}/oauth/token"}), "does not answer with metadata"),
    (httpx.Response(200, json={"issuer": ISSUER}), "name no token_endpoint"),
]
OTHERS = [f"{ISSUER}/", f"{ISSUER}:443", "https://API.test", "http://api.test", "https://evil.test"]
NO_METADATA += [
    (httpx.Response(200, json={"issuer": each, "token_endpoint": f"{ISSUER}/oauth/token"}), f"says that it is '{each}'")
    for each in OTHERS
]


@pytest.mark.parametrize(("answer", "says"), NO_METADATA, ids=[says[:40] for _, says in NO_METADATA])
def test_without_metadata_of_the_issuer_itself_no_assertion_is_sent(
    server: TokenServer, auth: PrivateKeyJwtAuth, answer: httpx.Response, says: str
) -> None:
    server.metadata = answer
    with client(server, auth) as http:
        for ask in (lambda: http.get(URL), lambda: auth.get_token(http)):
            with pytest.raises(IssuerUnavailable, match=re.escape(says)):
                ask()

    assert (server.token_requests, server.calls) == ([], [])


@pytest.mark.parametrize("follow", [False, True])
def test_metadata_follow_no_redirect(server: TokenServer, auth: PrivateKeyJwtAuth, follow: bool) -> None:
    def evil(request: httpx.Request) -> httpx.Response:
        if request.url.host == "evil.test":
            document = {"issuer": ISSUER, "token_endpoint": "https://evil.test/oauth/token"}
            return httpx.Response(200, json=document)
        return server(request)

    server.metadata = httpx.Response(302, headers={"Location": "https://evil.test/metadata"})
    with client(server, auth, transport=Wire(evil), follow_redirects=follow) as http, pytest.raises(IssuerUnavailable):
        http.get(URL)

    assert server.token_requests == []


def test_an_endpoint_in_the_clear_is_not_used(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    server.metadata = httpx.Response(200, json={"issuer": ISSUER, "token_endpoint": "http://api.test/oauth/token"})
    with client(server, auth) as http, pytest.raises(InsecureUrl):
        http.get(URL)

    assert server.token_requests == []


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, json={"error": "invalid_scope", "error_description": "No."}), "invalid_scope"),
        (httpx.Response(401, json={"error": "invalid_client"}), "invalid_client"),
        (httpx.Response(502, text="<html>"), "unexpected_answer"),
        (httpx.Response(200, text="not JSON"), "unexpected_answer"),
        (httpx.Response(200, json={"access_token": "x", "token_type": "Bearer", "expires_in": 9}), "unexpected_answer"),
        (httpx.Response(200, json={"access_token": "x", "token_type": "DPoP"}), "unexpected_answer"),
        (httpx.Response(302, headers={"Location": "https://evil.test/"}), "redirect"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.status_code),
)
def test_a_token_that_is_not_given_is_an_error_with_its_code(
    server: TokenServer, auth: PrivateKeyJwtAuth, answer: httpx.Response, error: str
) -> None:
    answer.headers["Credenza-Refusal-Id"] = "r-1"
    server.answer_instead = lambda _request: answer
    with client(server, auth) as http, pytest.raises(TokenRefused) as refused:
        http.get(URL)

    assert refused.value.error == error
    assert server.calls == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_assertion_follows_no_redirect(server: TokenServer, auth: PrivateKeyJwtAuth, status: int) -> None:
    server.answer_instead = lambda request: (
        httpx.Response(status, headers={"Location": "https://evil.test/oauth/token"})
        if request.url.host == "api.test"
        else httpx.Response(400, json={"error": "invalid_client"})
    )
    with client(server, auth, follow_redirects=True) as http, pytest.raises(TokenRefused):
        http.get(URL)

    assert b"client_assertion" in server.token_requests[0].content
    assert all(b"client_assertion" not in sent.content for sent in server.token_requests[1:])


def test_a_token_follows_no_redirect_to_another_origin(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    def redirect(request: httpx.Request) -> httpx.Response | None:
        if request.url.host == "evil.test":
            return httpx.Response(200)
        elsewhere = httpx.Response(307, headers={"Location": "https://evil.test/"})
        return None if request.url.path == "/oauth/token" else elsewhere

    server.answer_instead = redirect
    with client(server, auth, follow_redirects=True) as http:
        http.get(URL)

    assert server.calls[-1].url.host == "evil.test"
    assert "Authorization" not in server.calls[-1].headers


@pytest.mark.parametrize("issuer", ["http://api.test", "ftp://api.test", "api.test"])
def test_nothing_is_sent_in_the_clear(clock: Clock, issuer: str) -> None:
    with pytest.raises(InsecureUrl):
        PrivateKeyJwtAuth(issuer, CLIENT_ID, GivenKey(ClientKey(EC, KID)), clock=clock.now)


def test_a_token_is_not_shown_in_the_clear(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    with client(server, auth) as http, pytest.raises(InsecureUrl):
        http.get("http://api.test/payments")


@pytest.mark.parametrize("issuer", ["http://localhost:8443", "http://127.0.0.1:8443", "http://[::1]:8443"])
def test_this_machine_needs_no_tls(clock: Clock, issuer: str) -> None:
    PrivateKeyJwtAuth(issuer, CLIENT_ID, GivenKey(ClientKey(EC, KID)), clock=clock.now)


def test_no_secret_is_in_a_repr(auth: PrivateKeyJwtAuth) -> None:
    assert repr(auth) == f"PrivateKeyJwtAuth({CLIENT_ID!r})"
    assert "private_key" not in repr(ClientKey(EC, KID))


def test_a_proof_names_the_request_without_its_query(clock: Clock) -> None:
    written = dpop.write(key=EC, method="GET", uri="https://h.test:8443/a%20b?q#f", jti="j", now=clock.now())

    assert dpop.parse(written).claims.htu == "https://h.test:8443/a%20b"


def test_who_names_no_scope_asks_for_none(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    with client(server, auth) as http:
        http.get(URL)

    assert b"scope" not in server.token_requests[0].content


# ------------------------------------------------------------------------------------------------- many calls at once


class SlowWire(Wire):
    """Lets others in before it answers, so that calls overlap."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._overlap.wait(0.2)
        return super().handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.01)
        return await super().handle_async_request(request)

    _overlap = threading.Event()  # never set


def gathered(auth: PrivateKeyJwtAuth, server: TokenServer, calls: int) -> list[int]:
    async def run() -> list[int]:
        async with httpx.AsyncClient(transport=SlowWire(server), auth=auth) as http:
            return [each.status_code for each in await asyncio.gather(*(http.get(URL) for _ in range(calls)))]

    return asyncio.run(run())


def threaded(auth: PrivateKeyJwtAuth, server: TokenServer, calls: int) -> list[int]:
    with client(server, auth, transport=SlowWire(server)) as http, ThreadPoolExecutor(calls) as pool:
        return [each.status_code for each in pool.map(http.get, [URL] * calls)]


@pytest.mark.parametrize("at_once", [gathered, threaded], ids=["tasks", "threads"])
def test_first_calls_at_once_share_one_token(
    at_once: Callable[..., list[int]], server: TokenServer, auth: PrivateKeyJwtAuth
) -> None:
    assert at_once(auth, server, 6) == [200] * 6
    assert len(server.token_requests) == 1


@pytest.mark.parametrize("at_once", [gathered, threaded], ids=["tasks", "threads"])
def test_calls_whose_token_has_died_share_the_next(
    at_once: Callable[..., list[int]], server: TokenServer, auth: PrivateKeyJwtAuth
) -> None:
    at_once(auth, server, 1)
    server.revoke(server.calls[-1].headers["Authorization"].partition(" ")[2])

    assert at_once(auth, server, 6) == [200] * 6
    assert len(server.token_requests) == 2


def test_whoever_waited_for_a_token_that_was_refused_asks_for_itself(
    server: TokenServer, auth: PrivateKeyJwtAuth
) -> None:
    refusals = [httpx.Response(400, json={"error": "invalid_client"})]
    server.answer_instead = lambda request: refusals.pop() if refusals else None

    with pytest.raises(TokenRefused):
        threaded(auth, server, 3)

    assert len(server.token_requests) == 2


def test_an_auth_serves_one_event_loop_after_the_other(server: TokenServer, auth: PrivateKeyJwtAuth) -> None:
    assert [gathered(auth, server, 3), gathered(auth, server, 3)] == [[200] * 3] * 2
