"""Every setting, with its unit and default: from `CREDENZA_…` variables, or a TOML file named by `CREDENZA_CONFIG`.

Variables win over the file. Unknown keys are refused: a misspelt limit must not be silently absent.
`docs/reference/settings.md` is made from this file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta

from credenza.setting_texts import Field, Secret, value_of

KEY_FILE = "key-encryption-key"


_PREFIX = "CREDENZA_"
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")


class Unusable(ValueError):  # noqa: N818 - says what the settings are
    """What is wrong with the settings, one sentence for each that is."""

    def __init__(self, *wrong: str) -> None:
        super().__init__("; ".join(wrong))


def _bind(value: str) -> str:
    """Accept `host:port` or `unix:/path`."""
    if value.startswith("unix:/"):
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError("say host:port, or unix:/path/to/socket")
    return value


def _origin(value: str) -> str:
    _web_url(value)
    if value.rstrip("/").count("/") != 2:
        raise ValueError("an origin is scheme, host and port, such as https://api.example.com")
    return value.rstrip("/")


def _issuer(value: str) -> str:
    """Accept an issuer identifier (OpenID Connect Discovery 1.0 section 3): https, or http on this machine."""
    if not value:
        return value
    parts = _web_url(value)
    if "?" in value or "#" in value:
        raise ValueError("an issuer has neither query nor fragment")
    if parts.scheme != "https" and not is_local(f"{parts.hostname}:{parts.port}"):
        raise ValueError("an issuer is reached by https, unless it runs on this machine")
    return value


def _web_url(value: str) -> SplitResult:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.hostname or "") or not value.isprintable():
        raise ValueError("it has to be a URL that begins with http:// or https:// and a host")
    _ = parts.port  # raises ValueError when it is none
    return parts


def _audience(value: str) -> str:
    if not 1 <= len(value) <= 200 or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("an audience is a URL or a name, of 200 characters at most and without spaces")
    return value


def _mail_address(value: str) -> str:
    if len(value) > 254 or re.fullmatch(r"[^\s<>@]+@[A-Za-z0-9.-]+", value) is None:
        raise ValueError("a mail address is written as desk@example.com")
    return value


Audience = Annotated[str, _audience]
Bind = Annotated[str, _bind]
Issuer = Annotated[str, _issuer]
MailAddress = Annotated[str, _mail_address]
Origin = Annotated[str, _origin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Made by `load` or `read`: what is made in another way is not converted, and its single values not checked."""

    data_dir: Path = Field(
        Path("data"), description="Where the embedded database, replay memory and key file live. Mode 0700."
    )
    database_url: str = Field(
        "", description="`postgresql://user@host/name`, or empty for SQLite at `<data_dir>/credenza.db`."
    )
    key_encryption_key: Secret | None = Field(
        None, description="The key-encryption key, 32 bytes as base64. Empty: it is read from its file."
    )
    key_encryption_key_file: Path | None = Field(
        None,
        description=f"File of the key-encryption key, mode 0600; made at the first start. Empty: "
        f"`<data_dir>/{KEY_FILE}`.",
    )
    replay_url: str = Field(
        "",
        description="`redis://host:6379/0` when several machines share it, or empty for LMDB in `<data_dir>/replay`.",
    )
    replay_capacity: int = Field(
        2_000_000,
        ge=1_000,
        description="LMDB: calls remembered in about ten minutes; 120 bytes of disk each are set aside at the start.",
    )

    manage_bind: Bind = Field("127.0.0.1:8080", description="Where the management API and portal listen.")
    manage_origin: Origin = Field("http://localhost:8080", description="How people and programs reach it from outside.")
    platform_name: str = Field(
        "Credenza",
        min_length=1,
        max_length=60,
        description="What the API platform calls itself, in the portal and mail.",
    )
    sandbox_bind: Bind = Field("127.0.0.1:8443", description="Where the gate of SANDBOX listens.")
    sandbox_origin: Origin = Field("http://localhost:8443", description="Public origin of SANDBOX; signatures name it.")
    production_bind: Bind = Field("127.0.0.1:8444", description="Where the gate of PRODUCTION listens.")
    production_origin: Origin = Field(
        "http://localhost:8444", description="Public origin of PRODUCTION; signatures name it."
    )
    sandbox_mtls_origin: Origin | None = Field(
        None,
        description="Where SANDBOX asks for client certificates when that is another origin than `sandbox_origin`, as "
        "behind a proxy that asks under one name alone; told in `mtls_endpoint_aliases` (RFC 8705 5).",
    )
    production_mtls_origin: Origin | None = Field(None, description="The same for PRODUCTION.")
    decision_bind: Bind = Field(
        "127.0.0.1:8082", description="Where proxies and the Python middleware ask for decisions. Never public."
    )
    decision_secret: Secret | None = Field(
        None, description="When set, askers must send it in the header `Credenza-Gate-Secret`."
    )
    tls_certificate: Path | None = Field(
        None,
        description="PEM chain of the gates' listeners, which then ask for client certificates; read again whenever it "
        "changes. Empty: plain HTTP.",
    )
    tls_private_key: Path | None = Field(None, description="PEM private key that belongs to `tls_certificate`.")
    manage_tls_certificate: Path | None = Field(None, description="PEM chain of the management listener.")
    manage_tls_private_key: Path | None = Field(None, description="PEM private key of the management listener.")
    allow_plain_http: bool = Field(
        False, description="Let listeners without TLS bind to other than loopback addresses (TLS ends before them)."
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks whose `X-Forwarded-For` is believed for the client's address."
    )
    proxy_secret: Secret | None = Field(
        None,
        min_length=16,
        description="Whoever sends it in `Credenza-Proxy-Secret` is a proxy that has terminated TLS, and is believed "
        "when it names the client's certificate in `Client-Cert`. Empty: nobody is for this.",
    )
    proxy_certificates: Path | None = Field(
        None, description="PEM certificates of such proxies: believed is who presents one to a gate's own TLS listener."
    )
    proxy_socket: bool = Field(
        False, description="Believe such a proxy in whoever comes by a `unix:` listener of a gate or of the decisions."
    )

    max_skew_s: int = Field(300, ge=1, le=3600, description="Seconds an OAuth 1.0a timestamp may lie off, either way.")
    echo_base_string: bool = Field(
        True, description="Name the acceptable signature base string in answers to a wrong signature."
    )
    body_limit_bytes: int = Field(10 * 1024 * 1024, ge=0, description="Largest request body the gate takes, in bytes.")
    body_memory_bytes: int = Field(
        256 * 1024, ge=0, description="Bytes of a body kept in memory; what is longer goes to a temporary file."
    )
    payload_limit_bytes: int = Field(
        1024 * 1024,
        ge=1024,
        le=2 * 1024 * 1024,
        description="Largest body of a service whose payloads are encrypted or signed, in bytes: of requests and "
        "answers, which are held in memory.",
    )
    head_deadline_s: float = Field(
        10.0, gt=0, le=300, description="Every listener: seconds a client may take for request line and headers."
    )
    body_deadline_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Every listener: seconds a client may take for a body, or leave an answer unread.",
    )
    idle_deadline_s: float = Field(
        65.0, gt=0, le=3600, description="Every listener: seconds a connection may wait for its next request."
    )
    head_limit_bytes: int = Field(
        80 * 1024,
        ge=8192,
        le=1024 * 1024,
        description="Every listener: longest request line with headers, in bytes and 32 for each of these.",
    )
    connection_limit: int = Field(
        2_000,
        ge=1,
        description="Connections a listener keeps open in each worker; then those that have waited longest are closed.",
    )
    upstream_timeout_s: float = Field(30.0, gt=0, description="Seconds an upstream may take to begin its answer.")
    manage_requests_per_minute: int = Field(
        6_000,
        ge=1,
        description="Management API: requests a minute of each access token or API key, pages of each address.",
    )
    manage_attempts_per_minute: int = Field(
        600,
        ge=1,
        description="Management API and portal: failed authentications and forms a minute of each client address "
        "(IPv6: each /64).",
    )
    lease_s: float = Field(
        5.0,
        ge=1,
        le=120,
        description="PostgreSQL: seconds a gate admits without hearing from the database; 35 for a failover recipe.",
    )
    oauth2_key_limit: int = Field(
        3, ge=1, le=100, description="OAuth 2.0 keys per project, both environments together."
    )
    sandbox_audiences: tuple[Audience, ...] = Field(
        (),
        description="What tokens for client secrets may be asked for in SANDBOX beside its origin and the audiences of "
        "services. A JSON list.",
    )
    production_audiences: tuple[Audience, ...] = Field((), description="The same for PRODUCTION.")
    token_life_s: int = Field(900, ge=60, le=900, description="Seconds an OAuth 2.0 access token lives.")
    require_dpop_nonce: bool = Field(
        False, description="DPoP proofs must carry a nonce of this platform (RFC 9449 section 8)."
    )
    identity_life_s: int = Field(
        0,
        ge=0,
        le=60,
        description="Seconds that the signed identity lives which gates hand on in `X-Credenza-Identity`; 0: none is.",
    )
    token_key_days: int = Field(
        30, ge=1, le=365, description="Days a key signs tokens before its successor does, published since it began."
    )
    pkcs11_module: Path | None = Field(
        None,
        description="Library that reaches the PKCS#11 tokens in which keys of authorities are, such as "
        "`/usr/lib/softhsm/libsofthsm2.so`. Needs the extra `pkcs11`.",
    )
    pkcs11_pin_file: Path | None = Field(None, description="File of the tokens' user PIN, mode 0600.")
    sandbox_subject_policy: str = Field(
        "",
        description="What subjects of mTLS certificates must say in SANDBOX, as "
        "`CN=<unique>-Client-<ENV>-<CID>, O=<company>, OU=<project>`; empty: anything.",
    )
    production_subject_policy: str = Field(
        "", description="What subjects of mTLS certificates must say in PRODUCTION; empty: anything."
    )
    allow_sha1_requests: bool = Field(False, description="Accept certification requests signed with SHA-1.")
    commercial_countries: frozenset[str] = Field(
        frozenset(), description="ISO 3166 alpha-3 codes projects may name; empty for all."
    )
    smtp_host: str = Field("", description="Mail server. Empty: mail waits, and fails after 3 days.")
    smtp_port: int = Field(587, ge=1, le=65_535, description="Its port: 587 with `starttls`, 465 with `tls`.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`starttls` and `tls` are demanded, never merely tried; `none` sends in the clear."
    )
    smtp_username: str = Field("", description="Name to sign in to the mail server with, if it wants one.")
    smtp_password: Secret | None = Field(None, description="Password that belongs to `smtp_username`.")
    smtp_ca_file: Path | None = Field(
        None, description="PEM certificates that the mail server's must lead to; empty: what the system trusts."
    )
    smtp_timeout_s: float = Field(
        20.0, gt=0, le=30, description="Seconds the mail server has to take a connection, and then every mail."
    )
    mail_from: str = Field(
        "",
        pattern=r"^\Z|^[^\x00-\x1f\x7f]*[^\s<>@]+@[A-Za-z0-9.-]+>?\Z",
        description="Sender: `credenza@example.com`, or `Credenza <credenza@example.com>`. Empty: `credenza@` and the "
        "host of `manage_origin`.",
    )
    operator_mail: tuple[MailAddress, ...] = Field(
        (),
        description="Who runs the platform, and hears by mail when a certificate authority ends. A JSON list of "
        "addresses.",
    )
    notices_interval_s: float = Field(
        300.0, ge=1, le=3600, description="Seconds between two looks for notices of expiry that have become due."
    )
    outbox_interval_s: float = Field(
        5.0, ge=0.1, le=600, description="Seconds between two looks for mail and webhooks that wait to be sent."
    )
    webhook_timeout_s: float = Field(10.0, gt=0, le=30, description="Seconds a webhook's receiver has to answer.")
    webhook_allow_http: bool = Field(False, description="Let webhooks have URLs of plain `http://`, unencrypted.")
    webhook_allowed_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks that webhooks may lead to although they are not public, such as `10.1.0.0/16`."
    )
    oidc_issuer: Issuer = Field(
        "",
        description="Issuer of an OpenID Connect provider that people may sign in through; empty: none. Needs the "
        "extra `sso`.",
    )
    oidc_client_id: str = Field("", max_length=500, description="How this installation is registered at the provider.")
    oidc_client_secret: Secret | None = Field(
        None, description="The secret that belongs to `oidc_client_id`; without one it is a public client."
    )
    oidc_name: str = Field(
        "single sign-on", min_length=1, max_length=60, description="What the sign-in page calls the provider."
    )
    oidc_allowed_domains: frozenset[str] = Field(
        frozenset(),
        description="Domains whose mail addresses the provider vouches for. Whoever runs it can sign in as any user "
        "who has an address there.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")

    def __post_init__(self) -> None:
        """Raises ValueError where settings do not go together."""
        self._tls_comes_in_pairs()
        self._proxies_can_prove_themselves()
        self._passwords_travel_sealed()
        self._single_sign_on_is_whole()
        self._plain_http_stays_home()

    def _tls_comes_in_pairs(self) -> None:
        if (self.tls_certificate is None) != (self.tls_private_key is None):
            raise ValueError("tls_certificate and tls_private_key belong together")
        if (self.manage_tls_certificate is None) != (self.manage_tls_private_key is None):
            raise ValueError("manage_tls_certificate and manage_tls_private_key belong together")

    def _proxies_can_prove_themselves(self) -> None:
        if self.proxy_certificates is not None and self.tls_certificate is None:
            raise ValueError("proxy_certificates needs tls_certificate: a proxy presents its certificate in TLS")
        sockets = [self.sandbox_bind, self.production_bind, self.decision_bind]
        if self.proxy_socket and not any(each.startswith("unix:") for each in sockets):
            raise ValueError("proxy_socket needs a gate or the decisions to listen on unix:/path/to/socket")

    def _passwords_travel_sealed(self) -> None:
        if self.smtp_security == "none" and self.smtp_username and not is_local(f"{self.smtp_host}:{self.smtp_port}"):
            raise ValueError("smtp_username would send its password in the clear: set smtp_security to starttls or tls")

    def _single_sign_on_is_whole(self) -> None:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("oidc_issuer needs oidc_client_id: register this installation at the provider")
        if self.oidc_issuer and not self.oidc_allowed_domains:
            raise ValueError("oidc_issuer needs oidc_allowed_domains: nobody could sign in without one")

    def _plain_http_stays_home(self) -> None:
        """A listener without TLS serves this machine alone, unless the operator says that TLS ends before it."""
        binds = {
            "decision_bind": (self.decision_bind, None),
            "manage_bind": (self.manage_bind, self.manage_tls_certificate),
        }
        binds |= {
            "sandbox_bind": (self.sandbox_bind, self.tls_certificate),
            "production_bind": (self.production_bind, self.tls_certificate),
        }
        for name, (bind, certificate) in binds.items():
            if certificate is None and not self.allow_plain_http and not is_local(bind):
                raise ValueError(
                    f"{name} {bind} can be reached from other machines without TLS: bind to 127.0.0.1, give a "
                    "certificate, or set allow_plain_http when TLS ends before it"
                )

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.absolute()}/credenza.db"

    @property
    def key_path(self) -> Path:
        return self.key_encryption_key_file or self.data_dir / KEY_FILE


