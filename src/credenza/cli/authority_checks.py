"""Checks of certificate authorities for `credenza doctor`: when they end, where their keys are, what lists are like."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cryptography import x509

from credenza.actions.authorities import NEARLY_ENDED
from credenza.actions.issuers import NoTokens, check_fits
from credenza.adapters.key_token import KeyAway
from credenza.cli import local
from credenza.cli.checks import Check
from credenza.cli.failure import CommandFailed
from credenza.domain.model import AuthorityId
from credenza.settings import Settings
from credenza.store import authorities, revocation_lists, trusted_authorities
from credenza.store.authorities import Authority
from credenza.store.engine import Database, reading

_ROLL_OVER: Final = "Make its successor while there is time: credenza ca roll-over; docs/guide/authority.md"


def authority_checks(database: Database, settings: Settings, *, now: datetime) -> Iterator[Check]:
    with reading(database.records) as connection:
        found = [each for each in authorities.list_all(connection) if each.has_key]
        lists = {each.id: revocation_lists.find(connection, each.id) for each in found}
    for each in found:
        if each.signs:
            yield _end_check(each, now)
        if each.key_uri:
            yield _token_check(each, settings)
    stale = {each for each, published in lists.items() if published is not None and published.next_update <= now}
    yield _list_check([each.id for each in found if each.id in stale and _ends(each) >= now])
    yield from _foreign_checks(database, now)


def _end_check(authority: Authority, now: datetime) -> Check:
    """A credential never outlives its authority: one that ends soon makes them shorter before long."""
    ends = _ends(authority)
    name = f"{authority.environment.lower()}_{authority.role.lower()}_authority"
    return Check(name, ends - now > NEARLY_ENDED, f"until {ends:%Y-%m-%d}", _ROLL_OVER)


def _token_check(authority: Authority, settings: Settings) -> Check:
    name = f"{authority.environment.lower()}_authority_token"
    try:
        key = (local.tokens(settings) or NoTokens()).open(authority.key_uri)
        check_fits(key, x509.load_der_x509_certificate(authority.certificate_der), authority.key_uri)
    except (KeyAway, CommandFailed) as error:
        cure = "Plug the token in, or correct pkcs11_module and pkcs11_pin_file."
        return Check(name, ok=False, detail=str(error), cure=cure)
    return Check(name, ok=True, detail=f"{authority.key_uri} signs")


def _list_check(stale: list[AuthorityId]) -> Check:
    if not stale:
        return Check("revocation_lists", ok=True, detail="none has run out")
    cure = "They are signed while the server runs: credenza serve"
    return Check("revocation_lists", ok=False, detail=f"run out: {', '.join(stale)}", cure=cure)


def _foreign_checks(database: Database, now: datetime) -> Iterator[Check]:
    """What operators want to be looked up and cannot be: certificates that were revoked elsewhere stay good here."""
    with reading(database.records) as connection:
        trusted = [each for each in trusted_authorities.list_all(connection) if each.disabled_at is None]
        looked_up = [each for each in trusted if each.checks_revocation]
        lists = [(each, found) for each in looked_up for found in trusted_authorities.lists_of(connection, each.id)]
    ended = [each for each in trusted if _ends(each) < now]
    for each in ended:
        cure = f"Trust its successor, and disable it: credenza ca trust disable {each.id}"
        yield Check("trusted_authority", ok=False, detail=f"{each.name} ended on {_ends(each):%Y-%m-%d}", cure=cure)
    for each, found in lists:
        if found.error or found.next_update is None or found.next_update <= now:
            detail = f"{each.name}: {found.url}: {found.error or 'run out'}"
            yield Check("foreign_revocation_list", ok=False, detail=detail, cure="Ask whoever runs that authority.")


def _ends(authority: Authority | trusted_authorities.TrustedAuthority) -> datetime:
    return x509.load_der_x509_certificate(authority.certificate_der).not_valid_after_utc
