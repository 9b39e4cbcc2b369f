"""Mail against a real mail server: encrypted or refused, whole or not at all, and never waiting for ever."""

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.certificates import client_context, server_context
from tests.adapters.mail_server import accept_ada, mail_server
from tests.clock import NOON
from tests.servers import HOST, free_port

from credenza.adapters.smtp import Security, SmtpMailer
from credenza.adapters.undelivered import Away, Undelivered

pytestmark = pytest.mark.anyio

IDENTITY = "0f0e0d0c-0b0a-4908-8706-050403020100"


def mailer(port: int, **changed: Any) -> SmtpMailer:
    settings: dict[str, Any] = {
        "host": HOST,
        "port": port,
        "sender": "Credenza <desk@credenza.example>",
        "security": Security.NONE,
        "username": "",
        "password": "",
        "timeout_s": 60.0,
        "context": ssl.create_default_context(),
    }
    return SmtpMailer(**{**settings, **changed})


async def send(
    sender: SmtpMailer, *recipients: str, subject: str = "Key billing expires", text: str = "It ends at noon.\n"
) -> None:
    async with sender.line() as line:
        for recipient in recipients or ("ada@example.org",):
            await line.send(IDENTITY, recipient, subject=subject, text=text, html=f"<p>{text}</p>", now=NOON)


def body(mail: EmailMessage, kind: str) -> str:
    """One of a mail's two bodies, its line ends as Python has them."""
    part = mail.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


async def test_a_mail_arrives_as_text_and_html_under_its_id() -> None:
    with mail_server() as server:
        await send(mailer(server.port))

    (mail,) = server.mails
    assert mail["Message-ID"] == f"<{IDENTITY}@credenza.example>"
    assert (mail["From"], mail["To"]) == ("Credenza <desk@credenza.example>", "ada@example.org")
    assert (mail["Auto-Submitted"], mail["Date"]) == ("auto-generated", "Fri, 31 Jan 2025 12:00:00 +0000")
    assert body(mail, "plain") == "It ends at noon.\n"
    assert body(mail, "html") == "<p>It ends at noon.\n</p>\n"
    assert (server.envelopes[0].mail_from, server.envelopes[0].rcpt_tos) == (
        "desk@credenza.example",
        ["ada@example.org"],
    )


async def test_one_line_carries_many_mails() -> None:
    with mail_server() as server:
        await send(mailer(server.port), *(f"user{number}@example.org" for number in range(20)))

    assert len(server.mails) == 20


async def test_starttls_is_demanded(tmp_path: Path) -> None:
    with mail_server() as plain, pytest.raises(Away, match="STARTTLS"):
        await send(mailer(plain.port, security=Security.STARTTLS))
    context = server_context(tmp_path)
    with mail_server(tls_context=context, require_starttls=True) as server:
        await send(mailer(server.port, security=Security.STARTTLS, context=client_context(tmp_path)))
        with pytest.raises(Away, match="CERTIFICATE_VERIFY_FAILED"):
            await send(mailer(server.port, security=Security.STARTTLS))

    assert (len(plain.mails), len(server.mails)) == (0, 1)


async def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    with mail_server(tls=server_context(tmp_path)) as server:
        await send(mailer(server.port, security=Security.TLS, context=client_context(tmp_path)))

    assert len(server.mails) == 1


async def test_it_signs_in_when_told_to(tmp_path: Path) -> None:
    options = {"tls_context": server_context(tmp_path), "authenticator": accept_ada, "auth_required": True}
    trusted: dict[str, Any] = {"security": Security.STARTTLS, "context": client_context(tmp_path)}
    with mail_server(**options) as server:
        await send(mailer(server.port, username="ada", password="secret", **trusted))
        with pytest.raises(Away, match="535"):
            await send(mailer(server.port, username="ada", password="wrong", **trusted))

    assert len(server.mails) == 1


@pytest.mark.parametrize(("answer", "permanent"), [("550 no such user", True), ("450 come back", False)])
async def test_a_recipient_who_is_refused_does_not_end_the_line(answer: str, permanent: bool) -> None:
    with mail_server() as server:
        server.answers["nobody@example.org"] = answer
        async with mailer(server.port).line() as line:
            with pytest.raises(Undelivered) as refused:
                await line.send(IDENTITY, "nobody@example.org", subject="s", text="t", html="h", now=NOON)
            await line.send(IDENTITY, "ada@example.org", subject="s", text="t", html="h", now=NOON)

    assert (refused.value.permanent, isinstance(refused.value, Away)) == (permanent, False)
    assert answer in refused.value.reason
    assert len(server.mails) == 1


async def test_a_refused_text_is_no_outage_and_a_closing_server_is() -> None:
    with mail_server() as server:
        for answer, kind in (("554 looks like spam", Undelivered), ("421 closing", Away)):
            server.answers["DATA"] = answer
            with pytest.raises(Undelivered) as refused:
                await send(mailer(server.port))
            assert type(refused.value) is kind


async def test_nobody_there_is_an_outage() -> None:
    with pytest.raises(Away):
        await send(mailer(free_port()))


@pytest.mark.parametrize("greeting", [b"", b"220 hello\r\n"], ids=["no greeting", "no answer"])
async def test_a_server_that_hangs_hangs_nobody(greeting: bytes) -> None:
    with socket.create_server((HOST, 0)) as listener, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(listener.accept)
        accepted.add_done_callback(lambda done: done.result()[0].sendall(greeting))
        with pytest.raises(Away):
            await send(mailer(listener.getsockname()[1], timeout_s=0.3))
        accepted.result()[0].close()


@pytest.mark.parametrize(
    "recipient", ["ada@example.org\r\nBcc: eve@example.org", "ada@example.org\nDATA", "", "@", "ada", "a\x00@b.example"]
)
async def test_an_address_adds_no_header_and_no_recipient(recipient: str) -> None:
    with mail_server() as server:
        with pytest.raises(Undelivered):
            await send(mailer(server.port), recipient)
        await send(mailer(server.port))

    assert [each.rcpt_tos for each in server.envelopes] == [["ada@example.org"]]


async def test_a_subject_adds_no_header() -> None:
    with mail_server() as server, pytest.raises(Undelivered) as refused:
        await send(mailer(server.port), subject="a\r\nBcc: eve@example.org")

    assert (refused.value.permanent, server.mails) == (True, [])


async def test_names_of_all_the_world_arrive() -> None:
    subject, text = "Schlüssel „κλειδί“ 🔑 läuft ab", "ä" * 5_000 + "\n.\nLast line.\n"
    with mail_server() as server:
        await send(mailer(server.port), subject=subject, text=text)

    (mail,) = server.mails
    assert (mail["Subject"], body(mail, "plain")) == (subject, text)
    assert max(map(len, bytes(server.envelopes[0].content or b"").splitlines())) <= 998  # RFC 5321 4.5.3.1.6


async def test_the_password_shows_nowhere(tmp_path: Path) -> None:
    assert "secret" not in repr(mailer(25, password="secret"))
