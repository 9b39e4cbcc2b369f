"""OAuth 1.0a request signing and checking: RFC 5849 with RSA keys, and the body-hash extension.

Order of use: `parse` the Authorization header, look the key up, `check` the call (or its three steps one by one),
and only then remember the nonce: replay memory is the caller's, and a forger must not be able to burn nonces.

The clients that exist disagree about the signature base string, so a call is tried under a few named readings of
it. They are one table, `READINGS`, further down; nothing else in the product knows how they differ.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp, b2a_base64
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from operator import itemgetter
from typing import TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from credenza.protocol.errors import Malformed, Refused

MAX_HEADER_LENGTH = 8192
MAX_PARAMETERS = 32
MAX_ITEMS = 256
"""Parameters of query and form together. Spelling each under every reading is what a stranger's call costs."""
MAX_FORM_LENGTH = 16_384
EMPTY_BODY_SHA256 = sha256(b"").digest()

Pair: TypeAlias = tuple[str, str]
Spell: TypeAlias = Callable[[str], list[str]]
Order: TypeAlias = Callable[[str], tuple[str, ...]] | None


class SignatureMethod(StrEnum):
    """What may sign a call. SHA-1, HMAC and PLAINTEXT prove too little and are not here."""

    RSA_SHA256 = "RSA-SHA256"
    RSA_PSS = "RSA-PSS"  # SHA-256, MGF1 with SHA-256, salt of 32 bytes


_PKCS1V15 = padding.PKCS1v15()
_PSS = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32)
_SHA256 = SHA256()
_SIGNATURE_METHODS = {method.value: method for method in SignatureMethod}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}

_REQUIRED = ("oauth_consumer_key", "oauth_nonce", "oauth_signature", "oauth_signature_method", "oauth_timestamp")

# What a value must be: a pattern, with a group where `parse` reads it, and its words for a refusal. In the order of
# names. `%` and `&` stay out: a verbatim reading could not tell `%21` from an encoded `!`, nor one value from two.
# A consumer key may be anything, since one that cannot exist has to look like one that does not.
_VALUES = {
    "oauth_body_hash": (r"[A-Za-z0-9+/=]{8,64}", "base64"),
    "oauth_consumer_key": (r'(([A-Za-z0-9_-]{48})!([0-9a-f]{48})|[^"]*)', "a consumer key"),
    "oauth_nonce": (r"([A-Za-z0-9._~+/=-]{8,64})", "8 to 64 characters of A-Z a-z 0-9 . _ ~ + / = -"),
    "oauth_signature_method": (r"(RSA-SHA256|RSA-PSS)", "RSA-SHA256 or RSA-PSS"),
    "oauth_timestamp": (r"([1-9][0-9]{0,10})", "a positive integer of seconds since 1970"),
    "oauth_version": (r"1\.0", "1.0"),
}
_NAME = r'[A-Za-z0-9_.~-]+="'
_SKELETON = re.compile(rf"(?i:oauth)[ \t]+({_NAME}(?:[ \t]*,[ \t]*{_NAME})*)[ \t]*")

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_USUAL = _UNRESERVED + b"%&=/+!:"
# What is remembered of targets, whoever sends them, is no longer than this.
_SHORT = 256
_KINDS = bytes([ord("a" if octet in _USUAL else " ") for octet in range(256)])


class MissingParameter(Malformed):
    """A parameter that RFC 5849 3.1 requires is not there; `field` is its name."""


# Structs of msgspec: a frozen dataclass sets every field through object.__setattr__, 3.0 us for ten of them against
# 0.2 us here, where a whole RSA-2048 verification takes about 20.
class Request(msgspec.Struct, frozen=True):
    """A request as it came over the wire, before anything normalised it.

    `authority` is the Host received, or the public one where a proxy rewrites it. `form` is the body where it is
    single-part `application/x-www-form-urlencoded`, else None; it counts only for calls without a body hash.
    """

    method: str
    scheme: str
    authority: str
    path: str
    query: str = ""
    form: bytes | None = None


