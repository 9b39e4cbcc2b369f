"""Why a call with a client certificate is refused, step by step: every check for itself, also after one that fails.

The facts are those that a gate decides with (`gate.mtls`), and a handshake before it (`cli.tls`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from credenza.cli.checks import Check
from credenza.domain.model import AuthenticationType, EnvironmentName, Status
from credenza.gate import target
from credenza.gate.keyring import RouteTable
from credenza.protocol import certificate, certificate_path
from credenza.protocol.errors import Malformed, Refused
from credenza.store.lookup import KeyRecord, Route

_CLIENT_ONLY = "Have it issued again as a TLS client's: digitalSignature, clientAuth, CA:FALSE, signed with SHA-256."
_ADD = "Add a new certificate, and switch to it: credenza cert add"


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation knows of the certificate. No `record`: it is nobody's."""

    record: KeyRecord | None
    routes: RouteTable


@dataclass(frozen=True, slots=True)
class Asked:
    """What a gate of `environment` is called with; `path` where it is known. `chain` is what the client sends along."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    environment: EnvironmentName
    path: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `credenza debug mtls -o json` prints."""

    steps: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(step.ok is not False for step in self.steps)


def explain(asked: Asked, trusted: Sequence[x509.Certificate], known: Installed | None, *, now: datetime) -> Verdict:
    """Check all that can be checked: without `known`, what a handshake would."""
    described = certificate.describe(asked.leaf)
    steps = (
        Check("certificate", ok=True, detail=f"{described.subject}\nx5t#S256 {described.x5t_s256_hex}"),
        _chain(asked, trusted, known, now),
        _dates(asked.leaf, now),
        _purpose(asked.leaf, now),
    )
    if known is None:
        left = "Not checked: give no --trust on a machine that has the installation's database."
        return Verdict((*steps, *(Check(name, ok=None, detail=left) for name in ("revocation", "entitlement"))))
    return Verdict((*steps, _revocation(known.record), _environment(asked, known.record), _entitlement(asked, known)))


def _chain(asked: Asked, trusted: Sequence[x509.Certificate], known: Installed | None, now: datetime) -> Check:
    if known is not None and known.record is not None and not known.record.trusted:
        cure = "Add a certificate of another authority, or one of this platform's own."
        return Check("chain", ok=False, detail="The authority that it was accepted of is disabled.", cure=cure)
    try:
        path = certificate_path.prove(asked.leaf, asked.chain, trusted, now=_while_valid(asked.leaf, now))
    except Refused as refused:
        cure = (
            f"Send the authorities between, too (--chain), or use a certificate of one trusted in {asked.environment}."
        )
        return Check("chain", ok=None if _is_of_leaf(asked.leaf, now) else False, detail=str(refused), cure=cure)
    return Check("chain", ok=True, detail=" < ".join(certificate.describe(each).subject for each in path))


def _dates(leaf: x509.Certificate, now: datetime) -> Check:
    valid = leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc
    detail = f"from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} to {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    return Check("dates", ok=valid, detail=detail, cure="" if valid else _ADD)


def _purpose(leaf: x509.Certificate, now: datetime) -> Check:
    try:
        certificate_path.check_leaf(leaf, now=_while_valid(leaf, now))
    except Refused as refused:
        return Check("purpose", ok=False, detail=str(refused), cure=_CLIENT_ONLY)
    return Check("purpose", ok=True, detail=", ".join(certificate.describe(leaf).extended_key_usage) or "any")


def _revocation(record: KeyRecord | None) -> Check:
    if record is None:
        cure = "Compare the thumbprint with: credenza cert list. A certificate has to be added before it is used."
        return Check("revocation", ok=False, detail="No credential here has this certificate.", cure=cure)
    status = Status.REVOKED if record.project_deleted else record.status
    active = status is Status.ACTIVE
    return Check("revocation", ok=active, detail=f"{record.alias} is {status}", cure="" if active else _ADD)


def _environment(asked: Asked, record: KeyRecord | None) -> Check:
    if record is None:
        return Check("environment", ok=None, detail="The certificate is nobody's.")
    same = record.environment is asked.environment
    cure = "" if same else "Each environment has certificates and a host of its own: use those that belong together."
    return Check(
        "environment", ok=same, detail=f"belongs to {record.environment}, called is {asked.environment}", cure=cure
    )


def _entitlement(asked: Asked, known: Installed) -> Check:
    if asked.path is None or known.record is None:
        return Check("entitlement", ok=None, detail="Not checked: give --path, such as /vault/1.")
    try:
        route = target.route(known.routes, asked.environment, asked.path)
    except Malformed as malformed:
        return Check("entitlement", ok=False, detail=str(malformed))
    return _entitled(asked, known.record, route)


def _entitled(asked: Asked, record: KeyRecord, route: Route | None) -> Check:
    if route is None:
        return Check("entitlement", ok=False, detail=f"No API in {asked.environment} has the path {asked.path}.")
    if route.authentication is not AuthenticationType.MTLS:
        detail = f"{route.service_name} is called with {route.authentication}, not with a certificate."
        return Check("entitlement", ok=False, detail=detail)
    if route.service_id not in record.services:
        detail = f"The project {record.project_name} may not use {route.service_name} in {asked.environment}."
        cure = "Add the service to the project's environment, or wait for its approval."
        return Check("entitlement", ok=False, detail=detail, cure=cure)
    return Check("entitlement", ok=True, detail=f"{record.project_name} may use {route.service_name}")


def _while_valid(leaf: x509.Certificate, now: datetime) -> datetime:
    """The moment nearest to now at which the certificate is valid: its dates are a step of their own."""
    return min(max(now, leaf.not_valid_before_utc), leaf.not_valid_after_utc)


def _is_of_leaf(leaf: x509.Certificate, now: datetime) -> bool:
    """Whether the certificate itself is what is wrong, so that nobody has looked for a path."""
    return _purpose(leaf, now).ok is False
