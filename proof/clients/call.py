"""Call the gate with the unmodified client libraries. Runs in the virtual environment of the client libraries.

Reads one JSON document: the origin, the consumer key, the private key and the queries. Writes one JSON line a call:
which library, what was called, the status.
"""

import json
import sys
from collections.abc import Iterator

import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from oauth1.oauth import SignatureMethod
from oauth1.oauth_ext import OAuth1RSA
from requests_oauthlib import OAuth1

BODIES = {
    "JSON": (b'{"amount":10,"currency":"EUR"}', "application/json"),
    "form": (b"a=1&b=+%20&a=0", "application/x-www-form-urlencoded"),
    "bytes": (b"\x00\xff\xfe" * 500, "application/octet-stream"),
    "text": ("Grüße".encode(), "text/plain; charset=utf-8"),
    "parts": (b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n--x--', "multipart/form-data; boundary=x"),
    "300 kB": (b"0123456789abcdef" * 18_750, "application/octet-stream"),
}


def main() -> None:
    asked = json.load(sys.stdin)
    key = load_pem_private_key(asked["pem"].encode(), password=None)
    with requests.Session() as session:
        for name, auth, url, body in calls(asked, key):
            status = send(session, auth, url, body)
            print(json.dumps([name, f"{body} {url.removeprefix(asked['origin'])}", status]), flush=True)


def calls(asked: dict, key: object) -> Iterator[tuple[str, object, str, str]]:
    urls = [f"{asked['origin']}/orders/v1?{query}".removesuffix("?") for query in asked["queries"]]
    urls += [asked["origin"] + path for path in asked["paths"]]
    for method in SignatureMethod:
        auth = OAuth1RSA(asked["consumer_key"], key, signature_method=method)
        for url in urls:
            yield f"mastercard-oauth1-signer {method.value}", auth, url, "no body"
        for body in BODIES:
            yield f"mastercard-oauth1-signer {method.value}", auth, urls[3], body
    oauthlib = OAuth1(asked["consumer_key"], signature_method="RSA-SHA256", rsa_key=asked["pem"])
    for url in urls:
        yield "requests-oauthlib", oauthlib, url, "no body"
        yield "requests-oauthlib", oauthlib, url, "form"


def send(session: requests.Session, auth: object, url: str, body: str) -> int:
    if body not in BODIES:
        return session.get(url, auth=auth, timeout=30).status_code
    content, content_type = BODIES[body]
    return session.post(url, data=content, headers={"Content-Type": content_type}, auth=auth, timeout=30).status_code


main()
