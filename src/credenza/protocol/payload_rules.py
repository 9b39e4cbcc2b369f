"""What a service says of payloads in one environment: which places of a body are encrypted, and what is signed.

    {"encryption": {"mode": "JWE", "requests": {"places": [{"element": "$.card", "encrypted": "$.card"}]}},
     "signature": {"algorithms": ["PS256"]}}

A place is a pair of paths, as the client libraries have them: where the element is in plain, and the object that
carries it encrypted. `$` is the whole body and `$.card.number` a member of a member; a path leads through objects only.
The names and defaults here are the wire's; `payload` applies them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import permutations
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from credenza.protocol import json_places
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.json_places import Steps

MOST_PLACES: Final = 20

_STEP = r"[^.\[\]$*\"'\s\x00-\x1f]{1,64}"
_PATH = rf"^(?:\$|(?:\$\.)?{_STEP}(?:\.{_STEP}){{0,15}})\Z"
_MEMBER = rf"^{_STEP}\Z"
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z"
_FORMS = {
    _PATH: "a path is $ or leads through members of objects, as $.card.number does; lists are not entered",
    _MEMBER: "the name of a member has 1 to 64 characters, and no blank, dot, bracket, star, dollar or quotation mark",
    _HEADER: "the name of a header has 1 to 64 letters, digits and dashes",
}
# How a message is framed, coded and routed (RFC 9110, 9112), and who sends it.
_TAKEN_HEADERS = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive", "location",
    "te", "trailer", "transfer-encoding", "upgrade", "authorization", "cookie", "set-cookie", "dpop", "client-cert",
    "www-authenticate", "x-jws-signature",
})  # fmt: skip
_TAKEN_PREFIXES = ("x-credenza-", "credenza-", "x-forwarded-")

Path: TypeAlias = Annotated[str, msgspec.Meta(pattern=_PATH)]
Member: TypeAlias = Annotated[str, msgspec.Meta(pattern=_MEMBER)]
HeaderName: TypeAlias = Annotated[str, msgspec.Meta(pattern=_HEADER)]

KidForm: TypeAlias = Literal["PUBLIC_KEY", "CERTIFICATE", "KEY_ID"]
SignatureAlgorithm: TypeAlias = Literal["PS256", "RS256", "ES256"]
OaepDigest: TypeAlias = Literal["SHA-256", "SHA-512", "SHA-1"]


class _Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Immutable; a property that nobody knows is a misspelt one."""


class Place(_Rules, frozen=True):
    """An element and the object that carries it encrypted. A body must hold it, unless it is `optional`.

    The libraries encrypt a string without its quotation marks, so that nobody can tell "12" from 12, or a changed
    ciphertext from a text. Only where the element is said to be `text` it is read so; elsewhere it must be JSON.
    """

    element: Path
    encrypted: Path
    optional: bool = False
    text: bool = False

    @property
    def element_steps(self) -> Steps:
        return _steps(self.element)

    @property
    def encrypted_steps(self) -> Steps:
        return _steps(self.encrypted)


class Direction(_Rules, frozen=True):
    """What of requests, or of responses, is encrypted, and which member of the object holds the ciphertext."""

    places: Annotated[tuple[Place, ...], msgspec.Meta(min_length=1, max_length=MOST_PLACES)] = (
        Place(element="$", encrypted="$"),
    )
    value_field: Member = "encryptedData"

    def __post_init__(self) -> None:
        for one, other in permutations(self.places, 2):
            if one.encrypted_steps == other.encrypted_steps:
                raise ValueError(f"two places are encrypted into {one.encrypted}; give each an object of its own")
            if _begins(other.element_steps, one.element_steps) or _begins(other.encrypted_steps, one.element_steps):
                raise ValueError(f"{one.element} holds another place; encrypt the outer one or the inner ones")


class _Encryption(_Rules, frozen=True, tag_field="mode"):
    """None is a direction that travels in plain. `signal_header` is set to `true` on what is encrypted."""

    requests: Direction | None = msgspec.field(default_factory=Direction)
    responses: Direction | None = msgspec.field(default_factory=Direction)
    refuse_unencrypted: bool = True
    signal_header: HeaderName | None = None


def _check_headers(names: Iterable[str]) -> None:
    """What a message is carried by, and what tells who sends it, is nobody's to overwrite."""
    lower = [name.lower() for name in names]
    _check_distinct(lower)
    for name in lower:
        if name in _TAKEN_HEADERS or name.startswith(_TAKEN_PREFIXES):
            raise ValueError(f"the header {name} says something else already; choose another name")


class JweRules(_Encryption, frozen=True, tag="JWE"):
    """RFC 7516, compact, RSA-OAEP-256. What we encrypt with, and by which id we name the key; decrypting takes more."""

    enc: Literal["A256GCM"] = "A256GCM"
    kid: KidForm = "PUBLIC_KEY"

    def __post_init__(self) -> None:
        _check_headers(filter(None, [self.signal_header]))


