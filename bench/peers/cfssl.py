"""Debian's cfssl, which keeps what it has signed in SQLite: the peer of P9.

It records a certificate once, after it was signed; who asks, it does not look at.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.servers import HOST, Server, find_program

from bench import load
from bench.load import server_core
from bench.peers.servers import pinned

_PATH = "/api/v1/cfssl/sign"
# What cfssl writes to (certdb/README in its sources): it opens the file and expects the table in it.
_TABLE = """
CREATE TABLE certificates (
    serial_number blob NOT NULL, authority_key_identifier blob NOT NULL, ca_label blob, status blob NOT NULL,
    reason int, created_at timestamp, expiry timestamp, revoked_at timestamp, pem blob NOT NULL,
    PRIMARY KEY (serial_number, authority_key_identifier)
)
"""


class CfsslServer(Server):
    """`cfssl serve` with the key and the certificate of an authority."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        super().__init__()
        self._key = key
        self._certificate = certificate

    def prepare(self) -> None:
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (self.directory / "ca.key").write_bytes(pem)
        (self.directory / "ca.pem").write_bytes(self._certificate.public_bytes(Encoding.PEM))
        kept = str(self.directory / "certificates.db")
        with closing(sqlite3.connect(kept)) as database:
            database.execute(_TABLE)
        self._write("db.json", {"driver": "sqlite3", "data_source": kept})
        profile = {"expiry": "9504h", "usages": ["digital signature", "client auth"]}
        self._write("config.json", {"signing": {"default": profile}})

    def command(self) -> list[str]:
        files = {"-ca": "ca.pem", "-ca-key": "ca.key", "-config": "config.json", "-db-config": "db.json"}
        options = [part for name, file in files.items() for part in (name, str(self.directory / file))]
        program = [find_program("cfssl", "golang-cfssl"), "serve", "-loglevel", "3"]
        return [*pinned(server_core()), *program, "-address", HOST, "-port", str(self.port), *options]

    def pids(self) -> list[int]:
        return [self._running().pid]

    def _write(self, name: str, settings: object) -> None:
        (self.directory / name).write_text(json.dumps(settings))


def sign_request(csr: str) -> bytes:
    body = json.dumps({"certificate_request": csr}).encode()
    return load.raw_request("POST", _PATH, [("Host", HOST), ("Content-Type", "application/json")], body)
