"""The words that pages use for what the code names: enums, times, and how long is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from gettext import NullTranslations

from credenza.domain.audit import Outcome
from credenza.domain.model import (
    AuthenticationType,
    CredentialKind,
    EnvironmentName,
    OrganizationRole,
    ProjectRole,
    ProjectType,
    SignInMethod,
    Status,
)
from credenza.domain.outbox import Channel, Kind, State
from credenza.portal.languages import Sentence

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _(text: str) -> str:
    """Mark a text for translation; it is translated when it is shown."""
    return text


def _n(one: str, many: str) -> tuple[str, str]:
    """Mark the two forms of a text with a number."""
    return one, many


_WORDS: dict[Enum, str] = {
    EnvironmentName.SANDBOX: _("Sandbox"),
    EnvironmentName.PRODUCTION: _("Production"),
    Status.ACTIVE: _("active"),
    Status.INACTIVE: _("inactive"),
    Status.REVOKED: _("revoked"),
    Status.EXPIRED: _("expired"),
    OrganizationRole.ADMIN: _("Admin"),
    OrganizationRole.COMPLIANCE_ADMIN: _("Compliance Admin"),
    OrganizationRole.USER: _("User"),
    OrganizationRole.READ_ONLY: _("Read only"),
    OrganizationRole.CUSTOM: _("Custom role"),
    ProjectRole.OWNER: _("Owner"),
    ProjectRole.ADMIN: _("Admin"),
    ProjectRole.READ_ONLY: _("Read only"),
    ProjectType.OAUTH10A: _("OAuth 1.0a"),
    ProjectType.OAUTH2_FAPI: _("OAuth 2.0"),
    ProjectType.MTLS: _("mTLS"),
    AuthenticationType.OAUTH10A: _("OAuth 1.0a"),
    AuthenticationType.DUAL_OAUTH: _("OAuth 1.0a and 2.0"),
    AuthenticationType.OAUTH2_FAPI: _("OAuth 2.0"),
    AuthenticationType.MTLS: _("mTLS"),
    AuthenticationType.CLIENT_SECRET: _("client secret"),
    SignInMethod.PASSWORD: _("password"),
    SignInMethod.PASSKEY: _("passkey"),
    SignInMethod.SSO: _("single sign-on"),
    SignInMethod.LINK: _("one-time link"),
    CredentialKind.SIGNING_KEY: _("project key"),
    CredentialKind.ACCOUNT_KEY: _("API key"),
    CredentialKind.MTLS_CERTIFICATE: _("certificate"),
    CredentialKind.RESPONSE_ENCRYPTION: _("encryption key"),
    CredentialKind.REQUEST_ENCRYPTION: _("client encryption key"),
    CredentialKind.REQUEST_SIGNATURE: _("signature key"),
    CredentialKind.CLIENT_SECRET: _("API credential"),
    Outcome.DONE: _("done"),
    Outcome.REFUSED: _("refused"),
    Outcome.FAILED: _("failed"),
    Channel.MAIL: _("mail"),
    Channel.WEBHOOK: _("webhook"),
    Kind.EXPIRY: _("notice of expiry"),
    Kind.INVITATION: _("invitation"),
    Kind.PASSWORD_RESET: _("password reset"),
    Kind.SIGN_IN_CHANGE: _("change of how to sign in"),
    Kind.TEST: _("test"),
    State.WAITING: _("waiting"),
    State.SENT: _("sent"),
    State.DROPPED: _("dropped"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, as filters for the templates."""

    translations: NullTranslations
    sentences: tuple[Sentence, ...] = ()

    def label(self, value: Enum) -> str:
        return self.translations.gettext(_WORDS[value])

    def said(self, text: str) -> str:
        """What the code says to people, in the reader's language where the catalogue has it."""
        translated = self.translations.gettext(text) if text else ""
        return self._with_values(text) if translated == text else translated

    def ago(self, at: datetime, now: datetime) -> str:
        """How long ago it was, in the largest unit that is not zero."""
        count, unit = _largest(now - at)
        if unit == "second":
            return self.translations.gettext("just now")
        return self._counted(unit, count, _AGO)

    def left(self, at: datetime, now: datetime) -> str:
        """How much time is left until then; what has passed has none."""
        if at <= now:
            return self.translations.gettext("ended")
        count, unit = _largest(at - now)
        return self._counted(unit, count, _LEFT)

    def _with_values(self, text: str) -> str:
        matched = ((each, each.said.fullmatch(text)) for each in self.sentences)
        return next((each.put(found) for each, found in matched if found is not None), text)

    def _counted(self, unit: str, count: int, forms: dict[str, tuple[str, str]]) -> str:
        one, many = forms[unit]
        return self.translations.ngettext(one, many, count) % {"count": count}


_AGO = {
    "minute": _n("%(count)d minute ago", "%(count)d minutes ago"),
    "hour": _n("%(count)d hour ago", "%(count)d hours ago"),
    "day": _n("%(count)d day ago", "%(count)d days ago"),
}
_LEFT = {
    "second": _n("%(count)d second", "%(count)d seconds"),
    "minute": _n("%(count)d minute", "%(count)d minutes"),
    "hour": _n("%(count)d hour", "%(count)d hours"),
    "day": _n("%(count)d day", "%(count)d days"),
}


def _largest(span: timedelta) -> tuple[int, str]:
    for size, unit in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if span >= size:
            return span // size, unit
    return max(0, int(span.total_seconds())), "second"
