"""Profiles: which server, which token, which project. `config.toml` in the XDG configuration folder, and variables.

A token is sent to the server it was stored for and to no other: a URL from CREDENZA_URL never meets a stored token.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from credenza.cli import files
from credenza.cli.failure import CommandFailed, ExitCode

DEFAULT_NAME = "default"
SETTINGS = (
    "url",
    "project",
    "env",
    "consumer_key",
    "key_file",
    "client_id",
    "client_secret_file",
    "ca_file",
    "auth",
    "issuer",
)
"""What `credenza config set` changes. Secrets are not among them: they are never given on a command line."""

_CHOICES = {"env": ("sandbox", "production"), "auth": ("oauth1", "oauth2", "secret")}
_FILES = ("key_file", "client_secret_file", "ca_file")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known about one server; None is not set. `auth` is what calls are made with, `issuer` whose tokens."""

    name: str
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    project: str | None = None
    env: str | None = None
    consumer_key: str | None = None
    key_file: Path | None = None
    client_id: str | None = None
    client_secret_file: Path | None = None
    ca_file: Path | None = None
    auth: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """`selected` is the profile that is used when none is named."""

    selected: str = DEFAULT_NAME
    profiles: tuple[Profile, ...] = ()

    def find(self, name: str) -> Profile | None:
        return next((profile for profile in self.profiles if profile.name == name), None)

    def get(self, name: str) -> Profile:
        """Return the profile, or an empty one for the default that nobody has written yet."""
        profile = self.find(name)
        if profile is None and name != DEFAULT_NAME:
            raise CommandFailed(
                f"There is no profile {name}. Make it with: credenza auth login --profile {name} --url URL",
                ExitCode.NOT_FOUND,
            )
        return profile or Profile(DEFAULT_NAME)

    def with_profile(self, profile: Profile) -> Config:
        others = [other for other in self.profiles if other.name != profile.name]
        return replace(self, profiles=tuple(sorted([*others, profile], key=lambda item: item.name)))


def path() -> Path:
    """CREDENZA_PROFILES names the file; else it lies in the configuration folder."""
    given = os.environ.get("CREDENZA_PROFILES")
    if given:
        return Path(given)
    # XDG Base Directory Specification: a path that is not absolute is invalid and ignored.
    root = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (root if root.is_absolute() else Path.home() / ".config") / "credenza" / "config.toml"


def load() -> Config:
    """Read config.toml. Raises CommandFailed for what it does not know, and when others can read a token in it."""
    file = path()
    if not file.exists():
        return Config()
    config = _parse(files.read_text(file), file)
    if any(profile.token for profile in config.profiles) and file.stat().st_mode & 0o077:
        raise CommandFailed(f"{file} holds a token and others can read it. Close it with: chmod 600 {file}")
    return config


def save(config: Config) -> None:
    """Write config.toml, readable for its owner alone."""
    save_to(path(), config)


def save_to(file: Path, config: Config) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.write_secret(file, _write(config).encode(), overwrite=True)


def selected_name(config: Config, asked: str | None) -> str:
    """`--profile`, else CREDENZA_PROFILE, else the one that `credenza config set profile` chose."""
    name = asked or os.environ.get("CREDENZA_PROFILE") or config.selected
    if not _NAME.fullmatch(name):
        raise CommandFailed(f"{name!r} is no name of a profile: letters, digits, - and _ only.", ExitCode.USAGE)
    return name


def current(asked: str | None) -> Profile:
    """The profile in force, with CREDENZA_URL and CREDENZA_TOKEN over what is stored."""
    config = load()
    return _with_variables(config.get(selected_name(config, asked)), os.environ)


def _with_variables(profile: Profile, variables: Mapping[str, str]) -> Profile:
    url, token = variables.get("CREDENZA_URL"), variables.get("CREDENZA_TOKEN")
    if url is not None and url.rstrip("/") != profile.url:
        profile = replace(profile, url=url.rstrip("/"), token=None)
    return replace(profile, token=token) if token is not None else profile


def token_prefix(profile: Profile) -> str | None:
    """As much of the token as tells it from others."""
    return profile.token and profile.token[:10]


def with_setting(profile: Profile, setting: str, value: str | None) -> Profile:
    """Change one of `SETTINGS`; None takes it away. Raises CommandFailed for an unknown one or a wrong value."""
    if setting not in SETTINGS:
        raise CommandFailed(f"There is no setting {setting}; there are {', '.join(SETTINGS)}.", ExitCode.USAGE)
    choices = _CHOICES.get(setting)
    if value is not None and choices is not None and value not in choices:
        raise CommandFailed(f"{setting} is {' or '.join(choices)}.", ExitCode.USAGE)
    if setting == "url":
        # The stored token belongs to the server it was made by.
        return replace(profile, url=value and value.rstrip("/"), token=None)
    if setting in _FILES:
        changed: dict[str, Any] = {setting: _file(value)}
    else:
        changed = {setting: value and (value.rstrip("/") if setting == "issuer" else value)}
    return replace(profile, **changed)


def _file(value: str | None) -> Path | None:
    return Path(value).expanduser().absolute() if value else None


def _parse(text: str, file: Path) -> Config:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CommandFailed(f"{file} is not TOML: {error}.") from None
    tables = document.pop("profiles", {})
    selected = document.pop("profile", DEFAULT_NAME)
    if document:
        raise CommandFailed(f"{file} has {next(iter(document))}, which is no setting.")
    if not isinstance(selected, str) or not isinstance(tables, dict):
        raise CommandFailed(f'{file} needs profile = "NAME" and tables [profiles.NAME].')
    return Config(selected, tuple(_profile(name, table, file) for name, table in sorted(tables.items())))


def _profile(name: str, table: object, file: Path) -> Profile:
    if not isinstance(table, dict):
        raise CommandFailed(f"{file}: profiles.{name} is no table [profiles.{name}].")
    unknown = next((setting for setting in table if setting not in {*SETTINGS, "token"}), None)
    if unknown is not None:
        raise CommandFailed(f"{file} has {unknown} in profile {name}, which is no setting.")
    wrong = next((setting for setting, value in table.items() if not isinstance(value, str)), None)
    if wrong is not None:
        raise CommandFailed(f"{file}: {wrong} in profile {name} is not text in quotes.")
    profile = Profile(name)
    for setting in SETTINGS:
        profile = with_setting(profile, setting, table[setting]) if setting in table else profile
    return replace(profile, token=table.get("token"))


def _write(config: Config) -> str:
    lines = [f"profile = {_quoted(config.selected)}"]
    for profile in config.profiles:
        lines += ["", f"[profiles.{profile.name}]"]
        for setting in ("url", "token", *SETTINGS[1:]):
            value = getattr(profile, setting)
            lines += [] if value is None else [f"{setting} = {_quoted(str(value))}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # TOML's basic strings are JSON's, except that DEL is escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
