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
from enum import StrEnum
from html import escape
from typing import TypeAlias

from credenza.domain.expiry import Ending
from credenza.domain.model import SERVICE_KINDS, CredentialKind, EnvironmentName
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


@dataclass(frozen=True, slots=True)
class AuthorityNotice:
    """A certificate authority ends. `part` is what it is to the platform: issuing, above or trusted."""

    authority_id: str
    part: str
    name: str
    environment: EnvironmentName
    not_after: datetime
    days: int
    link: str


class Change(StrEnum):
    """What may change in how a user signs in."""

    PASSWORD = "password"
    AUTHENTICATOR_ADDED = "authenticator_added"
    AUTHENTICATOR_REMOVED = "authenticator_removed"
    RECOVERY_CODES = "recovery_codes"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    IDENTITY_UNLINKED = "identity_unlinked"


@dataclass(frozen=True, slots=True)
class SignInChange:
    """How a user signs in has changed (ASVS 6.3.7). `name` is what of it has one; `account` leads to the page of it,
    `forgotten` to a new password."""

    change: Change
    name: str
    at: datetime
    address: str
    account: str
    forgotten: str


Letter: TypeAlias = Invitation | PasswordReset | SignInChange | ExpiryNotice | AuthorityNotice

LETTERS: Mapping[Kind, type[Letter]] = {
    Kind.INVITATION: Invitation,
    Kind.PASSWORD_RESET: PasswordReset,
    Kind.SIGN_IN_CHANGE: SignInChange,
    Kind.EXPIRY: ExpiryNotice,
    Kind.AUTHORITY_EXPIRY: AuthorityNotice,
}

