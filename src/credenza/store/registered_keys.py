"""Every public key that was ever registered: also a revoked one gives away whom it shares a prime with."""

from __future__ import annotations

from sqlalchemy import Connection, select

from credenza.store.schema import credentials


def list_rsa(connection: Connection) -> tuple[tuple[str, bytes], ...]:
    """List the RSA keys (SubjectPublicKeyInfo, DER) by the ids of their credentials."""
    query = select(credentials.c.id, credentials.c.public_key_der).where(credentials.c.key_algorithm.like("RSA-%"))
    return tuple((row.id, row.public_key_der) for row in connection.execute(query.order_by(credentials.c.id)))
