"""OAuth 1.0a: what the header must be, what is signed, and what is refused (RFC 5849, body-hash extension)."""

import base64
import json
from datetime import timedelta
from hashlib import sha1, sha256
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from tests.protocol.oauth1_calls import (
    CLIENT_ID,
    CONSUMER_KEY,
    KEY_ID,
    NONCE,
    NOW,
    PARAMETERS,
    SKEW,
    URL,
    altered,
    checked,
    header,
    parameters_of,
    request_for,
    signed,
    signed_by_hand,
    without,
)

from credenza.protocol import oauth1
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.oauth1 import MASTERCARD, RFC5849, MissingParameter, Reading, Request, SignatureMethod

RFC = json.loads((Path(__file__).parents[1] / "vectors" / "rfc5849.json").read_text())
REQUEST = request_for(URL)
EMPTY_HASH = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
FORM = b"amount=10&currency=EUR&note=a+b"
READING_NAMES = [reading.name for reading in oauth1.READINGS]


def reading_called(name: str) -> Reading:
    return next(reading for reading in oauth1.READINGS + oauth1.AMBIGUOUS_READINGS if reading.name == name)


@pytest.fixture(scope="module")
def authorization(rsa_key: RSAPrivateKey) -> str:
    return signed(rsa_key)


# --------------------------------------------------------------------------------------------------- RFC 5849 values


def test_the_base_string_of_rfc5849_3_4_1_1() -> None:
    vector = RFC["signature_base_string"]
    request = Request(
        vector["method"],
        vector["scheme"],
        vector["authority"],
        vector["path"],
        vector["query"],
        vector["form"].encode(),
    )

    # Its HMAC-SHA1 is refused here, so that one word is exchanged on both sides.
    call = oauth1.parse(vector["authorization"].replace("HMAC-SHA1", "RSA-SHA256"))

    assert vector["base_string"].replace("HMAC-SHA1", "RSA-SHA256") == oauth1.signature_base_string(
        request, call, RFC5849
    )


@pytest.mark.parametrize("vector", RFC["base_string_uri"], ids=lambda vector: vector["uri"])
def test_the_base_string_uris_of_rfc5849_3_4_1_2(vector: dict[str, str], authorization: str) -> None:
    request = Request("GET", vector["scheme"], vector["authority"], vector["path"], "id=123")

    base_string = oauth1.signature_base_string(request, oauth1.parse(authorization), RFC5849)

    assert quote(vector["uri"], safe="") == base_string.split("&")[1]


# ----------------------------------------------------------------------------------------------- reading the header


def test_a_header_is_read_into_its_claims(rsa_key: RSAPrivateKey, authorization: str) -> None:
    call = oauth1.parse(authorization)

    assert (call.consumer_key, call.client_id, call.key_id) == (CONSUMER_KEY, CLIENT_ID, KEY_ID)
    assert (int(NOW.timestamp()), NONCE, "1.0") == (call.timestamp, call.nonce, call.version)
    assert SignatureMethod.RSA_SHA256 is call.signature_method
    assert call.body_hash == EMPTY_HASH
    assert rsa_key.key_size // 8 == len(call.signature)


@pytest.mark.parametrize("scheme", ["OAuth", "oauth", "OAUTH", "oAuTh"])
def test_the_scheme_is_case_insensitive(scheme: str, authorization: str) -> None:
    assert oauth1.parse(authorization) == oauth1.parse(authorization.replace("OAuth", scheme, 1))


@pytest.mark.parametrize("separator", [",", ", ", " ,", " , ", ",\t", "  ,  "])
def test_linear_whitespace_between_parameters_is_optional(separator: str, authorization: str) -> None:
    assert oauth1.parse(authorization) == oauth1.parse(authorization.replace(",", separator) + " ")


def test_any_order_of_parameters_reads_the_same(authorization: str) -> None:
    parameters = parameters_of(authorization)

    reversed_header = header(dict(reversed(parameters.items())))

    assert oauth1.parse(authorization) == oauth1.parse(reversed_header)


@pytest.mark.parametrize("realm", ["", "Example", "a,b=c", "p%20q"])
def test_realm_is_ignored_for_signing(realm: str, rsa_key: RSAPrivateKey, authorization: str) -> None:
    with_realm = authorization.replace("OAuth ", f'OAuth realm="{realm}",', 1)

    assert oauth1.parse(authorization) == oauth1.parse(with_realm)
    assert MASTERCARD is checked(rsa_key, with_realm, REQUEST)


@pytest.mark.parametrize("name", [*sorted(PARAMETERS), "oauth_signature", "oauth_body_hash", "oauth_version", "realm"])
def test_a_parameter_that_comes_twice_is_malformed(name: str, authorization: str) -> None:
    value = parameters_of(authorization).get(name, "x")

    with pytest.raises(Malformed, match="more than once") as caught:
        oauth1.parse(f'{without(authorization, name)},{name}="{value}",{name}="{value}"')

    assert name == caught.value.field
    assert not isinstance(caught.value, MissingParameter)


