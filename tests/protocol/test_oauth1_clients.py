"""The clients that exist: their headers are admitted as they are, but for a few known defects of theirs.

The Python signer and oauthlib run unmodified. The signers in other languages are imitated by what each does with the
query, the port and the header; their defects that no server can make up for are listed and stay refused.
"""

import json
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, unquote, unquote_plus, urlsplit

import oauthlib.oauth1
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from oauthlib.oauth1.rfc5849 import signature as oauthlib_signature
from tests.protocol.oauth1_calls import (
    CONSUMER_KEY,
    NOW,
    PARAMETERS,
    checked,
    header,
    request_for,
    rsa_sha256,
)

from credenza.protocol import oauth1
from credenza.protocol.errors import Refused
from credenza.protocol.oauth1 import MASTERCARD, RFC5849, SignatureMethod

CLIENTS_PYTHON = Path(__file__).parents[2] / ".clients" / "bin" / "python"
EMPTY_HASH = b64encode(sha256(b"").digest()).decode()

# The URLs as they go over the wire.
QUERIES = [
    "",
    "a=1",
    "a=1&b=2",
    "b=2&a=1",
    "a=2&a=1&a=3",
    "a=1&a=1",
    "a=1&a1=2&a10=3&a2=4",
    "a1=2&a=1&a-b=3&a.b=4",
    "a=",
    "a",
    "=a",
    "a=&b=&c",
    "a&b",
    "&&a=1&",
    "a=b=c",
    "a==",
    "z=1&p=2&oa=3&n=4&Z=5",
    "a=1+2",
    "a+b=1",
    "a=%2B",
    "a=1%2B2&b=%20",
    "a=1+2&b=%20",
    "a=1%202",
    "a=1%20&a=%201",
    "a%20b=c%20d",
    "at=12:30:00",
    "at=12%3A30%3A00",
    "at=12%3a30%3a00",
    "u=https%3A%2F%2Fexample.com%2F%3Fq%3D1%26r%3D2",
    "u=https://example.com/?q=1",
    "name=caf%C3%A9&city=Z%C3%BCrich",
    "emoji=%F0%9F%98%80",
    "cjk=%E4%B8%AD%E6%96%87&%E4%B8%AD=1",
    "a=%25&b=100%2525",
    "a=%7E~-._",
    "a=%21%2A%27%28%29",
    "a=(1)!&b=!",
    "a=$,;@",
    "a%5B0%5D=1&a%5B1%5D=2",
    "filter[name]=x",
    "a=%26&b=%3D",
    "json=%7B%22a%22%3A%5B1%2C2%5D%7D",
]
HOST = "https://api.example.com"
URLS = [f"{HOST}/v1/accounts?{query}".removesuffix("?") for query in QUERIES] + [
    HOST,
    f"{HOST}/",
    f"{HOST}?a=1",
    f"{HOST}:443/v1",
    f"{HOST}:8443/v1?a=1",
    "http://api.example.com:80/v1",
    "http://127.0.0.1:8080/v1?b=1&a=2",
    "https://[2001:db8::1]:8443/v1",
    "https://API.Example.COM/V1/Accounts",
    f"{HOST}/a%20b/caf%C3%A9/x%2Fy",
    f"{HOST}/a:b/~c/d,e/f@g/$i/k=l&m",
    f"{HOST}//double//slash/",
    f"{HOST}/./a/../b",
]


# ---------------------------------------------------------------------------- the Python signer, in its own process


