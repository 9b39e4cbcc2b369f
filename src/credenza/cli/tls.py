"""The TLS of our own listeners: FAPI 2.0 5.2 and RFC 9325 (security.md 10), and whom it trusts for client certificates.

A context is made anew when its files or its trust have changed, and the next handshake takes it; nothing is restarted.
Tickets of an earlier context open no session of a later one, for their keys are the context's: whoever was trusted then
has to prove it now.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from credenza.domain.model import EnvironmentName
from credenza.gate.freshness import Freshness, GateClosed
from credenza.gate.trust import Trust

log = structlog.get_logger()

# RFC 9325 4.2, which FAPI 2.0 5.2.2 makes binding, as far as Python can offer it. TLS 1.3 has no others.
_TLS12_SUITES = "ECDHE+AESGCM"

_State: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClientTrust:
    """Whom clients of an environment may have their certificates from. `besides` are certificates that are trusted
    themselves: those of proxies."""

    environment: EnvironmentName
    trust: Trust
    freshness: Freshness
    clock: Callable[[], datetime]
    besides: tuple[x509.Certificate, ...] = ()

    def version(self) -> int:
        # On SQLite nobody else may have looked since an authority was added, and a client cannot ask again: it is told
        # in its handshake. A gate that cannot know lets handshakes be as they were; it admits nobody afterwards.
        with suppress(GateClosed):
            self.freshness.look()
        return self.trust.version

    def certificates(self) -> tuple[x509.Certificate, ...]:
        return (*self.trust.certificates(self.environment, now=self.clock()), *self.besides)


class _Telling(ssl.SSLObject):
    """A handshake that fails aloud: asyncio closes without sending the alert that OpenSSL has written (RFC 8446 6.2),
    and a client would see a lost connection in place of what is wrong with its certificate.

    Whoever asks again is told to wait, so that the alert goes out and is read; the listener's deadline ends the wait.
    """

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    has_failed = False

    def do_handshake(self) -> None:
        if self.has_failed:
            self.incoming.read()
            raise ssl.SSLWantReadError
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if not self.outgoing.pending:
                raise
            self.has_failed = True
            raise ssl.SSLWantReadError from error


class _Context(ssl.SSLContext):
    sslobject_class = _Telling

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *arguments: Any, **named: Any) -> _Telling:
        made = super().wrap_bio(incoming, outgoing, *arguments, **named)
        assert isinstance(made, _Telling), "as the class says"
        made.incoming, made.outgoing = incoming, outgoing
        return made


class TlsContexts:
    """Gives the context of the moment: `TlsContexts(certificate, private_key, None)()`. `clients` is None where no
    client certificate is asked for."""

    def __init__(self, certificate: Path, private_key: Path, clients: ClientTrust | None) -> None:
        self._files = (certificate, private_key)
        self._clients = clients
        self._state = self._look()
        self._context = self._make()

    def __call__(self) -> ssl.SSLContext:
        with suppress(OSError):  # a file is being replaced: what was read of it serves on
            state = self._look()
            if state != self._state:
                self._state = state
                self._context = self._made_or_kept()
        return self._context

    def _look(self) -> _State:
        times = [time for each in self._files for time in (each.stat().st_mtime_ns, each.stat().st_ino)]
        return (*times, 0 if self._clients is None else self._clients.version())

    def _made_or_kept(self) -> ssl.SSLContext:
        try:
            return self._make()
        except (OSError, ValueError) as error:
            # Half written, or a pair that does not belong together yet: the next change is looked at again.
            log.warning("tls.kept", error=type(error).__name__, text=str(error))
            return self._context

    def _make(self) -> ssl.SSLContext:
        context = _Context(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_TLS12_SUITES)
        context.options |= ssl.OP_NO_RENEGOTIATION
        certificate, private_key = self._files
        context.load_cert_chain(certificate, private_key)
        if self._clients is not None:
            _ask_clients(context, self._clients.certificates())
        return context


def _ask_clients(context: ssl.SSLContext, trusted: Sequence[x509.Certificate]) -> None:
    """Ask for certificates that lead to one of `trusted`, whatever is above it; others end the handshake."""
    if not trusted:
        return
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=b"".join(each.public_bytes(Encoding.DER) for each in trusted))