@pytest.mark.parametrize("name", [*PARAMETERS, "oauth_signature"])
def test_a_missing_required_parameter_is_named(name: str, authorization: str) -> None:
    with pytest.raises(MissingParameter, match=name) as caught:
        oauth1.parse(without(authorization, name))

    assert name == caught.value.field


@pytest.mark.parametrize("version", ["2.0", "1", "1.00", "", "1,0"])
def test_a_version_other_than_1_0_is_malformed(version: str, authorization: str) -> None:
    with pytest.raises(Malformed) as caught:
        oauth1.parse(altered(authorization, oauth_version=version))

    assert caught.value.field == "oauth_version"


def test_the_version_may_be_absent(rsa_key: RSAPrivateKey) -> None:
    authorization = signed_by_hand(rsa_key, REQUEST, PARAMETERS, RFC5849)

    assert oauth1.parse(authorization).version is None
    assert RFC5849 is checked(rsa_key, authorization, REQUEST)


@pytest.mark.parametrize(
    "method",
    [
        "PLAINTEXT",
        "HMAC-SHA1",
        "HMAC-SHA256",
        "RSA-SHA1",
        "RSA-SHA512",
        "rsa-sha256",
        "RSA-SHA256 ",
        "RSA-PSS-SHA256",
        "",
    ],
)
def test_any_other_signature_method_is_malformed(method: str, authorization: str) -> None:
    with pytest.raises(Malformed) as caught:
        oauth1.parse(altered(authorization, oauth_signature_method=method))

    assert caught.value.field == "oauth_signature_method"


@pytest.mark.parametrize(
    "timestamp", ["", "0", "-1", "+1738324800", "1738324800.0", "01738324800", "1e9", "%B2", "9" * 12]
)
def test_a_timestamp_is_a_positive_integer_of_sane_length(timestamp: str, authorization: str) -> None:
    with pytest.raises(Malformed, match="positive integer") as caught:
        oauth1.parse(altered(authorization, oauth_timestamp=timestamp))

    assert caught.value.field == "oauth_timestamp"


@pytest.mark.parametrize("nonce", ["n" * 8, "n" * 64, "1" * 29, "2aUmZ9+x/Q=="])
def test_nonces_of_8_to_64_characters_are_read(nonce: str, authorization: str) -> None:
    assert nonce == oauth1.parse(altered(authorization, oauth_nonce=nonce)).nonce


@pytest.mark.parametrize(
    "nonce",
    ["", "n" * 7, "n" * 65, "spaced out", "percent%25sign", "amper%26sand", "caf%C3%A9caf%C3%A9", "quo%22te%22d"],
)
def test_any_other_nonce_is_malformed(nonce: str, authorization: str) -> None:
    with pytest.raises(Malformed, match="8 to 64 characters") as caught:
        oauth1.parse(altered(authorization, oauth_nonce=nonce))

    assert caught.value.field == "oauth_nonce"


