"""Authorities of others that partners may bring certificates of, for operators."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from credenza.actions import trusted_authorities
from credenza.actions.trusted_authorities import NewTrust
from credenza.api import answers
from credenza.api.asked import Caller
from credenza.domain.model import EnvironmentName
from credenza.wire import authorities as wire
from credenza.wire.shape import Uuid

AuthorityPath = Annotated[Uuid, Path(alias="authority_id")]


def list_all(asked: Caller) -> list[wire.TrustedAuthority]:
    found = trusted_authorities.list_all(asked.platform, asked.actor, now=asked.now)
    return [answers.trusted_authority(each) for each in found]


def get(asked: Caller, authority_id: AuthorityPath) -> wire.TrustedAuthority:
    return answers.trusted_authority(trusted_authorities.get(asked.platform, asked.actor, authority_id, now=asked.now))


def add(asked: Caller, new: wire.NewTrustedAuthority) -> wire.TrustedAuthority:
    """Trust an authority in one environment."""
    wanted = NewTrust(
        environment=EnvironmentName(new.environment),
        name=new.name,
        certificate=new.certificate.encode(),
        is_anchor=new.is_anchor,
        checks_revocation=new.checks_revocation,
        crl_url=new.crl_url,
    )
    return answers.trusted_authority(trusted_authorities.add(asked.platform, asked.actor, wanted, now=asked.now))


def check_revocation(asked: Caller, authority_id: AuthorityPath, check: wire.RevocationCheck) -> wire.TrustedAuthority:
    """Say whether its revocation list is looked up."""
    changed = trusted_authorities.check_revocation(
        asked.platform,
        asked.actor,
        authority_id,
        checks=check.checks_revocation,
        crl_url=check.crl_url,
        now=asked.now,
    )
    return answers.trusted_authority(changed)


def disable(asked: Caller, authority_id: AuthorityPath) -> Response:
    """Trust it no more; answered when no gate admits a certificate of it."""
    return answers.reach(trusted_authorities.disable(asked.platform, asked.actor, authority_id, now=asked.now))
