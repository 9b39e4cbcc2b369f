"""Encrypt and decrypt the places of a JSON body that the rules of a service name.

Both ends use both functions: who sends a message encrypts what its direction says, who receives it decrypts the same.
Every failure to decrypt is one of two things outside (`Outside`); `reason` and message tell the keys' owner more, and
even to them no failure of a padding, a tag or a wrapped key differs from the next.

Not here: which keys there are, and HTTP. Signatures are in `detached_jws`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from credenza.protocol import field_encryption, json_places, jwe, public_key
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.json_places import EMPTY_OBJECT, Members
from credenza.protocol.jwe import Random
from credenza.protocol.payload_rules import (
    Direction,
    FieldRules,
    JweRules,
    KidForm,
    ParameterHeaders,
    Place,
    parameter_names,
)

Rules: TypeAlias = JweRules | FieldRules
Headers: TypeAlias = Iterable[tuple[str, str]]

_SIGNAL: Final = "true"


class Outside(StrEnum):
    """What a sender learns of a message that was not decrypted."""

    KEY_NOT_FOUND = "DECRYPT_PRIVATE_KEY_NOT_FOUND"
    FAILED = "REQUEST_DECRYPT_FAILED"


class Undecrypted(Refused):
    """The message was not decrypted. `reason` is for the owner of the key: "key_not_found", "unencrypted", "place",
    "parameters", "token", "header", "algorithm", "body", "size", "depth", "duplicate" or "decryption"."""

    @property
    def outside(self) -> Outside:
        return Outside.KEY_NOT_FOUND if self.reason == "key_not_found" else Outside.FAILED


class PrivateKeys(Protocol):
    """The keys of whoever receives."""

    def find(self, fingerprint: str | None) -> RSAPrivateKey | None:
        """Return the key of this SHA-256, of its SubjectPublicKeyInfo or of its certificate, in hexadecimal; or of this
        key id. None is a message that names no key: it is for the only one there is, where there is one."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who a message is encrypted to: the key, and what else names it. `spki_sha256` is the key's own, where somebody
    knows it already: to compute it takes as long as to encrypt 2 kB."""

    public_key: RSAPublicKey
    certificate_sha256: str | None = None
    key_id: str | None = None
    spki_sha256: str | None = None

    def named(self, form: KidForm) -> str:
        """Raises Refused("key") for a key that has no such name."""
        if form == "PUBLIC_KEY":
            return self.spki_sha256 or public_key.spki_sha256(self.public_key)
        name = self.certificate_sha256 if form == "CERTIFICATE" else self.key_id
        if name is None:
            raise Refused("key", f"The rules name keys by {form}, and the key to encrypt to has none.")
        return name


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted body and the headers that go with it, in place of those of the same name."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def header_names(rules: Rules) -> frozenset[str]:
    """List the headers, in lower case, that belong to the encryption and not to the message in plain."""
    names = [rules.signal_header] if rules.signal_header else []
    if isinstance(rules, FieldRules) and isinstance(rules.parameters, ParameterHeaders):
        names += parameter_names(rules.parameters)
    return frozenset(name.lower() for name in names)


# ------------------------------------------------------------------------------------------------------------- decrypt


def decrypt(
    body: bytes, headers: Headers, rules: Rules, direction: Direction, *, keys: PrivateKeys, random: Random
) -> bytes:
    """Return the body in plain. One that is empty has nothing to decrypt. Raises Undecrypted."""
    try:
        sent = _sent(headers, header_names(rules))
        if not body or not _is_signalled(sent, rules):
            return body
        json_places.check(body)
        opener = _JweOpener(keys, random) if isinstance(rules, JweRules) else _FieldOpener(keys, random, rules, sent)
        for place in direction.places:
            body = _opened(body, place, direction.value_field, rules, opener)
    except Malformed as error:
        raise Undecrypted(error.field, str(error)) from error
    except Undecrypted:
        raise
    except Refused as error:
        raise Undecrypted(error.reason, str(error)) from error
    return body


class _Opener(Protocol):
    def open(self, ciphertext: str, members: Members) -> bytes:
        """Decrypt, and take away the members that belong to the encryption."""


@dataclass(frozen=True, slots=True)
class _JweOpener:
    keys: PrivateKeys
    random: Random

    def open(self, ciphertext: str, members: Members) -> bytes:  # noqa: ARG002 - a JWE carries its parameters
        token = jwe.parse(ciphertext.encode())
        return jwe.decrypt(token, _found(self.keys, token.header.kid), self.random)


@dataclass(frozen=True, slots=True)
class _FieldOpener:
    keys: PrivateKeys
    random: Random
    rules: FieldRules
    headers: Mapping[str, str]

    def open(self, ciphertext: str, members: Members) -> bytes:
        names, given = self.rules.parameters, self._given(members)
        label = given.get(names.oaep_digest or "", self.rules.oaep_digest)
        if not field_encryption.is_label(label, self.rules.oaep_digest):
            raise Undecrypted(
                "algorithm", f"The key is wrapped with {label[:20]!r}; here it is {self.rules.oaep_digest}."
            )
        key = _found(self.keys, given.get(names.key_fingerprint or ""), given.get(names.certificate_fingerprint or ""))
        return field_encryption.decrypt(
            self._decoded(ciphertext, "The encrypted value"),
            encrypted_key=self._decoded(given.get(names.encrypted_key), names.encrypted_key),
            iv=self._decoded(given.get(names.iv), names.iv),
            key=key,
            digest=self.rules.oaep_digest,
            random=self.random,
        )

    def _given(self, members: Members) -> dict[str, str]:
        names = self.rules.parameters
        if isinstance(names, ParameterHeaders):
            return {name: self.headers[name.lower()] for name in parameter_names(names) if name.lower() in self.headers}
        return {name: _text(members.pop(name)) for name in parameter_names(names) if name in members}

    def _decoded(self, text: str | None, name: str) -> bytes:
        if text is None:
            raise Undecrypted("parameters", f"{name} is missing.")
        try:
            return field_encryption.decode(text, self.rules.encoding)
        except ValueError as error:
            raise Undecrypted("parameters", f"{name} is not {self.rules.encoding}, as it is here.") from error


def _sent(headers: Headers, wanted: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in found:
            raise Undecrypted("parameters", f"The header {name} comes twice.")
        if lower in wanted:
            found[lower] = value
    return found


def _is_signalled(sent: Mapping[str, str], rules: Rules) -> bool:
    signalled = rules.signal_header is None or sent.get(rules.signal_header.lower(), "").lower() == _SIGNAL
    if not signalled and rules.refuse_unencrypted:
        raise Undecrypted("unencrypted", f"The header {rules.signal_header} does not say that the body is encrypted.")
    return signalled


def _opened(body: bytes, place: Place, value_field: str, rules: Rules, opener: _Opener) -> bytes:
    carrier = json_places.find(body, place.encrypted_steps)
    members = None if carrier is None else json_places.members(carrier)
    if members is None or value_field not in members:
        _check_may_be_plain(body, place, rules)
        return body
    value = _value(opener.open(_text(members.pop(value_field)), members), place)
    left = None if _is_spent(members, place) else json_places.write(members)
    body = json_places.change(body, place.encrypted_steps, lambda _: left)
    return json_places.change(body, place.element_steps, lambda present: _put(present, value, place))


def _check_may_be_plain(body: bytes, place: Place, rules: Rules) -> None:
    if not rules.refuse_unencrypted:
        return
    if not place.optional:
        raise Undecrypted("unencrypted", f"{place.encrypted} holds nothing encrypted, and must.")
    if json_places.find(body, place.element_steps) is not None:
        raise Undecrypted("unencrypted", f"{place.element} is sent in plain; encrypt it into {place.encrypted}.")


def _found(keys: PrivateKeys, *named: str | None) -> RSAPrivateKey:
    """Find the key by the first name that is known; without any name, the only key."""
    names = [name.lower() for name in named if name]
    for name in names or (None,):
        if (key := keys.find(name)) is not None:
            return key
    said = f"of the fingerprint {names[0][:64]!r}" if names else "for a message that names none"
    raise Undecrypted(
        "key_not_found", f"There is no private key {said}. Encrypt to the key of this service in use now."
    )


def _text(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.ValidationError as error:
        raise Undecrypted("parameters", "A parameter of the encryption is not a string.") from error


def _value(plaintext: bytes, place: Place) -> bytes:
    """Read what was decrypted. What it should have been is no hint that whoever changed it may have."""
    try:
        if place.text and not plaintext.startswith(b'"'):
            return msgspec.json.encode(plaintext.decode())
        json_places.check(plaintext)
    except ValueError:
        raise jwe.undecryptable() from None
    return plaintext


def _is_spent(members: Members, place: Place) -> bool:
    """Whether the carrier held nothing else, and the element does not go into it."""
    return not members and place.element_steps[: len(place.encrypted_steps)] != place.encrypted_steps


def _put(present: bytes | None, value: bytes, place: Place) -> bytes:
    """Put the element where nothing of it is. What stands there in plain, nobody has encrypted."""
    if present not in (None, EMPTY_OBJECT):
        raise Undecrypted("place", f"{place.element} is sent encrypted, and something of it in plain as well.")
    return value


# ------------------------------------------------------------------------------------------------------------- encrypt


def encrypt(body: bytes, rules: Rules, direction: Direction, *, recipient: Recipient, random: Random) -> Sealed:
    """Encrypt every place; an empty body has none. Raises Malformed("body"), Refused("place") where an element is
    missing or its place is taken, and Refused("key")."""
    if not body:
        return Sealed(body)
    json_places.check(body)
    sealer = (
        _JweSealer(recipient, random, rules) if isinstance(rules, JweRules) else _FieldSealer(recipient, random, rules)
    )
    for place in direction.places:
        body = _sealed(body, place, direction.value_field, sealer)
    signal = {rules.signal_header: _SIGNAL} if rules.signal_header else {}
    return Sealed(body, signal | sealer.headers)


class _Sealer(Protocol):
    @property
    def headers(self) -> dict[str, str]:
        """Say what goes into headers."""

    def seal(self, plaintext: bytes) -> tuple[str, dict[str, str]]:
        """Encrypt, and return what belongs beside the ciphertext."""


class _JweSealer:
    def __init__(self, recipient: Recipient, random: Random, rules: JweRules) -> None:
        self._key = recipient.public_key
        self._kid = recipient.named(rules.kid)
        self._random = random
        self.headers: dict[str, str] = {}

    def seal(self, plaintext: bytes) -> tuple[str, dict[str, str]]:
        content_key, iv = self._random(jwe.CONTENT_KEY_BYTES), self._random(jwe.IV_BYTES)
        return jwe.encrypt(plaintext, self._key, kid=self._kid, content_key=content_key, iv=iv).decode(), {}


class _FieldSealer:
    """In the body every place has a session of its own. In headers one is for all, and equal beginnings show."""

    def __init__(self, recipient: Recipient, random: Random, rules: FieldRules) -> None:
        self._recipient = recipient
        self._random = random
        self._rules = rules
        self._shared = self._session() if isinstance(rules.parameters, ParameterHeaders) else None
        self.headers = self._shared.parameters if self._shared else {}

    def seal(self, plaintext: bytes) -> tuple[str, dict[str, str]]:
        session = self._shared or self._session()
        ciphertext = field_encryption.encrypt(plaintext, content_key=session.content_key, iv=session.iv)
        return field_encryption.encode(ciphertext, self._rules.encoding), {} if self._shared else session.parameters

    def _session(self) -> _Session:
        rules, names = self._rules, self._rules.parameters
        content_key, iv = self._random(rules.aes_key_bits // 8), self._random(field_encryption.IV_BYTES)
        wrapped = field_encryption.wrap(content_key, self._recipient.public_key, rules.oaep_digest)
        parameters = {
            names.iv: field_encryption.encode(iv, rules.encoding),
            names.encrypted_key: field_encryption.encode(wrapped, rules.encoding),
        }
        if names.oaep_digest:
            parameters[names.oaep_digest] = field_encryption.label(rules.oaep_digest)
        if names.key_fingerprint:
            parameters[names.key_fingerprint] = self._recipient.named("PUBLIC_KEY")
        if names.certificate_fingerprint:
            parameters[names.certificate_fingerprint] = self._recipient.named("CERTIFICATE")
        return _Session(content_key, iv, parameters)


@dataclass(frozen=True, slots=True)
class _Session:
    content_key: bytes = field(repr=False)
    iv: bytes
    parameters: dict[str, str]


def _sealed(body: bytes, place: Place, value_field: str, sealer: _Sealer) -> bytes:
    plaintext = json_places.find(body, place.element_steps)
    if plaintext is None:
        if place.optional:
            return body
        raise Refused("place", f"The body has no {place.element} to encrypt.")
    ciphertext, parameters = sealer.seal(plaintext)
    carrier = {
        name: msgspec.Raw(msgspec.json.encode(text)) for name, text in {value_field: ciphertext, **parameters}.items()
    }
    body = json_places.change(body, place.element_steps, lambda _: None)
    return json_places.change(body, place.encrypted_steps, lambda present: _beside(present, carrier, place))


def _beside(present: bytes | None, carrier: Members, place: Place) -> bytes:
    members = json_places.members(present or EMPTY_OBJECT)
    if members is None or members.keys() & carrier.keys():
        raise Refused("place", f"{place.encrypted} is taken: the body has members of these names there.")
    return json_places.write(members | carrier)