@pytest.mark.parametrize("body_hash", ["", "short", "x" * 65, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"])
def test_a_body_hash_that_is_not_base64_is_malformed(body_hash: str, authorization: str) -> None:
    with pytest.raises(Malformed) as caught:
        oauth1.parse(altered(authorization, oauth_body_hash=body_hash))

    assert caught.value.field == "oauth_body_hash"


@pytest.mark.parametrize(
    "consumer_key",
    [
        "",
        "x",
        f"{CLIENT_ID}{KEY_ID}",
        f"{CLIENT_ID}!{KEY_ID.upper()}",
        f"{CLIENT_ID}!{KEY_ID}0",
        f"{CLIENT_ID[1:]}!{KEY_ID}",
        f"{CLIENT_ID}!!{KEY_ID[1:]}",
        "caf%C3%A9",
        "50%25 {0} {x}",
        "' OR 1=1 --",
    ],
)
def test_an_ill_formed_consumer_key_looks_like_an_unknown_one(
    consumer_key: str, rsa_key: RSAPrivateKey, authorization: str
) -> None:
    odd = altered(authorization, oauth_consumer_key=consumer_key)

    call = oauth1.parse(odd)

    assert (call.client_id, call.key_id) == ("", "")
    assert unquote(consumer_key, "latin-1") == call.consumer_key
    with pytest.raises(Refused) as caught:
        checked(rsa_key, odd, REQUEST)
    assert caught.value.reason == "signature"


@pytest.mark.parametrize(
    "spelled",
    [
        "+/+/+w==",
        "%2B%2F%2B%2F%2Bw%3D%3D",
        "%2b%2f%2b%2f%2bw%3d%3d",
        "+/+/+w%3D%3D",
        "%2B/%2B/%2Bw==",
        "%2B%2F%2B/+%77=%3D",
    ],
)
def test_the_signature_may_be_encoded_or_not(spelled: str) -> None:
    call = oauth1.parse(header(PARAMETERS | {"oauth_signature": spelled}))

    assert base64.b64decode("+/+/+w==") == call.signature


@pytest.mark.parametrize(
    "signature",
    [
        "AA=",
        "AA",
        "AAAA=",
        "AAAA====",
        "AA==AA==",
        "AB==",
        "AAB=",
        "AA AA",
        "AA-_",
        "A",
        "====",
        "AAAA%",
        "AAAA%3",
        "AAAA%0A",
        "%zz",
        "caf%C3%A9",
    ],
)
def test_the_signature_is_strict_base64(signature: str) -> None:
    with pytest.raises(Malformed, match="base64") as caught:
        oauth1.parse(header(PARAMETERS | {"oauth_signature": signature}))

    assert caught.value.field == "oauth_signature"


def test_a_plus_in_a_value_is_a_plus(authorization: str) -> None:
    raw = altered(authorization, oauth_body_hash="+/+/+/+/")

    assert oauth1.parse(raw).body_hash == "+/+/+/+/"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "OAuth",
        "OAuth ",
        "Bearer abc",
        "Basic dXNlcjpwYXNz",
        'DPoP oauth_nonce="x"',
        'OAuthoauth_nonce="x"',
        "OAuth oauth_nonce=x",
        "OAuth oauth_nonce='x'",
        'OAuth oauth_nonce="x',
        'OAuth oauth_nonce="x"y"',
        'OAuth oauth_nonce="x",',
        'OAuth ,oauth_nonce="x"',
        'OAuth oauth_nonce="x",,oauth_version="1.0"',
        'OAuth oauth_nonce="x" oauth_version="1.0"',
        'OAuth oauth_nonce="x";oauth_version="1.0"',
        'OAuth oauth nonce="x"',
        'OAuth oauth%5Fnonce="x"',
        'OAuth ="x"',
        'OAuth "x"',
        "OAuth " + "x" * 500,
        'OAuth oauth_nonce="é"',
        'OAuth oauth_nonce="\u4e00"',
        "\x00\xff",
        "OAuth " + 'a="b",' * 2000,
        "OAuth " + ",".join(f'oauth_{number}="x"' for number in range(40)),
    ],
)
def test_a_header_that_is_no_list_of_quoted_parameters_is_malformed(authorization: str) -> None:
    with pytest.raises(Malformed) as caught:
        oauth1.parse(authorization)

    assert caught.value.field == "authorization"


def test_a_header_longer_than_8_kib_is_malformed(authorization: str) -> None:
    room = oauth1.MAX_HEADER_LENGTH - len(authorization) - len(',oauth_x=""')

    oauth1.parse(f'{authorization},oauth_x="{"x" * room}"')

    with pytest.raises(Malformed, match="longer"):
        oauth1.parse(f'{authorization},oauth_x="{"x" * (room + 1)}"')


# ------------------------------------------------------------------------------------------ no parameter is smuggled


def test_an_unknown_oauth_parameter_is_signed(rsa_key: RSAPrivateKey) -> None:
    authorization = signed_by_hand(rsa_key, REQUEST, PARAMETERS | {"oauth_token": "a%26b%3Dc%25d"}, RFC5849)

    assert RFC5849 is checked(rsa_key, authorization, REQUEST)
    assert oauth1.parse(authorization).further == (("oauth_token", "a&b=c%d"),)


@pytest.mark.parametrize("reading", oauth1.READINGS, ids=READING_NAMES)
def test_an_unknown_oauth_parameter_cannot_be_added_taken_or_changed(reading: Reading, rsa_key: RSAPrivateKey) -> None:
    authorization = signed_by_hand(rsa_key, REQUEST, PARAMETERS | {"oauth_token": "abc"}, reading)

    assert reading is checked(rsa_key, authorization, REQUEST, first=reading)
    for forged in (
        without(authorization, "oauth_token"),
        altered(authorization, oauth_token="abcd"),
        altered(authorization, oauth_token=""),
        f'{authorization},oauth_verifier=""',
    ):
        with pytest.raises(Refused, match="oauth_signature"):
            checked(rsa_key, forged, REQUEST)


@pytest.mark.parametrize("reading", oauth1.READINGS, ids=READING_NAMES)
@pytest.mark.parametrize("length", [1, 300])
def test_what_is_remembered_of_a_target_is_that_target_s_alone(
    length: int, reading: Reading, rsa_key: RSAPrivateKey
) -> None:
    one, *others = (
        request_for(f"https://api.example.com/a/{path * length}?p=1&x={query * length}")
        for path, query in ("bb", "cb", "bc")
    )
    authorization = signed_by_hand(rsa_key, one, PARAMETERS, reading)

    for other in (*others, *others):
        checked(rsa_key, authorization, one)
        with pytest.raises(Refused, match="oauth_signature"):
            checked(rsa_key, authorization, other)


