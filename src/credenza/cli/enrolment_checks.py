"""Checks for `credenza doctor` of what devices need that enrol by themselves (EST, RFC 7030), where any are to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from credenza.cli import origins
from credenza.cli.checks import Check
from credenza.domain.model import EnvironmentName
from credenza.settings import Settings, is_local
from credenza.store import enrolment_secrets
from credenza.store.engine import Database, reading

_BEFORE_TLS: Final = "Set CREDENZA_TLS_CERTIFICATE, or let the proxy that ends TLS prove itself: docs/guide/mtls.md"


def enrolment_checks(database: Database, settings: Settings) -> Iterator[Check]:
    with reading(database.records) as connection:
        expected = enrolment_secrets.any_made(connection)
    if expected:
        yield from settings_checks(settings)
    else:
        yield Check("EST", ok=True, detail="no device was given an enrolment secret")


def settings_checks(settings: Settings) -> Iterator[Check]:
    """Whether a device can trust who answers, show what it holds, and find the revocation list later."""
    own = {
        EnvironmentName.SANDBOX: settings.sandbox_origin,
        EnvironmentName.PRODUCTION: settings.production_origin,
    }
    yield _places_check(settings, own)
    for environment, origin in own.items():
        yield _origin_check(settings, environment, origin)
        if settings.tls_certificate is not None:
            yield _name_check(settings, environment, origin)


def _places_check(settings: Settings, own: Mapping[EnvironmentName, str]) -> Check:
    abroad = [each for each in own.values() if not _at_home(each)]
    return Check(
        "EST_revocation_lists",
        ok=not (abroad and _at_home(settings.manage_origin)),
        detail=f"certificates name {settings.manage_origin}/pki as where revocation lists are",
        cure="Set CREDENZA_MANAGE_ORIGIN on every machine that serves EST: who checks a certificate has to reach it.",
    )


def _origin_check(settings: Settings, environment: EnvironmentName, origin: str) -> Check:
    name, variable = f"EST_{environment.lower()}", f"CREDENZA_{environment}_ORIGIN"
    if not origin.startswith("https://") and not _at_home(origin):
        detail = f"{origin} is plain HTTP: a device would send its secret in the clear"
        return Check(name, ok=False, detail=detail, cure=f"Serve it over TLS, and set {variable} to https://...")
    if origins.mutual_tls(settings, environment) is None:
        detail = f"nothing vouches for client certificates at {origin}: devices enrol, and cannot re-enrol"
        return Check(name, ok=False, detail=detail, cure=_BEFORE_TLS)
    return Check(name, ok=True, detail=f"{origin}/.well-known/est")


def _name_check(settings: Settings, environment: EnvironmentName, origin: str) -> Check:
    """Whether the gates' certificate is for the name that devices call (RFC 9525 6.3). A proxy may have another."""
    name, host = f"EST_{environment.lower()}_name", urlsplit(origin).hostname or ""
    names = _names(settings)
    proxied = bool(settings.proxy_secret or settings.proxy_certificates or settings.proxy_socket)
    fits = host in names or f"*.{host.partition('.')[2]}" in names
    return Check(
        name,
        ok=True if fits else None if proxied else False,
        detail=f"the gates' certificate is for {', '.join(names) or 'no name'}; devices call {host}",
        cure="Have one issued for the name of the origin, by an authority that devices know.",
    )


def _names(settings: Settings) -> tuple[str, ...]:
    """Nothing where the file cannot be read: another check says so."""
    assert settings.tls_certificate is not None, "asked for where there is one"
    try:
        leaf = x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())[0]
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return ()
    addresses = (str(each) for each in found.get_values_for_type(x509.IPAddress))
    return (*(each.lower() for each in found.get_values_for_type(x509.DNSName)), *addresses)


def _at_home(origin: str) -> bool:
    host = urlsplit(origin).hostname or ""
    return is_local(f"{host}:0")