class SignedCall(msgspec.Struct, frozen=True):
    """What an Authorization header claims; nothing of it is proven before `check`.

    A consumer key of the wrong shape has empty halves: it names no key, as an unknown one does.
    `further` are the signed parameters that neither RFC 5849 nor the body-hash extension names, decoded.
    """

    consumer_key: str
    client_id: str
    key_id: str
    timestamp: int
    nonce: str
    signature_method: SignatureMethod
    signature: bytes
    body_hash: str | None
    version: str | None
    further: tuple[Pair, ...]


# ----------------------------------------------------------------------------------------------- reading the header


def parse(authorization: str) -> SignedCall:
    """Read an Authorization header (RFC 5849 3.5.1).

    Raises MissingParameter for a required parameter that is absent, Malformed for all else that cannot be read.
    """
    layout, sent = _layout_and_values(authorization)
    values = layout.pick(sent)
    text = '"'.join(values)
    if "%" in text:
        values = tuple([_decode(value) for value in values])
        text = '"'.join(values)
    match = layout.values.fullmatch(text)
    if match is None:
        raise _unreadable(layout.names, values)
    consumer_key, client_id, key_id, nonce, method, timestamp = match.groups()
    return SignedCall(
        consumer_key,
        client_id or "",
        key_id or "",
        int(timestamp),
        nonce,
        _SIGNATURE_METHODS[method],
        _parse_signature(sent[layout.signature]),
        values[0] if layout.names[0] == "oauth_body_hash" else None,
        values[-1] if layout.names[-1] == "oauth_version" else None,
        tuple([(name, _decode(sent[place])) for name, place in layout.further]) if layout.further else (),
    )


class _Layout(msgspec.Struct, frozen=True):
    """Which parameters a header has and where: `pick` takes the values of `names`, `values` is their pattern."""

    names: tuple[str, ...]
    pick: Callable[[Sequence[str]], tuple[str, ...]]
    values: re.Pattern[str]
    signature: int
    further: tuple[tuple[str, int], ...]


def _layout_and_values(authorization: str) -> tuple[_Layout, list[str]]:
    """Take the header apart at its quotes, which values cannot contain: what stands between them is the skeleton."""
    if not authorization:
        raise Malformed("authorization", "The Authorization header is missing.")
    if len(authorization) > MAX_HEADER_LENGTH:
        raise Malformed("authorization", f"The Authorization header is longer than {MAX_HEADER_LENGTH} characters.")
    if not authorization.isascii() or "\n" in authorization:
        raise Malformed("authorization", "The Authorization header has characters that need percent-encoding.")
    parts = authorization.split('"', 2 * MAX_PARAMETERS)
    return _parse_skeleton('"'.join(parts[::2])), parts[1::2]


# A client library always sends the same names in the same order, so the answer for a skeleton is worth keeping.
# Refusals are not kept, and the bound makes a flood of odd skeletons cost time, not memory.
@lru_cache(maxsize=256)
def _parse_skeleton(skeleton: str) -> _Layout:
    """Read `OAuth a=",b="`, a header without its values."""
    match = _SKELETON.fullmatch(skeleton)
    if match is None:
        raise Malformed("authorization", 'The Authorization header is not OAuth name="value", name="value", ...')
    sent = [name.strip(" \t,").removesuffix("=") for name in match[1].split('"')[:-1]]
    _check_names(sent)
    names = tuple([name for name in _VALUES if name in sent])
    further = sorted({*sent} - {*names, "oauth_signature", "realm"})
    return _Layout(
        names,
        itemgetter(*[sent.index(name) for name in names]),
        re.compile('"'.join([_VALUES[name][0] for name in names])),  # one of four, re keeps them
        sent.index("oauth_signature"),
        tuple([(name, sent.index(name)) for name in further]),
    )


