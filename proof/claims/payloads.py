"""Encrypted payloads that were changed are refused, all in the same words."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from os import urandom
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import RSAKey
from jwcrypto import jwe as jwcrypto_jwe
from jwcrypto import jwk as jwcrypto_jwk
from tests.protocol.payloads import KEY_ID, KeyRing, recipient_of

from credenza.protocol import field_encryption, jose, payload
from credenza.protocol.payload import Outside, Rules, Undecrypted
from credenza.protocol.payload_rules import Direction, FieldRules, JweRules, ParameterHeaders
from proof.claim import Claim, Progress, hold

_ENCS = ("A256GCM", "A192GCM", "A128GCM", "A128CBC-HS256")
_BODY = b'{"card":{"number":"4111111111111111","holder":"A. Person"},"amount":12.50}'
_WHOLE = Direction()
_JWE = JweRules()
_FIELD = (
    FieldRules(),
    FieldRules(encoding="base64", oaep_digest="SHA-512", aes_key_bits=256),
    FieldRules(parameters=ParameterHeaders()),
)


@dataclass(frozen=True, slots=True)
class _Sent:
    """An encrypted message; `parts` of a JWE are its five, of a field-level one its members and headers."""

    rules: Rules
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return str(json.loads(self.body)["encryptedData"])

    @property
    def parts(self) -> list[str]:
        return self.token.split(".")


def no_changed_payload_is_accepted(payloads: int) -> str:
    """Every change is put to a sound payload in turn. What the field-level format leaves unproven, its ciphertext and
    vector, is counted where JSON comes out: the signature of the call is what covers it."""
    _agree_on_sound_ones()
    told, unproven, progress = Counter[tuple[str, str, str]](), 0, Progress("payloads", payloads)
    kinds = [*_JWE_CHANGES, *_FIELD_CHANGES]
    for number in range(payloads):
        draw, name = random.Random(number), kinds[number % len(kinds)]
        changed = _changed(name, draw)
        refusal = _refusal(changed) if changed is not None else None
        if refusal is not None:
            told[refusal.outside, refusal.reason, str(refusal)] += 1
        elif changed is not None:
            hold(name in _UNPROVEN, f"accepted after {name}: {changed}")
            unproven += 1
        progress.add()
    return (
        f"0 of {payloads:,} changed payloads accepted, {len(kinds)} kinds of change; {_codes(told)}; "
        f"{unproven:,} changed field-level ciphertexts were other JSON"
    )


def _agree_on_sound_ones() -> None:
    for sound in (*_sound_jwes(), *_sound_fields()):
        hold(_opened(sound) == _BODY, "a sound payload is refused")


def _changed(name: str, draw: random.Random) -> _Sent | None:
    """Change a sound payload, or return None where that has changed nothing."""
    sound = draw.choice(_sound_jwes() if name in _JWE_CHANGES else _sound_fields())
    changed = (_JWE_CHANGES | _FIELD_CHANGES)[name](sound, draw)
    return None if changed == sound else changed


def _refusal(changed: _Sent) -> Undecrypted | None:
    try:
        _opened(changed)
    except Undecrypted as refused:
        return refused
    return None


def _codes(told: Counter[tuple[str, str, str]]) -> str:
    """Count what is seen outside. What went wrong in decrypting is not told apart even inside."""
    broken = {text for _, reason, text in told if reason == "decryption"}
    hold(len(broken) == 1, f"failures to decrypt are told apart: {broken}")
    outside = Counter[str]()
    for (code, _, _), count in told.items():
        outside[code] += count
    hold(set(outside) <= set(Outside), f"told otherwise: {outside}")
    return ", ".join(f"{count:,} × {code}" for code, count in sorted(outside.items()))


def _opened(sent: _Sent) -> bytes:
    return payload.decrypt(sent.body, sent.headers.items(), sent.rules, _WHOLE, keys=_keys(), random=urandom)


# ----------------------------------------------------------------------------------------------------- sound payloads


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _keys() -> KeyRing:
    return KeyRing.of(_key())


def _made(rules: Rules) -> _Sent:
    sealed = payload.encrypt(_BODY, rules, _WHOLE, recipient=recipient_of(_key()), random=urandom)
    return _Sent(rules, sealed.body, sealed.headers)


def _jwe(token: str) -> _Sent:
    return _Sent(_JWE, json.dumps({"encryptedData": token}).encode())


@cache
def _sound_jwes() -> tuple[_Sent, ...]:
    return tuple(each for enc in _ENCS for each in (_made(_JWE), _by_joserfc(enc), _by_jwcrypto(enc)) for _ in range(2))


@cache
def _sound_fields() -> tuple[_Sent, ...]:
    return tuple(_made(rules) for rules in _FIELD for _ in range(4))


def _header(enc: str) -> dict[str, Any]:
    return {"alg": "RSA-OAEP-256", "enc": enc, "kid": KEY_ID, "cty": "application/json"}


def _by_joserfc(enc: str) -> _Sent:
    key = RSAKey.import_key(_key())
    return _jwe(joserfc_jwe.encrypt_compact(_header(enc), _BODY, key, algorithms=["RSA-OAEP-256", enc]))


def _by_jwcrypto(enc: str) -> _Sent:
    key = jwcrypto_jwk.JWK.from_pyca(_key().public_key())
    return _jwe(str(jwcrypto_jwe.JWE(_BODY, json.dumps(_header(enc)), recipient=key).serialize(compact=True)))


# ------------------------------------------------------------------------------------------------------------ changes

Change: TypeAlias = Callable[[_Sent, random.Random], _Sent | None]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _text(change: Callable[[str, random.Random], str]) -> Change:
    def apply(sent: _Sent, draw: random.Random) -> _Sent | None:
        changed = change(sent.token, draw)
        return None if changed == sent.token else _jwe(changed)

    return apply


def _parts(change: Callable[[list[str], random.Random], object]) -> Change:
    def apply(sent: _Sent, draw: random.Random) -> _Sent | None:
        parts = sent.parts
        change(parts, draw)
        return None if parts == sent.parts else _jwe(".".join(parts))

    return apply


def _flipped(octets: bytes, draw: random.Random) -> bytes:
    changed = bytearray(octets)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _other_character(token: str, draw: random.Random) -> str:
    at = draw.randrange(len(token))
    return token[:at] + draw.choice(_ALPHABET + ".=+/ \n\0é") + token[at + 1 :]


def _lost_characters(token: str, draw: random.Random) -> str:
    at = draw.randrange(len(token))
    return token[:at] + token[at + draw.randint(1, 4) :]


def _more_characters(token: str, draw: random.Random) -> str:
    at = draw.randint(0, len(token))
    return token[:at] + "".join(draw.choices(_ALPHABET + ".=\n", k=draw.randint(1, 4))) + token[at:]


def _shorter(token: str, draw: random.Random) -> str:
    return token[: draw.randrange(len(token))]


def _swapped_neighbours(token: str, draw: random.Random) -> str:
    at = draw.randrange(len(token) - 1)
    return token[:at] + token[at + 1] + token[at] + token[at + 2 :]


def _flipped_bit(parts: list[str], draw: random.Random) -> None:
    which = draw.randrange(1, 5)
    parts[which] = jose.encode(_flipped(jose.decode(parts[which].encode(), "part"), draw)).decode()


def _shorter_tag(parts: list[str], draw: random.Random) -> None:
    parts[4] = jose.encode(jose.decode(parts[4].encode(), "tag")[: draw.randrange(16)]).decode()


def _unread_bits(parts: list[str], draw: random.Random) -> None:
    which = draw.randrange(5)
    parts[which] = parts[which][:-1] + draw.choice(_ALPHABET)


def _padded(parts: list[str], draw: random.Random) -> None:
    parts[draw.randrange(5)] += "=" * draw.randint(1, 3)


def _part_of_another(parts: list[str], draw: random.Random) -> None:
    which = draw.randrange(5)
    parts[which] = draw.choice(_sound_jwes()).parts[which]


def _another_order(parts: list[str], draw: random.Random) -> None:
    draw.shuffle(parts)


def _part_left_out(parts: list[str], draw: random.Random) -> None:
    parts[draw.randrange(5)] = ""


def _another_header(parts: list[str], draw: random.Random) -> None:
    header = json.loads(jose.decode(parts[0].encode(), "header"))
    more = draw.choice(
        [
            {"alg": draw.choice(["RSA-OAEP", "RSA1_5", "dir", "none", "A256KW", "rsa-oaep-256"])},
            {"enc": draw.choice([enc for enc in (*_ENCS, "A256CBC-HS512", "none") if enc != header["enc"]])},
            {"zip": "DEF"},
            {"crit": ["exp"], "exp": 1},
            {"kid": draw.choice(["", "0" * 64, KEY_ID.upper() + "0"])},
            {"x": 1},
        ]
    )
    parts[0] = jose.encode(json.dumps(header | more).encode()).decode()


def _member_twice(parts: list[str], draw: random.Random) -> None:
    header = jose.decode(parts[0].encode(), "header")
    parts[0] = jose.encode(header[:-1] + draw.choice([b',"alg":"RSA-OAEP-256"}', b',"kid":"x"}'])).decode()


def _parameter(name: str) -> Change:
    """Flip a bit of a parameter, wherever it travels."""

    def apply(sent: _Sent, draw: random.Random) -> _Sent:
        rules = sent.rules
        assert isinstance(rules, FieldRules)
        at = getattr(rules.parameters, name, _WHOLE.value_field)

        def changed(text: str) -> str:
            octets = field_encryption.decode(text, rules.encoding)
            return field_encryption.encode(_flipped(octets, draw), rules.encoding)

        return _with(sent, at, changed)

    return apply


def _with(sent: _Sent, at: str, changed: Callable[[str], str]) -> _Sent:
    if at in sent.headers:
        return _Sent(sent.rules, sent.body, {**sent.headers, at: changed(sent.headers[at])})
    members = json.loads(sent.body)
    return _Sent(sent.rules, json.dumps({**members, at: changed(members[at])}).encode(), sent.headers)


def _another_label(sent: _Sent, draw: random.Random) -> _Sent:
    assert isinstance(sent.rules, FieldRules)
    labels = ["SHA1", "MD5", "", "SHA384", "SHA512" if sent.rules.oaep_digest == "SHA-256" else "SHA256"]
    return _with(sent, str(sent.rules.parameters.oaep_digest), lambda _: draw.choice(labels))


def _another_fingerprint(sent: _Sent, draw: random.Random) -> _Sent:
    assert isinstance(sent.rules, FieldRules)
    return _with(sent, str(sent.rules.parameters.key_fingerprint), lambda text: _other_digit(text, draw))


def _other_digit(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    return text[:at] + draw.choice([digit for digit in "0123456789abcdef" if digit != text[at]]) + text[at + 1 :]


def _key_of_another(sent: _Sent, draw: random.Random) -> _Sent | None:
    """Another session's wrapped key is whole, and opens another ciphertext."""
    assert isinstance(sent.rules, FieldRules)
    other = draw.choice([each for each in _sound_fields() if each.rules == sent.rules])
    at = sent.rules.parameters.encrypted_key
    found = {**json.loads(other.body), **other.headers}[at]
    return None if other == sent else _with(sent, at, lambda _: str(found))


