"""Tokens that were changed are refused, and sound ones accepted, beside two other JOSE libraries."""

from __future__ import annotations

import hmac
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jws as joserfc_jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jws as jwcrypto_jws
from jwcrypto.common import JWException

from credenza.protocol import jose
from credenza.protocol.errors import Malformed, Refused
from proof.claim import Claim, Progress, hold

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256: (r, s) and (r, n - s) are both signatures of one message, and both are sound."""


@dataclass(frozen=True, slots=True)
class _Signer:
    """A key pair, and its public half as each library wants it."""

    private: jose.PrivateKey
    algorithm: jose.Algorithm

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class _Token:
    """A sound token and who may have signed it."""

    signer: _Signer
    text: str

    @property
    def parts(self) -> list[str]:
        return self.text.split(".")

    @property
    def header(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(jose.decode(self.parts[0].encode(), "header"))
        return found

    def with_header(self, header: Mapping[str, Any] | bytes) -> str:
        octets = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
        return ".".join([jose.encode(octets).decode(), *self.parts[1:]])

    def with_signature(self, signature: bytes) -> str:
        return ".".join([*self.parts[:2], jose.encode(signature).decode()])

    def signature(self) -> bytes:
        return jose.decode(self.parts[2].encode(), "signature")


Change: TypeAlias = Callable[[_Token, random.Random], str]


def no_changed_token_is_accepted(tokens: int) -> str:
    """Every change is put to a sound token in turn; ours has to refuse it, whatever the other two think of it."""
    sound = _sound_tokens()
    _agree_on(sound)
    tried, lax, progress = Counter[str](), Counter[str](), Progress("tokens", tokens)
    names = sorted(_CHANGES)
    for number in range(tokens):
        draw = random.Random(number)
        token, name = draw.choice(sound), names[number % len(names)]
        changed = _CHANGES[name](token, draw)
        if changed != token.text:
            hold(not _ours(token.signer, changed), f"accepted after {name}: {changed}")
            lax.update(who for who, accepts in _PEERS.items() if accepts(token.signer, changed))
        tried[name] += 1
        progress.add()
    peers = ", ".join(f"{lax[who]:,} by {who}" for who in _PEERS)
    return f"0 of {tokens:,} changed tokens accepted ({peers}), {len(names)} kinds of change"


def every_sound_token_is_accepted_by_all_three(tokens: int) -> str:
    signers = _signers()
    progress = Progress("tokens", tokens)
    for number in range(tokens):
        token = _make(number, signers[number % len(signers)])
        accepted = [_ours(token.signer, token.text), *(each(token.signer, token.text) for each in _PEERS.values())]
        hold(accepted == [True] * 3, f"not all three accept {token.text}")
        progress.add()
    return f"{tokens:,} tokens, made by each library in turn, accepted by all three"


# ------------------------------------------------------------------------------------------------------ the libraries


def _ours(signer: _Signer, text: str) -> bool:
    try:
        jose.check(jose.parse(text), signer.private.public_key(), signer.algorithm)
    except (Malformed, Refused):
        return False
    return True


def _joserfc(signer: _Signer, text: str) -> bool:
    try:
        joserfc_jws.deserialize_compact(text, _joserfc_key(signer), algorithms=[signer.algorithm])
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return True


def _jwcrypto(signer: _Signer, text: str) -> bool:
    token = jwcrypto_jws.JWS()
    token.allowed_algs = [signer.algorithm]
    try:
        token.deserialize(text, _jwcrypto_key(signer))
    except (JWException, ValueError, TypeError, KeyError, AttributeError):
        return False
    return bool(token.is_valid)


_PEERS: dict[str, Callable[[_Signer, str], bool]] = {"joserfc": _joserfc, "jwcrypto": _jwcrypto}


@cache
def _joserfc_key(signer: _Signer) -> Any:
    return _joserfc_kind(signer).import_key(signer.pem)


def _joserfc_kind(signer: _Signer) -> type[RSAKey | ECKey]:
    return RSAKey if signer.algorithm is jose.Algorithm.PS256 else ECKey


@cache
def _jwcrypto_key(signer: _Signer) -> Any:
    return jwcrypto_jwk.JWK.from_pem(signer.pem)


# ------------------------------------------------------------------------------------------------------- sound tokens


@cache
def _signers() -> tuple[_Signer, ...]:
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    keys += [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]  # type: ignore[misc]  # both kinds in one list
    return tuple(_Signer(key, jose.algorithm_of(key.public_key())) for key in keys)


def _sound_tokens() -> list[_Token]:
    return [_make(number, signer) for number in range(24) for signer in _signers()]


def _make(number: int, signer: _Signer) -> _Token:
    header = {"alg": str(signer.algorithm), "typ": "at+jwt", "kid": f"key {number}"}
    claims = {"iss": "https://api.example.com", "jti": f"{number}", "exp": 1_900_000_000 + number}
    return _Token(signer, _MAKERS[number % len(_MAKERS)](signer, header, claims))


def _made_by_ours(signer: _Signer, header: dict[str, str], claims: dict[str, Any]) -> str:
    return jose.sign({name: value for name, value in header.items() if name != "alg"}, claims, signer.private)


def _made_by_joserfc(signer: _Signer, header: dict[str, str], claims: dict[str, Any]) -> str:
    key = _joserfc_private(signer)
    return joserfc_jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=[signer.algorithm])


def _made_by_jwcrypto(signer: _Signer, header: dict[str, str], claims: dict[str, Any]) -> str:
    token = jwcrypto_jws.JWS(json.dumps(claims).encode())
    token.allowed_algs = [signer.algorithm]
    token.add_signature(_jwcrypto_private(signer), None, json.dumps(header))
    return str(token.serialize(compact=True))


_MAKERS = (_made_by_ours, _made_by_joserfc, _made_by_jwcrypto)


@cache
def _joserfc_private(signer: _Signer) -> Any:
    return _joserfc_kind(signer).import_key(_private_pem(signer))


@cache
def _jwcrypto_private(signer: _Signer) -> Any:
    return jwcrypto_jwk.JWK.from_pem(_private_pem(signer))


def _private_pem(signer: _Signer) -> bytes:
    return signer.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _agree_on(sound: Sequence[_Token]) -> None:
    """What follows proves nothing unless the tokens are sound to begin with."""
    for token in sound:
        verdicts = [_ours(token.signer, token.text), *(each(token.signer, token.text) for each in _PEERS.values())]
        hold(all(verdicts), f"a sound token is refused: {token.text}")


# ------------------------------------------------------------------------------------------------------------ changes

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _place(token: _Token, draw: random.Random) -> int:
    return draw.randrange(len(token.text))


def _other_character(token: _Token, draw: random.Random) -> str:
    at = _place(token, draw)
    return token.text[:at] + draw.choice(_ALPHABET + ".=+/ \n\0é") + token.text[at + 1 :]


def _lost_characters(token: _Token, draw: random.Random) -> str:
    at = _place(token, draw)
    return token.text[:at] + token.text[at + draw.randint(1, 4) :]


def _more_characters(token: _Token, draw: random.Random) -> str:
    at = draw.randint(0, len(token.text))
    return token.text[:at] + "".join(draw.choices(_ALPHABET + ".=\n", k=draw.randint(1, 4))) + token.text[at:]


def _shorter(token: _Token, draw: random.Random) -> str:
    return token.text[: _place(token, draw)]


def _swapped_neighbours(token: _Token, draw: random.Random) -> str:
    at = draw.randrange(len(token.text) - 1)
    return token.text[:at] + token.text[at + 1] + token.text[at] + token.text[at + 2 :]


def _unread_bits(token: _Token, draw: random.Random) -> str:
    """Another last character of a part, which a lax decoder reads as the same octets."""
    parts = token.parts
    which = draw.randrange(3)
    parts[which] = parts[which][:-1] + draw.choice(_ALPHABET)
    return ".".join(parts)


def _padded(token: _Token, draw: random.Random) -> str:
    parts = token.parts
    which = draw.randrange(3)
    parts[which] += "=" * draw.randint(1, 3)
    return ".".join(parts)


def _parts_of_another(token: _Token, draw: random.Random) -> str:
    parts, other = token.parts, draw.choice(_others())
    which = draw.randrange(3)
    parts[which] = other.parts[which]
    # The same part of one that was signed alike is no change.
    return token.text if parts == token.parts else ".".join(parts)


@cache
def _others() -> list[_Token]:
    return [_make(number, signer) for number in range(1_000, 1_006) for signer in _signers()]


def _parts_in_another_order(token: _Token, draw: random.Random) -> str:
    parts = token.parts
    draw.shuffle(parts)
    return ".".join(parts)


def _parts_left_out(token: _Token, draw: random.Random) -> str:
    parts = token.parts
    parts[draw.randrange(3)] = ""
    return ".".join(parts)


def _parts_too_many(token: _Token, draw: random.Random) -> str:
    return f"{token.text}.{draw.choice(['', 'e30', *token.parts])}"


def _another_algorithm(token: _Token, draw: random.Random) -> str:
    named = [
        "none",
        "None",
        "nOnE",
        "",
        "HS256",
        "RS256",
        "RS512",
        "ES384",
        "ES512",
        "PS384",
        "EdDSA",
        "ps256",
        "es256",
    ]
    changed = token.with_header({**token.header, "alg": draw.choice(named)})
    return changed if draw.random() < 0.5 else changed.rpartition(".")[0] + "."


def _hmac_with_the_public_key(token: _Token, draw: random.Random) -> str:
    """The oldest of the confusions: the public key as the secret of an HMAC."""
    secret = draw.choice(
        [token.signer.pem, token.signer.pem.strip(), jose.thumbprint(token.signer.private.public_key()).encode()]
    )
    head = token.with_header({**token.header, "alg": "HS256"}).rpartition(".")[0]
    return f"{head}.{jose.encode(hmac.digest(secret, head.encode(), 'sha256')).decode()}"


def _own_key_in_the_header(token: _Token, draw: random.Random) -> str:
    """Signed soundly by a key that the token brings along."""
    own = _stranger()
    key = own.public_key()
    brought = {"jwk": jose.jwk(key), "kid": jose.thumbprint(key), "jku": "https://evil.example/keys"}
    names = draw.sample(sorted(brought), draw.randint(1, 3))
    claims = json.loads(jose.decode(token.parts[1].encode(), "payload"))
    return jose.sign({"typ": "at+jwt", **{name: brought[name] for name in names}}, claims, own)


@cache
def _stranger() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _extension(token: _Token, draw: random.Random) -> str:
    more = draw.choice([{"crit": ["b64"], "b64": False}, {"b64": False}, {"crit": []}, {"crit": ["exp"], "exp": 1}])
    return token.with_header({**token.header, **more})


def _member_twice(token: _Token, draw: random.Random) -> str:
    once = json.dumps(token.header)
    twice = draw.choice([f'{{"alg":"none",{once[1:]}', f'{once[:-1]},"alg":"{token.signer.algorithm}"}}'])
    return token.with_header(twice.encode())


def _header_respelled(token: _Token, draw: random.Random) -> str:
    indented = json.dumps(token.header, indent=draw.randint(0, 3)).encode()
    return token.with_header(draw.choice([indented, b"\xef\xbb\xbf" + indented, indented + b"\n", b"[]", b"null", b""]))


def _hollow_signature(token: _Token, draw: random.Random) -> str:
    length = len(token.signature())
    hollow = [
        b"",
        bytes(length),
        b"\xff" * length,
        _ORDER.to_bytes(32) * 2,
        bytes(32) + (1).to_bytes(32),
        b"\x30\x06" + bytes(6),
    ]
    return token.with_signature(draw.choice(hollow))


def _signature_in_another_form(token: _Token, draw: random.Random) -> str:
    """ECDSA as DER, numbers out of range; RSA longer or shorter by a zero."""
    octets = token.signature()
    if token.signer.algorithm is jose.Algorithm.PS256:
        return token.with_signature(draw.choice([b"\0" + octets, octets + b"\0", octets[:-1], octets[::-1]]))
    r, s = int.from_bytes(octets[:32]), int.from_bytes(octets[32:])
    forms = [encode_dss_signature(r, s), b"\0" + octets[:32] + b"\0" + octets[32:], octets[32:] + octets[:32]]
    if r + _ORDER < 2**256:
        forms.append((r + _ORDER).to_bytes(32) + octets[32:])
    return token.with_signature(draw.choice(forms))


def _another_payload(token: _Token, draw: random.Random) -> str:
    claims = {"iss": "https://api.example.com", "jti": str(draw.random()), "exp": 2_000_000_000}
    return ".".join([token.parts[0], jose.encode(json.dumps(claims).encode()).decode(), token.parts[2]])


_CHANGES: dict[str, Change] = {
    change.__name__.strip("_").replace("_", " "): change
    for change in (
        _other_character,
        _lost_characters,
        _more_characters,
        _shorter,
        _swapped_neighbours,
        _unread_bits,
        _padded,
        _parts_of_another,
        _parts_in_another_order,
        _parts_left_out,
        _parts_too_many,
        _another_algorithm,
        _hmac_with_the_public_key,
        _own_key_in_the_header,
        _extension,
        _member_twice,
        _header_respelled,
        _hollow_signature,
        _signature_in_another_form,
        _another_payload,
    )
}

CLAIMS = (
    Claim(
        "changed tokens",
        "no token is accepted after a change, whatever joserfc and jwcrypto think of it",
        1_000_000,
        "tokens",
        no_changed_token_is_accepted,
    ),
    Claim(
        "sound tokens",
        "every sound token of ours, of joserfc and of jwcrypto is accepted by all three",
        30_000,
        "tokens",
        every_sound_token_is_accepted_by_all_three,
    ),
)
