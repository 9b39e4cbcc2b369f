"""Authorities of others whose certificates partners may bring along, by environment (product row C5).

Operators add and disable them; each change is announced to the gates, and disabling one is answered when no gate admits
its certificates any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from credenza.actions.context import Act, Attempt, Platform, acting, viewing
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import PLATFORM, Actor, AuthorityId, ChangeNumber, EnvironmentName, Reach
from credenza.domain.webhooks import LONGEST_URL
from credenza.protocol import authority_import, certificate
from credenza.protocol.errors import Malformed, Refused
from credenza.store import changes, leases, trusted_authorities
from credenza.store.changes import ChangeKind
from credenza.store.trusted_authorities import ForeignList, TrustedAuthority

LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class NewTrust:
    """`certificate` is PEM or DER. `is_anchor` is None where the certificate says it: it is one that signs itself."""

    environment: EnvironmentName
    name: str
    certificate: bytes
    is_anchor: bool | None = None
    checks_revocation: bool = False
    crl_url: str = ""


@dataclass(frozen=True, slots=True)
class TrustView:
    """A trusted authority, what its certificate says, and its revocation lists as they were last found."""

    trusted: TrustedAuthority
    description: certificate.CertificateDescription
    lists: tuple[ForeignList, ...] = ()


def add(platform: Platform, actor: Actor, new: NewTrust, *, now: datetime) -> TrustView:
    """Trust an authority in one environment. One that was disabled is trusted again, as it is now described."""
    with acting(platform, Attempt(actor, Action.TRUST_ADD, now)) as act:
        found = _read(new, now=now)
        described = certificate.describe(found)
        _check_texts(new.name, new.crl_url)
        present = trusted_authorities.find_by_certificate(act.connection, new.environment, described.x5t_s256_hex)
        if present is not None and present.disabled_at is None:
            raise Refusal(Code.DUPLICATE_NAME, f"{new.environment} trusts this authority already.", field="certificate")
        is_anchor = found.subject == found.issuer if new.is_anchor is None else new.is_anchor
        trusted = TrustedAuthority(
            id=AuthorityId(platform.new_id()) if present is None else present.id,
            environment=new.environment,
            name=new.name.strip(),
            certificate_der=found.public_bytes(Encoding.DER),
            certificate_sha256=described.x5t_s256_hex,
            is_anchor=is_anchor,
            checks_revocation=new.checks_revocation,
            crl_url=new.crl_url,
            created_at=now,
            disabled_at=None,
        )
        _check_ends_paths(trusted)
        if present is None:
            trusted_authorities.insert_authority(act.connection, trusted)
        else:
            trusted_authorities.replace_authority(act.connection, trusted)
        _announce(act, trusted)
        return TrustView(trusted, described)


def list_all(platform: Platform, actor: Actor, *, now: datetime) -> tuple[TrustView, ...]:
    """List what is and what was trusted, by environment and name."""
    with viewing(platform, Attempt(actor, Action.TRUST_LIST, now)) as act:
        return tuple(_view(act, each) for each in trusted_authorities.list_all(act.connection))


def get(platform: Platform, actor: Actor, authority_id: str, *, now: datetime) -> TrustView:
    with viewing(platform, Attempt(actor, Action.TRUST_LIST, now)) as act:
        return _view(act, _get(act, authority_id))


def check_revocation(
    platform: Platform, actor: Actor, authority_id: str, *, checks: bool, crl_url: str, now: datetime
) -> TrustView:
    """Say whether the authority's revocation list is looked up, and where it is unless its certificates say so."""
    with acting(platform, Attempt(actor, Action.TRUST_CHANGE, now)) as act:
        _check_texts("-", crl_url)
        trusted = replace(_get(act, authority_id), checks_revocation=checks, crl_url=crl_url)
        _check_ends_paths(trusted)
        trusted_authorities.replace_authority(act.connection, trusted)
        _announce(act, trusted)
        return _view(act, trusted)


def disable(platform: Platform, actor: Actor, authority_id: str, *, now: datetime) -> Reach:
    """Trust it no more; returns when no gate admits a certificate of it. A second time changes nothing."""
    with acting(platform, Attempt(actor, Action.TRUST_DISABLE, now)) as act:
        trusted = _get(act, authority_id)
        number = changes.current(act.connection)
        if trusted.disabled_at is None:
            trusted = replace(trusted, disabled_at=now)
            trusted_authorities.replace_authority(act.connection, trusted)
            number = _announce(act, trusted)
        act.note(trusted.id, f"{trusted.environment} {trusted.name}")
    return leases.await_reach(platform.database.records, number, lease=platform.policy.lease)


def _announce(act: Act, trusted: TrustedAuthority) -> ChangeNumber:
    act.note(trusted.id, f"{trusted.environment} {trusted.name}")
    return changes.record(act.connection, PLATFORM, ChangeKind.TRUST, trusted.id)


def _read(new: NewTrust, *, now: datetime) -> x509.Certificate:
    try:
        found = certificate.parse(new.certificate)
        authority_import.check_certifies_clients(found, now=now)
    except (Malformed, Refused) as error:
        raise Refusal(Code.INVALID, str(error), field="certificate") from error
    return found


def _check_texts(name: str, crl_url: str) -> None:
    if not 1 <= len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        raise Refusal(Code.INVALID, f"A name has 1 to {LONGEST_NAME} printable characters.", field="name")
    if crl_url and not (crl_url.startswith(("http://", "https://")) and len(crl_url) <= LONGEST_URL):
        raise Refusal(
            Code.INVALID,
            f"The list's URL begins with http:// or https://, {LONGEST_URL} characters at most.",
            field="crlUrl",
        )


def _check_ends_paths(trusted: TrustedAuthority) -> None:
    """Lists are looked up for whole paths, and each ends at an anchor: said of another, it would change nothing."""
    if trusted.checks_revocation and not trusted.is_anchor:
        raise Refusal(
            Code.INVALID,
            "This authority only leads to another that is trusted. Have the lists of that one looked up: those of all "
            "between it and a certificate are too.",
            field="checksRevocation",
        )


def _get(act: Act, authority_id: str) -> TrustedAuthority:
    found = trusted_authorities.find(act.connection, authority_id)
    if found is None:
        raise Refusal(
            Code.NOT_FOUND, "No such trusted authority. List them with: credenza ca trust list", field="authorityId"
        )
    return found


def _view(act: Act, trusted: TrustedAuthority) -> TrustView:
    described = certificate.describe(x509.load_der_x509_certificate(trusted.certificate_der))
    return TrustView(trusted, described, trusted_authorities.lists_of(act.connection, trusted.id))
