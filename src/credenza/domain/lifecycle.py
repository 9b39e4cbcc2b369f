"""Life of a credential, as one table for every kind. What may happen to a credential is decided here and nowhere else.

Order of use: `admit` before a new one is reserved, `renew` and `revoke` on one that exists. Each returns what to
store or raises `Refusal`. Limits that two actors could pass at once (slots, one active, unique keys) are
constraints of the database as well; what stands here gives them their words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import EXPIRING, VALIDITY_MONTHS, add_months
from credenza.domain.model import (
    AuthenticationType,
    Credential,
    CredentialId,
    CredentialKind,
    Project,
    ProjectType,
    Service,
    ServiceEnvironment,
    Status,
)

OAUTH2_KEY_LIMIT = 3
"""Default of the platform's setting: OAuth 2.0 keys per project, both environments together."""

# Of the keys that are in the way of an upgrade. They may be thousands.
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    `project_types`: where the kind may be added; empty for kinds that belong to no project.
    `expires`: it ends by itself after its validity; without, it ends when somebody chose, or never. `one_active`: at
    most one is ACTIVE per project, service, environment and kind; activation swaps. `unique_key`: its public key is
    accepted once, ever. `unique_subject`: its subject is accepted once in an environment, until an operator releases it
    (product row C8).
    `renewable`, `rotatable`: product rows B8 and B9.
    """

    project_types: frozenset[ProjectType]
    expires: bool
    one_active: bool
    unique_key: bool
    unique_subject: bool
    renewable: bool
    rotatable: bool


_OAUTH = frozenset({ProjectType.OAUTH10A, ProjectType.OAUTH2_FAPI})
_ANY_PROJECT = frozenset(ProjectType)
_NO_PROJECT: frozenset[ProjectType] = frozenset()


def _rule(
    project_types: frozenset[ProjectType],
    *,
    expires: bool = True,
    one_active: bool = False,
    unique_key: bool = False,
    unique_subject: bool = False,
    renewable: bool = False,
    rotatable: bool = False,
) -> Rule:
    return Rule(project_types, expires, one_active, unique_key, unique_subject, renewable, rotatable)


RULES: dict[CredentialKind, Rule] = {
    CredentialKind.SIGNING_KEY: _rule(_OAUTH, unique_key=True, renewable=True, rotatable=True),
    CredentialKind.ACCOUNT_KEY: _rule(_NO_PROJECT, unique_key=True),
    CredentialKind.MTLS_CERTIFICATE: _rule(frozenset({ProjectType.MTLS, ProjectType.OAUTH2_FAPI}), unique_subject=True),
    CredentialKind.RESPONSE_ENCRYPTION: _rule(_ANY_PROJECT, one_active=True),
    CredentialKind.REQUEST_ENCRYPTION: _rule(_ANY_PROJECT),
    CredentialKind.REQUEST_SIGNATURE: _rule(_ANY_PROJECT, one_active=True),
    CredentialKind.CLIENT_SECRET: _rule(_NO_PROJECT, expires=False),
}

_PROOFS: dict[CredentialKind, str] = {
    CredentialKind.SIGNING_KEY: "signing keys",
    CredentialKind.MTLS_CERTIFICATE: "TLS client certificates",
}

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.ACTIVE: frozenset({Status.INACTIVE, Status.REVOKED}),
    Status.INACTIVE: frozenset({Status.ACTIVE, Status.REVOKED}),
    Status.EXPIRED: frozenset({Status.REVOKED}),
    Status.REVOKED: frozenset(),
}

COMPATIBLE: dict[ProjectType, frozenset[AuthenticationType]] = {
    ProjectType.OAUTH10A: frozenset({AuthenticationType.OAUTH10A, AuthenticationType.DUAL_OAUTH}),
    ProjectType.OAUTH2_FAPI: frozenset({AuthenticationType.OAUTH2_FAPI, AuthenticationType.DUAL_OAUTH}),
    ProjectType.MTLS: frozenset({AuthenticationType.MTLS}),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a project already holds, read under its row lock: the slots of its OAuth 2.0 keys that are neither
    revoked nor expired, and of those that have ended by themselves since."""

    project_type: ProjectType
    dual: bool
    taken_slots: frozenset[int] = frozenset()
    ended_slots: frozenset[int] = frozenset()
    key_limit: int = OAUTH2_KEY_LIMIT

    @property
    def speaks_oauth2(self) -> bool:
        return self.dual or self.project_type is ProjectType.OAUTH2_FAPI


@dataclass(frozen=True, slots=True)
class Admission:
    """What a new credential starts with. `slot` is None where no limit counts; a key that has ended may be in it
    still."""

    slot: int | None
    must_be_freed: bool = False


