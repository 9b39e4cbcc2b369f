"""What holds for every call: a signed one is admitted, a changed one refused, a respelled one admitted still."""

from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.protocol.oauth1_calls import (
    CONSUMER_KEY,
    NONCE,
    NOW,
    PARAMETERS,
    SKEW,
    URL,
    checked,
    header,
    parameters_of,
    request_for,
    signed,
    signed_by_hand,
)

from credenza.protocol import oauth1
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.oauth1 import MASTERCARD, RFC5849, Reading, Request, SignatureMethod

reading = st.sampled_from(oauth1.READINGS)
unescaped = st.sampled_from("abzAZ019-._~!$'()*,;:@/?+")
escaped = st.integers(0, 255).map(lambda octet: f"%{octet:02X}") | st.sampled_from(
    ["%3a", "%2b", "%e9", "%", "%4", "%zz"]
)
token = st.lists(unescaped | escaped, max_size=5).map("".join)
item = token | st.tuples(token, token).map("=".join) | st.sampled_from(["a=1", "a1=2", "a", "=", "", "a-=3", "b==c"])
query = st.lists(item, max_size=6).map("&".join).filter(lambda text: "oauth" not in unquote(text))
path = st.lists(token.map(lambda text: text.replace("?", "")), max_size=4).map(lambda parts: "/" + "/".join(parts))
host = st.sampled_from(
    ["api.example.com", "API.example.com:8443", "api.example.com:443", "[2001:db8::1]", "localhost:80"]
)
scheme = st.sampled_from(["http", "https"])
target = st.builds(lambda *parts: Request("GET", *parts), scheme, host, path, query)
OAUTH_NAMES = [*PARAMETERS, "oauth_body_hash", "oauth_version", "oauth_signature"]


# What a middleman could try: the same query, escaped or unescaped a little.
TWISTS = [
    lambda text: text.replace("%", "%25"),
    lambda text: text.replace("%25", "%"),
    lambda text: text.replace("+", "%2B"),
    lambda text: text.replace("%2B", "+"),
    lambda text: text.replace("+", "%20"),
    lambda text: text.replace("&", "%26", 1),
    lambda text: text.replace("%26", "&"),
    lambda text: text.replace("=", "%3D", 1),
    lambda text: text.replace("=", "", 1),
    lambda text: text.replace("=", "&", 1),
    lambda text: quote(unquote_to_bytes(text), safe="&="),
    lambda text: quote(unquote_to_bytes(text), safe=""),
    lambda text: quote(text, safe="&=+"),
    lambda text: text.swapcase(),
    lambda text: text[1:],
    lambda text: f"{text}&",
    lambda text: f"{text}&a=",
]
two_queries = st.tuples(query, query) | st.tuples(query, st.sampled_from(TWISTS)).map(
    lambda drawn: (drawn[0], drawn[1](drawn[0]))
)


def url_of(request: Request) -> str:
    return f"{request.scheme}://{request.authority}{request.path}?{request.query}"


def meaning(text: str) -> list[tuple[bytes, bytes]]:
    """What a query says, read as a form, in no order: that is all that OAuth 1.0a protects."""
    octets = [part.partition("=") for part in text.replace("+", " ").split("&") if part]
    return sorted((unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in octets)


@given(request=target, reading=reading, method=st.sampled_from(SignatureMethod), body=st.binary(max_size=64))
@settings(deadline=None)
def test_what_is_signed_is_admitted(
    request: Request, reading: Reading, method: SignatureMethod, body: bytes, rsa_key: RSAPrivateKey
) -> None:
    authorization = signed(rsa_key, url_of(request), body=body, reading=reading, signature_method=method)

    assert checked(rsa_key, authorization, request, body=body)
    assert checked(rsa_key, authorization, request, body=body, first=reading) is reading


@given(request=target, other=target, reading=reading)
@settings(deadline=None)
def test_another_target_is_refused(request: Request, other: Request, reading: Reading, rsa_key: RSAPrivateKey) -> None:
    assume(host_of(request) != host_of(other) or request.path != other.path)

    with pytest.raises(Refused, match="oauth_signature"):
        checked(rsa_key, signed(rsa_key, url_of(request), reading=reading), other)


def host_of(request: Request) -> str:
    port = {"http": ":80", "https": ":443"}[request.scheme]
    return f"{request.scheme}://{request.authority.lower().removesuffix(port)}"


@given(queries=two_queries, reading=reading)
@example(queries=("a=1+2", "a=1%2B2"), reading=RFC5849)
@example(queries=("a=%20", "a=%2520"), reading=MASTERCARD)
@example(queries=("a=b%26c", "a=b&c"), reading=MASTERCARD)
@example(queries=("a%3Db", "a=b"), reading=MASTERCARD)
@example(queries=("a=%2B", "a=+"), reading=MASTERCARD)
@settings(deadline=None)
def test_a_query_of_another_meaning_is_refused(
    queries: tuple[str, str], reading: Reading, rsa_key: RSAPrivateKey
) -> None:
    sent, other = queries
    assume(meaning(sent) != meaning(other))

    authorization = signed(rsa_key, f"https://api.example.com/x?{sent}", reading=reading)

    with pytest.raises(Refused, match="oauth_signature"):
        checked(rsa_key, authorization, request_for(f"https://api.example.com/x?{other}"))


@given(queries=two_queries)
@settings(deadline=None, max_examples=500)
def test_no_two_readings_give_queries_of_different_meaning_one_base_string(queries: tuple[str, str]) -> None:
    """The reason why the readings are these: an attacker may choose the query, and with it the reading that fits."""
    sent, other = queries
    assume(meaning(sent) != meaning(other))
    call = oauth1.parse(header(PARAMETERS | {"oauth_signature": ""}))

    first, second = (
        {text for _, text in oauth1.readings(Request("GET", "https", "h", "/", text), call)} for text in (sent, other)
    )

    assert not first & second


@given(method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "X"]), reading=reading)
@settings(deadline=None)
def test_another_method_is_refused(method: str, reading: Reading, rsa_key: RSAPrivateKey) -> None:
    authorization = signed(rsa_key, method="TRACE", reading=reading)

    with pytest.raises(Refused, match="oauth_signature"):
        checked(rsa_key, authorization, request_for(URL, method=method))


