"""Service credentials: keys that protect payloads between a project and a service (contracts 1.2 and 1.6)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AliasChoices, Field

from credenza.wire.credentials import CertifiedFacts
from credenza.wire.shape import CsrText, EnvironmentName, Moment, Name, RequestShape, Text

ServiceCredentialType: TypeAlias = Literal[
    "MASTERCARD_ENCRYPTION", "CLIENT_ENCRYPTION", "CLIENT_SIGNATURE_VERIFICATION"
]


class NewClientOwnedKey(RequestShape):
    """A key whose private half the client keeps: by its certification request, or by the public key alone (PEM)."""

    type: Literal["MASTERCARD_ENCRYPTION", "CLIENT_SIGNATURE_VERIFICATION"]
    alias: Annotated[Name, Field(validation_alias=AliasChoices("alias", "description"))]
    csr: CsrText | None = None
    public_key: CsrText | None = None


class NewClientEncryptionKey(RequestShape):
    """A key that requests are encrypted with: it is made here, and its private half stays here."""

    type: Literal["CLIENT_ENCRYPTION"]
    alias: Annotated[Name, Field(validation_alias=AliasChoices("alias", "description"))]


NewServiceCredential: TypeAlias = Annotated[NewClientOwnedKey | NewClientEncryptionKey, Field(discriminator="type")]


class AddClientOwnedKey(NewClientOwnedKey):
    """`environment` may be left out while the project uses the service in one only."""

    environment: EnvironmentName | None = None


class AddClientEncryptionKey(NewClientEncryptionKey):
    """`environment` may be left out while the project uses the service in one only."""

    environment: EnvironmentName | None = None


AddServiceCredential: TypeAlias = Annotated[AddClientOwnedKey | AddClientEncryptionKey, Field(discriminator="type")]


class ServiceCredentialStatus(RequestShape):
    """ACTIVE puts the key in the place of the active one. Any other status is refused: INVALID_CREDENTIAL_STATUS."""

    status: Text


class ServiceCredential(CertifiedFacts):
    """A service credential, its public half as SubjectPublicKeyInfo and in a certificate (PEM). `inactiveSince` is when
    another one took its place, and null for one that has never been active."""

    type: ServiceCredentialType
    environment: EnvironmentName
    service_id: int
    public_key: str
    inactive_since: Moment | None
