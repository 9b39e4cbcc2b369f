"""What every shape on the wire has in common: camelCase names, bounded text, and nothing that nobody asked for.

A request refuses properties it does not know, so that a misspelt one is not lost and none can be smuggled in. An answer
may gain properties: clients ignore what they do not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

# Control characters, and those that make two names look alike or run backwards.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
_NAME = rf"^[^\s{_UNSEEN}](?:[^{_UNSEEN}]*[^\s{_UNSEEN}])?$"
_TEXT = rf"^[^{_UNSEEN}]*$"
_EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$"
_COUNTRY = r"^[A-Z]{3}$"
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_KEY_ID = r"^[0-9a-f]{48}$"
_CREDENTIAL_ID = r"^(?:[0-9a-f]{48}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$"
_CALL_ID = r"^[0-9a-f]{32}$"
_IN_SCOPE = r"[\x21\x23-\x39\x3b-\x5b\x5d-\x7e]"  # RFC 6749 3.3, the colon aside
_SCOPE = rf"^{_IN_SCOPE}+(?::{_IN_SCOPE}+)+$"

FORMS: dict[str, str] = {
    _NAME: "no control or invisible characters, and no blank at its beginning or end",
    _TEXT: "no control or invisible characters",
    _EMAIL: "an email address",
    _COUNTRY: "three capital letters, a country of ISO 3166-1 alpha-3",
    _UUID: "a UUID in lower case",
    _KEY_ID: "a key id: 48 lower-case hexadecimal digits",
    _CREDENTIAL_ID: "a key id (48 lower-case hexadecimal digits) or the UUID of a certificate",
    _CALL_ID: "the id of a refusal: 32 lower-case hexadecimal digits, as in the header Credenza-Refusal-Id",
    _SCOPE: "service:scope, such as payments:read, without blank, quotation mark and backslash",
}
"""What a pattern wants, in words for whoever broke it."""


def told(pattern: str, words: str) -> str:
    """Give words to a pattern that one kind of shape alone has."""
    FORMS[pattern] = words
    return pattern


Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=_NAME)]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=200, pattern=_TEXT)]
Email: TypeAlias = Annotated[str, StringConstraints(max_length=254, pattern=_EMAIL)]
Country: TypeAlias = Annotated[str, StringConstraints(pattern=_COUNTRY)]
Uuid: TypeAlias = Annotated[str, StringConstraints(pattern=_UUID)]
KeyId: TypeAlias = Annotated[str, StringConstraints(pattern=_KEY_ID)]
CredentialId: TypeAlias = Annotated[str, StringConstraints(pattern=_CREDENTIAL_ID)]
CallId: TypeAlias = Annotated[str, StringConstraints(pattern=_CALL_ID)]
Scope: TypeAlias = Annotated[str, StringConstraints(max_length=120, pattern=_SCOPE)]

LARGEST_CSR_CHARACTERS = 100_000
"""Above the 64 KiB that the rules of requests allow, so that those rules give the reason."""
CsrText: TypeAlias = Annotated[str, StringConstraints(max_length=LARGEST_CSR_CHARACTERS)]
CertificateText: TypeAlias = CsrText

EnvironmentName: TypeAlias = Literal["SANDBOX", "PRODUCTION"]


def _zulu(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


Moment: TypeAlias = Annotated[datetime, PlainSerializer(_zulu, return_type=str, when_used="json")]
"""UTC, ISO-8601 with a Z, whole seconds."""


class RequestShape(BaseModel):
    """What a client sends. Python code builds one with the names of the wire too: `ServiceChoice(serviceId=7)`."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class AnswerShape(BaseModel):
    """What a server answers. Made from keywords, from JSON, or from any value whose attributes have these names."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        from_attributes=True,
        extra="ignore",
        frozen=True,
    )