@given(body=st.binary(max_size=200), other=st.binary(max_size=200), reading=reading)
@settings(deadline=None)
def test_another_body_is_refused(body: bytes, other: bytes, reading: Reading, rsa_key: RSAPrivateKey) -> None:
    assume(body != other)

    with pytest.raises(Refused) as caught:
        checked(rsa_key, signed(rsa_key, body=body, reading=reading), request_for(URL), body=other)

    assert caught.value.reason == "body_hash"


@given(
    name=st.sampled_from(OAUTH_NAMES),
    position=st.integers(0, 400),
    replacement=st.text(st.characters(codec="ascii", exclude_characters='",\n'), max_size=3),
    reading=reading,
)
@settings(deadline=None, max_examples=300)
def test_a_header_value_that_decodes_to_something_else_is_refused(
    name: str, position: int, replacement: str, reading: Reading, rsa_key: RSAPrivateKey
) -> None:
    parameters = parameters_of(signed(rsa_key, reading=reading))
    value = parameters[name]
    position %= len(value)
    changed = value[:position] + replacement + value[position + 1 :]
    assume(unquote_to_bytes(changed) != unquote_to_bytes(value))

    with pytest.raises((Malformed, Refused)):
        checked(rsa_key, header(parameters | {name: changed}), request_for(URL))


@given(name=st.sampled_from(OAUTH_NAMES), bit=st.integers(0, 7), position=st.integers(0, 400), reading=reading)
@settings(deadline=None, max_examples=300)
def test_a_single_changed_bit_of_a_header_value_is_refused(
    name: str, bit: int, position: int, reading: Reading, rsa_key: RSAPrivateKey
) -> None:
    parameters = parameters_of(signed(rsa_key, reading=reading))
    octets = bytearray(unquote_to_bytes(parameters[name]))
    octets[position % len(octets)] ^= 1 << bit

    with pytest.raises((Malformed, Refused)):
        checked(rsa_key, header(parameters | {name: quote(octets, safe="")}), request_for(URL))


def respelled(value: str, escapes: list[int]) -> str:
    """Write a decoded value down with some characters escaped, some of the escapes in lower case."""
    spelled = []
    for index, character in enumerate(value):
        how = escapes[index % len(escapes)]
        escape = f"%{ord(character):02X}"
        spelled.append([character, escape, escape.lower()][how] if character not in '%"' else escape)
    return "".join(spelled)


@given(
    order=st.permutations(OAUTH_NAMES),
    spaces=st.lists(st.sampled_from(["", " ", "\t", "  "]), min_size=16, max_size=16),
    escapes=st.lists(st.integers(0, 2), min_size=1, max_size=9),
    scheme=st.sampled_from(["OAuth ", "oauth ", "OAUTH\t", "oAUTH   "]),
    reading=reading,
)
@settings(deadline=None)
def test_a_header_spelled_otherwise_is_admitted(
    order: list[str], spaces: list[str], escapes: list[int], scheme: str, reading: Reading, rsa_key: RSAPrivateKey
) -> None:
    authorization = signed(rsa_key, reading=reading)
    values = {name: unquote(value) for name, value in parameters_of(authorization).items()}

    again = scheme + "".join(
        f'{"," if index else ""}{spaces[2 * index]}{name}="{respelled(values[name], escapes)}"{spaces[2 * index + 1]}'
        for index, name in enumerate(order)
    )

    assert checked(rsa_key, again, request_for(URL), first=reading) is reading
    assert oauth1.parse(again) == oauth1.parse(authorization)


