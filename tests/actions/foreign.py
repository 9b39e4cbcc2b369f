"""An authority of somebody else, trusted in an environment, and clients that it certifies."""

from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import insert, update
from tests.actions.stage import SANDBOX, Stage
from tests.protocol.authorities import CLIENT, Party

from credenza.actions.certificate_admission import NewCertificate
from credenza.domain.model import PLATFORM, EnvironmentName
from credenza.protocol.certificate import x5t_s256_hex
from credenza.store.engine import writing
from credenza.store.schema import trusted_authorities


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


class Foreign:
    """A root and an issuing authority under it."""

    def __init__(self, stage: Stage, name: str = "Foreign") -> None:
        self.stage = stage
        self.anchor, self.middle = Party(f"{name} Root"), Party(f"{name} Issuing")
        self.root = self.anchor.root()
        self.issuing = self.anchor.certify(self.middle, ca=True)

    def trust(self, environment: EnvironmentName = SANDBOX) -> str:
        """Let the environment trust the root; returns the id of its row."""
        identity = str(uuid4())
        row = {
            "organization_id": PLATFORM,
            "id": identity,
            "environment": environment,
            "name": "Foreign Root",
            "certificate_der": self.root.public_bytes(Encoding.DER),
            "certificate_sha256": x5t_s256_hex(self.root),
            "is_anchor": True,
            "checks_revocation": False,
            "created_at": self.stage.now,
        }
        with writing(self.stage.platform.database.records) as connection:
            connection.execute(insert(trusted_authorities).values(**row))
        return identity

    def distrust(self, identity: str) -> None:
        statement = update(trusted_authorities).where(trusted_authorities.c.id == identity)
        with writing(self.stage.platform.database.records) as connection:
            connection.execute(statement.values(disabled_at=self.stage.now))

    def leaf(self, client: Party | str = "client", **said: Any) -> x509.Certificate:
        party = Party(client) if isinstance(client, str) else client
        named: dict[str, Any] = {"extensions": ((CLIENT, False),), **said}
        return self.middle.certify(party, **named)

    def new(self, client: Party | str = "client", **said: Any) -> NewCertificate:
        return NewCertificate("partner", pem(self.leaf(client, **said)), pem(self.issuing))