def test_a_value_cannot_pose_as_two_parameters(rsa_key: RSAPrivateKey) -> None:
    authorization = signed_by_hand(rsa_key, REQUEST, PARAMETERS | {"oauth_x": "1"}, MASTERCARD)
    shorter = request_for(URL.replace("page=1&", ""))

    for value in ("1&page=1", "1%26page=1", "1%26page%3D1", "1%2526page%253D1"):
        with pytest.raises(Refused, match="oauth_signature"):
            checked(rsa_key, altered(authorization, oauth_x=value), shorter)


def test_a_parameter_of_another_name_is_malformed_in_the_header(rsa_key: RSAPrivateKey) -> None:
    """RFC 5849 3.4.1.3.1 would sign it like one of the query, so it could be one of the query, moved."""
    authorization = signed(rsa_key, reading=RFC5849)

    with pytest.raises(Malformed, match="no OAuth parameter") as caught:
        checked(rsa_key, f'{authorization},page="1"', request_for(URL.replace("page=1&", "")))

    assert caught.value.field == "page"


@pytest.mark.parametrize("item", ["oauth_version=1.0", "%6Fauth_version=1.0", "oauth%5fversion=1.0"])
@pytest.mark.parametrize("reading", [MASTERCARD, RFC5849], ids=["mastercard", "rfc5849"])
def test_an_oauth_parameter_cannot_move_into_the_query(item: str, reading: Reading, rsa_key: RSAPrivateKey) -> None:
    moved = without(signed(rsa_key, reading=reading), "oauth_version")

    with pytest.raises(Malformed, match="belong into the Authorization header") as caught:
        checked(rsa_key, moved, request_for(f"{URL}&{item}"))

    assert caught.value.field == "target"


def test_an_oauth_parameter_cannot_move_into_the_form(rsa_key: RSAPrivateKey) -> None:
    authorization = signed_by_hand(rsa_key, REQUEST, PARAMETERS | {"oauth_version": "1.0"}, RFC5849)
    moved, form = without(authorization, "oauth_version"), b"oauth_version=1.0"

    with pytest.raises(Malformed, match="belong into the Authorization header"):
        checked(rsa_key, moved, request_for(URL, form=form), body=form)


def test_a_query_name_that_only_resembles_an_oauth_parameter_is_fine(rsa_key: RSAPrivateKey) -> None:
    url = "https://api.example.com/x?oauth=1&oauthz=2&oauti=3&xoauth_y=4&OAUTH_NONCE=5&oaut=6"

    for reading in oauth1.READINGS:
        assert checked(rsa_key, signed(rsa_key, url, reading=reading), request_for(url), first=reading) is reading


# -------------------------------------------------------------------------------------------------------- the clock


@pytest.mark.parametrize("seconds", [0, 1, -1, 299, -299, 300, -300])
def test_a_call_within_the_window_is_admitted(seconds: int, rsa_key: RSAPrivateKey, authorization: str) -> None:
    assert checked(rsa_key, authorization, REQUEST, now=NOW + timedelta(seconds=seconds)) is MASTERCARD


@pytest.mark.parametrize(("seconds", "word"), [(301, "behind"), (-301, "ahead of"), (86_400 * 365, "behind")])
def test_a_call_outside_the_window_is_refused_with_both_times(
    seconds: int, word: str, rsa_key: RSAPrivateKey, authorization: str
) -> None:
    now = NOW + timedelta(seconds=seconds)

    with pytest.raises(
        Refused, match=f"{int(NOW.timestamp())} is {abs(seconds)} s {word} the server's clock"
    ) as caught:
        checked(rsa_key, authorization, REQUEST, now=now)

    assert caught.value.reason == "timestamp"
    assert now.strftime("%Y-%m-%dT%H:%M:%SZ") in str(caught.value)
    assert "at most 300 s" in str(caught.value)


def test_the_skew_is_the_callers(authorization: str) -> None:
    call = oauth1.parse(authorization)

    oauth1.check_timestamp(call, now=NOW + timedelta(seconds=10), max_skew=timedelta(seconds=10))

    with pytest.raises(Refused, match="at most 9 s"):
        oauth1.check_timestamp(call, now=NOW + timedelta(seconds=10), max_skew=timedelta(seconds=9))


# --------------------------------------------------------------------------------------------------------- the body


@pytest.mark.parametrize("body", [b"{}", b'{"a":1}', FORM, b"\x00\xff" * 600, b"--x\r\nContent-Type: a/b\r\n\r\n--x--"])
def test_the_hash_covers_a_body_of_any_content_type(body: bytes, rsa_key: RSAPrivateKey) -> None:
    authorization = signed(rsa_key, method="POST", body=body)

    assert MASTERCARD is checked(rsa_key, authorization, request_for(URL, method="POST"), body=body)
    assert base64.b64encode(sha256(body).digest()).decode() == oauth1.parse(authorization).body_hash


