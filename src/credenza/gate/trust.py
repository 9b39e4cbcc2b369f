"""Whom the gate's own TLS trusts for client certificates: our own authorities and those that operators have enabled.

Read whole, when the gate begins and whenever a change concerns it. This is what a handshake asks; whether a certificate
belongs to anybody, and whether its authority is trusted still, is asked anew at every call (`gate.mtls`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from credenza.domain.model import EnvironmentName
from credenza.store.lookup import TrustedCertificate, TrustSnapshot


class Trust:
    """`version` moves with every reading, so that whoever has made something of it can tell."""

    def __init__(self) -> None:
        self._certificates: tuple[TrustedCertificate, ...] = ()
        self.version = 0

    def replace(self, snapshot: TrustSnapshot) -> None:
        self._certificates = snapshot.certificates
        self.version += 1

    def certificates(self, environment: EnvironmentName, *, now: datetime) -> tuple[x509.Certificate, ...]:
        """List what a path may end at, or lead over: anchors that have not ended, and what these have issued."""
        here = [each for each in self._certificates if each.environment is environment]
        anchors = _unended((each.der for each in here if each.is_anchor), now)
        return (*anchors, *_below(anchors, _unended((each.der for each in here if not each.is_anchor), now)))


def _unended(ders: Iterable[bytes], now: datetime) -> tuple[x509.Certificate, ...]:
    found = (x509.load_der_x509_certificate(der) for der in ders)
    return tuple(each for each in found if now <= each.not_valid_after_utc)


def _below(anchors: Sequence[x509.Certificate], others: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Leave out what leads to none of the anchors any more: TLS would take each of these for an anchor itself."""
    led: list[x509.Certificate] = []
    while True:
        found = [each for each in others if each not in led and any(_issued(by, each) for by in (*anchors, *led))]
        if not found:
            return tuple(led)
        led += found


def _issued(by: x509.Certificate, certificate: x509.Certificate) -> bool:
    with suppress(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        certificate.verify_directly_issued_by(by)
        return True
    return False
