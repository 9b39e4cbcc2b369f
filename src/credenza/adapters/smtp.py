"""Mail by SMTP (RFC 5321), through aiosmtplib. Every wait ends (security.md, decision 4)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from ssl import SSLContext, SSLError

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from credenza.adapters.undelivered import Away, Undelivered

_ADDRESS = re.compile(r"[!-;=?A-~]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_QUIT_S = 2.0
_CLOSING = 421
"""RFC 5321 4.2.1: the server closes the channel, whatever it was asked."""


class Security(StrEnum):
    """How the way to the mail server is protected. STARTTLS is demanded, never merely tried."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """`sender` is the From address, with or without a name. `timeout_s` bounds the connection with its handshakes, and
    then every single mail."""

    host: str
    port: int
    sender: str
    security: Security
    username: str
    password: str = field(repr=False)
    timeout_s: float
    context: SSLContext = field(repr=False)

    @asynccontextmanager
    async def line(self) -> AsyncIterator[SmtpLine]:
        """Connect and sign in. Raises Away."""
        client = SMTP(
            hostname=self.host,
            port=self.port,
            use_tls=self.security is Security.TLS,
            start_tls=self.security is Security.STARTTLS,
            tls_context=None if self.security is Security.NONE else self.context,
            username=self.username or None,
            password=self.password or None,
            timeout=self.timeout_s,
        )
        try:
            async with asyncio.timeout(self.timeout_s):
                await client.connect()
        except (SMTPException, OSError, SSLError, ValueError) as error:
            client.close()
            raise Away(f"The mail server {self.host} cannot be used: {_words(error)}") from error
        try:
            yield SmtpLine(client, self.sender, self.timeout_s)
        finally:
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(_QUIT_S):
                    await client.quit()
            client.close()


class SmtpLine:
    """An open connection, for one mail after the other."""

    def __init__(self, client: SMTP, sender: str, timeout_s: float) -> None:
        self._client = client
        self._sender = sender
        self._timeout_s = timeout_s

    async def send(self, identity: str, recipient: str, *, subject: str, text: str, html: str, now: datetime) -> None:
        """Send one mail. Raises Undelivered, and Away when the connection or the server fails."""
        if _ADDRESS.fullmatch(recipient) is None:
            raise Undelivered("This is no mail address.", permanent=True)
        try:
            message = write(self._sender, identity, recipient, subject=subject, text=text, html=html, now=now)
        except (MessageError, ValueError, IndexError) as error:  # what no header can hold
            raise Undelivered(f"The mail cannot be written: {type(error).__name__}", permanent=True) from error
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.send_message(message, sender=parseaddr(self._sender)[1], recipients=[recipient])
        except SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0]) from error
        except (SMTPRecipientRefused, SMTPDataError) as error:
            raise _refusal(error) from error
        except (SMTPException, OSError) as error:
            raise Away(f"The mail server failed: {_words(error)}") from error


def write(
    sender: str, identity: str, recipient: str, *, subject: str, text: str, html: str, now: datetime
) -> EmailMessage:
    """Write a mail. The policy refuses line breaks in headers: raises ValueError."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{identity}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: nobody's absence is to be answered to us
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


def _refusal(error: SMTPResponseException) -> Undelivered:
    """RFC 5321 4.2.1: 5yz will be said every time, 4yz may change."""
    if error.code == _CLOSING:
        return Away(f"The mail server failed: {_words(error)}")
    return Undelivered(f"The mail server refused it: {_words(error)}", permanent=error.code >= 500)


def _words(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {error.message}"[:200]
    return f"{type(error).__name__}: {error}"[:200] if str(error) else type(error).__name__
