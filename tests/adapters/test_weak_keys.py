"""The extra `badkeys`, asked when it is there."""

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.protocol import forge

from credenza.adapters.weak_keys import WeakKeys

WITHOUT_THE_EXTRA = """
import sys
sys.modules["badkeys"] = sys.modules["badkeys.checks"] = None
from credenza.adapters.weak_keys import WeakKeys
print(WeakKeys().installed, WeakKeys().check(bytes.fromhex(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_sound_keys_have_no_weakness(rsa_key: rsa.RSAPrivateKey) -> None:
    ec_key = ec.generate_private_key(ec.SECP256R1())

    assert WeakKeys().installed
    assert [WeakKeys().check(forge.spki(key.public_key())) for key in (rsa_key, ec_key)] == [None, None]


def test_a_weakness_is_named_and_the_factors_it_reveals_are_not_told(rsa_key, caplog, capfd) -> None:
    weak = {
        "smallfactors": forge.small_factor_key(rsa_key),
        "fermat": forge.close_primes_key(rsa_key),
        "roca": forge.roca_key(),
    }

    assert {name: WeakKeys().check(key.spki) for name, key in weak.items()} == {name: name for name in weak}
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_nothing_is_known() -> None:
    key = forge.roca_key().spki.hex()

    answered = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA, key], check=True, capture_output=True, text=True
    )

    assert answered.stdout == "False None\n"