def admit(kind: CredentialKind, standing: Standing) -> Admission:
    """Let a project take one more credential, or refuse: its type does not use the kind, or its limit is reached."""
    if standing.project_type not in RULES[kind].project_types:
        raise Refusal(
            Code.KEY_TYPE,
            f"An {standing.project_type} project does not use this type of credential; it uses "
            f"{_kinds_of(standing.project_type)}.",
            field="type",
        )
    if kind is not CredentialKind.SIGNING_KEY or not standing.speaks_oauth2:
        return Admission(slot=None)
    # Counted, not only looked for: after the limit was lowered the places below it may be free.
    if len(standing.taken_slots) >= standing.key_limit:
        raise Refusal(
            Code.OAUTH2_KEY_LIMIT,
            f"The project already has {standing.key_limit} OAuth 2.0 keys, both environments together. "
            "Revoke one that is no longer used, then add the new key.",
        )
    slot = min(set(range(1, standing.key_limit + 1)) - standing.taken_slots)
    return Admission(slot, must_be_freed=slot in standing.ended_slots)


def _kinds_of(project_type: ProjectType) -> str:
    """Say how the project's calls prove who makes them: what protects payloads has a place of its own."""
    return " and ".join(words for kind, words in _PROOFS.items() if project_type in RULES[kind].project_types)


def admit_key_algorithm(algorithm: str, standing: Standing) -> None:
    """OAuth 1.0a signs with RSA alone; a project that speaks it takes no EC key, dual or not."""
    if standing.project_type is ProjectType.OAUTH10A and not algorithm.startswith("RSA-"):
        raise Refusal(
            Code.INVALID_CSR,
            f"OAuth 1.0a needs an RSA key, this one is {algorithm}. Make one with: "
            "openssl req -new -newkey rsa:2048 -nodes -keyout key.pem -out request.csr -subj '/CN=my-application'",
            field="csr",
        )


def accepted(project: Project) -> frozenset[AuthenticationType]:
    """What a project's services may take: what it speaks, or both kinds of OAuth once it was upgraded."""
    return frozenset({AuthenticationType.DUAL_OAUTH}) if project.dual else COMPATIBLE[project.type]


def admit_service(project: Project, authentication: AuthenticationType) -> None:
    """All services of a project share its authentication type; a dual service fits both OAuth types, and is the only
    one that fits a project that was upgraded."""
    if authentication not in accepted(project):
        raise Refusal(
            Code.PROJECT_TYPE,
            f"This project cannot use a service that takes {authentication}; "
            f"it can use {', '.join(sorted(accepted(project)))}.",
            field="serviceId",
        )


def upgrade(
    project: Project, services: Sequence[Service], left: Sequence[Credential], *, key_limit: int
) -> dict[CredentialId, int]:
    """Let a project's keys work with OAuth 2.0 as well, and give their places to those that are `left`: neither revoked
    nor expired (product row B12).

    Refuses a project of another type, a service that takes OAuth 1.0a alone, and more keys than an OAuth 2.0 project
    may have, both environments together (settled 7).
    """
    if project.type is not ProjectType.OAUTH10A:
        raise Refusal(
            Code.PROJECT_TYPE, f"An {project.type} project is not upgraded: only OAuth 1.0a projects are.", field="type"
        )
    single = of_oauth1_alone(services)
    if single:
        raise Refusal(
            Code.PROJECT_CONFIG,
            f"These services do not take OAuth 2.0 yet: {', '.join(each.name for each in single)}. "
            "A project is upgraded when all of its services take both.",
            field="services",
        )
    if len(left) > key_limit:
        names = [_named(key) for key in left[:_MOST_NAMED]]
        unnamed = len(left) - len(names)
        raise Refusal(
            Code.OAUTH2_KEY_LIMIT,
            f"An OAuth 2.0 project has at most {key_limit} keys, both environments together; this one has {len(left)}: "
            f"{', '.join([*names, *([f'and {unnamed} more'] if unnamed else [])])}. "
            "Revoke those that are no longer used, then upgrade.",
        )
    return {key.id: place for place, key in enumerate(left, start=1)}


def of_oauth1_alone(services: Sequence[Service]) -> tuple[Service, ...]:
    """The services that keep their projects from an upgrade."""
    return tuple(each for each in services if each.authentication is not AuthenticationType.DUAL_OAUTH)


def _named(key: Credential) -> str:
    return f"{key.alias} ({key.environment}, {key.id})"


def ends(start: datetime, where: ServiceEnvironment | None) -> datetime:
    """End of a credential that starts at `start`: 13 calendar months on, or as the service says for the environment."""
    if where is None:
        return add_months(start, VALIDITY_MONTHS)
    if where.validity_days is not None:
        return start + timedelta(days=where.validity_days)
    return add_months(start, where.validity_months)


def shortest(start: datetime, environments: Sequence[ServiceEnvironment]) -> datetime:
    """End of a credential that serves several services: the earliest of what each allows."""
    return min((ends(start, each) for each in environments), default=ends(start, None))


def change(credential: Credential, to: Status, *, now: datetime) -> None:
    """Refuse a transition the table does not have."""
    status = credential.status_at(now)
    if to not in TRANSITIONS[status]:
        raise Refusal(Code.NOT_ACTIVE, f"The credential is {status} and cannot become {to}.")