def _check_names(sent: list[str]) -> None:
    for name in sent:
        # RFC 5849 3.1: each parameter MUST NOT appear more than once per request.
        if sent.count(name) > 1:
            raise Malformed(name, f"The Authorization header has {name} more than once.")
        # The base string does not say where a parameter stood (RFC 5849 3.4.1.3.1): one of the query could be moved
        # in here and the signature would still fit. No known client sends any, so none is taken.
        if not name.startswith("oauth_") and name != "realm":
            raise Malformed(name, f"The Authorization header has {name}, which is no OAuth parameter.")
    for name in _REQUIRED:
        if name not in sent:
            raise MissingParameter(name, f"The Authorization header lacks {name}.")


def _unreadable(names: tuple[str, ...], values: tuple[str, ...]) -> Malformed:
    at_fault = [name for name, value in zip(names, values, strict=True) if not re.fullmatch(_VALUES[name][0], value)]
    return Malformed(at_fault[0], f"{at_fault[0]} is not {_VALUES[at_fault[0]][1]}.")


def _parse_signature(text: str) -> bytes:
    """Percent-decode strict base64. Current signers send it encoded, a few old ones did not."""
    try:
        # Quoted-printable is percent-encoding with another sign, and decoded in C: a third of the time.
        base64 = a2b_qp((text.replace("=", "%3D") if "=" in text else text).replace("%", "="))
        signature = a2b_base64(base64, strict_mode=True)
    except ValueError as error:
        raise Malformed("oauth_signature", "oauth_signature is not base64.") from error
    # One signature has one spelling, and only its last group of three bytes can still have another (RFC 4648 3.5).
    last = (len(signature) - 1) // 3 * 3
    if len(base64) != last // 3 * 4 + 4 or b2a_base64(signature[last:], newline=False) != base64[-4:]:
        raise Malformed("oauth_signature", "oauth_signature is not canonical base64.")
    if text.endswith("%"):  # quoted-printable lets a broken escape at the end pass
        raise Malformed("oauth_signature", "oauth_signature is not canonical base64.")
    return signature


def _decode(text: str) -> str:
    """Percent-decode, a character for each byte. `+` is a plus: most clients send base64 as it is."""
    return unquote_to_bytes(text.encode("latin-1")).decode("latin-1")


def _encode(text: str) -> str:
    """Percent-encode as RFC 5849 3.6 wants it, a byte for each character."""
    octets = text.encode("latin-1")
    if text and not octets.translate(_KINDS).isalpha():
        return quote_from_bytes(octets, safe="")
    # Nearly no text has other characters, and quote_from_bytes() takes ten times as long.
    text = text.replace("%", "%25").replace("&", "%26").replace("=", "%3D").replace("/", "%2F")
    return text.replace("+", "%2B").replace("!", "%21").replace(":", "%3A")


