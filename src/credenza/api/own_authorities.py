"""The platform's own authorities, for operators: list, make, import, roll over."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from credenza.actions import authorities
from credenza.api import answers
from credenza.api.asked import Caller, EnvironmentPath
from credenza.domain.model import EnvironmentName
from credenza.wire import authorities as wire
from credenza.wire.shape import Uuid

AuthorityPath = Annotated[Uuid, Path(alias="authority_id")]


def list_all(asked: Caller) -> list[wire.Authority]:
    return [answers.authority(each) for each in authorities.list_all(asked.platform, asked.actor, now=asked.now)]


def get(asked: Caller, authority_id: AuthorityPath) -> wire.Authority:
    return answers.authority(authorities.get(asked.platform, asked.actor, authority_id, now=asked.now))


def make(asked: Caller, new: wire.NewAuthority) -> wire.Authority:
    """Make the next authority of an environment: published and trusted, and not signing yet."""
    make = authorities.start_anew if new.root == "new" else authorities.publish_next
    return answers.authority(make(asked.platform, asked.actor, EnvironmentName(new.environment), now=asked.now))


def import_own(asked: Caller, own: wire.OwnAuthority) -> wire.Authority:
    """Take an operator's own authority as the next one."""
    brought = authorities.OwnAuthority(
        certificates=own.certificates.encode(),
        private_key=own.private_key.get_secret_value().encode() if own.private_key else b"",
        password=own.password.get_secret_value().encode() if own.password else b"",
        key_uri=own.key_uri,
    )
    environment = EnvironmentName(own.environment)
    return answers.authority(authorities.import_next(asked.platform, asked.actor, environment, brought, now=asked.now))


def let_next_sign(asked: Caller, environment_name: EnvironmentPath) -> wire.Authority:
    """Let the next authority of an environment sign, and retire the one before it."""
    environment = EnvironmentName(environment_name)
    return answers.authority(authorities.let_next_sign(asked.platform, asked.actor, environment, now=asked.now))
