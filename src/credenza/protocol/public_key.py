"""Public keys: SubjectPublicKeyInfo (RFC 5280 4.1.2.7) and the policy every key meets before we use or
certify it.

The order is by cost: what kind of key and how large, read from the DER before a key object exists (verifying
with a 16,384-bit RSA key costs 25 times as much as with 2048 bits); then the block list; then what can be
factored. `parse` and `check_type_and_size` bound a key, so that it is safe to verify with; `check_key_policy`
is the whole policy.

Not here: keys that only a data base of leaks knows. `credenza.adapters.weak_keys` asks one when it is
installed.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from math import gcd, isqrt, prod
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from credenza.protocol import der
from credenza.protocol.errors import Malformed, Refused
from credenza.protocol.published_keys import PUBLISHED_KEYS

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

SMALLEST_RSA_BITS: Final = 2048
LARGEST_RSA_BITS: Final = 4096
RSA_EXPONENT: Final = 65537

_RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_REFUSED_ALGORITHMS: Final = {
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.113549.1.1.10": "RSA restricted to PSS",
    "1.3.101.110": "X25519",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
_CURVES: Final = {"1.2.840.10045.3.1.7": "P-256", "1.3.132.0.34": "P-384"}
_CURVE_NAMES: Final = {"secp256r1": "P256", "secp384r1": "P384", "secp521r1": "P521"}


def parse(spki_der: bytes) -> PublicKey:
    """Read a key that is RSA of 2048 to 4096 bits, or lies on the named curve P-256 or P-384.

    Raises Malformed("public_key") when it is damaged or its point is off the curve, Refused("key_type" |
    "key_size" | "weak_key") for the rest, before any arithmetic with it.
    """
    return of_element(der.parse(spki_der, field="public_key"))


def of_element(spki: der.Element) -> PublicKey:
    """Read a key as `parse` does, where it stands in a larger document that was read."""
    algorithm, parameters, subject_public_key = _parts(spki)
    if algorithm == _RSA_ENCRYPTION:
        check_rsa_numbers(*_rsa_numbers(subject_public_key))
    elif algorithm == _EC_PUBLIC_KEY:
        _check_named_curve(parameters)
    else:
        name = _REFUSED_ALGORITHMS.get(algorithm, f"of the algorithm {algorithm}")
        raise Refused("key_type", f"The key is {name}; RSA with 2048 to 4096 bits and EC on P-256 are accepted.")
    return _load(spki.encoded)


def check_key_policy(
    public_key: PublicKeyTypes,
    *,
    allow_ec: bool,
    allow_p384: bool = False,
    blocked: frozenset[str] = frozenset(),
) -> None:
    """Refuse a key that we would neither certify nor verify with.

    `blocked` holds SPKI SHA-256 in hex, next to the published sample keys, which are always refused. Raises
    Refused("key_type" | "key_size" | "blocked_key" | "weak_key").
    """
    check_type_and_size(public_key, allow_ec=allow_ec, allow_p384=allow_p384)
    check_not_blocked(public_key, blocked)
    check_not_weak(public_key)


def check_type_and_size(public_key: PublicKeyTypes, *, allow_ec: bool, allow_p384: bool = False) -> None:
    """Raise Refused("key_type" | "key_size" | "weak_key") unless the key may be computed with."""
    if isinstance(public_key, rsa.RSAPublicKey):
        numbers = public_key.public_numbers()
        check_rsa_numbers(numbers.n, numbers.e)
        return
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise Refused("key_type", f"{algorithm_name(public_key)} keys are not accepted; RSA with 2048 to 4096 bits is.")
    if not allow_ec:
        raise Refused("key_type", "EC keys are not accepted here; use RSA with 2048 to 4096 bits.")
    curves = {"secp256r1", "secp384r1"} if allow_p384 else {"secp256r1"}
    if public_key.curve.name not in curves:
        raise Refused("key_type", f"The curve {public_key.curve.name} is not accepted here; use P-256.")


def check_not_blocked(public_key: PublicKeyTypes, blocked: frozenset[str]) -> None:
    """Raise Refused("blocked_key") for a published sample key and for a key in blocked (SPKI SHA-256 in hex)."""
    fingerprint = spki_sha256(public_key)
    if fingerprint in PUBLISHED_KEYS:
        source = PUBLISHED_KEYS[fingerprint]
        raise Refused("blocked_key", f"This is the sample key of {source}: everybody has its private half.")
    if fingerprint in blocked:
        raise Refused("blocked_key", "This key is known to be compromised.")


def check_not_weak(public_key: PublicKeyTypes) -> None:
    """Raise Refused("weak_key") for an RSA modulus that can be factored. EC keys on these curves have no weak form."""
    if not isinstance(public_key, rsa.RSAPublicKey):
        return
    modulus = public_key.public_numbers().n
    if gcd(modulus, _SMALL_PRIMES_PRODUCT % modulus) != 1:
        raise Refused("weak_key", "The RSA modulus has a small factor, so it is damaged or was made to be broken.")
    if _has_roca_fingerprint(modulus):
        raise Refused(
            "weak_key", "The RSA key has the ROCA weakness (CVE-2017-15361): its private half can be computed."
        )
    if _has_close_primes(modulus):
        raise Refused("weak_key", "The two primes of the RSA key are so close that Fermat's method finds them.")


def spki_der(public_key: PublicKeyTypes) -> bytes:
    """Encode in the one form we compare by: an EC point sent compressed comes out uncompressed."""
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def to_pem(spki: bytes) -> str:
    """Write SubjectPublicKeyInfo as `BEGIN PUBLIC KEY` (RFC 7468 section 13)."""
    lines = textwrap.wrap(base64.b64encode(spki).decode(), 64)
    return "\n".join(("-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""))


def spki_sha256(public_key: PublicKeyTypes) -> str:
    return hashlib.sha256(spki_der(public_key)).hexdigest()


def algorithm_name(public_key: PublicKeyTypes) -> str:
    """Name it for people and lists: `RSA-2048`, `EC-P256`."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"RSA-{public_key.key_size}"
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return f"EC-{_CURVE_NAMES.get(public_key.curve.name, public_key.curve.name)}"
    return type(public_key).__name__.removesuffix("PublicKey")