@given(sent=query, data=st.data(), reading=st.sampled_from([MASTERCARD, RFC5849]))
@settings(deadline=None)
def test_a_query_in_another_order_is_admitted(
    sent: str, data: st.DataObject, reading: Reading, rsa_key: RSAPrivateKey
) -> None:
    """RFC 5849 3.4.1.3.2 sorts; what hangs on order is not protected."""
    other = "&".join(data.draw(st.permutations(sent.split("&"))))

    authorization = signed(rsa_key, f"https://api.example.com/x?{sent}", reading=reading)

    assert checked(rsa_key, authorization, request_for(f"https://api.example.com/x?{other}"))


@given(form=query.filter(bool))
@settings(deadline=None)
def test_a_form_with_one_more_field_is_refused(form: str, rsa_key: RSAPrivateKey) -> None:
    request = request_for(URL, method="POST", form=form.encode())
    authorization = signed_by_hand(rsa_key, request, PARAMETERS, RFC5849)

    assert checked(rsa_key, authorization, request, body=form.encode()) is RFC5849
    changed = f"{form}&x=1".encode()
    with pytest.raises(Refused, match="oauth_signature"):
        checked(rsa_key, authorization, request_for(URL, method="POST", form=changed), body=changed)


@given(seconds=st.integers(-(10**9), 10**9), skew=st.integers(0, 3600))
def test_the_window_is_closed_at_both_ends(seconds: int, skew: int) -> None:
    call = oauth1.parse(header(PARAMETERS | {"oauth_signature": ""}))

    def check() -> None:
        oauth1.check_timestamp(call, now=NOW + timedelta(seconds=seconds), max_skew=timedelta(seconds=skew))

    if abs(seconds) <= skew:
        check()
        return
    with pytest.raises(Refused, match="oauth_timestamp"):
        check()


almost_a_header = st.lists(
    st.sampled_from(
        [
            *OAUTH_NAMES,
            "OAuth ",
            "realm",
            '"',
            "=",
            '="',
            '",',
            ",",
            " ",
            "%",
            "%22",
            "{",
            "}",
            "x" * 40,
            CONSUMER_KEY,
            NONCE,
        ]
    )
    | st.text(max_size=3),
    max_size=40,
).map("".join)


@given(
    authorization=st.text(max_size=300)
    | almost_a_header
    | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1"))
)
@settings(max_examples=400)
def test_nothing_crashes_the_parser(authorization: str) -> None:
    with suppress(Malformed):
        oauth1.parse(authorization)


@given(
    values=st.fixed_dictionaries(dict.fromkeys([*OAUTH_NAMES, "oauth_token"], st.text(max_size=20))),
    request=target,
    form=st.none() | st.binary(max_size=40),
)
@settings(deadline=None, max_examples=300)
def test_no_value_crashes_the_check(
    values: dict[str, str], request: Request, form: bytes | None, rsa_key: RSAPrivateKey
) -> None:
    authorization = header(
        PARAMETERS
        | {"oauth_signature": "AAAA", "oauth_consumer_key": quote(values["oauth_consumer_key"], safe="")}
        | {"oauth_token": quote(values["oauth_token"], safe="")}
    )
    request = Request("POST", request.scheme, request.authority, request.path, request.query, form)

    with pytest.raises((Malformed, Refused)):
        oauth1.check(
            request,
            oauth1.parse(authorization),
            rsa_key.public_key(),
            now=NOW,
            max_skew=SKEW,
            body_sha256=sha256(form or b"").digest(),
            allow_ambiguous=True,
        )


@given(text=st.binary(max_size=30).map(lambda raw: raw.decode("latin-1")))
def test_a_value_survives_encoding_and_decoding(text: str) -> None:
    sent = quote(text, safe="", encoding="latin-1")

    call = oauth1.parse(header(PARAMETERS | {"oauth_signature": "", "oauth_token": sent}))

    assert call.further == (("oauth_token", text),)


@given(sent=query)
def test_the_normalized_query_means_what_was_sent(sent: str) -> None:
    call = oauth1.parse(header(PARAMETERS | {"oauth_signature": ""}))

    base_string = oauth1.signature_base_string(Request("GET", "https", "h", "/", sent), call, RFC5849)

    items = unquote(base_string.split("&")[2]).split("&")
    assert meaning(sent) == meaning("&".join(text for text in items if not text.startswith("oauth_")))
    assert all(len(text.split("=")) == 2 for text in items)