# --------------------------------------------------------------------------- readings of the signature base string


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One way to build the signature base string. The name is stable: logs and answers carry it.

    `oauth` spells the header's parameters, encoded for the base string; `query` spells the query's items, and `order`
    is the key they are sorted by; `authority` decides about the default port.
    """

    name: str
    oauth: Callable[[SignedCall], str]
    query: Spell
    order: Order
    authority: Callable[[str, str], str]


def _verbatim(call: SignedCall) -> str:
    return _spelled(call, "%21", "%2B", "%2F", "%3D")


def _encoded(call: SignedCall) -> str:
    """RFC 5849 3.4.1.3.2: values are encoded first, and then once more with the whole string."""
    return _spelled(call, "%2521", "%252B", "%252F", "%253D")


def _spelled(call: SignedCall, exclamation: str, plus: str, slash: str, equals: str) -> str:
    # No value of `_VALUES` has another character to encode, but for a consumer key that cannot exist: its base string
    # is a little off, and no signature can fit it for want of a key.
    body_hash, nonce, version = call.body_hash, call.nonce, call.version
    key = call.consumer_key.replace("!", exclamation).replace("+", plus).replace("/", slash).replace("=", equals)
    if body_hash is not None:
        body_hash = body_hash.replace("+", plus).replace("/", slash).replace("=", equals)
    if not nonce.isalnum():
        nonce = nonce.replace("+", plus).replace("/", slash).replace("=", equals)
    text = (
        f"{'' if body_hash is None else f'oauth_body_hash%3D{body_hash}%26'}"
        f"oauth_consumer_key%3D{key}%26oauth_nonce%3D{nonce}"
        f"%26oauth_signature_method%3D{call.signature_method}%26oauth_timestamp%3D{call.timestamp}"
        f"{'' if version is None else f'%26oauth_version%3D{version}'}"
    )
    if not call.further:
        return text
    # These may have any value, and left verbatim one could pose as two.
    further = [f"{name}%3D{_encode(_encode(value))}" for name, value in call.further]
    return "%26".join(sorted([*text.split("%26"), *further]))


def _as_sent(query: str) -> list[str]:
    return [item if "=" in item else f"{item}=" for item in query.split("&") if item]


def _plus_literal(query: str) -> list[str]:
    items = [item.partition("=") for item in query.split("&") if item]
    return [f"{_encoded_anew(name)}={_encoded_anew(value)}" for name, _, value in items]


def _encoded_anew(text: str) -> str:
    return _encode(_decode(text) if "%" in text else text)


def _normalized(query: str) -> list[str]:
    """RFC 5849 3.4.1.3.1: read as a form, where `+` is a space, and encoded again."""
    return _plus_literal(query.replace("+", " "))


def _normalized_if_escaped(query: str) -> list[str]:
    return _chosen(_normalized_if_escaped, query)(query)


def _chosen(spell: Spell, query: str) -> Spell:
    """What a way of spelling comes down to for this query."""
    if spell is not _normalized_if_escaped:
        return spell
    return _normalized if "%" in query else _as_sent


_BY_TEXT = None


def _by_pair(item: str) -> tuple[str, ...]:
    """RFC 5849 3.4.1.3.2: by name, then by value. Not the same as by text when one name begins with another."""
    return item.partition("=")


def _without_default_port(scheme: str, authority: str) -> str:
    return authority.removesuffix(_DEFAULT_PORTS.get(scheme, ""))


def _with_default_port(scheme: str, authority: str) -> str:
    has_port = ":" in authority.rpartition("]")[2]  # what follows an IPv6 address, or all of it
    return authority if has_port else authority + _DEFAULT_PORTS.get(scheme, "")


MASTERCARD = Reading("mastercard", _verbatim, _normalized_if_escaped, _BY_TEXT, _without_default_port)
RFC5849 = Reading("rfc5849", _encoded, _normalized, _by_pair, _without_default_port)
_RFC5849_PORT = Reading("rfc5849-port", _encoded, _normalized, _by_pair, _with_default_port)

# In this order, at most eight, and of those only the ones that differ for the call at hand. None of them lets two
# queries of different meaning, read as forms, share a base string.
READINGS = (
    MASTERCARD,  # the Python signer
    Reading("mastercard-pairs", _verbatim, _normalized_if_escaped, _by_pair, _without_default_port),  # Java, Go, C#
    Reading("mastercard-raw", _verbatim, _as_sent, _by_pair, _without_default_port),  # Node.js
    Reading("mastercard-normalized", _verbatim, _normalized, _by_pair, _without_default_port),  # Go with +, C# with :
    RFC5849,  # oauthlib, and whoever follows the text
    Reading("rfc5849-raw", _encoded, _as_sent, _by_pair, _without_default_port),
    # Some sign the default port of their URL; their HTTP library leaves it out of Host all the same.
    Reading("mastercard-raw-port", _verbatim, _as_sent, _by_pair, _with_default_port),  # Node.js
    _RFC5849_PORT,
)
# Under these a signature for `%2B` also fits `+`, which most servers read as a space: off unless a project asks.
AMBIGUOUS_READINGS = (
    Reading("mastercard-plus", _verbatim, _plus_literal, _by_pair, _without_default_port),  # Java, C#: + among escapes
    Reading("rfc5849-plus", _encoded, _plus_literal, _by_pair, _without_default_port),
)
_ALL_READINGS = READINGS + AMBIGUOUS_READINGS
_FORM_READINGS = (RFC5849, _RFC5849_PORT)


def signature_base_string(request: Request, call: SignedCall, reading: Reading) -> str:
    """Build the text that is signed (RFC 5849 3.4.1). Raises Malformed for a target that cannot be signed."""
    query = _signed_query(request, call)
    if not query:
        return _base_string(request, reading, reading.oauth(call))
    before, after = _items(query, reading.query, reading.order)
    return _base_string(request, reading, f"{before}{reading.oauth(call)}{after}")


def _signed_query(request: Request, call: SignedCall) -> str:
    """The query, and the fields of a form that is signed in place of a hash."""
    query = request.query
    if not (request.authority.isascii() and request.path.isascii() and query.isascii()):
        raise Malformed("target", "The target has characters beyond ASCII: percent-encode them.")
    if request.form is not None and call.body_hash is None:
        if len(request.form) > MAX_FORM_LENGTH:
            raise Malformed("target", f"A form without oauth_body_hash has {MAX_FORM_LENGTH} bytes at most.")
        query = f"{query}&{request.form.decode('latin-1')}"
    if query.count("&") >= MAX_ITEMS:
        raise Malformed("target", f"The query, or form, has more than {MAX_ITEMS} parameters.")
    return query


def _base_string(request: Request, reading: Reading, parameters: str) -> str:
    resource = _resource if len(request.path) <= _SHORT else _resource.__wrapped__
    uri = resource(reading, request.scheme, request.authority, request.path)
    return f"{request.method.upper()}&{uri}&{parameters}"


# Calls to an API have few paths between them but for those that name a thing.
@lru_cache(maxsize=1024)
def _resource(reading: Reading, scheme: str, authority: str, path: str) -> str:
    """RFC 5849 3.4.1.2, encoded for the base string."""
    return f"{_origin(reading, scheme, authority)}{_encode(path or '/')}"


# Few for each gate, and asked for with every call.
@lru_cache(maxsize=256)
def _origin(reading: Reading, scheme: str, authority: str) -> str:
    """RFC 5849 3.4.1.2: scheme and authority in lower case, encoded for the base string."""
    return _encode(f"{scheme.lower()}://{reading.authority(scheme.lower(), authority.lower())}")


def _items(query: str, spell: Spell, order: Order) -> Pair:
    # As with paths: most calls that ask for much ask for the same. A stranger's shall not take much memory.
    encoded_items = _encoded_items if len(query) <= _SHORT else _encoded_items.__wrapped__
    return encoded_items(query, spell, order)


@lru_cache(maxsize=1024)
def _encoded_items(query: str, spell: Spell, order: Order) -> Pair:
    """RFC 5849 3.4.1.3.2, encoded for the base string: what is before the header's parameters, and what after."""
    items = sorted(spell(query), key=order)
    # In either order the header's parameters stay together: nothing else may begin with `oauth_`.
    place = bisect_left(items, "oauth_")
    # RFC 5849 3.5: OAuth parameters travel in one place. Were they read here too, one could be moved out of the
    # header into the query, and the signature would still fit.
    if place < len(items) and items[place].startswith("oauth_"):
        raise Malformed("target", "OAuth parameters belong into the Authorization header, not into query or form.")
    # No item contains an `&`, and a `%` becomes `%25`: `%26` stands between items only.
    encoded = _encode("&".join(items)).split("%26") if items else []
    return "".join([f"{item}%26" for item in encoded[:place]]), "".join([f"%26{item}" for item in encoded[place:]])


