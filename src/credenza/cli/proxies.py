"""Proxies that terminate TLS before the gates: what the settings say about whom to believe."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from credenza.cli.failure import CommandFailed
from credenza.gate.terminators import NOBODY, Terminators
from credenza.settings import Settings


def certificates(settings: Settings) -> tuple[x509.Certificate, ...]:
    """Read what proxies present to prove that they are. Raises CommandFailed."""
    path = settings.proxy_certificates
    if path is None:
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise CommandFailed(f"proxy_certificates {path} cannot be read: {error}") from error


def terminators(settings: Settings, bind: str) -> Terminators:
    """Whom a listener believes about client certificates."""
    secret = settings.proxy_secret.get_secret_value().encode() if settings.proxy_secret else b""
    known = frozenset(each.public_bytes(Encoding.DER) for each in certificates(settings))
    by_socket = settings.proxy_socket and bind.startswith("unix:")
    return Terminators(secret, known, by_socket) if secret or known or by_socket else NOBODY
