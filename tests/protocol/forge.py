"""Requests and keys that no tool would make, octet by octet."""

import hashlib
import math
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from credenza.protocol import der

UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
TELETEX_STRING = 0x14
BMP_STRING = 0x1E
ATTRIBUTES = 0xA0

RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"
P256 = "1.2.840.10045.3.1.7"
MD5_WITH_RSA = "1.2.840.113549.1.1.4"
SHA1_WITH_RSA = "1.2.840.113549.1.1.5"
SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
COMMON_NAME = "2.5.4.3"
COUNTRY = "2.5.4.6"
LOCALITY = "2.5.4.7"
ORGANIZATION = "2.5.4.10"
UNIT = "2.5.4.11"
SERIAL_NUMBER = "2.5.4.5"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"

NULL = b"\5\0"

TypeAndValue = tuple[str, int, bytes]
Signer = Callable[[bytes], bytes]


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return der.encode(der.OBJECT_IDENTIFIER, b"".join(_base128(arc) for arc in (40 * first + second, *rest)))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))


def sequence(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, *parts)


def bit_string(octets: bytes) -> bytes:
    return der.encode(der.BIT_STRING, b"\0", octets)


def name(*rdns: tuple[TypeAndValue, ...]) -> bytes:
    """Encode RDNs as given: a multi-valued one is not sorted for you."""
    return sequence(
        *(
            der.encode(der.SET, *(sequence(oid(kind), der.encode(tag, value)) for kind, tag, value in rdn))
            for rdn in rdns
        )
    )


def common_name(value: str, tag: int = UTF8_STRING, encoding: str = "utf-8") -> bytes:
    return name(((COMMON_NAME, tag, value.encode(encoding)),))


def spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def rsa_spki(modulus: int, exponent: int = 65537) -> bytes:
    numbers = sequence(der.encode_unsigned(modulus), der.encode_unsigned(exponent))
    return sequence(sequence(oid(RSA_ENCRYPTION), NULL), bit_string(numbers))


def ec_spki(parameters: bytes, point: bytes) -> bytes:
    return sequence(sequence(oid(EC_PUBLIC_KEY), parameters), bit_string(point))


def extension_request(*extensions: tuple[str, bytes]) -> bytes:
    """Encode the [0] attributes with one extensionRequest (RFC 2985 5.4.2)."""
    listed = sequence(*(sequence(oid(kind), der.encode(der.OCTET_STRING, value)) for kind, value in extensions))
    return der.encode(ATTRIBUTES, sequence(oid(EXTENSION_REQUEST), der.encode(der.SET, listed)))


def request(
    signer: Signer,
    spki_der: bytes,
    *,
    subject: bytes | None = None,
    attributes: bytes | None = None,
    version: int = 0,
    algorithm: str = SHA256_WITH_RSA,
    parameters: bytes = NULL,
) -> bytes:
    request_info = sequence(
        der.encode_unsigned(version),
        common_name("billing") if subject is None else subject,
        spki_der,
        der.encode(ATTRIBUTES) if attributes is None else attributes,
    )
    return sequence(request_info, sequence(oid(algorithm), parameters), bit_string(signer(request_info)))


def ec_request(
    key: ec.EllipticCurvePrivateKey, *, subject: bytes | None = None, attributes: bytes | None = None
) -> bytes:
    return request(
        lambda octets: key.sign(octets, ec.ECDSA(SHA256())),
        spki(key.public_key()),
        subject=subject,
        attributes=attributes,
        algorithm=ECDSA_WITH_SHA256,
        parameters=b"",
    )


def dsa_spki() -> bytes:
    parameters = sequence(*(der.encode_unsigned(number) for number in (1 << 2047 | 1, 1 << 255 | 1, 2)))
    return sequence(sequence(oid("1.2.840.10040.4.1"), parameters), bit_string(der.encode_unsigned(4)))


def rsa_signer(key: rsa.RSAPrivateKey) -> Signer:
    return lambda octets: key.sign(octets, padding.PKCS1v15(), SHA256())


def unsigned(_: bytes) -> bytes:
    return bytes(256)


class BrokenRSAKey:
    """An RSA key out of any primes, signing by the book (RFC 8017 8.2.1), where a library would refuse to."""

    def __init__(self, *primes: int) -> None:
        self.modulus = math.prod(primes)
        self._d = pow(65537, -1, math.lcm(*(prime - 1 for prime in primes)))

    @property
    def spki(self) -> bytes:
        return rsa_spki(self.modulus)

    def sign(self, octets: bytes) -> bytes:
        digest_info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(octets).digest()
        size = (self.modulus.bit_length() + 7) // 8
        padded = b"\0\1" + b"\xff" * (size - len(digest_info) - 3) + b"\0" + digest_info
        return pow(int.from_bytes(padded), self._d, self.modulus).to_bytes(size)


def next_prime(start: int, step: int = 2) -> int:
    """Find a probable prime at start or whole steps above it."""
    while not _is_probable_prime(start):
        start += step
    return start


def _is_probable_prime(number: int) -> bool:
    return math.gcd(number, _SMALL) == 1 and pow(2, number - 1, number) == 1


SMALL_PRIMES = [number for number in range(2, 2000) if all(number % divisor for divisor in range(2, number))]
_SMALL = math.prod(SMALL_PRIMES)


def primes_of(key: rsa.RSAPrivateKey) -> tuple[int, int]:
    numbers = key.private_numbers()
    return numbers.p, numbers.q


def close_primes_key(key: rsa.RSAPrivateKey) -> BrokenRSAKey:
    """Take a prime of a sound key and the very next one above it, as a generator that only counts on would."""
    first, _ = primes_of(key)
    return BrokenRSAKey(first, next_prime(first + 2))


def small_factor_key(key: rsa.RSAPrivateKey) -> BrokenRSAKey:
    """Take the smallest prime that makes a sound modulus one octet longer."""
    modulus = math.prod(primes_of(key))
    least = (1 << 2055) // modulus + 1
    return BrokenRSAKey(next(prime for prime in SMALL_PRIMES if prime >= least), *primes_of(key))


def roca_key() -> BrokenRSAKey:
    """Both primes are powers of 65537 modulo the product of the first 39 primes (Nemec et al. 2017, 2.1)."""
    product = math.prod(SMALL_PRIMES[:39])
    start = 3 << 1022
    primes = (
        next_prime(start + multiple * product - start % product + pow(65537, power, product), step=2 * product)
        for multiple, power in ((2, 123_457), (1 << 780, 765_431))
    )
    return BrokenRSAKey(*primes)