class _Readings:
    """The base strings of one call under several readings; what readings share is made once."""

    def __init__(self, request: Request, call: SignedCall) -> None:
        self._request = request
        self._call = call
        self._query = _signed_query(request, call)
        self._oauth: dict[object, str] = {}
        self._items: dict[object, Pair] = {}

    def variant(self, reading: Reading) -> tuple[object, ...]:
        """What of a reading matters for this call: readings that agree in it build the same text."""
        origin = _origin(reading, self._request.scheme, self._request.authority)
        if self._query:
            return (origin, reading.oauth, _chosen(reading.query, self._query), reading.order)
        return (origin, reading.oauth)

    def base_string(self, reading: Reading) -> str:
        oauth = self._oauth.get(reading.oauth)
        if oauth is None:
            oauth = self._oauth[reading.oauth] = reading.oauth(self._call)
        if not self._query:
            return _base_string(self._request, reading, oauth)
        spell = _chosen(reading.query, self._query)
        known = self._items.get((spell, reading.order))
        if known is None:
            known = self._items[spell, reading.order] = _items(self._query, spell, reading.order)
        before, after = known
        return _base_string(self._request, reading, f"{before}{oauth}{after}")


def acceptable_base_string(request: Request, call: SignedCall) -> str:
    """Build the one base string that a refusal may show: always the same reading, whatever was tried."""
    return signature_base_string(request, call, _readings_for(request, call, allow_ambiguous=False)[0])