def is_local(bind: str) -> bool:
    host = bind.rpartition(":")[0].strip("[]")
    if bind.startswith("unix:") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def load(config: Path | None) -> Settings:
    """Read the settings: a TOML file, if there is one, and the variables, which win. Raises Unusable and OSError."""
    return read(_of_file(config) | _of_variables())


def read(given: Mapping[str, object]) -> Settings:
    """Make settings of texts, or of values in their types. Raises Unusable, naming every one that is wrong."""
    known = _kinds()
    wrong = [f"{name}: there is no such setting" for name in given if name not in known]
    values: dict[str, Any] = {}
    for name, (kind, bounds) in known.items():
        if name in given:
            try:
                values[name] = value_of(kind, given[name], bounds)
            except ValueError as error:
                wrong.append(f"{name}: {error}")
    if wrong:
        raise Unusable(*wrong)
    try:
        return Settings(**values)
    except ValueError as error:
        raise Unusable(f"settings: {error}") from error


@cache
def _kinds() -> Mapping[str, tuple[Any, Meta]]:
    hints = get_type_hints(Settings, include_extras=True)
    return {each.name: (hints[each.name], each.metadata["bounds"]) for each in fields(Settings)}


def _of_file(config: Path | None) -> dict[str, object]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text())
    except ValueError as error:
        raise Unusable(f"{config}: {error}") from error


def _of_variables() -> dict[str, object]:
    found = {name.upper(): text for name, text in os.environ.items()}
    return {name: found[variable] for name in _kinds() if (variable := _PREFIX + name.upper()) in found}
