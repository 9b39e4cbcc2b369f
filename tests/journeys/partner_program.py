"""Call with the unmodified mastercard-oauth2-client. Runs in the virtual environment of the client libraries.

Reads one JSON line that says who calls, then one a call; writes one JSON line a call: what was answered, and the scopes
of every token that the library holds.
"""

import json
import ssl
import sys

import httpx
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from mastercard_oauth2_client import (
    InMemoryTokenStore,
    KeyPair,
    OAuth2Config,
    StaticDPoPKeyProvider,
    StaticScopeResolver,
    generate_ec_key_pair,
)
from mastercard_oauth2_client.integrations.httpx import OAuth2Transport
from mastercard_oauth2_client.integrations.requests import OAuth2Session


class Tokens(InMemoryTokenStore):
    """Remembers which tokens were fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[dict] = []

    def put(self, token) -> None:
        self.fetched.append({"accessToken": token.token_value, "scopes": sorted(token.scopes)})
        super().put(token)


def main() -> None:
    who = json.loads(sys.stdin.readline())
    tokens = Tokens()
    config = config_of(who, tokens)
    http = open_requests(config, who["ca"]) if who["through"] == "requests" else open_httpx(config, who["ca"])
    for line in sys.stdin:
        call = json.loads(line)
        try:
            answer = http.request(call["method"], call["url"])
            told = {"status": answer.status_code, "body": answer.text, "headers": dict(answer.headers)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is to see it
            told = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({**told, "tokens": tokens.fetched}), flush=True)


def config_of(who: dict, tokens: Tokens) -> OAuth2Config:
    key = load_pem_private_key(who["pem"].encode(), password=None)
    pair = KeyPair(key, key.public_key()) if who["one_key"] else generate_ec_key_pair()
    return OAuth2Config(
        client_id=who["client_id"],
        token_endpoint=f"{who['issuer']}/oauth/token",
        issuer=who["issuer"],
        client_key=key,
        key_id=who["key_id"],
        scope_resolver=StaticScopeResolver(set(who["scopes"])),
        dpop_key_provider=StaticDPoPKeyProvider(pair),
        token_store=tokens,
    )


def open_requests(config: OAuth2Config, ca: str) -> requests.Session:
    session = OAuth2Session(config)
    session.verify = ca
    session.trust_env = False
    return session


def open_httpx(config: OAuth2Config, ca: str) -> httpx.Client:
    transport = httpx.HTTPTransport(verify=ssl.create_default_context(cafile=ca), trust_env=False)
    return httpx.Client(transport=OAuth2Transport(config, transport))


main()
