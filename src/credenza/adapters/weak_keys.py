"""Known weak keys, asked of the extra `badkeys` when it is installed; the policy of `protocol` holds without it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

# An explicit list: all of these compute offline. The library's block list is a download, and its remaining
# checks are about style and reject sound keys.
_CHECKS: Final = ("fermat", "roca", "rsainvalid", "rsapoly", "sharedprimes", "smalld", "smallfactors", "xzbackdoor")

# RFC 8017 A.1: what every RSA key says it is, and whatever else holds it is looked at like one.
_RSA: Final = bytes.fromhex("06092a864886f70d010101")


class WeakKeys:
    """Tell which weakness a key has.

    Give it keys that passed `protocol.public_key.check_type_and_size`. The library's result names the factors
    it found, which is the private key, so it never leaves `check`: not into a log, not into an exception.
    """

    @property
    def installed(self) -> bool:
        return find_spec("badkeys") is not None

    def check(self, spki_der: bytes) -> str | None:
        """Return the name of the first weakness (`sharedprimes`, for one), or None when there is none that we know."""
        if _RSA not in spki_der:
            return None
        public_key = load_der_public_key(spki_der)
        if not isinstance(public_key, rsa.RSAPublicKey) or not self.installed:
            return None
        # Imported with the first key: it computes with libraries of its own, which take 2 MB.
        checkrsa = import_module("badkeys.checks").checkrsa
        numbers = public_key.public_numbers()
        return next(iter(checkrsa(numbers.n, e=numbers.e, checks=_CHECKS)), None)
