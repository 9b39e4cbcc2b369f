"""Certificate authorities: the platform's own, and those of others that it trusts."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, SecretStr, StringConstraints, field_serializer

from credenza.wire.shape import AnswerShape, EnvironmentName, Moment, Name, RequestShape, told

AuthorityState: TypeAlias = Literal["root", "above", "next", "signs", "retired", "ended"]
Pem: TypeAlias = Annotated[str, StringConstraints(max_length=100_000)]
_KEY_URI = told(r"^$|^pkcs11:[!-~]+$", "nothing, or a URI that begins with pkcs11:, in ASCII")
KeyUri: TypeAlias = Annotated[str, StringConstraints(max_length=500, pattern=_KEY_URI)]
_LIST_URL = told(r"^$|^https?://[!-~]+$", "nothing, or a URL that begins with http:// or https://, in ASCII")
ListUrl: TypeAlias = Annotated[str, StringConstraints(max_length=500, pattern=_LIST_URL)]


class AuthorityCertificate(AnswerShape):
    """What any authority's certificate says."""

    subject: str
    issuer: str
    serial_number: str
    not_before: Moment
    not_after: Moment
    key_algorithm: str
    certificate_fingerprint: str
    certificate: str


class Authority(AuthorityCertificate):
    """One of the platform's own. `above` is what an imported one was certified by; `keyIn` says where its key is."""

    id: str
    environment: EnvironmentName
    state: AuthorityState
    parent_id: str | None
    key_in: Literal["database", "token", "elsewhere"]
    key_uri: str
    created_at: Moment
    signs_from: Moment | None
    retired_at: Moment | None
    certificate_url: str
    revocation_list_url: str
    status_url: str


class NewAuthority(RequestShape):
    """`root` says what the next authority is certified by: the present root, or a new one."""

    environment: EnvironmentName
    root: Literal["present", "new"] = "present"


class OwnAuthority(RequestShape):
    """An operator's own: its certificate, then those above it, and its key: PEM, or the URI of one in a token."""

    environment: EnvironmentName
    certificates: Pem
    private_key: Annotated[SecretStr, Field(max_length=100_000)] | None = None
    password: Annotated[SecretStr, Field(max_length=1_000)] | None = None
    key_uri: KeyUri = ""

    @field_serializer("private_key", "password", when_used="json")
    def _show_on_the_wire(self, secret: SecretStr | None) -> str | None:
        return None if secret is None else secret.get_secret_value()


class ForeignList(AnswerShape):
    """A revocation list of a trusted authority, as it was last looked for. `error` is empty when it was found."""

    url: str
    next_update: Moment | None
    fetched_at: Moment
    error: str


class TrustedAuthority(AuthorityCertificate):
    """An authority of others. Paths end at an anchor; one that is none only leads there."""

    id: str
    environment: EnvironmentName
    name: str
    is_anchor: bool
    checks_revocation: bool
    crl_url: str
    created_at: Moment
    disabled_at: Moment | None
    revocation_lists: tuple[ForeignList, ...] = ()


class NewTrustedAuthority(RequestShape):
    """`isAnchor` left out: it is one when its certificate signs itself. `crlUrl` empty: its certificates say it."""

    environment: EnvironmentName
    name: Name
    certificate: Pem
    is_anchor: bool | None = None
    checks_revocation: bool = False
    crl_url: ListUrl = ""


class RevocationCheck(RequestShape):
    """Whether, and where, the revocation list of a trusted authority is looked up."""

    checks_revocation: bool
    crl_url: ListUrl = ""