_JWE_CHANGES: dict[str, Change] = {
    "other character": _text(_other_character),
    "lost characters": _text(_lost_characters),
    "more characters": _text(_more_characters),
    "shorter": _text(_shorter),
    "swapped neighbours": _text(_swapped_neighbours),
    "flipped bit": _parts(_flipped_bit),
    "shorter tag": _parts(_shorter_tag),
    "unread bits": _parts(_unread_bits),
    "padded": _parts(_padded),
    "part of another": _parts(_part_of_another),
    "another order": _parts(_another_order),
    "part left out": _parts(_part_left_out),
    "another header": _parts(_another_header),
    "member twice": _parts(_member_twice),
}
_FIELD_CHANGES: dict[str, Change] = {
    "field: wrapped key": _parameter("encrypted_key"),
    "field: vector": _parameter("iv"),
    "field: ciphertext": _parameter("value"),
    "field: label": _another_label,
    "field: fingerprint": _another_fingerprint,
    "field: key of another": _key_of_another,
}
_UNPROVEN = ("field: vector", "field: ciphertext")

CLAIMS = (
    Claim(
        "changed JWEs",
        "no payload is decrypted after a change to what its format proves, and no failure differs from another",
        1_000_000,
        "payloads",
        no_changed_payload_is_accepted,
    ),
)
