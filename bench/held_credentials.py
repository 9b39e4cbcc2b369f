"""Prints the bytes of memory that a gate takes for each credential it holds, in a process of its own.

Each has been used once: OpenSSL keeps what it has worked out about a key with the key. The keys are made up, since
twenty thousand real ones would take half an hour to make.
"""

from __future__ import annotations

import gc
import secrets
from contextlib import suppress
from datetime import timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import insert
from tests.clock import NOON
from tests.gate.scene import ORGANIZATION, OWNER, PROJECT, SANDBOX, Scene, client_id

from bench import decider
from bench.measure import resident_bytes
from credenza.gate.keyring import Entry
from credenza.store import schema
from credenza.store.engine import writing

_COUNT = 20_000
_WARM = 1_000


def main() -> None:
    with decider.scene() as scene:
        key_ids = _insert(scene, _COUNT + _WARM)
        _hold(scene, key_ids[:_WARM])
        gc.collect()
        before = resident_bytes()
        _hold(scene, key_ids[_WARM:])
        gc.collect()
        print((resident_bytes() - before) / _COUNT)


def _hold(scene: Scene, key_ids: list[str]) -> None:
    for key_id in key_ids:
        entry = scene.keyring.peek(key_id)
        assert isinstance(entry, Entry)
        key = scene.keyring.rsa_key(entry)
        assert key is not None
        with suppress(InvalidSignature):
            key.verify(bytes(256), b"", PKCS1v15(), SHA256())


def _insert(scene: Scene, count: int) -> list[str]:
    key_ids = [secrets.token_hex(16) + "0" * 16 for _ in range(count)]
    with writing(scene.database.records) as connection:
        for key_id in key_ids:
            connection.execute(insert(schema.credentials).values(**_row(key_id)))
    return key_ids


def _row(key_id: str) -> dict[str, object]:
    modulus = secrets.randbits(2048) | 1 << 2047 | 1
    key = RSAPublicNumbers(65537, modulus).public_key()
    return {
        "organization_id": ORGANIZATION,
        "id": key_id,
        "kind": "SIGNING_KEY",
        "project_id": PROJECT,
        "environment": SANDBOX,
        "client_id": client_id(SANDBOX),
        "alias": f"key {key_id[:8]}",
        "status": "ACTIVE",
        "key_algorithm": "RSA-2048",
        "public_key_der": key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "spki_sha256": key_id,
        "certificate_der": b"",
        "not_before": NOON,
        "not_after": NOON + timedelta(days=395),
        "owner_id": OWNER,
        "created_at": NOON,
        "revoked_reason": "",
    }


if __name__ == "__main__":
    main()