def test_a_form_with_a_hash_is_covered_by_the_hash_alone(rsa_key: RSAPrivateKey) -> None:
    """The extension forbids it, the Mastercard signers do it."""
    authorization = signed(rsa_key, method="POST", body=FORM)

    assert MASTERCARD is checked(rsa_key, authorization, request_for(URL, method="POST", form=FORM), body=FORM)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"amount":1}',
        b'{"amount":10',
        b'{"amount":11}',
        b'{"amount": 10}',
        b'{"amount":10}\n',
        b'\x7b"amount":10\x7d\x00',
    ],
)
def test_a_body_other_than_the_one_hashed_is_refused(body: bytes, rsa_key: RSAPrivateKey) -> None:
    authorization = signed(rsa_key, method="POST", body=b'{"amount":10}')

    with pytest.raises(Refused, match="oauth_body_hash is") as caught:
        checked(rsa_key, authorization, request_for(URL, method="POST"), body=body)

    assert caught.value.reason == "body_hash"


def test_every_single_bit_of_a_body_counts(rsa_key: RSAPrivateKey) -> None:
    body = b'{"amount":10}'
    call = oauth1.parse(signed(rsa_key, method="POST", body=body))

    for bit in range(8 * len(body)):
        flipped = (int.from_bytes(body) ^ 1 << bit).to_bytes(len(body))
        with pytest.raises(Refused):
            oauth1.check_body_hash(REQUEST, call, sha256(flipped).digest())


def test_a_hash_sent_with_an_empty_body_is_the_empty_strings(rsa_key: RSAPrivateKey) -> None:
    assert checked(rsa_key, signed(rsa_key, body=b""), REQUEST) is MASTERCARD

    with pytest.raises(Refused, match="the body signed was not sent"):
        checked(rsa_key, signed(rsa_key, body=b"x"), REQUEST)


def test_an_empty_body_needs_no_hash(rsa_key: RSAPrivateKey) -> None:
    authorization = signed_by_hand(rsa_key, REQUEST, PARAMETERS, MASTERCARD)

    assert oauth1.parse(authorization).body_hash is None
    assert MASTERCARD is checked(rsa_key, authorization, REQUEST)


def test_a_body_needs_a_hash_unless_it_is_a_form(rsa_key: RSAPrivateKey) -> None:
    authorization = signed_by_hand(rsa_key, request_for(URL, method="POST"), PARAMETERS, RFC5849)

    with pytest.raises(Refused) as caught:
        checked(rsa_key, authorization, request_for(URL, method="POST"), body=FORM)

    assert caught.value.reason == "body_hash_missing"


@pytest.mark.parametrize(
    ("claimed", "hint"),
    [
        (base64.b64encode(sha1(FORM).digest()), "is SHA-1"),
        (base64.b64encode(sha256(b"<generator object upload at 0x7f0c2a3b1d60>").digest()), "hashes its repr"),
    ],
    ids=["SHA-1", "repr"],
)
def test_a_mismatch_says_what_usually_explains_it(claimed: bytes, hint: str, authorization: str) -> None:
    call = oauth1.parse(altered(authorization, oauth_body_hash=claimed.decode()))

    with pytest.raises(Refused, match=hint) as caught:
        oauth1.check_body_hash(REQUEST, call, sha256(FORM).digest())

    assert base64.b64encode(sha256(FORM).digest()).decode() in str(caught.value)


def test_where_nobody_sees_the_body_the_rest_is_still_proven(rsa_key: RSAPrivateKey) -> None:
    call = oauth1.parse(signed(rsa_key, method="POST", body=b"unseen"))
    post, put = request_for(URL, method="POST"), request_for(URL, method="PUT")
    public_key = rsa_key.public_key()

    assert MASTERCARD is oauth1.check(post, call, public_key, now=NOW, max_skew=SKEW, body_sha256=None)
    with pytest.raises(Refused, match="oauth_signature"):
        oauth1.check(put, call, public_key, now=NOW, max_skew=SKEW, body_sha256=None)


# ------------------------------------------------------------------------------------------ the RFC's form reading


def test_a_form_without_a_hash_is_signed_as_parameters(rsa_key: RSAPrivateKey) -> None:
    request = request_for(URL, method="POST", form=FORM)

    authorization = signed_by_hand(rsa_key, request, PARAMETERS, RFC5849)

    assert RFC5849 is checked(rsa_key, authorization, request, body=FORM)
    assert "amount%3D10" in oauth1.acceptable_base_string(request, oauth1.parse(authorization))


@pytest.mark.parametrize("form", [FORM + b"0", FORM[1:], FORM.replace(b"+", b"%2B"), b"", FORM + b"&x", b"\xff" + FORM])
def test_another_form_is_refused(form: bytes, rsa_key: RSAPrivateKey) -> None:
    authorization = signed_by_hand(rsa_key, request_for(URL, method="POST", form=FORM), PARAMETERS, RFC5849)

    with pytest.raises(Refused) as caught:
        checked(rsa_key, authorization, request_for(URL, method="POST", form=form), body=form)

    assert caught.value.reason == "signature"


