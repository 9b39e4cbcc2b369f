"""Whether the key-encryption key opens everything that is wrapped with it (R16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from sqlalchemy import Connection, select

from credenza.actions import certificate_status, issuers, webhooks
from credenza.actions.context import Vault
from credenza.adapters.vault import WrongKey
from credenza.domain import service_keys, token_keys
from credenza.domain.model import AuthorityId
from credenza.protocol import jose
from credenza.store.schema import authorities as authority_rows
from credenza.store.schema import service_private_keys as service_key_rows
from credenza.store.schema import status_responders as responder_rows
from credenza.store.schema import token_keys as token_key_rows
from credenza.store.schema import webhooks as webhook_rows
from credenza.store.schema import wrapped_secrets

_RESPONDER = (responder_rows.c.authority_id, responder_rows.c.wrapped_private_key)


def flaws(connection: Connection, vault: Vault) -> Iterator[str]:
    """Open every secret and every private key; say in a sentence what does not open or does not fit."""
    for row in connection.execute(select(wrapped_secrets.c.name, wrapped_secrets.c.wrapped)):
        yield from secret_flaws(vault, row._asdict())
    columns = (authority_rows.c.id, authority_rows.c.wrapped_private_key, authority_rows.c.certificate_der)
    for authority in connection.execute(select(*columns)):
        yield from authority_flaws(vault, authority._asdict())
    for responder in connection.execute(select(*_RESPONDER)):
        yield from responder_flaws(vault, responder._asdict())
    signing = (token_key_rows.c.kid, token_key_rows.c.wrapped_private_key)
    for key in connection.execute(select(*signing)):
        yield from token_key_flaws(vault, key._asdict())
    held = (service_key_rows.c.credential_id, service_key_rows.c.wrapped_private_key)
    for held_key in connection.execute(select(*held)):
        yield from service_key_flaws(vault, held_key._asdict())
    for webhook in connection.execute(select(webhook_rows.c.id, webhook_rows.c.wrapped_secret)):
        yield from webhook_flaws(vault, webhook._asdict())


def service_key_flaws(vault: Vault, row: Mapping[str, Any]) -> Iterator[str]:
    try:
        vault.unwrap(service_keys.purpose(row["credential_id"]), row["wrapped_private_key"])
    except WrongKey:
        yield f"The key-encryption key does not open the private key of service credential {row['credential_id']}."


def secret_flaws(vault: Vault, row: Mapping[str, Any]) -> Iterator[str]:
    try:
        vault.unwrap(row["name"], row["wrapped"])
    except WrongKey:
        yield f"The key-encryption key does not open the platform's {row['name']}."


def webhook_flaws(vault: Vault, row: Mapping[str, Any]) -> Iterator[str]:
    try:
        vault.unwrap(webhooks.secret_purpose(row["id"]), row["wrapped_secret"])
    except WrongKey:
        yield f"The key-encryption key does not open the secret of webhook {row['id']}."


def authority_flaws(vault: Vault, row: Mapping[str, Any]) -> Iterator[str]:
    if not row["wrapped_private_key"]:
        return  # in a token, or nowhere near
    try:
        pkcs8 = vault.unwrap(issuers.purpose(AuthorityId(row["id"])), row["wrapped_private_key"])
    except WrongKey:
        yield f"The key-encryption key does not open the private key of authority {row['id']}."
        return
    certified = x509.load_der_x509_certificate(row["certificate_der"]).public_key()
    own = load_der_private_key(pkcs8, None).public_key()
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own.public_bytes(*form) != certified.public_bytes(*form):
        yield f"The private key of authority {row['id']} is not the one in its certificate."


def responder_flaws(vault: Vault, row: Mapping[str, Any]) -> Iterator[str]:
    try:
        vault.unwrap(certificate_status.purpose(AuthorityId(row["authority_id"])), row["wrapped_private_key"])
    except WrongKey:
        yield f"The key-encryption key does not open the key of the OCSP responder of authority {row['authority_id']}."


def token_key_flaws(vault: Vault, row: Mapping[str, Any]) -> Iterator[str]:
    try:
        pkcs8 = vault.unwrap(token_keys.purpose(row["kid"]), row["wrapped_private_key"])
    except WrongKey:
        yield f"The key-encryption key does not open the token key {row['kid']}."
        return
    own = load_der_private_key(pkcs8, None).public_key()
    # The kid is the thumbprint of the public half (RFC 7638), so that it cannot belong to another key.
    if not isinstance(own, RSAPublicKey | EllipticCurvePublicKey) or jose.thumbprint(own) != row["kid"]:
        yield f"The private key of token key {row['kid']} is not its own."
