"""Private keys in a PKCS#11 token: they sign there and never leave it. Needs the extra `pkcs11`.

The module and the PIN are settings of this machine; which key it is, an RFC 7512 URI says. A session that has broken
off is opened once more, because a token may have been away for a moment; then the key is away (`KeyAway`), aloud.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final, NoReturn

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.exceptions import NoSuchKey, NoSuchToken, PinIncorrect, PinLocked, PKCS11Error
from pkcs11.mechanisms import KeyType, Mechanism
from pkcs11.util.ec import encode_ec_public_key

from credenza.adapters.key_token import KeyAway
from credenza.protocol import pkcs11_uri
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.issuance import IssuerKey
from credenza.protocol.pkcs11_uri import KeyUri

_MECHANISMS: Final = {"sha256": Mechanism.SHA256_RSA_PKCS, "sha384": Mechanism.SHA384_RSA_PKCS}


class Pkcs11Tokens:
    """The tokens that one module reaches, all with one PIN."""

    def __init__(self, module: Path, pin_file: Path | None) -> None:
        self._module = module
        self._pin_file = pin_file
        self._lock = Lock()

    def open(self, uri: str) -> IssuerKey:
        """Find the private key that an RFC 7512 URI names. Raises KeyAway."""
        try:
            named = pkcs11_uri.parse(uri)
        except (Malformed, Refused) as error:
            raise KeyAway(str(error)) from error
        held = _Held(self._lock, lambda: self._find(named), uri)
        public_key = held.public_key()
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            return _EcKey(held, public_key)
        return _RsaKey(held, public_key)

    def _find(self, named: KeyUri) -> Any:
        """Log in and find the key's object; a session lasts as long as its key is held."""
        library = pkcs11.lib(str(self._module))
        library.reinitialize()  # a token that was plugged in since is not seen otherwise
        token = library.get_token(**_given(token_label=named.token, token_serial=named.serial.encode()))
        session = token.open(user_pin=self._pin())
        return session.get_key(object_class=ObjectClass.PRIVATE_KEY, **_given(label=named.object, id=named.id))

    def _pin(self) -> str | None:
        if self._pin_file is None:
            return None
        if self._pin_file.stat().st_mode & 0o077:
            raise KeyAway(f"{self._pin_file} can be read by others: chmod 600 {self._pin_file}")
        return self._pin_file.read_text().strip()


def _given(**named: Any) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value}


class _Held:
    """A key's object and its session. One call at a time: sessions know nothing of threads."""

    def __init__(self, lock: Lock, find: Callable[[], Any], uri: str) -> None:
        self._lock = lock
        self._find = find
        self._uri = uri
        self._object: Any = None

    def public_key(self) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
        """Read the public half, which lies beside the key under the same id."""
        found = load_der_public_key(self._do(_public_der))
        if not isinstance(found, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise KeyAway(f"The key at {self._uri} is neither RSA nor EC.")
        return found

    def sign(self, octets: bytes, mechanism: Any) -> bytes:
        signed: bytes = self._do(lambda key: key.sign(octets, mechanism=mechanism))
        return signed

    def _do(self, work: Callable[[Any], bytes]) -> bytes:
        with self._lock:
            if self._object is not None:
                try:
                    return work(self._object)
                except PKCS11Error:
                    self._object = None  # the session may have broken off: once more from the beginning
            try:
                self._object = self._find()
                return work(self._object)
            except (PKCS11Error, OSError) as error:
                self._object = None
                raise KeyAway(f"The key {self._uri} cannot be used: {_words(error)}.") from error


def _public_der(key: Any) -> bytes:
    beside = key.session.get_key(
        object_class=ObjectClass.PUBLIC_KEY, **_given(id=key.id or b"", label="" if key.id else key.label)
    )
    encode = encode_ec_public_key if key.key_type == KeyType.EC else _rsa_der
    encoded: bytes = encode(beside)
    return encoded


def _rsa_der(key: Any) -> bytes:
    numbers = rsa.RSAPublicNumbers(
        int.from_bytes(key[Attribute.PUBLIC_EXPONENT]), int.from_bytes(key[Attribute.MODULUS])
    )
    return numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _words(error: Exception) -> str:
    known: tuple[tuple[type[Exception], str], ...] = (
        (PinIncorrect, "the PIN is wrong; a few more wrong ones lock the token"),
        (PinLocked, "the token is locked after too many wrong PINs"),
        (NoSuchToken, "there is no such token"),
        (NoSuchKey, "the token has no such key, or no public key beside it"),
    )
    return next((words for kind, words in known if isinstance(error, kind)), type(error).__name__)


class _Hidden:
    """What a key that never leaves its token cannot do."""

    def private_numbers(self) -> NoReturn:
        raise KeyAway("The key never leaves its token.")

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> NoReturn:  # noqa: A002, ARG002 - the library's names
        raise KeyAway("The key never leaves its token.")

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self


class _EcKey(_Hidden, ec.EllipticCurvePrivateKey):
    def __init__(self, held: _Held, public_key: ec.EllipticCurvePublicKey) -> None:
        self._held = held
        self._public_key = public_key

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        algorithm = signature_algorithm.algorithm
        assert not isinstance(algorithm, utils.Prehashed), "certificates and lists are signed whole"
        digest = hashlib.new(algorithm.name, data).digest()
        # PKCS #11 3.1 6.3.1: r and s beside one another, each as long as the curve's order.
        raw = self._held.sign(digest, Mechanism.ECDSA)
        half = len(raw) // 2
        return utils.encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def exchange(self, algorithm: object, peer_public_key: object) -> NoReturn:  # noqa: ARG002 - the library's names
        raise KeyAway("The key signs and does nothing else.")


class _RsaKey(_Hidden, rsa.RSAPrivateKey):
    def __init__(self, held: _Held, public_key: rsa.RSAPublicKey) -> None:
        self._held = held
        self._public_key = public_key

    def sign(self, data: Any, padding_used: Any, algorithm: Any) -> bytes:
        assert isinstance(padding_used, padding.PKCS1v15), "authorities sign with nothing else"
        return self._held.sign(bytes(data), _MECHANISMS[algorithm.name])

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def decrypt(self, ciphertext: object, padding: object) -> NoReturn:  # noqa: ARG002 - the library's names
        raise KeyAway("The key signs and does nothing else.")