NAMES: Mapping[CredentialKind, str] = {
    CredentialKind.SIGNING_KEY: "signing key",
    CredentialKind.ACCOUNT_KEY: "account-level API key",
    CredentialKind.MTLS_CERTIFICATE: "client certificate",
    CredentialKind.RESPONSE_ENCRYPTION: "encryption key",
    CredentialKind.REQUEST_ENCRYPTION: "client encryption key",
    CredentialKind.REQUEST_SIGNATURE: "client signature verification key",
    CredentialKind.CLIENT_SECRET: "API credential",
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
        case SignInChange():
            return _sign_in_change(letter)
        case ExpiryNotice():
            return _expiry_notice(letter)
        case AuthorityNotice():
            return _authority_notice(letter)


def shown(name: str) -> str:
    """Make a name that somebody chose fit to stand in a line of a mail."""
    seen = "".join("\ufffd" if unicodedata.category(each) in _STEERING else each for each in _BLANKS.sub(" ", name))
    return seen if len(seen) <= _LONGEST_NAME else f"{seen[: _LONGEST_NAME - 1]}…"


def moment(at: datetime) -> str:
    """Name a time together with its zone."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def portal_path(ending: Ending) -> str:
    """Where in the portal a credential is found."""
    if ending.kind is CredentialKind.CLIENT_SECRET:
        return f"/organizations/{ending.organization_id}/api-credentials/{ending.credential_id}"
    if ending.project_id is None:
        return f"/organizations/{ending.organization_id}/api-keys"
    if ending.kind in SERVICE_KINDS:
        return f"/projects/{ending.project_id}/services"
    if ending.kind is CredentialKind.MTLS_CERTIFICATE:
        return f"/projects/{ending.project_id}/certificates/{ending.credential_id}"
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


_CHANGES: Mapping[Change, tuple[str, str]] = {
    Change.PASSWORD: ("Your password was changed", "All other sign-ins have ended."),
    Change.AUTHENTICATOR_ADDED: (
        "An authenticator was added to your account",
        "From now on a sign-in by password asks for its code.",
    ),
    Change.AUTHENTICATOR_REMOVED: (
        "The authenticator was removed from your account",
        "A sign-in by password asks for no code any more.",
    ),
    Change.RECOVERY_CODES: ("You have new recovery codes", "The earlier ones are good for nothing any more."),
    Change.PASSKEY_ADDED: ("A passkey was added to your account", "It signs in without your password."),
    Change.PASSKEY_REMOVED: ("A passkey was removed from your account", "It does not sign in any more."),
    Change.IDENTITY_UNLINKED: (
        "Single sign-on was removed from your account",
        "The account there does not sign in any more, unless it is linked by its mail address again.",
    ),
}
"""What has happened, and what it means."""


def _sign_in_change(letter: SignInChange) -> Mail:
    subject, meaning = _CHANGES[letter.change]
    where = letter.address or "an unknown address"
    return _mail(
        subject,
        f"{subject}{_called(letter.name)}, on {moment(letter.at)}, from {where}. {meaning}",
        "If it was you, there is nothing to do. If it was not, choose a new password at once, look at how your account "
        "is signed in to, and tell whoever runs this platform.",
        f"A new password:\n{letter.forgotten}",
        link=letter.account,
        action="How your account is signed in to",
    )


def _called(name: str) -> str:
    return f": {shown(name)}" if name else ""


_USUAL_ADVICE = (
    "Make its successor in time: once that is in use and this one is quiet, these notices stop.",
    "Calls with it are refused. Make a new one, or revoke this one if nobody needs it.",
)
_SWAPPED_ADVICE = "Add its successor in time and activate that: then these notices stop."
_ADVICE: Mapping[CredentialKind, tuple[str, str]] = {
    CredentialKind.RESPONSE_ENCRYPTION: (
        _SWAPPED_ADVICE,
        "Responses that are to be encrypted are withheld. Add a new one: it is active at once.",
    ),
    CredentialKind.REQUEST_SIGNATURE: (
        _SWAPPED_ADVICE,
        "Requests signed with it are refused. Add a new one: it is active at once.",
    ),
    CredentialKind.REQUEST_ENCRYPTION: (
        "Add another one in time, encrypt requests with that, and revoke this one: then these notices stop.",
        "Requests encrypted with it are refused. Add a new one and encrypt them with that.",
    ),
    CredentialKind.CLIENT_SECRET: (
        "Give it a later end if it is to live on; its client id and its secrets stay.",
        "It gets no tokens any more, and those that it got are refused. Give it a later end, or delete it.",
    ),
}
"""What to do before the end, and after it."""


def _expiry_notice(letter: ExpiryNotice) -> Mail:
    name, kind = shown(letter.alias), NAMES[letter.kind]
    verb = "expires" if letter.days else "has expired"
    coming, come = _ADVICE.get(letter.kind, _USUAL_ADVICE)
    advice = coming if letter.days else come
    return _mail(
        f"{kind[:1].upper()}{kind[1:]} {name} {verb} on {letter.not_after:%Y-%m-%d} (UTC)",
        f"The {kind} {name} {verb} on {moment(letter.not_after)}.",
        *_places(letter),
        advice,
        link=letter.link,
        action="Open it in the portal",
    )


_AUTHORITIES: Mapping[str, tuple[str, str, str]] = {
    "issuing": (
        "issuing authority",
        "What it certifies ends no later than it does. Let a successor sign in time:",
        "credenza ca roll-over --env",
    ),
    "above": (
        "root above the issuing authority",
        "No chain is good without it. Begin with a new one in time, or import one:",
        "credenza ca init --env",
    ),
    "trusted": (
        "trusted authority",
        "What leads to it is refused from then on. Trust its successor in time:",
        "credenza ca trust add FILE --name NAME --env",
    ),
}
"""What it is to the platform, what that means, and the command that cures it."""


def _authority_notice(letter: AuthorityNotice) -> Mail:
    what, meaning, cure = _AUTHORITIES[letter.part]
    verb = "ends" if letter.days else "has ended"
    return _mail(
        f"{letter.environment}: {what} {verb} on {letter.not_after:%Y-%m-%d} (UTC)",
        f"The {what} of {letter.environment}, {shown(letter.name)}, {verb} on {moment(letter.not_after)}.",
        f"Id: {letter.authority_id}",
        f"{meaning}\n{cure} {letter.environment.lower()}",
        link=letter.link,
        action="The platform",
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
