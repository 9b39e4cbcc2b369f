"""Sign with the unmodified mastercard-oauth1-signer. Runs in the virtual environment of the client libraries.

Reads one JSON line with the PEM key and the consumer key, then one a request; writes one JSON line a request: the
header and the URL that `requests` would send.
"""

import base64
import json
import sys

import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from oauth1.oauth import OAuth, SignatureMethod
from oauth1.oauth_ext import OAuth1RSA


def main() -> None:
    credentials = json.loads(sys.stdin.readline())
    key = load_pem_private_key(credentials["pem"].encode(), password=None)
    for line in sys.stdin:
        request = json.loads(line)
        method = SignatureMethod(request["signature_method"])
        if request["through"] == "requests":
            answer = through_requests(request, credentials["consumer_key"], key, method)
        else:
            answer = directly(request, credentials["consumer_key"], key, method)
        print(json.dumps(answer), flush=True)


def through_requests(request: dict, consumer_key: str, key: object, method: SignatureMethod) -> dict:
    body = base64.b64decode(request["body"])
    prepared = requests.Request(
        request["method"],
        request["url"],
        params=request["params"],
        data=iter([body]) if request["streamed"] else body,
        auth=OAuth1RSA(consumer_key, key, signature_method=method),
    ).prepare()
    return {"url": prepared.url, "authorization": prepared.headers["Authorization"]}


def directly(request: dict, consumer_key: str, key: object, method: SignatureMethod) -> dict:
    header = OAuth.get_authorization_header(
        request["url"], request["method"], base64.b64decode(request["body"]), consumer_key, key, method
    )
    return {"url": request["url"], "authorization": header}


main()
