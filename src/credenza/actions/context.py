"""The only road to the data: `acting` for a change, `viewing` for a look.

`acting` is one transaction, one permission check and one audit row. When the action is refused or fails, everything it
did is rolled back and the audit row is written in a transaction of its own; when even that fails, nothing has happened.
Looks leave an audit row only when they are refused. Issuance takes two transactions with the signature between them
(settled 27): `reserving`, then `recording` around the signature, then `acting`, which writes the one audit row.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from sqlalchemy import Connection

from credenza.domain import access, audit
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.lifecycle import OAUTH2_KEY_LIMIT
from credenza.domain.model import (
    PLATFORM,
    Actor,
    ActorKind,
    AuthorityId,
    EnvironmentName,
    OrganizationId,
    Project,
    ProjectId,
    UserId,
)
from credenza.domain.subject_policy import SubjectPolicy
from credenza.domain.token_keys import ROTATION
from credenza.protocol.issuance import IssuerKey
from credenza.store import audit as audit_rows
from credenza.store import people, projects
from credenza.store.authorities import Authority
from credenza.store.engine import Database, reading, writing
from credenza.store.leases import LEASE

log = structlog.get_logger()

_NEEDS_NO_ROLE = (ActorKind.OPERATOR, ActorKind.ENROLMENT_SECRET, ActorKind.CERTIFICATE)


class Vault(Protocol):
    """Wraps secrets with a key that is not in the database."""

    def wrap(self, purpose: str, secret: bytes) -> bytes: ...
    def unwrap(self, purpose: str, wrapped: bytes) -> bytes: ...
    def derive(self, label: str) -> bytes: ...


class WeakKeys(Protocol):
    """Knows keys that are weak although they look sound; answers with the reason, or None."""

    def check(self, spki_der: bytes) -> str | None: ...


class Passwords(Protocol):
    """Hashes passwords slowly, few at a time; whoever comes when too many wait is refused (BUSY)."""

    def hash(self, secret: str) -> str: ...
    def matches(self, hashed: str | None, secret: str) -> bool: ...
    def is_outdated(self, hashed: str) -> bool: ...
    def is_common(self, password: str) -> bool: ...


class IssuerKeys(Protocol):
    """Opens the private keys of our authorities and keeps them open, wherever they are (`issuers`)."""

    def of(self, authority: Authority) -> IssuerKey: ...
    def known(self, authority_id: str) -> Authority | None: ...
    def at(self, uri: str) -> IssuerKey: ...
    def forget(self, authority_id: AuthorityId) -> None: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator may set about the rules themselves. No `commercial_countries` means all of them.
    `lease` is what the fleet's gates are set to, `operators` are the mail addresses of those who run the platform."""

    oauth2_key_limit: int = OAUTH2_KEY_LIMIT
    allow_sha1_requests: bool = False
    commercial_countries: frozenset[str] = frozenset()
    answers_kept: timedelta = timedelta(hours=24)
    secret_answers_kept: timedelta = timedelta(minutes=10)
    lease: timedelta = LEASE
    webhook_schemes: frozenset[str] = frozenset({"https"})
    token_key_rotation: timedelta = ROTATION
    subject_policies: Mapping[EnvironmentName, SubjectPolicy] = field(default_factory=dict)
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything an action needs from outside, passed and never global.

    `random(n)` gives n random bytes; `failpoint(name)` is called between the steps that a crash could part, and does
    nothing outside tests. `pki_url` is where the authorities' certificates are served, `public_url` where people reach
    the portal.
    """

    database: Database
    vault: Vault = field(repr=False)
    pepper: bytes = field(repr=False)
    checkpoint_key: EllipticCurvePrivateKey = field(repr=False)
    issuer_keys: IssuerKeys = field(repr=False)
    weak_keys: WeakKeys
    passwords: Passwords = field(repr=False)
    random: Callable[[int], bytes]
    pki_url: str
    public_url: str
    policy: Policy = Policy()
    failpoint: Callable[[str], None] = lambda _name: None

    def new_id(self) -> str:
        """Draw a random UUID (RFC 9562 section 5.4)."""
        return str(uuid.UUID(bytes=self.random(16), version=4))


@dataclass(frozen=True, slots=True)
class Once:
    """The Idempotency-Key a caller chose, and the SHA-256 (hex) of what it was sent with: method, path and body."""

    key: str
    request_hash: str

    @property
    def key_hash(self) -> str:
        return hashlib.sha256(self.key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who wants to do what, to which organization or project, and when. Both are None for the platform itself. With
    `once` it is done once, however often it is attempted (`actions.once`)."""

    actor: Actor
    action: Action
    now: datetime
    organization_id: OrganizationId | None = None
    project_id: ProjectId | None = None
    once: Once | None = None


@dataclass(slots=True)
class Act:
    """An attempt under way: its transaction, where it happens and what its audit row will say."""

    platform: Platform
    attempt: Attempt
    connection: Connection
    organization_id: OrganizationId
    standing: access.Standing
    project: Project | None
    subject: str = ""
    detail: str = ""
    repeated: bool = False
    """It was done before, and its answer is only given again."""

    @property
    def actor(self) -> Actor:
        return self.attempt.actor

    @property
    def now(self) -> datetime:
        return self.attempt.now

    @property
    def the_project(self) -> Project:
        assert self.project is not None, "the action was begun on a project"
        return self.project

    def note(self, subject: object, detail: str = "") -> None:
        """Say in the audit row what was acted on. Never a secret."""
        self.subject, self.detail = str(subject), detail