def readings(request: Request, call: SignedCall, *, allow_ambiguous: bool = False) -> tuple[Pair, ...]:
    """List name and base string of every reading under which this call is tried, for people who compare."""
    candidates = _readings_for(request, call, allow_ambiguous=allow_ambiguous)
    texts = _Readings(request, call)
    return tuple([(reading.name, texts.base_string(reading)) for reading in candidates])


def _readings_for(request: Request, call: SignedCall, *, allow_ambiguous: bool) -> tuple[Reading, ...]:
    # A form that no hash covers is signed as parameters, and only the RFC's own clients do that.
    if request.form is not None and call.body_hash is None:
        return _FORM_READINGS
    return _ALL_READINGS if allow_ambiguous else READINGS


# ---------------------------------------------------------------------------------------------- checking and signing


def check(
    request: Request,
    call: SignedCall,
    key: RSAPublicKey,
    *,
    now: datetime,
    max_skew: timedelta,
    body_sha256: bytes | None,
    first: Reading | None = None,
    allow_ambiguous: bool = False,
) -> Reading:
    """Prove that key signed this call within max_skew of now, and return the reading that shows it.

    Pass that reading as `first` with the same key's next call: then one RSA verification is enough. `body_sha256`
    is the digest of the raw body; None where nobody sees the body, and then it is not proven.
    Raises Refused("timestamp" | "body_hash_missing" | "body_hash" | "signature"). RFC 5849 3.2.
    """
    check_timestamp(call, now=now, max_skew=max_skew)
    if body_sha256 is not None:
        check_body_hash(request, call, body_sha256)
    return check_signature(request, call, key, first=first, allow_ambiguous=allow_ambiguous)


def check_timestamp(call: SignedCall, *, now: datetime, max_skew: timedelta) -> None:
    """Refuse a call signed more than max_skew before or after now, with both times in the message."""
    ahead_s = call.timestamp - now.timestamp()
    if abs(ahead_s) <= max_skew.total_seconds():
        return
    raise Refused(
        "timestamp",
        f"oauth_timestamp {call.timestamp} is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} "
        f"the server's clock ({now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ});"
        f" at most {max_skew.total_seconds():.0f} s are allowed.",
    )


def check_body_hash(request: Request, call: SignedCall, body_sha256: bytes) -> None:
    """Refuse a body that oauth_body_hash does not cover. The digest is over the raw bytes, of any content type."""
    if call.body_hash is None:
        if body_sha256 == EMPTY_BODY_SHA256 or request.form is not None:
            return
        raise Refused("body_hash_missing", "The request has a body, but no oauth_body_hash covers it.")
    expected = b2a_base64(body_sha256, newline=False)
    if not compare_digest(call.body_hash.encode("ascii"), expected):
        raise Refused("body_hash", _body_hash_mismatch(call.body_hash, expected.decode("ascii"), body_sha256))


def _body_hash_mismatch(claimed: str, expected: str, body_sha256: bytes) -> str:
    """Say what differs, and the mistake of the client that usually explains it."""
    differs = f"oauth_body_hash is {claimed}, but the body received has the SHA-256 hash {expected}."
    if len(claimed) < len(expected):
        return f"{differs} A hash this short is SHA-1: RSA-SHA256 and RSA-PSS take SHA-256."
    if body_sha256 == EMPTY_BODY_SHA256:
        return f"{differs} That is the hash of the empty string: the body signed was not sent."
    return (
        f"{differs} The bytes signed are not the bytes sent: serialise the body once, sign what is sent, "
        "and do not stream it (for a generator or an open file the Python signer hashes its repr, not its content)."
    )


