"""Call with the unmodified mastercard-client-encryption and mastercard-oauth1-signer. Runs in the virtual environment
of the client libraries.

Reads one JSON line that says who calls, then one a call, with a configuration of the encryption library in it; writes
one JSON line a call: what was answered, and what the library makes of that.
"""

import json
import sys

import requests
from client_encryption.api_encryption import ApiEncryption
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from oauth1.oauth import OAuth


def main() -> None:
    who = json.loads(sys.stdin.readline())
    key = load_pem_private_key(who["pem"].encode(), password=None)
    session = requests.Session()
    session.trust_env = False
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            told = call(session, who["consumer_key"], key, asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is to see it
            told = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)


def call(session: requests.Session, consumer_key: str, key: object, asked: dict) -> dict:
    layer = ApiEncryption(asked["config"], asked["type"])
    headers = {"Content-Type": "application/json"}
    sent = layer._encrypt_payload(headers, json.dumps(asked["body"]))
    headers["Authorization"] = OAuth.get_authorization_header(asked["url"], "POST", sent, consumer_key, key)
    answer = session.post(asked["url"], data=sent, headers=headers, timeout=60)
    told = {"status": answer.status_code, "sent": sent, "answer": answer.text}
    if answer.status_code == 200:
        plain = layer._decrypt_payload(dict(answer.headers), answer.text)
        told["plain"] = json.loads(plain)
    return told


main()