@pytest.mark.parametrize("name", [name for name in READING_NAMES if not name.startswith("rfc5849")])
def test_a_form_without_a_hash_is_admitted_under_no_other_reading(name: str, rsa_key: RSAPrivateKey) -> None:
    request = request_for(URL, method="POST", form=FORM)
    authorization = signed_by_hand(rsa_key, request, PARAMETERS, reading_called(name))

    with pytest.raises(Refused, match="oauth_signature"):
        checked(rsa_key, authorization, request, body=FORM, first=reading_called(name))


# ---------------------------------------------------------------------------------------------------- the signature


@pytest.mark.parametrize("signature_method", SignatureMethod)
@pytest.mark.parametrize("reading", oauth1.READINGS, ids=READING_NAMES)
def test_each_method_and_reading_signs_and_checks(
    signature_method: SignatureMethod, reading: Reading, rsa_key: RSAPrivateKey
) -> None:
    authorization = signed(rsa_key, signature_method=signature_method, reading=reading)

    assert checked(rsa_key, authorization, REQUEST).name in READING_NAMES
    assert reading is checked(rsa_key, authorization, REQUEST, first=reading)


def test_a_signature_of_the_other_method_is_refused(rsa_key: RSAPrivateKey) -> None:
    """Not only because the method is signed too: the padding differs."""
    pss = parameters_of(signed(rsa_key, signature_method=SignatureMethod.RSA_PSS))
    pkcs1 = parameters_of(signed(rsa_key))

    for parameters, other in ((pss, pkcs1), (pkcs1, pss)):
        with pytest.raises(Refused, match="oauth_signature"):
            checked(rsa_key, header(parameters | {"oauth_signature": other["oauth_signature"]}), REQUEST)


@pytest.mark.parametrize("key_size", [3072, 4096])
def test_keys_up_to_4096_bits_sign(key_size: int) -> None:
    key = generate_private_key(public_exponent=65537, key_size=key_size)

    assert MASTERCARD is checked(key, signed(key), REQUEST)


def test_another_key_is_refused(rsa_key: RSAPrivateKey, authorization: str) -> None:
    other = generate_private_key(public_exponent=65537, key_size=2048)

    with pytest.raises(Refused) as caught:
        checked(other, authorization, REQUEST)

    assert caught.value.reason == "signature"


@pytest.mark.parametrize(
    "signature", ["", "AAAA", base64.b64encode(b"\xff" * 256).decode(), base64.b64encode(b"\x00" * 512).decode()]
)
def test_a_signature_of_any_length_is_refused_alike(signature: str, rsa_key: RSAPrivateKey, authorization: str) -> None:
    with pytest.raises(Refused) as caught:
        checked(rsa_key, altered(authorization, oauth_signature=signature), REQUEST)

    assert caught.value.reason == "signature"


@pytest.mark.parametrize(
    "request_",
    [
        request_for(URL, method="POST"),
        request_for(URL.replace("https", "http")),
        request_for(URL.replace("api.", "api2.")),
        request_for(URL.replace(".com", ".com:8443")),
        request_for(URL.replace("refunds", "Refunds")),
        request_for(URL.replace("/refunds", "/./refunds")),
        request_for(URL.replace("refunds", "refund%73")),
        request_for(URL.replace("refunds?", "refunds/?")),
        request_for(URL.replace("page=1", "page=2")),
        request_for(URL.replace("page=1", "Page=1")),
        request_for(URL.replace("page=1", "page=1&page=1")),
        request_for(URL.replace("page=1&", "")),
        request_for(URL + "&extra"),
        request_for(URL.partition("?")[0]),
    ],
    ids=lambda request: f"{request.method} {request.scheme}://{request.authority}{request.path}?{request.query}",
)
def test_another_method_or_target_is_refused(request_: Request, rsa_key: RSAPrivateKey, authorization: str) -> None:
    with pytest.raises(Refused) as caught:
        checked(rsa_key, authorization, request_)

    assert caught.value.reason == "signature"


def test_scheme_host_and_method_have_no_case(rsa_key: RSAPrivateKey, authorization: str) -> None:
    """RFC 5849 3.4.1.1 and 3.4.1.2."""
    request = Request("get", "HTTPS", "API.Example.COM", REQUEST.path, REQUEST.query)

    assert MASTERCARD is checked(rsa_key, authorization, request)


def test_an_empty_path_is_a_slash(rsa_key: RSAPrivateKey) -> None:
    authorization = signed(rsa_key, "https://api.example.com?a=1")

    assert MASTERCARD is checked(rsa_key, authorization, Request("GET", "https", "api.example.com", "/", "a=1"))
    assert MASTERCARD is checked(rsa_key, authorization, Request("GET", "https", "api.example.com", "", "a=1"))


@pytest.mark.parametrize("part", ["path", "query", "authority"])
def test_a_target_beyond_ascii_is_malformed(part: str, rsa_key: RSAPrivateKey, authorization: str) -> None:
    target = {"path": "/x", "query": "a=1", "authority": "api.example.com"} | {part: "/caf\xe9"}

    with pytest.raises(Malformed) as caught:
        checked(rsa_key, authorization, Request("GET", "https", **target))

    assert caught.value.field == "target"