@contextmanager
def acting(platform: Platform, attempt: Attempt) -> Iterator[Act]:
    """Do one action: begin, load and lock what it is done to, check the permission, and record it."""
    with recording(platform, attempt) as trail, writing(platform.database.records) as connection:
        act = _begin(platform, attempt, connection, trail, lock=True)
        yield act
        if not act.repeated:
            audit_rows.append(connection, act.organization_id, _record(attempt, act, audit.Outcome.DONE))
        platform.failpoint("before_commit")
    platform.failpoint("after_commit")


@contextmanager
def reserving(platform: Platform, attempt: Attempt) -> Iterator[Act]:
    """Do the first half of an action: the same checks and locks, and no audit row unless it ends here."""
    with recording(platform, attempt) as trail, writing(platform.database.records) as connection:
        yield _begin(platform, attempt, connection, trail, lock=True)


@contextmanager
def viewing(platform: Platform, attempt: Attempt) -> Iterator[Act]:
    """Look at something in one snapshot."""
    with recording(platform, attempt) as trail, reading(platform.database.records) as connection:
        yield _begin(platform, attempt, connection, trail, lock=False)


@dataclass(slots=True)
class Trail:
    """How far an attempt had got when it ended."""

    act: Act | None = None


@contextmanager
def recording(platform: Platform, attempt: Attempt) -> Iterator[Trail]:
    """Record the attempt if it is refused or fails, in a transaction of its own."""
    trail = Trail()
    try:
        yield trail
    except Refusal as refusal:
        # An attempt without a trace must not be answered as if it had one: what fails here is raised.
        _append_failure(platform, attempt, trail, audit.Outcome.REFUSED, refusal.code)
        raise
    except Exception:
        try:
            _append_failure(platform, attempt, trail, audit.Outcome.FAILED, "failed")
        except Exception:  # the first failure is the one to tell; nothing has happened
            log.exception("audit.unrecorded_failure", action=attempt.action)
        raise


def holder_of(act: Act, named: UserId | None, thing: str) -> UserId:
    """Say whose the new thing will be: the actor's own, or whom an operator has named; a member in any case."""
    holder = named if act.actor.kind is ActorKind.OPERATOR else act.actor.user_id
    if holder is None or people.find_role(act.connection, act.organization_id, holder) is None:
        raise Refusal(Code.INVALID, f"A {thing} belongs to a member of the organization. Name one.", field="owner")
    return holder


def organization_of(actor: Actor) -> OrganizationId:
    """Name the organization that an actor's key or token belongs to; an operator has to name one instead."""
    if actor.organization_id is None:
        raise Refusal(Code.INVALID, "Name the organization: this caller belongs to none.", field="organizationId")
    return actor.organization_id


def _begin(platform: Platform, attempt: Attempt, connection: Connection, trail: Trail, *, lock: bool) -> Act:
    organization_id, project = attempt.organization_id, None
    if attempt.project_id is not None:
        project = projects.find(connection, attempt.project_id, lock=lock)
        organization_id = project.organization_id if project else None
    elif organization_id is not None and not people.organization_exists(connection, organization_id, lock=lock):
        organization_id = None
    if attempt.actor.organization_id not in (None, organization_id):
        organization_id, project = None, None  # a key or token sees its own organization alone
    standing = _standing(connection, attempt.actor, organization_id, project)
    _check_target(attempt, organization_id, project)
    access.check_sight(attempt.actor, attempt.action, standing)
    act = Act(platform, attempt, connection, organization_id or PLATFORM, standing, project)
    if organization_id is not None:
        trail.act = act  # who sees the organization leaves the trail there, also when refused for the role
    access.check(attempt.actor, attempt.action, standing)
    trail.act = act
    return act


def _standing(
    connection: Connection, actor: Actor, organization_id: OrganizationId | None, project: Project | None
) -> access.Standing:
    if actor.user_id is None or organization_id is None:
        return access.Standing()
    standing = people.find_standing(connection, organization_id, actor.user_id)
    # A person who left the organization has lost its projects too, whatever rows are left.
    if standing.organization_role is None or project is None:
        return standing
    return replace(standing, project_role=projects.find_role(connection, project, actor.user_id))


def _check_target(attempt: Attempt, organization_id: OrganizationId | None, project: Project | None) -> None:
    """An operator may do everything, and a device what is its own, but not to what does not exist."""
    if attempt.actor.kind not in _NEEDS_NO_ROLE:
        return
    on = access.PERMISSIONS[attempt.action].on
    if on is access.On.PROJECT and project is None:
        raise Refusal(Code.PROJECT_NOT_FOUND, "No such project.", field="projectId")
    if on is access.On.ORGANIZATION and organization_id is None:
        raise Refusal(Code.NOT_FOUND, "No such organization.", field="organizationId")


def _record(attempt: Attempt, act: Act | None, outcome: audit.Outcome, code: str = "") -> audit.Record:
    return audit.Record(
        at=attempt.now,
        actor_kind=attempt.actor.kind,
        actor_id=attempt.actor.id,
        user_id=attempt.actor.user_id or "",
        address=attempt.actor.address,
        action=attempt.action,
        outcome=outcome,
        code=code,
        project_id=(attempt.project_id or "")[:36],
        subject=act.subject[:64] if act else "",
        detail=act.detail if act else "",
    )


def _append_failure(platform: Platform, attempt: Attempt, trail: Trail, outcome: audit.Outcome, code: str) -> None:
    """Append to the chain of what was acted on; an attempt on what the actor cannot see goes to the actor's own."""
    chain = trail.act.organization_id if trail.act else attempt.actor.organization_id or PLATFORM
    with writing(platform.database.records) as connection:
        audit_rows.append(connection, chain, _record(attempt, trail.act, outcome, code))
