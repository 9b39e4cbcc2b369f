"""What a mail says: the facts as they wait in the outbox, and the words they become when it is sent.

Every name in a mail was chosen by somebody: what could break a line, run backwards or hide is replaced, and long ones
are cut.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import TypeAlias

from credenza.domain.expiry import Ending
from credenza.domain.model import CredentialKind, EnvironmentName
from credenza.domain.outbox import Kind

_LONGEST_NAME = 120
_LONGEST_SUBJECT = 150
_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody is asked into an organization; the link is good until `until`."""

    organization: str
    invited_by: str
    link: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class PasswordReset:
    link: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class ExpiryNotice:
    """`days` is which notice of the list this is; 0 says that the credential has ended. No `project` means an
    account-level key. `link` leads to it in the portal."""

    credential_id: str
    kind: CredentialKind
    alias: str
    organization: str
    project: str
    environment: EnvironmentName | None
    not_after: datetime
    days: int
    link: str


Letter: TypeAlias = Invitation | PasswordReset | ExpiryNotice

LETTERS: Mapping[Kind, type[Letter]] = {
    Kind.INVITATION: Invitation,
    Kind.PASSWORD_RESET: PasswordReset,
    Kind.EXPIRY: ExpiryNotice,
}

NAMES: Mapping[CredentialKind, str] = {
    CredentialKind.SIGNING_KEY: "signing key",
    CredentialKind.ACCOUNT_KEY: "account-level API key",
    CredentialKind.MTLS_CERTIFICATE: "client certificate",
    CredentialKind.RESPONSE_ENCRYPTION: "encryption key",
    CredentialKind.REQUEST_ENCRYPTION: "encryption key",
    CredentialKind.REQUEST_SIGNATURE: "signature key",
    CredentialKind.CLIENT_SECRET: "client secret",
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A letter in words, the same ones as text and as HTML."""

    subject: str
    text: str
    html: str


def compose(letter: Letter) -> Mail:
    match letter:
        case Invitation():
            return _invitation(letter)
        case PasswordReset():
            return _password_reset(letter)
        case ExpiryNotice():
            return _expiry_notice(letter)


def shown(name: str) -> str:
    """Make a name that somebody chose fit to stand in a line of a mail."""
    seen = "".join("\ufffd" if unicodedata.category(each) in _STEERING else each for each in _BLANKS.sub(" ", name))
    return seen if len(seen) <= _LONGEST_NAME else f"{seen[: _LONGEST_NAME - 1]}…"


def moment(at: datetime) -> str:
    """Name a time together with its zone."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def portal_path(ending: Ending) -> str:
    """Where in the portal a credential is found."""
    if ending.project_id is None:
        return f"/organizations/{ending.organization_id}/api-keys"
    return f"/projects/{ending.project_id}/keys/{ending.credential_id}"


def _invitation(letter: Invitation) -> Mail:
    organization = shown(letter.organization)
    return _mail(
        f"You are invited to {organization}",
        f"{shown(letter.invited_by)} invites you to the organization {organization}.",
        f"The link below is for you alone. It can be used once, until {moment(letter.until)}.",
        link=letter.link,
        action="Accept the invitation",
    )


def _password_reset(letter: PasswordReset) -> Mail:
    return _mail(
        "Choose a new password",
        "Somebody, most likely you, asked for a new password.",
        f"The link below can be used once, until {moment(letter.until)}. If it was not you, leave this mail alone: "
        "your password stays as it is.",
        link=letter.link,
        action="Choose a new password",
    )


def _expiry_notice(letter: ExpiryNotice) -> Mail:
    name, kind = shown(letter.alias), NAMES[letter.kind]
    verb = "expires" if letter.days else "has expired"
    if letter.days:
        advice = "Make its successor in time: once that is in use and this one is quiet, these notices stop."
    else:
        advice = "Calls with it are refused. Make a new one, or revoke this one if nobody needs it."
    return _mail(
        f"{kind[:1].upper()}{kind[1:]} {name} {verb} on {letter.not_after:%Y-%m-%d} (UTC)",
        f"The {kind} {name} {verb} on {moment(letter.not_after)}.",
        *_places(letter),
        advice,
        link=letter.link,
        action="Open it in the portal",
    )


def _places(letter: ExpiryNotice) -> tuple[str, ...]:
    """Say where the credential belongs, one thing a line."""
    places = [f"Organization: {shown(letter.organization)}"]
    if letter.project:
        places.append(f"Project: {shown(letter.project)}")
    if letter.environment is not None:
        places.append(f"Environment: {letter.environment}")
    return (*places, f"Id: {letter.credential_id}")


def _mail(subject: str, *paragraphs: str, link: str, action: str) -> Mail:
    text = "\n\n".join((*paragraphs, f"{action}:\n{link}")) + "\n"
    html = "".join(f"<p>{escape(each)}</p>\n" for each in paragraphs)
    anchor = f'<p><a href="{escape(link)}">{escape(action)}</a></p>\n'
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(subject)}</title></head>\n'
    return Mail(subject[:_LONGEST_SUBJECT], text, f"{page}<body>\n{html}{anchor}</body></html>\n")
