"""Single sign-on: what a provider says about a person, and whose word counts for what. OpenID Connect Core 1.0.

A provider is believed about the mail addresses of the domains that the operator has named, and about no others: whoever
runs it can sign in as anybody who has an address there.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime


class ProviderAway(Exception):  # noqa: N818 - says what happened
    """The provider cannot be reached, or answers what is no OpenID Connect. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Departure:
    """What a sign-in at the provider was begun with, and its answer must fit.

    `proven_since`: the person must have said who they are at the provider no earlier than this; None for whenever.
    """

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    proven_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The parameters that the provider sends back by the browser (RFC 6749 4.1.2, RFC 9207)."""

    state: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    iss: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ProvenAccount:
    """An account at the provider, proven by a checked ID token. `subject` never changes hands, `email` may."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A user is known at a provider under this subject."""

    issuer: str
    subject: str
    created_at: datetime


def may_be_linked(account: ProvenAccount, domains: AbstractSet[str]) -> bool:
    """Whether the provider's word is enough to say whose mail address it is."""
    _, at, domain = account.email.rpartition("@")
    return account.email_verified and bool(at) and domain.lower() in domains
