"""Certificate authorities, our own and trusted ones, and what they publish."""

from __future__ import annotations

from credenza.client.operations.answers import many, octets, one, reach
from credenza.client.operations.operation import Operation
from credenza.wire.authorities import (
    Authority,
    NewAuthority,
    NewTrustedAuthority,
    OwnAuthority,
    RevocationCheck,
    TrustedAuthority,
)
from credenza.wire.credentials import Reach
from credenza.wire.shape import EnvironmentName


def list_authorities() -> Operation[tuple[Authority, ...]]:
    return Operation("GET", "/api/authorities", many(Authority))


def get_authority(authority_id: str) -> Operation[Authority]:
    return Operation("GET", f"/api/authorities/{authority_id}", one(Authority))


def make_authority(new: NewAuthority) -> Operation[Authority]:
    return Operation("POST", "/api/authorities", one(Authority), body=new)


def import_authority(own: OwnAuthority) -> Operation[Authority]:
    return Operation("POST", "/api/authorities/import", one(Authority), body=own)


def roll_over_authority(environment: EnvironmentName) -> Operation[Authority]:
    return Operation("POST", f"/api/authorities/{environment}/roll-over", one(Authority))


def list_trusted_authorities() -> Operation[tuple[TrustedAuthority, ...]]:
    return Operation("GET", "/api/trusted-authorities", many(TrustedAuthority))


def add_trusted_authority(new: NewTrustedAuthority) -> Operation[TrustedAuthority]:
    return Operation("POST", "/api/trusted-authorities", one(TrustedAuthority), body=new)


def get_trusted_authority(authority_id: str) -> Operation[TrustedAuthority]:
    return Operation("GET", f"/api/trusted-authorities/{authority_id}", one(TrustedAuthority))


def set_revocation_check(authority_id: str, check: RevocationCheck) -> Operation[TrustedAuthority]:
    path = f"/api/trusted-authorities/{authority_id}/revocation-check"
    return Operation("PUT", path, one(TrustedAuthority), body=check)


def disable_trusted_authority(authority_id: str) -> Operation[Reach]:
    return Operation("DELETE", f"/api/trusted-authorities/{authority_id}", reach)


def get_any_authority_certificate(authority_id: str, *, form: str = "pem") -> Operation[bytes]:
    """`form` is pem or cer (DER)."""
    return Operation("GET", f"/pki/authorities/{authority_id}.{form}", octets)


def get_authority_chain(environment: EnvironmentName) -> Operation[bytes]:
    """PEM."""
    return Operation("GET", f"/pki/{environment.lower()}/chain.pem", octets)


def get_revocation_list(authority_id: str) -> Operation[bytes]:
    """DER (RFC 5280 5)."""
    return Operation("GET", f"/pki/authorities/{authority_id}.crl", octets)


def get_certificate_status(asked: str) -> Operation[bytes]:
    """`asked` is an OCSP request as base64, percent-encoded (RFC 6960 A.1); the answer is DER."""
    return Operation("GET", f"/pki/ocsp/{asked}", octets)


def ask_certificate_status(request: bytes) -> Operation[bytes]:
    """Ask by OCSP: both are DER (RFC 6960)."""
    return Operation("POST", "/pki/ocsp", octets, octets=request, headers={"Content-Type": "application/ocsp-request"})


def get_authority_certificate(environment: EnvironmentName, role: str, *, form: str = "pem") -> Operation[bytes]:
    """`role` is issuing or root, `form` pem or cer (DER)."""
    return Operation("GET", f"/pki/{environment.lower()}/{role}.{form}", octets)
