"""Token requests, and calls with a token, by the thousand: made beforehand by all cores, each good once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from bench.load import raw_request
from bench.signing import by_all_cores
from credenza.protocol import client_assertion, dpop
from credenza.protocol.jose import PrivateKey

_AGENT = ("User-Agent", "bench/1")


@dataclass(frozen=True, slots=True)
class Partner:
    """Who asks for tokens, and where: `path` is the token endpoint's at the issuer."""

    client_id: str
    key_id: str
    private_key: PrivateKey
    proof_key: ec.EllipticCurvePrivateKey
    issuer: str
    path: str
    scope: str


def token_requests(partner: Partner, count: int) -> list[bytes]:
    """Make HTTP requests for a token each."""
    keys = (_der(partner.private_key), _der(partner.proof_key))
    who = (partner.client_id, partner.key_id, partner.issuer, partner.path, partner.scope)
    return by_all_cores(_token_requests, count, *keys, *who)


def proofs(partner: Partner, count: int, *, url: str, access_token: str) -> list[str]:
    """Make proofs for GET requests with a token."""
    return by_all_cores(_proofs, count, _der(partner.proof_key), url, access_token)


def _token_requests(
    count: int, client_der: bytes, proof_der: bytes, client_id: str, key_id: str, issuer: str, path: str, scope: str
) -> list[bytes]:
    client_key, proof_key = _key(client_der), _key(proof_der)
    now = datetime.now(UTC)
    made = []
    for _ in range(count):
        assertion = client_assertion.write(
            client_id=client_id, kid=key_id, issuer=issuer, key=client_key, jti=secrets.token_hex(16), now=now
        )
        uri = f"{issuer}{path}"
        proof = dpop.write(key=proof_key, method="POST", uri=uri, jti=secrets.token_hex(16), now=now)
        made.append(token_request(issuer, path, assertion, proof, scope))
    return made


def token_request(issuer: str, path: str, assertion: str, proof: str, scope: str) -> bytes:
    # None of the values has a character that a form escapes but the colons of the assertion's type and of scopes.
    form = (
        f"grant_type=client_credentials&scope={scope.replace(':', '%3A')}&client_assertion={assertion}"
        f"&client_assertion_type={client_assertion.ASSERTION_TYPE.replace(':', '%3A')}"
    )
    headers = [
        ("Host", issuer.partition("://")[2]),
        _AGENT,
        ("Accept", "application/json"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("DPoP", proof),
    ]
    return raw_request("POST", path, headers, form.encode())


def _proofs(count: int, der: bytes, url: str, access_token: str) -> list[str]:
    key, now = _key(der), datetime.now(UTC)
    return [
        dpop.write(key=key, method="GET", uri=url, jti=secrets.token_hex(16), now=now, access_token=access_token)
        for _ in range(count)
    ]


def _der(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _key(der: bytes) -> PrivateKey:
    key = load_der_private_key(der, None)
    assert isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    return key
