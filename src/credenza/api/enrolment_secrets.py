"""Enrolment secrets over HTTP. What devices do with them is `est`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from credenza.actions import enrolment_secrets
from credenza.api.asked import Caller, ProjectPath
from credenza.api.idempotency import Repeatable
from credenza.domain.model import EnvironmentName, ProjectId
from credenza.wire import enrolment as wire
from credenza.wire.shape import Uuid

SecretPath = Annotated[Uuid, Path(alias="secret_id")]


def create(
    asked: Caller, once: Repeatable, project_id: ProjectPath, new: wire.NewEnrolmentSecret
) -> wire.IssuedEnrolmentSecret:
    """Make a secret that lets one device enrol once over EST (RFC 7030). It is shown this once."""
    issued = enrolment_secrets.create(
        asked.platform,
        asked.actor,
        ProjectId(project_id),
        alias=new.alias,
        environment=None if new.environment is None else EnvironmentName(new.environment),
        hours=new.hours,
        now=asked.now,
        once=once,
    )
    shown = wire.EnrolmentSecret.model_validate(issued.enrolment)
    return wire.IssuedEnrolmentSecret(**shown.model_dump(), secret=issued.secret)


def list_latest(asked: Caller, project_id: ProjectPath) -> list[wire.EnrolmentSecret]:
    """List the newest, used and ended ones included, without the secrets themselves."""
    found = enrolment_secrets.list_latest(asked.platform, asked.actor, ProjectId(project_id), now=asked.now)
    return [wire.EnrolmentSecret.model_validate(each) for each in found]


def revoke(asked: Caller, project_id: ProjectPath, secret_id: SecretPath) -> None:
    """Let nobody enrol with a secret any more. One that was used stays: revoke its certificate instead."""
    enrolment_secrets.revoke(asked.platform, asked.actor, ProjectId(project_id), secret_id, now=asked.now)