def renew(credential: Credential, standing: Standing, *, now: datetime) -> None:
    """Allow a longer certificate on the same key: OAuth 1.0a only, ACTIVE, 90 days or less to go (product row B9)."""
    if not RULES[credential.kind].renewable:
        raise _add_another(credential)
    if standing.speaks_oauth2:
        raise Refusal(Code.NOT_RENEWABLE, "An OAuth 2.0 key is never renewed: add a new key and switch to it.")
    if credential.status_at(now) is not Status.ACTIVE:
        raise Refusal(
            Code.NOT_RENEWABLE,
            f"The key is {credential.status_at(now)}; only an ACTIVE key is renewed. Add a new key.",
        )
    if credential.not_after - now > EXPIRING:
        raise Refusal(
            Code.NOT_RENEWABLE,
            f"The key is valid until {credential.not_after:%Y-%m-%d %H:%M} UTC; it can be renewed in its last "
            f"{EXPIRING.days} days. Rotate it if you want a new key today.",
        )


def rotate(credential: Credential, standing: Standing, *, now: datetime) -> None:
    """Allow a successor beside the old key: OAuth 1.0a only, the old key not revoked (product row B8)."""
    if not RULES[credential.kind].rotatable:
        raise _add_another(credential)
    if standing.speaks_oauth2:
        raise Refusal(
            Code.NOT_RENEWABLE,
            "This project's keys are OAuth 2.0 keys and are not rotated: add a new key and switch.",
        )
    if credential.status_at(now) is Status.REVOKED:
        raise Refusal(Code.NOT_ACTIVE, "The key is revoked; add a new key instead of rotating it.")


def _add_another(credential: Credential) -> Refusal:
    return Refusal(
        Code.NOT_RENEWABLE,
        f"This {_NAMES.get(credential.kind, 'credential')} is neither renewed nor rotated: add a new one beside it, "
        "switch to that, and revoke this one when nobody uses it any more.",
    )


_NAMES = {CredentialKind.MTLS_CERTIFICATE: "certificate", CredentialKind.ACCOUNT_KEY: "account-level key"}


def revoke(credential: Credential, *, other_active: int, keep_last: bool, now: datetime) -> bool:
    """Allow a revocation and say whether it changes anything; a second one does not.

    Refuses with LAST_ACTIVE_CREDENTIAL only when the caller asked to be held back (`keep_last`): a leaked last key
    must be revocable (settled 9).
    """
    if credential.status is Status.REVOKED:
        return False
    if keep_last and other_active == 0 and credential.status_at(now) is Status.ACTIVE:
        name = _NAMES.get(credential.kind, "key")
        raise Refusal(
            Code.LAST_ACTIVE_CREDENTIAL,
            f"This is the last active {name} here: after the revocation every call of the project with a {name} in "
            f"this environment is refused. Add another {name} first, or repeat the request without the header "
            "Credenza-Keep-Last.",
        )
    return True


# ---------------------------------------------------------------------------------------------- service credentials


def first_status(kind: CredentialKind, *, usable: bool) -> Status:
    """What a new service credential starts as. `usable`: one of its kind is active and unexpired there already, and is
    not to be pushed aside by a mere addition (settled 10)."""
    return Status.INACTIVE if usable and RULES[kind].one_active else Status.ACTIVE


def activate(credential: Credential, *, now: datetime) -> bool:
    """Allow a service credential to take the place of the active one, and say whether that changes anything."""
    if not RULES[credential.kind].one_active:
        raise Refusal(
            Code.KEY_TYPE,
            "Client encryption keys are not activated: each is active from the beginning until it is revoked or "
            "expires, so that clients can go over from one to the next.",
            field="type",
        )
    status = credential.status_at(now)
    if status is Status.EXPIRED:
        raise Refusal(
            Code.EXPIRED_KEY,
            f"The key expired on {credential.not_after:%Y-%m-%d %H:%M} UTC. Add a new one and activate that.",
            field="credentialId",
        )
    if status is Status.REVOKED:
        raise Refusal(
            Code.NOT_ACTIVE, "The key is revoked and stays so. Add a new one and activate that.", field="credentialId"
        )
    if status is Status.INACTIVE and credential.inactive_since is None:
        raise Refusal(
            Code.NOT_ACTIVE,
            "The key is held since the database was restored. An operator of the platform can release it.",
            field="credentialId",
        )
    return status is Status.INACTIVE


def revoke_service_key(credential: Credential, *, other_active: int, now: datetime) -> bool:
    """Allow the revocation of a service credential and say whether it changes anything; a second one does not.

    What payloads need now stays (contracts 1.5): the active one of the kinds that have one, and the last active one of
    the kind that may have several.
    """
    if credential.status is Status.REVOKED:
        return False
    if credential.status_at(now) is not Status.ACTIVE:
        return True
    if RULES[credential.kind].one_active:
        raise Refusal(
            Code.ACTIVE_SERVICE_KEY,
            "The key is active. Activate another one first, then revoke this one.",
            field="credentialId",
        )
    if other_active == 0:
        raise Refusal(
            Code.LAST_SERVICE_KEY,
            "This is the last active client encryption key for the service here. Add another one first, have requests "
            "encrypted with that, then revoke this one.",
            field="credentialId",
        )
    return True