def _parts(spki: der.Element) -> tuple[str, der.Element | None, bytes]:
    match spki.children:
        case (
            der.Element(tag=der.SEQUENCE, children=(der.Element(tag=der.OBJECT_IDENTIFIER) as algorithm, *parameters)),
            der.Element(tag=der.BIT_STRING, content=bits),
        ) if len(parameters) <= 1 and bits[:1] == b"\0":
            return der.dotted(algorithm), next(iter(parameters), None), bits[1:]
    raise Malformed("public_key", "The public key is not a SubjectPublicKeyInfo (`BEGIN PUBLIC KEY`).")


def _rsa_numbers(subject_public_key: bytes) -> tuple[int, int]:
    match der.parse(subject_public_key, field="public_key").children:
        case (der.Element(tag=der.INTEGER) as modulus, der.Element(tag=der.INTEGER) as exponent):
            return der.unsigned(modulus), der.unsigned(exponent)
    raise Malformed("public_key", "The RSA public key is not a modulus and an exponent (RFC 8017 A.1.1).")


def check_rsa_numbers(modulus: int, exponent: int) -> None:
    """Raise Refused("key_size" | "weak_key") unless a key of these numbers may be computed with."""
    bits = modulus.bit_length()
    if not SMALLEST_RSA_BITS <= bits <= LARGEST_RSA_BITS or bits % 8:
        raise Refused("key_size", f"The RSA key has {bits} bits; it needs 2048 to 4096, in steps of 8.")
    if exponent != RSA_EXPONENT:
        raise Refused("weak_key", "The public exponent of the RSA key must be 65537, which every tool uses by default.")
    if modulus % 2 == 0:
        raise Refused("weak_key", "The RSA modulus is even, so the key is damaged.")


def _check_named_curve(parameters: der.Element | None) -> None:
    # RFC 5480 2.1.1: a PKIX key names its curve; explicit parameters may describe a curve made to be broken.
    if parameters is None or parameters.tag != der.OBJECT_IDENTIFIER:
        raise Refused("key_type", "The EC key spells out curve parameters; make it with a named curve, P-256.")
    curve = der.dotted(parameters)
    if curve not in _CURVES:
        raise Refused("key_type", f"The EC key lies on the curve {curve}; use P-256 (prime256v1).")


def _load(spki: bytes) -> PublicKey:
    try:
        public_key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("public_key", "The public key is damaged, or its point does not lie on its curve.") from error
    assert isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    return public_key


def _primes_below(limit: int) -> tuple[int, ...]:
    composite = bytearray(limit)
    for number in range(2, isqrt(limit) + 1):
        composite[number * number :: number] = b"\1" * len(range(number * number, limit, number))
    return tuple(number for number in range(2, limit) if not composite[number])


def _order_of_65537(prime: int) -> int:
    order, power = 1, RSA_EXPONENT % prime
    while power != 1:
        power = power * RSA_EXPONENT % prime
        order += 1
    return order


# A sound modulus has no factor below 2^1000; below 10,000 the test costs 55 microseconds and meets damaged
# keys.
_SMALL_PRIMES_PRODUCT: Final = prod(_primes_below(10_000))

# Nemec et al., "The Return of Coppersmith's Attack" (2017) 2.1: every prime of the faulty library is a power
# of 65537 modulo each of the first 39 primes, and so is the modulus. It is one exactly when it dies on the
# order of 65537 there.
_ROCA_ORDERS: Final = tuple((prime, _order_of_65537(prime)) for prime in _primes_below(168)[1:])

# One hundred rounds find primes that agree in all but a few bits more than their upper half: what broken
# generators (search on from the first prime) make. Sound primes differ by 2^900 and more.
_FERMAT_ROUNDS: Final = 100


def _has_roca_fingerprint(modulus: int) -> bool:
    return all(pow(modulus, order, prime) == 1 for prime, order in _ROCA_ORDERS)


def _has_close_primes(modulus: int) -> bool:
    mean = isqrt(modulus - 1) + 1
    for candidate in range(mean, mean + _FERMAT_ROUNDS):
        square = candidate * candidate - modulus
        if isqrt(square) ** 2 == square:
            return True
    return False