def check_signature(
    request: Request,
    call: SignedCall,
    key: RSAPublicKey,
    *,
    first: Reading | None = None,
    allow_ambiguous: bool = False,
) -> Reading:
    """Return the reading under which key signed this call; raises Refused("signature") when there is none."""
    candidates = _readings_for(request, call, allow_ambiguous=allow_ambiguous)
    reading = first if first in candidates else candidates[0]  # a project may have turned `first` off since
    base_string = signature_base_string(request, call, reading)
    if _is_signed(base_string, call, key):
        return reading
    fits = _fitting(call, key)
    texts = _Readings(request, call)
    tried: set[object] = {base_string, texts.variant(reading)}
    for reading in candidates:
        variant = texts.variant(reading)
        if variant in tried:
            continue
        base_string = texts.base_string(reading)
        if base_string not in tried and fits(base_string) and _is_signed(base_string, call, key):
            return reading
        tried |= {variant, base_string}
    raise Refused("signature", "oauth_signature does not fit this request and this consumer key.")


def _fitting(call: SignedCall, key: RSAPublicKey) -> Callable[[str], bool]:
    """Tell cheaply which texts are worth a verification.

    A PKCS #1 v1.5 signature gives up the digest that was signed (RFC 8017 8.2.2), so that all readings together cost
    one RSA operation. It only chooses: what admits a call is always a verification. A signature that key never made
    gives up nothing, and no text fits it; all are made nevertheless, for else the time would tell an unknown key from
    a known one of which somebody has an old signature.
    """
    if call.signature_method is not SignatureMethod.RSA_SHA256:
        return lambda _: True  # PSS is salted (RFC 8017 9.1.1): there is nothing to compare with
    signed = b""
    with suppress(InvalidSignature):
        signed = key.recover_data_from_signature(call.signature, _PKCS1V15, _SHA256)
    return lambda base_string: sha256(base_string.encode("latin-1")).digest() == signed


def _is_signed(base_string: str, call: SignedCall, key: RSAPublicKey) -> bool:
    try:
        # Latin-1 because a consumer key that cannot exist may be beyond ASCII; then this is about time, not truth.
        key.verify(call.signature, base_string.encode("latin-1"), _padding(call.signature_method), _SHA256)
    except InvalidSignature:
        return False
    return True


def _padding(method: SignatureMethod) -> padding.AsymmetricPadding:
    return _PSS if method is SignatureMethod.RSA_PSS else _PKCS1V15


def sign(
    *,
    consumer_key: str,
    key: RSAPrivateKey,
    method: str,
    url: str,
    body: bytes = b"",
    timestamp: int,
    nonce: str,
    signature_method: SignatureMethod = SignatureMethod.RSA_SHA256,
    reading: Reading = MASTERCARD,
) -> str:
    """Make the Authorization header for a request, as the client libraries of the reading do.

    `url` is the one that goes over the wire, escapes included. Raises Malformed for what `parse` would not read.
    """
    target = urlsplit(url)
    request = Request(method, target.scheme, target.netloc.rpartition("@")[2], target.path, target.query)
    unsigned = {
        "oauth_consumer_key": consumer_key,
        "oauth_nonce": nonce,
        "oauth_timestamp": str(timestamp),
        "oauth_signature_method": signature_method.value,
        "oauth_version": "1.0",
        "oauth_body_hash": b2a_base64(sha256(body).digest(), newline=False).decode("ascii"),
    }
    spell = str if reading.oauth is _verbatim else _encode
    header = "OAuth " + ",".join([f'{name}="{spell(value)}"' for name, value in unsigned.items()])
    base_string = signature_base_string(request, parse(f'{header},oauth_signature=""'), reading)
    signature = key.sign(base_string.encode("ascii"), _padding(signature_method), _SHA256)
    return f'{header},oauth_signature="{_encode(b2a_base64(signature, newline=False).decode("ascii"))}"'
