"""Signatures beside a message: of this message, by this key, not long ago, and nothing else."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from joserfc.registry import HeaderParameter
from tests.protocol.oauth1_calls import NOW

from credenza.protocol import detached_jws, jose
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.jose import PrivateKey
from credenza.protocol.payload_rules import SignatureAlgorithm

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
KEYS: dict[SignatureAlgorithm, PrivateKey] = {"PS256": RSA_KEY, "RS256": RSA_KEY, "ES256": EC_KEY}
PEERS = {"PS256": RSAKey.import_key(RSA_KEY), "RS256": RSAKey.import_key(RSA_KEY), "ES256": ECKey.import_key(EC_KEY)}
PEER = jws.JWSRegistry(
    header_registry={"iat": HeaderParameter("the time", lambda _: None)}, algorithms=["PS256", "RS256", "ES256"]
)
MAX_AGE, SKEW = timedelta(seconds=300), timedelta(seconds=10)
BODY = '{"card":{"holder":"Zoë"}}'.encode()


def signed(algorithm: SignatureAlgorithm = "PS256", payload: bytes = BODY, *, at: timedelta = timedelta()) -> str:
    return detached_jws.sign(payload, KEYS[algorithm], algorithm=algorithm, kid="k1", now=NOW + at)


def checked(
    value: str,
    payload: bytes = BODY,
    key: PrivateKey | None = None,
    algorithms: tuple[SignatureAlgorithm, ...] = ("PS256", "RS256", "ES256"),
) -> None:
    detached = detached_jws.parse(value)
    public = (key or KEYS[detached.header.alg]).public_key()
    detached_jws.check(detached, payload, public, algorithms=algorithms, now=NOW, max_age=MAX_AGE, skew=SKEW)


def header_of(value: str) -> Any:
    return json.loads(jose.decode(value.partition("..")[0].encode(), "header"))


def by_joserfc(header: dict[str, Any], payload: bytes = BODY) -> str:
    token = jws.serialize_compact(header, payload, PEERS[header["alg"]], registry=PEER)
    first, _, last = token.split(".")
    return f"{first}..{last}"


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_was_signed_is_proven_and_says_what_it_must(algorithm: SignatureAlgorithm) -> None:
    value = signed(algorithm)

    checked(value)

    assert header_of(value) == {"alg": algorithm, "kid": "k1", "crit": ["iat"], "iat": int(NOW.timestamp())}


@pytest.mark.parametrize("as_text", [True, False], ids=["string", "number"])
@pytest.mark.parametrize("algorithm", KEYS)
def test_what_joserfc_signs_is_proven(algorithm: SignatureAlgorithm, as_text: bool) -> None:
    seconds = int(NOW.timestamp())
    header = {"alg": algorithm, "kid": "k1", "crit": ["iat"], "iat": str(seconds) if as_text else seconds}

    checked(by_joserfc(header))


@pytest.mark.parametrize("algorithm", KEYS)
def test_joserfc_proves_what_was_signed(algorithm: SignatureAlgorithm) -> None:
    first, _, last = signed(algorithm).partition("..")
    token = f"{first}.{jose.encode(BODY).decode()}.{last}"
    assert jws.deserialize_compact(token, PEERS[algorithm], registry=PEER).payload == BODY


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("payload", [b"", BODY + b" ", BODY[:-1], b"/v1"])
def test_another_message_is_refused(algorithm: SignatureAlgorithm, payload: bytes) -> None:
    with pytest.raises(Refused) as caught:
        checked(signed(algorithm), payload)

    assert caught.value.reason == "signature"


@pytest.mark.parametrize("algorithm", KEYS)
def test_another_key_is_refused(algorithm: SignatureAlgorithm) -> None:
    other: PrivateKey = (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == "ES256"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    with pytest.raises(Refused) as caught:
        checked(signed(algorithm), key=other)

    assert caught.value.reason == "signature"


@pytest.mark.parametrize(
    ("algorithm", "key"), [("PS256", EC_KEY), ("RS256", EC_KEY), ("ES256", RSA_KEY)], ids=["PS256", "RS256", "ES256"]
)
def test_an_algorithm_that_is_not_the_keys_is_refused(algorithm: SignatureAlgorithm, key: PrivateKey) -> None:
    with pytest.raises(Refused) as caught:
        checked(signed(algorithm), key=key)
    assert caught.value.reason == "algorithm"
    with pytest.raises(Refused):
        detached_jws.sign(BODY, key, algorithm=algorithm, kid="k1", now=NOW)


@pytest.mark.parametrize("algorithm", KEYS)
def test_an_algorithm_that_the_rules_do_not_list_is_refused(algorithm: SignatureAlgorithm) -> None:
    with pytest.raises(Refused) as caught:
        checked(signed(algorithm), algorithms=tuple(set(KEYS) - {algorithm}))

    assert caught.value.reason == "algorithm"


@pytest.mark.parametrize("seconds", [-310, -300, 0, 10])
def test_an_age_within_the_limits_is_taken(seconds: int) -> None:
    checked(signed(at=timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-311, -100_000, 11, 100_000])
def test_an_age_beyond_them_is_refused_with_both_times(seconds: int) -> None:
    with pytest.raises(Refused, match=str(int(NOW.timestamp()))) as caught:
        checked(signed(at=timedelta(seconds=seconds)))

    assert caught.value.reason == "stale"


SECONDS = int(NOW.timestamp())
EXACT = {"alg": "PS256", "kid": "k1", "crit": ["iat"], "iat": SECONDS}


@pytest.mark.parametrize(
    "header",
    [
        {},
        *({name: value for name, value in EXACT.items() if name != missing} for missing in EXACT),
        EXACT | {"typ": "JOSE"},
        EXACT | {"b64": False},
        EXACT | {"jwk": {"kty": "RSA"}},
        EXACT | {"crit": []},
        EXACT | {"crit": "iat"},
        EXACT | {"crit": ["iat", "iat"]},
        EXACT | {"crit": ["iat", "b64"]},
        EXACT | {"crit": ["exp"]},
        EXACT | {"alg": "none"},
        EXACT | {"alg": "HS256"},
        EXACT | {"alg": "ps256"},
        EXACT | {"kid": 1},
        EXACT | {"iat": None},
        EXACT | {"iat": True},
        EXACT | {"iat": 1.5},
        EXACT | {"iat": ""},
        EXACT | {"iat": "-1"},
        EXACT | {"iat": "1e9"},
        EXACT | {"iat": " 1"},
        EXACT | {"iat": "٣"},
        EXACT | {"iat": "9" * 20},
        EXACT | {"iat": 10**15},
    ],
    ids=str,
)
def test_a_header_that_is_not_exactly_as_it_must_be_is_malformed(header: dict[str, Any]) -> None:
    segment = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()

    with pytest.raises(Malformed):
        detached_jws.parse(f"{segment}..{'A' * 342}")


@pytest.mark.parametrize("value", ["", "..", "a..b", "a.b.c", "x" * 5000, "é..é", "...."])
def test_what_is_no_detached_signature_is_malformed(value: str) -> None:
    with pytest.raises(Malformed):
        detached_jws.parse(value)


def test_a_payload_inside_is_malformed() -> None:
    first, _, last = signed().partition("..")

    with pytest.raises(Malformed):
        detached_jws.parse(f"{first}.{jose.encode(BODY).decode()}.{last}")


@pytest.mark.parametrize("algorithm", KEYS)
def test_every_flipped_bit_of_a_signature_is_refused(algorithm: SignatureAlgorithm) -> None:
    first, _, last = signed(algorithm).partition("..")
    octets = jose.decode(last.encode(), "signature")

    for bit in range(8 * len(octets)):
        changed = bytearray(octets)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refused) as caught:
            checked(f"{first}..{jose.encode(bytes(changed)).decode()}")
        assert caught.value.reason == "signature"


def test_a_call_without_a_body_is_signed_by_its_path_and_query() -> None:
    assert detached_jws.payload(b"", "/v1/cards?a=1%202") == b"/v1/cards?a=1%202"
    assert detached_jws.payload(BODY, "/v1/cards") == BODY
