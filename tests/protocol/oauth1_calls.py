"""Signed calls for the tests of `credenza.protocol.oauth1`: what a client would send, and what the server saw."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from credenza.protocol import oauth1
from credenza.protocol.oauth1 import Reading, Request, SignatureMethod

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
SKEW = timedelta(minutes=5)
CLIENT_ID = "wJ8dXlGm7CYVqt-Vb4Ou_ZQmPd1sBhRtKc0a9YfE7d3c1b0a"
KEY_ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f00000000000000000"
CONSUMER_KEY = f"{CLIENT_ID}!{KEY_ID}"
NONCE = "Zk3v9QpL0aXw7TbE"
URL = "https://api.example.com/payments/v1/refunds?page=1&size=20"


def request_for(url: str, *, method: str = "GET", authority: str = "", form: bytes | None = None) -> Request:
    """What the server sees of a call to url: HTTP libraries leave the default port out of Host."""
    target = urlsplit(url)
    port = {"http": ":80", "https": ":443"}[target.scheme]
    host = authority or target.netloc.removesuffix(port)
    return Request(method, target.scheme, host, target.path, target.query, form)


def signed(
    key: RSAPrivateKey,
    url: str = URL,
    *,
    method: str = "GET",
    body: bytes = b"",
    nonce: str = NONCE,
    at: datetime = NOW,
    signature_method: SignatureMethod = SignatureMethod.RSA_SHA256,
    reading: Reading = oauth1.MASTERCARD,
) -> str:
    return oauth1.sign(
        consumer_key=CONSUMER_KEY,
        key=key,
        method=method,
        url=url,
        body=body,
        timestamp=int(at.timestamp()),
        nonce=nonce,
        signature_method=signature_method,
        reading=reading,
    )


def checked(
    key: RSAPrivateKey,
    authorization: str,
    request: Request,
    *,
    body: bytes = b"",
    now: datetime = NOW,
    first: Reading | None = None,
    allow_ambiguous: bool = False,
) -> Reading:
    """Parse and check in one go, with everything the server has."""
    return oauth1.check(
        request,
        oauth1.parse(authorization),
        key.public_key(),
        now=now,
        max_skew=SKEW,
        body_sha256=sha256(body).digest(),
        first=first,
        allow_ambiguous=allow_ambiguous,
    )


def header(parameters: dict[str, str]) -> str:
    """Write a header down as given: nothing is encoded."""
    return "OAuth " + ",".join(f'{name}="{value}"' for name, value in parameters.items())


def parameters_of(authorization: str) -> dict[str, str]:
    """Take a header apart, values as they stand in it."""
    pairs = authorization.removeprefix("OAuth ").split(",")
    return {name: value.strip('"') for name, value in (pair.split("=", 1) for pair in pairs)}


def altered(authorization: str, **changes: str) -> str:
    return header(parameters_of(authorization) | changes)


def without(authorization: str, *names: str) -> str:
    return header({name: value for name, value in parameters_of(authorization).items() if name not in names})


def signed_by_hand(key: RSAPrivateKey, request: Request, parameters: dict[str, str], reading: Reading) -> str:
    """Sign any parameters at all under a reading, as a client would that `oauth1.sign` does not imitate."""
    unsigned = oauth1.parse(header(parameters | {"oauth_signature": ""}))
    base_string = oauth1.signature_base_string(request, unsigned, reading)
    return header(parameters | {"oauth_signature": rsa_sha256(key, base_string)})


def rsa_sha256(key: RSAPrivateKey, base_string: str) -> str:
    """The value of oauth_signature, percent-encoded."""
    return quote(b64encode(key.sign(base_string.encode(), PKCS1v15(), SHA256())), safe="")


PARAMETERS = {
    "oauth_consumer_key": CONSUMER_KEY,
    "oauth_nonce": NONCE,
    "oauth_signature_method": "RSA-SHA256",
    "oauth_timestamp": str(int(NOW.timestamp())),
}