# ------------------------------------------------------------------------------------------------------ the readings


def test_there_are_at_most_eight_readings_with_stable_names() -> None:
    assert READING_NAMES == [
        "mastercard",
        "mastercard-pairs",
        "mastercard-raw",
        "mastercard-normalized",
        "rfc5849",
        "rfc5849-raw",
        "mastercard-raw-port",
        "rfc5849-port",
    ]
    assert [reading.name for reading in oauth1.AMBIGUOUS_READINGS] == ["mastercard-plus", "rfc5849-plus"]


def test_the_reading_given_first_is_the_one_that_matches(rsa_key: RSAPrivateKey) -> None:
    url = "https://api.example.com/x?a=1&a1=2"

    for reading in oauth1.READINGS:
        assert reading is checked(rsa_key, signed(rsa_key, url, reading=reading), request_for(url), first=reading)


def test_a_wrong_first_reading_costs_nothing_but_time(rsa_key: RSAPrivateKey) -> None:
    authorization = signed(rsa_key, reading=RFC5849)

    assert RFC5849 is checked(rsa_key, authorization, REQUEST, first=MASTERCARD)


def test_a_call_of_another_reading_is_found_by_the_digest_in_its_signature(rsa_key: RSAPrivateKey) -> None:
    """The digest chooses among the readings, and a verification proves the one chosen."""
    url = "https://api.example.com:443/x?a1=2&a=1+2&at=12:30&name=caf%C3%A9&z"
    key = _Counting(rsa_key.public_key())

    call = oauth1.parse(signed(rsa_key, url, reading=oauth1.READINGS[-1]))
    found = oauth1.check_signature(request_for(url), call, key)

    assert oauth1.READINGS[-1] is found
    assert key.operations == ["verify", "recover_data_from_signature", "verify"]


@pytest.mark.parametrize("by_another_key", [True, False])
def test_a_wrong_signature_costs_two_rsa_operations_whatever_the_readings(
    by_another_key: bool, rsa_key: RSAPrivateKey
) -> None:
    url = "https://api.example.com:443/x?a1=2&a=1+2&at=12:30&name=caf%C3%A9&z"
    signing_key = generate_private_key(public_exponent=65537, key_size=2048) if by_another_key else rsa_key
    key = _Counting(rsa_key.public_key())
    call = oauth1.parse(signed(signing_key, "https://elsewhere.example.com/"))

    with pytest.raises(Refused, match="oauth_signature"):
        oauth1.check_signature(request_for(url), call, key)

    assert key.operations == ["verify", "recover_data_from_signature"]


class _Counting:
    """A public key that notes what it is asked for."""

    def __init__(self, key: RSAPublicKey) -> None:
        self._key = key
        self.operations: list[str] = []

    def __getattr__(self, name: str) -> object:
        self.operations.append(name)
        return getattr(self._key, name)


@pytest.mark.parametrize("name", ["mastercard-plus", "rfc5849-plus"])
def test_an_ambiguous_reading_counts_only_where_it_is_turned_on(name: str, rsa_key: RSAPrivateKey) -> None:
    url, reading = "https://api.example.com/x?a=1+2&b=%20", reading_called(name)
    authorization = signed(rsa_key, url, reading=reading)

    assert reading is checked(rsa_key, authorization, request_for(url), allow_ambiguous=True)
    with pytest.raises(Refused, match="oauth_signature"):
        checked(rsa_key, authorization, request_for(url), first=reading)


def test_plus_and_its_escape_cannot_be_exchanged_by_default(rsa_key: RSAPrivateKey) -> None:
    plus, escape = "https://api.example.com/x?a=1+2&b=%20", "https://api.example.com/x?a=1%2B2&b=%20"

    for reading in oauth1.READINGS:
        for signed_url, sent_url in ((plus, escape), (escape, plus)):
            with pytest.raises(Refused, match="oauth_signature"):
                checked(rsa_key, signed(rsa_key, signed_url, reading=reading), request_for(sent_url))


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://api.example.com:443/x", "api.example.com"),
        ("https://api.example.com:443/x", "api.example.com:443"),
        ("https://api.example.com/x", "api.example.com:443"),
        ("http://api.example.com:80/x", "api.example.com"),
        ("http://[2001:db8::1]:80/x", "[2001:db8::1]"),
        ("http://[2001:db8::1]/x", "[2001:DB8::1]:80"),
    ],
)
@pytest.mark.parametrize("name", ["mastercard", "rfc5849", "mastercard-raw-port", "rfc5849-port"])
def test_a_default_port_may_be_signed_or_not_and_sent_or_not(
    url: str, authority: str, name: str, rsa_key: RSAPrivateKey
) -> None:
    authorization = signed(rsa_key, url, reading=reading_called(name))

    assert checked(rsa_key, authorization, request_for(url, authority=authority))


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://api.example.com:8443/x", "api.example.com"),
        ("https://api.example.com/x", "api.example.com:80"),
        ("http://api.example.com/x", "api.example.com:443"),
        ("https://api.example.com:443/x", "api.example.com:8443"),
        ("http://[2001:db8::1]/x", "[2001:db8::1]:8080"),
    ],
)
def test_any_other_port_counts(url: str, authority: str, rsa_key: RSAPrivateKey) -> None:
    for reading in oauth1.READINGS:
        with pytest.raises(Refused, match="oauth_signature"):
            checked(rsa_key, signed(rsa_key, url, reading=reading), request_for(url, authority=authority))


