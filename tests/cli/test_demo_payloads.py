"""What the demo shows of payloads: keys of all three types in several states, and the partner's halves in files."""

from pathlib import Path

from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate
from tests.actions.stage import know_the_timeline, new_platform
from tests.clock import Clock

from credenza.actions import service_keys
from credenza.cli import demo_payloads, demo_seed
from credenza.domain.lists import ServiceKeyQuery
from credenza.protocol import pkcs12
from credenza.store.engine import Database


def test_the_demo_has_service_credentials_in_several_states(
    sqlite_database: Database, clock: Clock, tmp_path: Path
) -> None:
    know_the_timeline(sqlite_database.records)
    platform = new_platform(sqlite_database, now=clock.now())
    seeded = demo_seed.seed(platform, tmp_path, upstream="http://127.0.0.1:9000", now=clock.now())
    demo_payloads.seed(platform, tmp_path, seeded, upstream="http://127.0.0.1:9000", now=clock.now())

    project_id, now = seeded.project.id, clock.now()
    found = service_keys.list_page(platform, seeded.owner, project_id, ServiceKeyQuery(), now=now)

    assert {each.alias: each.status_at(now) for each in found} == {
        "tokenize-responses-2025": "INACTIVE",
        "tokenize-responses-laptop": "REVOKED",
        "tokenize-responses-2026": "ACTIVE",
        "tokenize-requests-2025": "ACTIVE",
        "tokenize-requests-2026": "ACTIVE",
        "tokenize-signatures-2026": "ACTIVE",
        "tokenize-signatures-2027": "INACTIVE",
    }
    for each in found:
        file = (tmp_path / f"{each.alias}.pem").read_bytes()
        assert file.count(b"-----BEGIN") == 1, "mastercard-client-encryption reads no file of two"
        mine = each.kind != "REQUEST_ENCRYPTION"
        half = pkcs12.load_private_key(file, None) if mine else load_pem_x509_certificate(file)
        assert half.public_key() == load_der_x509_certificate(each.certificate_der).public_key()