@pytest.fixture(scope="module")
def python_signer(rsa_key: RSAPrivateKey) -> Iterator[Callable[..., tuple[str, str]]]:
    """Make the unmodified library sign; gives the URL that goes over the wire, and the header."""
    if not CLIENTS_PYTHON.exists():
        pytest.skip("the client libraries are not installed")
    script = Path(__file__).with_name("mastercard_oauth1_signer.py")
    pem = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with subprocess.Popen(
        [CLIENTS_PYTHON, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        source, sink = process.stdout, process.stdin
        print(json.dumps({"pem": pem, "consumer_key": CONSUMER_KEY}), file=sink, flush=True)

        def sign(
            url: str,
            *,
            method: str = "GET",
            body: bytes = b"",
            through: str = "library",
            params: list[tuple[str, str]] | None = None,
            streamed: bool = False,
            signature_method: SignatureMethod = SignatureMethod.RSA_SHA256,
        ) -> tuple[str, str]:
            request = {
                "url": url,
                "method": method,
                "body": b64encode(body).decode(),
                "through": through,
                "params": params,
                "streamed": streamed,
                "signature_method": signature_method.value,
            }
            print(json.dumps(request), file=sink, flush=True)
            answer = json.loads(source.readline())
            return answer["url"], answer["authorization"]

        yield sign
        sink.close()


def its_time(authorization: str) -> datetime:
    """The library reads the clock itself."""
    return datetime.fromtimestamp(oauth1.parse(authorization).timestamp, UTC)


@pytest.mark.parametrize("url", URLS)
def test_the_python_signer_is_admitted_at_once(
    url: str, python_signer: Callable[..., tuple[str, str]], rsa_key: RSAPrivateKey
) -> None:
    sent, authorization = python_signer(url)

    reading = checked(rsa_key, authorization, request_for(sent), now=its_time(authorization))

    assert reading is MASTERCARD, "its calls cost one RSA verification, whatever the query"


@pytest.mark.parametrize("signature_method", SignatureMethod)
@pytest.mark.parametrize(
    "body",
    [b"", b'{"amount":10}', b"a=1&b=+%20", b"\x00\xff\xfe" * 500, "Grüße".encode(), b"--x\r\n\r\nfile\r\n--x--"],
)
def test_the_python_signer_is_admitted_through_requests(
    body: bytes,
    signature_method: SignatureMethod,
    python_signer: Callable[..., tuple[str, str]],
    rsa_key: RSAPrivateKey,
) -> None:
    sent, authorization = python_signer(
        f"{HOST}/v1/refunds",
        method="POST",
        body=body,
        through="requests",
        params=[("note", "a b+c&d=é"), ("a1", "2"), ("a", "1"), ("a", "")],
        signature_method=signature_method,
    )
    request = request_for(sent, method="POST")

    assert MASTERCARD is checked(rsa_key, authorization, request, body=body, now=its_time(authorization))
    with pytest.raises(Refused):
        checked(rsa_key, authorization, request, body=body + b"x", now=its_time(authorization))


def test_a_body_that_the_python_signer_streams_is_refused_with_a_hint(
    python_signer: Callable[..., tuple[str, str]], rsa_key: RSAPrivateKey
) -> None:
    """Known and documented: the library hashes the repr of the generator."""
    sent, authorization = python_signer(f"{HOST}/v1", method="POST", body=b"abc", through="requests", streamed=True)

    with pytest.raises(Refused, match="do not stream it") as caught:
        checked(rsa_key, authorization, request_for(sent, method="POST"), body=b"abc", now=its_time(authorization))

    assert caught.value.reason == "body_hash"


def test_path_parameters_that_the_python_signer_drops_are_refused(
    python_signer: Callable[..., tuple[str, str]], rsa_key: RSAPrivateKey
) -> None:
    sent, authorization = python_signer(f"{HOST}/v1/accounts;version=2")

    with pytest.raises(Refused, match="oauth_signature"):
        checked(rsa_key, authorization, request_for(sent), now=its_time(authorization))


# ------------------------------------------------------------------------------------- oauthlib, which keeps the RFC


@pytest.fixture(scope="module")
def rfc_client(rsa_key: RSAPrivateKey) -> oauthlib.oauth1.Client:
    """oauthlib, but for the RSA operation, for which it wants one more package."""

    class Client(oauthlib.oauth1.Client):  # type: ignore[misc]  # the library has no types
        SIGNATURE_METHODS = {  # noqa: RUF012 - as the library has it
            "RSA-SHA256": lambda base_string, _: b64encode(
                rsa_key.sign(base_string.encode(), PKCS1v15(), SHA256())
            ).decode()
        }

    return Client(CONSUMER_KEY, signature_method="RSA-SHA256", timestamp=str(int(NOW.timestamp())))


# What oauthlib itself declines to sign.
@pytest.mark.parametrize("url", [url for url in URLS if "[" not in url])
def test_oauthlib_is_admitted(url: str, rfc_client: oauthlib.oauth1.Client, rsa_key: RSAPrivateKey) -> None:
    sent, headers, _ = rfc_client.sign(url)

    assert checked(rsa_key, headers["Authorization"], request_for(sent))
    assert RFC5849 is checked(rsa_key, headers["Authorization"], request_for(sent), first=RFC5849)


@pytest.mark.parametrize("form", ["a=1", "a=1+2&b=%2B", "a=&b", "name=caf%C3%A9", "a1=1&a=2&a=1", "c=%26%3D&c=x"])
@pytest.mark.parametrize("query", ["", "?a=0&z=%20"])
def test_a_form_of_oauthlib_is_admitted(
    form: str, query: str, rfc_client: oauthlib.oauth1.Client, rsa_key: RSAPrivateKey
) -> None:
    sent, headers, body = rfc_client.sign(
        f"{HOST}/v1{query}", "POST", form, {"Content-Type": "application/x-www-form-urlencoded"}
    )

    request = request_for(sent, method="POST", form=body.encode())

    assert oauth1.parse(headers["Authorization"]).body_hash is None
    assert RFC5849 is checked(rsa_key, headers["Authorization"], request, body=body.encode())


@pytest.mark.parametrize("url", [url for url in URLS if "[" not in url])
def test_the_rfcs_base_string_is_oauthlibs(url: str, rsa_key: RSAPrivateKey) -> None:
    authorization = oauth1.sign(
        consumer_key=CONSUMER_KEY, key=rsa_key, method="GET", url=url, timestamp=1, nonce="12345678", reading=RFC5849
    )
    collected = oauthlib_signature.collect_parameters(
        uri_query=urlsplit(url).query, headers={"Authorization": authorization}
    )

    theirs = oauthlib_signature.signature_base_string(
        "GET", oauthlib_signature.base_string_uri(url), oauthlib_signature.normalize_parameters(collected)
    )

    assert oauth1.signature_base_string(request_for(url), oauth1.parse(authorization), RFC5849) == theirs


# --------------------------------------------------------------------------------- signers in other languages, imitated


@dataclass(frozen=True)
class Signer:
    """What a signer library does before it signs. `encodes` is about the values in its header."""

    parameters: Callable[[str], list[tuple[str, str]]]
    encodes: bool
    authority: Callable[[str, str], str]
    nonce: str
    quoted: Callable[[str], str] = lambda text: quote(text, safe="")


def pairs(query: str) -> list[tuple[str, str]]:
    split = [item.partition("=") for item in query.split("&") if item]
    return [(name, value) for name, _, value in split]


def java(query: str) -> list[tuple[str, str]]:
    """Decodes first, splits then; a plus is a plus. A name that needs encoding loses all values but the last."""
    decoded = unquote(query)
    if decoded == query:
        return pairs(query)
    encoded: dict[str, list[str]] = {}
    for name, value in pairs(decoded):
        if quote(name, safe="") != name or name not in encoded:
            encoded[quote(name, safe="")] = []
        encoded[quote(name, safe="")].append(quote(value, safe=""))
    return [(name, value) for name, values in encoded.items() for value in values]


def csharp(query: str) -> list[tuple[str, str]]:
    """Decodes and encodes again if that changes anything; a plus is a plus."""
    return pairs(query) if unquote(query) == query else csharp_of_old(query)


def csharp_of_old(query: str) -> list[tuple[str, str]]:
    """Always decodes and encodes again. PHP's signer comes to the same, given a URL that is not escaped yet."""
    return [(quote(unquote(name), safe=""), quote(unquote(value), safe="")) for name, value in pairs(query)]


def go(query: str) -> list[tuple[str, str]]:
    """Decodes as a form, and encodes again if that changed anything. Its parser drops items with a semicolon."""
    decoded = [(unquote_plus(name), unquote_plus(value)) for name, value in pairs(query) if ";" not in name + value]
    if unquote_plus(query) == query:
        return decoded
    return [(quote(name, safe=""), quote(value, safe="")) for name, value in decoded]


def node(query: str) -> list[tuple[str, str]]:
    """Takes the query as it is, and each pair once."""
    return sorted(set(pairs(query)))


def encode_uri_component(text: str) -> str:
    return quote(text, safe="!'()*").replace("!", "%21", 1)


def default_port_dropped(scheme: str, authority: str) -> str:
    return authority.removesuffix({"http": ":80", "https": ":443"}[scheme])


SIGNERS = {
    "java": Signer(java, encodes=False, authority=default_port_dropped, nonce="Ab12" * 4),
    "c#": Signer(csharp, encodes=True, authority=default_port_dropped, nonce="0f3a" * 4),
    "c# of old, php": Signer(csharp_of_old, encodes=True, authority=default_port_dropped, nonce="0f3a" * 4),
    "go": Signer(go, encodes=False, authority=default_port_dropped, nonce="Ab12" * 4),
    "node": Signer(
        node, encodes=False, authority=lambda _, authority: authority, nonce="aB3dE5gH", quoted=encode_uri_component
    ),
}
# What nothing can make up for, and what takes a reading that a project has to ask for.
DEFECTS = {
    ("java", "u=https%3A%2F%2Fexample.com%2F%3Fq%3D1%26r%3D2"): "refused",  # splits at an escaped `&`
    ("java", "a=%26&b=%3D"): "refused",
    ("java", "a=1+2&b=%20"): "mastercard-plus",
    ("c#", "a=1+2&b=%20"): "mastercard-plus",
    ("c# of old, php", "a=1+2"): "mastercard-plus",
    ("c# of old, php", "a+b=1"): "mastercard-plus",
    ("c# of old, php", "a=1+2&b=%20"): "mastercard-plus",
    ("go", "a=$,;@"): "refused",  # drops what has a semicolon
    ("node", "a=1&a=1"): "refused",  # signs a pair once, however often it is sent
    ("node", "a=(1)!&b=!"): "refused",  # leaves ( ) and the second ! as they are
}


def imitated(signer: Signer, key: RSAPrivateKey, url: str) -> str:
    target = urlsplit(url)
    parameters = PARAMETERS | {"oauth_nonce": signer.nonce, "oauth_version": "1.0", "oauth_body_hash": EMPTY_HASH}
    normalized = "&".join(f"{n}={v}" for n, v in sorted([*signer.parameters(target.query), *parameters.items()]))
    uri = f"{target.scheme}://{signer.authority(target.scheme, target.netloc.lower())}{target.path or '/'}"
    base_string = f"GET&{signer.quoted(uri)}&{signer.quoted(normalized)}"
    sent = {name: quote(value, safe="") for name, value in parameters.items()} if signer.encodes else parameters
    return header({"oauth_signature": rsa_sha256(key, base_string)} | sent)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("name", SIGNERS)
def test_signers_in_other_languages_are_admitted_but_for_their_defects(
    name: str, url: str, rsa_key: RSAPrivateKey
) -> None:
    authorization = imitated(SIGNERS[name], rsa_key, url)
    expected = DEFECTS.get((name, urlsplit(url).query), "admitted")

    if expected == "admitted":
        reading = checked(rsa_key, authorization, request_for(url))
        assert reading is checked(rsa_key, authorization, request_for(url), first=reading)
        return
    with pytest.raises(Refused, match="oauth_signature"):
        checked(rsa_key, authorization, request_for(url))
    if expected != "refused":
        assert checked(rsa_key, authorization, request_for(url), allow_ambiguous=True).name == expected


def test_enough_awkward_queries_are_tried() -> None:
    assert len(set(QUERIES)) >= 32
    assert {query for _, query in DEFECTS} <= set(QUERIES)