class ParameterFields(_Rules, frozen=True, tag_field="in", tag="BODY"):
    """Where the parameters of the cipher are, beside the ciphertext. None is one that is not sent.

    A single `publicKeyFingerprint` is the one of these two that its type says: the key's, or the certificate's.
    """

    iv: Member = "iv"
    encrypted_key: Member = "encryptedKey"
    oaep_digest: Member | None = "oaepHashingAlgorithm"
    key_fingerprint: Member | None = "publicKeyFingerprint"
    certificate_fingerprint: Member | None = None

    def __post_init__(self) -> None:
        _check_distinct(parameter_names(self))


class ParameterHeaders(_Rules, frozen=True, tag_field="in", tag="HEADERS"):
    """The same as headers: one set for all places of a message."""

    iv: HeaderName = "x-iv"
    encrypted_key: HeaderName = "x-encrypted-key"
    oaep_digest: HeaderName | None = "x-oaep-hashing-algorithm"
    key_fingerprint: HeaderName | None = "x-public-key-fingerprint"
    certificate_fingerprint: HeaderName | None = None

    def __post_init__(self) -> None:
        _check_distinct([name.lower() for name in parameter_names(self)])


class FieldRules(_Encryption, frozen=True, tag="FIELD"):
    """The field-level format of the Mastercard libraries: AES-CBC, its key wrapped with RSA-OAEP."""

    parameters: ParameterFields | ParameterHeaders = msgspec.field(default_factory=ParameterFields)
    encoding: Literal["hex", "base64"] = "hex"
    oaep_digest: OaepDigest = "SHA-256"
    allow_sha1: bool = False
    aes_key_bits: Literal[128, 192, 256] = 128

    def __post_init__(self) -> None:
        if self.oaep_digest == "SHA-1" and not self.allow_sha1:
            raise ValueError("oaepDigest is SHA-1; use SHA-256, or say allowSha1 as well")
        fields = parameter_names(self.parameters) if isinstance(self.parameters, ParameterFields) else []
        headers = parameter_names(self.parameters) if isinstance(self.parameters, ParameterHeaders) else []
        _check_headers(filter(None, [*headers, self.signal_header]))
        for direction in filter(None, (self.requests, self.responses)):
            _check_distinct([*fields, direction.value_field])


class SignatureRules(_Rules, frozen=True):
    """`x-jws-signature`. An inactive key is accepted for `grace_s` after its deactivation."""

    requests: bool = True
    responses: bool = True
    algorithms: Annotated[tuple[SignatureAlgorithm, ...], msgspec.Meta(min_length=1, max_length=3)] = ("PS256", "RS256")
    max_age_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 300
    grace_s: Annotated[int, msgspec.Meta(ge=0, le=7_776_000)] = 0


class PayloadRules(_Rules, frozen=True):
    """Payloads of one service in one environment. Without either they travel as they are."""

    encryption: JweRules | FieldRules | None = None
    signature: SignatureRules | None = None


def parse(text: str | bytes) -> PayloadRules:
    """Read rules. Raises Malformed with the path of the property that is wrong and what it should be."""
    octets = text.encode() if isinstance(text, str) else text
    try:
        json_places.check(octets, field="rules")
        return msgspec.json.decode(octets, type=PayloadRules)
    except Refused as error:
        raise Malformed("rules", str(error)) from error
    except msgspec.ValidationError as error:
        complaint, _, place = str(error).partition(" - at `$.")
        field = place.rstrip("`") or "rules"
        raise Malformed(field, f"{field}: {_in_words(complaint)}.") from error


def write(rules: PayloadRules) -> str:
    """Write rules in one canonical form: every property, in the order of its declaration, without blanks."""
    return msgspec.json.encode(rules).decode()


def parameter_names(parameters: ParameterFields | ParameterHeaders) -> list[str]:
    """List the names in use."""
    named = (
        parameters.iv,
        parameters.encrypted_key,
        parameters.oaep_digest,
        parameters.key_fingerprint,
        parameters.certificate_fingerprint,
    )
    return [name for name in named if name is not None]


def _in_words(complaint: str) -> str:
    for pattern, words in _FORMS.items():
        if repr(pattern) in complaint:
            return words
    return complaint[:1].lower() + complaint[1:]


# Every message asks for the steps of every place, some of them more than once.
@lru_cache(maxsize=4096)
def _steps(path: Path) -> Steps:
    return tuple(step for step in path.split(".") if step != "$")


def _begins(steps: Steps, beginning: Steps) -> bool:
    return steps[: len(beginning)] == beginning


def _check_distinct(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} stands for two things; give each a name of its own")
