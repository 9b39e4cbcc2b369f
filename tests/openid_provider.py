"""An OpenID Connect provider that lies on demand: whatever it says can be told to be wrong.

    with HostileProvider() as provider:
        provider.claims |= {"aud": "another client"}

It answers on 127.0.0.1 what is set when it is asked. For a provider that behaves there is tests/oidc_provider.py.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.servers import HOST

CLIENT_ID = "credenza desk"
CLIENT_SECRET = "a secret: 100% + more"


def b64u(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


@cache
def _key(_number: int) -> rsa.RSAPrivateKey:
    """Keys are slow to make: providers share three, and two in a row have different ones."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


_numbers = count()


class HostileProvider:
    """`answers` maps a path to a function that answers it; the usual ones are the provider's own."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.key = _key(next(_numbers) % 3)
        self.asked: list[str] = []
        self.tokens_asked: list[tuple[dict[str, str], str]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.metadata: dict[str, Any] = {}
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.claims: dict[str, Any] = {"sub": "248289761001", "email": "ann@example.org", "email_verified": True}
        self.userinfo: dict[str, Any] = {}
        self.sign: Callable[[bytes], bytes] = self.rs256
        self.raw: dict[str, tuple[int, bytes]] = {}
        self.trickling: set[str] = set()
        self._closed = Event()

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(provider.get(urlsplit(self.path).path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self._answer(provider.post(body, self.headers.get("authorization", "")))

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def _answer(self, answer: tuple[int, bytes]) -> None:
                status, content = answer
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", content.decode())
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.path in provider.trickling:
                    provider.trickle(self.wfile.write, content)
                else:
                    self.wfile.write(content)

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.issuer = f"http://{HOST}:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def approve(self, url: str) -> dict[str, str]:
        """Do what a person does at the provider; the answer is what the browser brings back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code {len(self.codes)}"
        self.codes[code] = asked
        return {"state": asked["state"], "code": code, "iss": self.issuer}

    def trickle(self, write: Callable[[bytes], Any], content: bytes) -> None:
        """Answer a byte at a time, each soon enough for whoever waits for the next one only."""
        with suppress(OSError):
            for place in range(len(content)):
                write(content[place : place + 1])
                if self._closed.wait(0.02):
                    return

    def get(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        if path in self.raw:
            return self.raw[path]
        documents = {
            "/.well-known/openid-configuration": self._metadata,
            "/jwks": lambda: {"keys": [self.jwk()]},
            "/userinfo": lambda: self.userinfo,
        }
        return (200, json.dumps(documents[path]()).encode()) if path in documents else (404, b"{}")

    def post(self, body: str, authorization: str) -> tuple[int, bytes]:
        self.asked.append("/token")
        if "/token" in self.raw:
            return self.raw["/token"]
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        self.tokens_asked.append((sent, authorization))
        asked = self.codes.pop(sent.get("code", ""), None)
        if asked is None or b64u(sha256(sent["code_verifier"].encode()).digest()) != asked["code_challenge"]:
            return 400, b'{"error": "invalid_grant"}'
        token = self.id_token(asked)
        return 200, json.dumps({"access_token": "at", "token_type": "Bearer", "id_token": token}).encode()

    def id_token(self, asked: dict[str, str]) -> str:
        issued = int(self.now().timestamp())
        usual = {"iss": self.issuer, "aud": asked["client_id"], "iat": issued, "exp": issued + 300}
        claims = {**usual, "nonce": asked["nonce"], **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        signing_input = f"{b64u(json.dumps(self.header).encode())}.{b64u(json.dumps(claims).encode())}"
        return f"{signing_input}.{b64u(self.sign(signing_input.encode()))}"

    def rs256(self, message: bytes) -> bytes:
        return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        modulus = b64u(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8))
        return {"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256", "n": modulus, "e": "AQAB"}

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "authorization_response_iss_parameter_supported": True,
            "id_token_signing_alg_values_supported": ["RS256"],
            **self.metadata,
        }