def test_a_usual_call_has_four_distinct_base_strings_and_one_on_another_port_has_two(authorization: str) -> None:
    call = oauth1.parse(authorization)

    assert len({base_string for _, base_string in oauth1.readings(REQUEST, call)}) == 4
    assert len({text for _, text in oauth1.readings(request_for("http://localhost:8080/x"), call)}) == 2


def test_the_readings_tried_are_listed_for_comparison(authorization: str) -> None:
    call = oauth1.parse(authorization)

    listed = oauth1.readings(REQUEST, call, allow_ambiguous=True)

    assert [*READING_NAMES, "mastercard-plus", "rfc5849-plus"] == [name for name, _ in listed]
    assert oauth1.acceptable_base_string(REQUEST, call) == dict(listed)["mastercard"]


def test_the_base_string_shown_is_the_same_fixed_reading_for_any_signature(rsa_key: RSAPrivateKey) -> None:
    shown = {
        oauth1.acceptable_base_string(REQUEST, oauth1.parse(signed(rsa_key, reading=reading)))
        for reading in oauth1.READINGS
    }

    assert {
        (
            "GET&https%3A%2F%2Fapi.example.com%2Fpayments%2Fv1%2Frefunds"
            "&oauth_body_hash%3D47DEQpj8HBSa%2B%2FTImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D"
            f"%26oauth_consumer_key%3D{CLIENT_ID}%21{KEY_ID}"
            f"%26oauth_nonce%3D{NONCE}%26oauth_signature_method%3DRSA-SHA256"
            "%26oauth_timestamp%3D1738324800%26oauth_version%3D1.0%26page%3D1%26size%3D20"
        )
    } == shown


# ----------------------------------------------------------------------------------------------------------- signing


def test_a_signed_header_looks_like_the_python_signers(authorization: str) -> None:
    names = list(parameters_of(authorization))

    assert authorization.startswith(f'OAuth oauth_consumer_key="{CONSUMER_KEY}",oauth_nonce="')
    assert f'oauth_body_hash="{EMPTY_HASH}",oauth_signature="' in authorization
    assert names[-1] == "oauth_signature"
    assert not {"+", "/", "="} & set(parameters_of(authorization)["oauth_signature"])


def test_a_header_of_the_rfcs_reading_is_encoded(rsa_key: RSAPrivateKey) -> None:
    sent = parameters_of(signed(rsa_key, reading=RFC5849))

    assert CONSUMER_KEY.replace("!", "%21") == sent["oauth_consumer_key"]
    assert quote(EMPTY_HASH, safe="") == sent["oauth_body_hash"]


def test_user_and_fragment_of_a_url_are_not_signed(rsa_key: RSAPrivateKey) -> None:
    authorization = signed(rsa_key, URL.replace("https://", "https://user:password@") + "#top")

    assert MASTERCARD is checked(rsa_key, authorization, REQUEST)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "short"},
        {"timestamp": 0},
        {"url": "https://api.example.com/x?oauth_token=1"},
        {"url": "https://api.example.com/é"},
    ],
)
def test_what_could_not_be_read_is_not_signed(claims: dict[str, object], rsa_key: RSAPrivateKey) -> None:
    good = {"url": URL, "timestamp": int(NOW.timestamp()), "nonce": NONCE}

    with pytest.raises(Malformed):
        oauth1.sign(consumer_key=CONSUMER_KEY, key=rsa_key, method="GET", **good | claims)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------- what a stranger may cost us


def test_a_query_of_256_parameters_is_read_and_one_more_is_malformed(rsa_key: RSAPrivateKey) -> None:
    most = "https://api.example.com/?" + "&".join(["a=1"] * 256)

    assert checked(rsa_key, signed(rsa_key, url=most), request_for(most))
    with pytest.raises(Malformed, match="more than 256 parameters") as caught:
        checked(rsa_key, signed(rsa_key), request_for(f"{most}&a=1"))
    assert caught.value.field == "target"


def test_a_form_without_a_hash_above_16_kib_is_malformed(rsa_key: RSAPrivateKey, authorization: str) -> None:
    form = Request("POST", "https", "api.example.com", "/", "", b"a=" + b"1" * 16_384)

    with pytest.raises(Malformed, match="16384 bytes at most"):
        checked(rsa_key, without(authorization, "oauth_body_hash"), form)
