"""A real mail server (aiosmtpd) in this process, that keeps what it takes and refuses what it is told to."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.servers import HOST, free_port


@dataclass
class MailServer:
    """`answers` are what RCPT (by address) and DATA get instead of yes."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        self.envelopes.append(envelope)
        return "250 OK"


def accept_ada(server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth: Any) -> AuthResult:
    known = isinstance(auth, LoginPassword) and (auth.login, auth.password) == (b"ada", b"secret")
    return AuthResult(success=known, handled=known)


@contextmanager
def mail_server(*, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[MailServer]:
    """`tls` serves TLS from the first byte; `tls_context` among the options offers STARTTLS."""
    server = MailServer(free_port())
    controller = Controller(server, hostname=HOST, port=server.port, ssl_context=tls, ready_timeout=60, **options)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
