"""Who signs: the authority of an environment as it is at this moment, and its private key, opened once.

Nothing is fixed at the start: another authority may be made to sign while this process runs. A key is held by the id of
its authority, whether it was unwrapped from the database or signs inside a PKCS#11 token.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key
from sqlalchemy import Connection

from credenza.actions.context import Platform, Vault
from credenza.adapters.key_token import KeyAway
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import AuthorityId, EnvironmentName
from credenza.protocol import public_key
from credenza.protocol.issuance import IssuerKey
from credenza.store import authorities
from credenza.store.authorities import Authority
from credenza.store.certificates import AuthorityRole
from credenza.store.engine import reading

log = structlog.get_logger()

_MOST_CERTIFICATES = 64


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority, ready to sign."""

    id: AuthorityId
    environment: EnvironmentName
    certificate: x509.Certificate
    private_key: IssuerKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Places:
    """Where what concerns an authority is served, as its certificates say. By its id: a successor has other places."""

    pki_url: str
    authority_id: AuthorityId

    @property
    def certificate(self) -> str:
        return f"{self.pki_url}/authorities/{self.authority_id}.cer"

    @property
    def revocation_list(self) -> str:
        return f"{self.pki_url}/authorities/{self.authority_id}.crl"

    @property
    def status(self) -> str:
        return f"{self.pki_url}/ocsp"


class KeyTokens(Protocol):
    """Where keys are that never leave it (PKCS#11)."""

    def open(self, uri: str) -> IssuerKey:
        """Find the private key that an RFC 7512 URI names. Raises KeyAway."""


class NoTokens:
    """There is no PKCS#11 module."""

    def open(self, uri: str) -> IssuerKey:
        raise KeyAway(f"The key {uri} is in a PKCS#11 token, and pkcs11_module names no module to reach it with.")


class OpenKeys:
    """The private keys of authorities, opened when they are first needed."""

    def __init__(self, vault: Vault, tokens: KeyTokens) -> None:
        self._vault = vault
        self._tokens = tokens
        self._keys: dict[AuthorityId, tuple[Authority, IssuerKey]] = {}

    def of(self, authority: Authority) -> IssuerKey:
        """Raises KeyAway when a token is away or holds another key, WrongKey when the key-encryption key is another."""
        if authority.id not in self._keys:
            self._keys[authority.id] = (authority, self._open(authority))
        return self._keys[authority.id][1]

    def known(self, authority_id: str) -> Authority | None:
        """The authority whose key is open: who it is never changes."""
        found = self._keys.get(AuthorityId(authority_id))
        return None if found is None else found[0]

    def at(self, uri: str) -> IssuerKey:
        """Open a key of a token that belongs to no authority yet."""
        return self._tokens.open(uri)

    def forget(self, authority_id: AuthorityId) -> None:
        """Open it anew the next time: its token was away."""
        self._keys.pop(authority_id, None)

    def _open(self, authority: Authority) -> IssuerKey:
        if authority.key_uri:
            found = self._tokens.open(authority.key_uri)
            check_fits(found, x509.load_der_x509_certificate(authority.certificate_der), authority.key_uri)
            return found
        key = load_der_private_key(self._vault.unwrap(purpose(authority.id), authority.wrapped_private_key), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey), "nothing else is stored"
        return key


def purpose(identity: AuthorityId) -> str:
    """What an authority's private key is wrapped for."""
    return f"authority {identity}"


def check_fits(key: IssuerKey, certificate: x509.Certificate, uri: str) -> None:
    if public_key.spki_sha256(key.public_key()) != public_key.spki_sha256(certificate.public_key()):
        raise KeyAway(f"The key at {uri} is not the one in the authority's certificate.")


def signing(platform: Platform, connection: Connection, environment: EnvironmentName) -> Issuer:
    """The authority that signs for an environment now. Refuses when its key cannot be reached."""
    found = authorities.find_signing(connection, environment, AuthorityRole.ISSUING)
    assert found is not None, "made at the first start"
    return opened(platform, found)


def get(platform: Platform, authority_id: str) -> Issuer:
    """The authority that a reservation names, which may have retired since."""
    return opened(platform, platform.issuer_keys.known(authority_id) or _find(platform, authority_id))


def _find(platform: Platform, authority_id: str) -> Authority:
    with reading(platform.database.records) as connection:
        found = authorities.find(connection, authority_id)
    assert found is not None, "authorities are never deleted"
    return found


def opened(platform: Platform, authority: Authority) -> Issuer:
    try:
        key = platform.issuer_keys.of(authority)
    except KeyAway as error:
        raise away(authority.id, error) from error
    return Issuer(authority.id, authority.environment, _load(authority.certificate_der), key)


_load = lru_cache(maxsize=_MOST_CERTIFICATES)(x509.load_der_x509_certificate)


@contextmanager
def reaching(platform: Platform, issuer: Issuer) -> Iterator[None]:
    """Sign inside. Refuses when the key's token has gone away meanwhile; the next attempt looks for it anew."""
    try:
        yield
    except KeyAway as error:
        platform.issuer_keys.forget(issuer.id)
        raise away(issuer.id, error) from error


def away(authority_id: AuthorityId, error: KeyAway) -> Refusal:
    """The key cannot be reached: nothing is wrong with the request, and nobody but an operator can help."""
    log.error("issuing.key_away", authority=authority_id, reason=str(error))
    return Refusal(
        Code.ISSUER_AWAY,
        "Nothing can be certified now: the platform cannot reach the key of its issuing authority. Tell the operator "
        "of the platform; nothing was changed.",
    )
