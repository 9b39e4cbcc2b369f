"""From a migrated database and a key-encryption key to a `Platform` that actions can run on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from sqlalchemy import Connection

from credenza.actions import authorities, token_keys
from credenza.actions.context import Passwords, Platform, Policy, Vault, WeakKeys
from credenza.actions.issuers import KeyTokens, NoTokens, OpenKeys
from credenza.domain.model import EnvironmentName
from credenza.store import wrapped_secrets
from credenza.store.engine import Database, writing

_CHECK, _PEPPER, _CHECKPOINT = "key check", "pepper", "checkpoint key"
_CHECK_TEXT = b"credenza"


def _nothing(_failpoint: str) -> None:
    """Failpoints do something in tests alone."""


def prepare(
    database: Database,
    vault: Vault,
    weak_keys: WeakKeys,
    passwords: Passwords,
    *,
    random: Callable[[int], bytes],
    pki_url: str,
    public_url: str,
    now: datetime,
    policy: Policy | None = None,
    failpoint: Callable[[str], None] = _nothing,
    tokens: KeyTokens | None = None,
) -> Platform:
    """Check the key-encryption key against the database and load, or at the first start make, what it wraps.

    Raises the vault's error when the key is not the one the database was made with: nothing is made anew then; and
    KeyAway when the key of an authority that signs is in a token (`tokens`) that cannot be used.
    """
    issuer_keys = OpenKeys(vault, tokens or NoTokens())
    with writing(database.records) as connection:
        _secret(connection, vault, _CHECK, lambda: _CHECK_TEXT, now=now)
        pepper = _secret(connection, vault, _PEPPER, lambda: random(32), now=now)
        checkpoint = _secret(connection, vault, _CHECKPOINT, _new_checkpoint_key, now=now)
        for name in EnvironmentName:
            signing = authorities.ensure(connection, vault, name, random=random, pki_url=pki_url, now=now)
            issuer_keys.of(signing)
        token_keys.ensure(connection, vault, rotation=(policy or Policy()).token_key_rotation, now=now)
    checkpoint_key = load_der_private_key(checkpoint, None)
    assert isinstance(checkpoint_key, ec.EllipticCurvePrivateKey), "made by _new_checkpoint_key"
    return Platform(
        database=database,
        vault=vault,
        pepper=pepper,
        checkpoint_key=checkpoint_key,
        issuer_keys=issuer_keys,
        weak_keys=weak_keys,
        passwords=passwords,
        random=random,
        pki_url=pki_url,
        public_url=public_url,
        policy=policy or Policy(),
        failpoint=failpoint,
    )


def _secret(connection: Connection, vault: Vault, name: str, make: Callable[[], bytes], *, now: datetime) -> bytes:
    wrapped = wrapped_secrets.find(connection, name)
    if wrapped is None:
        wrapped_secrets.insert_secret(connection, name, vault.wrap(name, make()), now=now)
        wrapped = wrapped_secrets.get(connection, name)  # another node may have been first
    return vault.unwrap(name, wrapped)


def _new_checkpoint_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
