"""Keys are made once: they are the slow part, and no test changes one."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.protocol import forge
from tests.protocol.forge import BrokenRSAKey


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def p384_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@pytest.fixture(scope="session", params=["small factor", "close primes", "ROCA"])
def factorable_key(request: pytest.FixtureRequest, rsa_key: rsa.RSAPrivateKey) -> BrokenRSAKey:
    makers = {
        "small factor": lambda: forge.small_factor_key(rsa_key),
        "close primes": lambda: forge.close_primes_key(rsa_key),
        "ROCA": forge.roca_key,
    }
    return makers[request.param]()
