"""Who may do what: one table of actions, and the question `allowed`.

An action is done to the platform, to an organization or to a project. A role is held in an organization or on a
project; an organization's Admin acts as admin on its projects (settled 3). A personal access token or an
account-level key narrows its owner by scopes, never widens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Actor, ActorKind, OrganizationRole, ProjectRole

PROJECT_ADMIN_LIMIT = 10
PROJECT_READ_ONLY_LIMIT = 20
PROJECT_LIMIT_DEFAULT = 180
PROJECT_LIMIT_CEILING = 500
_NAMED = 5
"""Of a long list of actions a sentence names so many."""


class Scope(StrEnum):
    """What an access token may be used for."""

    READ = "read"
    PROJECTS = "projects"
    CREDENTIALS = "credentials"
    PEOPLE = "people"
    AUDIT = "audit"
    CATALOG = "catalog"


class On(StrEnum):
    """What an action is done to."""

    PLATFORM = "platform"
    ORGANIZATION = "organization"
    PROJECT = "project"
    SELF = "self"


class Action(StrEnum):
    """Every management operation; the value stands in the audit log."""

    SESSION_BEGIN = "session.begin"
    SESSION_LIST = "session.list"
    SESSION_END = "session.end"
    SESSION_LINK = "session.link"
    PASSWORD_SET = "password.set"
    PASSWORD_RESET_ASK = "password.reset.ask"
    PASSWORD_RESET_LINK = "password.reset.link"
    PASSWORD_RESET = "password.reset"
    PROOFS_VIEW = "proofs.view"
    AUTHENTICATOR_ENROL = "authenticator.enrol"
    AUTHENTICATOR_CONFIRM = "authenticator.confirm"
    AUTHENTICATOR_REMOVE = "authenticator.remove"
    RECOVERY_CODES_NEW = "recovery_codes.new"
    PASSKEY_ADD = "passkey.add"
    PASSKEY_LIST = "passkey.list"
    PASSKEY_RENAME = "passkey.rename"
    PASSKEY_REMOVE = "passkey.remove"
    IDENTITY_LINK = "identity.link"
    IDENTITY_LIST = "identity.list"
    IDENTITY_UNLINK = "identity.unlink"
    ORGANIZATION_CREATE = "organization.create"
    ORGANIZATION_LIST = "organization.list"
    ORGANIZATION_VIEW = "organization.view"
    ORGANIZATION_LIMIT = "organization.limit"
    ACCOUNT_LIST = "account.list"
    ACCOUNT_CREATE = "account.create"
    ACCOUNT_RENAME = "account.rename"
    ACCOUNT_ARCHIVE = "account.archive"
    WORKSPACE_LIST = "workspace.list"
    WORKSPACE_CREATE = "workspace.create"
    WORKSPACE_RENAME = "workspace.rename"
    WORKSPACE_MOVE = "workspace.move"
    WORKSPACE_ARCHIVE = "workspace.archive"
    ROLE_LIST = "role.list"
    ROLE_CREATE = "role.create"
    ROLE_EDIT = "role.edit"
    ROLE_REMOVE = "role.remove"
    USER_CREATE = "user.create"
    USER_DISABLE = "user.disable"
    USER_ENABLE = "user.enable"
    USER_SESSIONS = "user.sessions"
    USER_SIGN_OUT = "user.sign_out"
    USER_LIST = "user.list"
    MEMBER_LIST = "member.list"
    MEMBER_SET = "member.set"
    MEMBER_REMOVE = "member.remove"
    INVITATION_SEND = "invitation.send"
    INVITATION_LIST = "invitation.list"
    INVITATION_WITHDRAW = "invitation.withdraw"
    INVITATION_ACCEPT = "invitation.accept"
    ACCESS_TOKEN_CREATE = "access_token.create"
    ACCESS_TOKEN_LIST = "access_token.list"
    ACCESS_TOKEN_REVOKE = "access_token.revoke"
    ACCOUNT_KEY_ADD = "account_key.add"
    ACCOUNT_KEY_LIST = "account_key.list"
    ACCOUNT_KEY_REVOKE = "account_key.revoke"
    API_CREDENTIAL_LIST = "api_credential.list"
    API_CREDENTIAL_VIEW = "api_credential.view"
    API_CREDENTIAL_CREATE = "api_credential.create"
    API_CREDENTIAL_EDIT = "api_credential.edit"
    API_CREDENTIAL_ACTIVATE = "api_credential.activate"
    API_CREDENTIAL_DEACTIVATE = "api_credential.deactivate"
    API_CREDENTIAL_DELETE = "api_credential.delete"
    API_SECRET_ISSUE = "api_secret.issue"
    API_SECRET_DELETE = "api_secret.delete"
    SERVICE_LIST = "service.list"
    CSR_CHECK = "csr.check"
    SERVICE_CREATE = "service.create"
    SERVICE_CHANGE = "service.change"
    RESOURCE_SERVER_ADD = "resource_server.add"
    RESOURCE_SERVER_LIST = "resource_server.list"
    RESOURCE_SERVER_REMOVE = "resource_server.remove"
    TOKEN_KEY_LIST = "token_key.list"
    TOKEN_KEY_ROTATE = "token_key.rotate"
    TOKEN_KEY_RETIRE = "token_key.retire"
    TOKEN_REVOKE = "token.revoke"
    AUTHORITY_LIST = "authority.list"
    AUTHORITY_MAKE = "authority.make"
    AUTHORITY_IMPORT = "authority.import"
    AUTHORITY_SIGN = "authority.sign"
    TRUST_LIST = "trust.list"
    TRUST_ADD = "trust.add"
    TRUST_CHANGE = "trust.change"
    TRUST_DISABLE = "trust.disable"
    PROJECT_CREATE = "project.create"
    PROJECT_LIST = "project.list"
    PROJECT_VIEW = "project.view"
    PROJECT_CHANGE = "project.change"
    PROJECT_DELETE = "project.delete"
    PROJECT_UPGRADE = "project.upgrade"
    PROJECT_MEMBER_LIST = "project.member.list"
    PROJECT_MEMBER_SET = "project.member.set"
    PROJECT_MEMBER_REMOVE = "project.member.remove"
    PROJECT_LEAVE = "project.leave"
    ENVIRONMENT_ADD = "environment.add"
    ENVIRONMENT_SERVICE_ADD = "environment.service.add"
    KEY_ADD = "key.add"
    KEY_LIST = "key.list"
    KEY_VIEW = "key.view"
    KEY_ROTATE = "key.rotate"
    KEY_RENEW = "key.renew"
    KEY_REVOKE = "key.revoke"
    CERTIFICATE_ADD = "certificate.add"
    CERTIFICATE_LIST = "certificate.list"
    CERTIFICATE_VIEW = "certificate.view"
    CERTIFICATE_REVOKE = "certificate.revoke"
    CERTIFICATE_SUBJECT_RELEASE = "certificate.subject.release"
    CERTIFICATE_ENROL = "certificate.enrol"
    CERTIFICATE_REENROL = "certificate.reenrol"
    ENROLMENT_SECRET_CREATE = "enrolment_secret.create"
    ENROLMENT_SECRET_LIST = "enrolment_secret.list"
    ENROLMENT_SECRET_REVOKE = "enrolment_secret.revoke"
    TLS_CLIENT_NAME_REGISTER = "tls_client_name.register"
    TLS_CLIENT_NAME_VIEW = "tls_client_name.view"
    TLS_CLIENT_NAME_REMOVE = "tls_client_name.remove"
    SERVICE_KEY_ADD = "service_key.add"
    SERVICE_KEY_LIST = "service_key.list"
    SERVICE_KEY_VIEW = "service_key.view"
    SERVICE_KEY_ACTIVATE = "service_key.activate"
    SERVICE_KEY_REVOKE = "service_key.revoke"
    REFUSAL_VIEW = "refusal.view"
    USAGE_VIEW = "usage.view"
    EXPIRY_VIEW = "expiry.view"
    INBOX_LIST = "inbox.list"
    INBOX_MARK = "inbox.mark"
    CALENDAR_FEED_MAKE = "calendar_feed.make"
    CALENDAR_FEED_LIST = "calendar_feed.list"
    CALENDAR_FEED_REVOKE = "calendar_feed.revoke"
    WEBHOOK_ADD = "webhook.add"
    WEBHOOK_LIST = "webhook.list"
    WEBHOOK_REMOVE = "webhook.remove"
    WEBHOOK_TEST = "webhook.test"
    DELIVERY_LIST = "delivery.list"
    AUDIT_VIEW = "audit.view"
    DATABASE_RESTORE = "database.restore"
    DATABASE_RELEASE = "database.release"


@dataclass(frozen=True, slots=True)
class Permission:
    """One row of the table: what the action is done to, the token scope it needs, the roles that may.

    `machine` is False where a person must ask: an account-level key may not (settled 8). `fresh` asks a person at a
    browser for a proof of who they are that is only minutes old (ASVS 7.5.3). `device` is what alone may do it, for the
    project that it belongs to: nobody else has a role for that.
    """

    on: On
    scope: Scope
    organization_roles: frozenset[OrganizationRole] = frozenset()
    project_roles: frozenset[ProjectRole] = frozenset()
    machine: bool = True
    fresh: bool = False
    device: ActorKind | None = None


_O, _P = OrganizationRole, ProjectRole
_EVERYBODY = frozenset(OrganizationRole)
_ADMIN = frozenset({_O.ADMIN})
_OVERSEERS = frozenset({_O.ADMIN, _O.COMPLIANCE_ADMIN})
_MAKERS = frozenset({_O.ADMIN, _O.COMPLIANCE_ADMIN, _O.USER})
_PROJECT_EVERYBODY = frozenset(ProjectRole)
_PROJECT_ADMINS = frozenset({_P.OWNER, _P.ADMIN})


def _organization(
    scope: Scope, roles: frozenset[OrganizationRole], *, machine: bool = True, fresh: bool = False
) -> Permission:
    return Permission(On.ORGANIZATION, scope, roles, machine=machine, fresh=fresh)


def _self(scope: Scope, *, machine: bool = True, fresh: bool = False) -> Permission:
    return Permission(On.SELF, scope, machine=machine, fresh=fresh)


def _project_read(scope: Scope = Scope.READ) -> Permission:
    return Permission(On.PROJECT, scope, _OVERSEERS, _PROJECT_EVERYBODY)


def _project_write(scope: Scope, *, machine: bool = True, fresh: bool = False) -> Permission:
    return Permission(On.PROJECT, scope, _ADMIN, _PROJECT_ADMINS, machine, fresh)


def _by_device(kind: ActorKind) -> Permission:
    return Permission(On.PROJECT, Scope.CREDENTIALS, device=kind)


PERMISSIONS: dict[Action, Permission] = {
    Action.SESSION_BEGIN: _self(Scope.PEOPLE, machine=False),
    Action.SESSION_LIST: _self(Scope.READ, machine=False),
    Action.SESSION_END: _self(Scope.PEOPLE, machine=False),
    Action.SESSION_LINK: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.PASSWORD_SET: _self(Scope.PEOPLE, machine=False, fresh=True),
    Action.PASSWORD_RESET_ASK: _self(Scope.PEOPLE, machine=False),
    Action.PASSWORD_RESET_LINK: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.PASSWORD_RESET: _self(Scope.PEOPLE, machine=False),
    Action.PROOFS_VIEW: _self(Scope.READ, machine=False),
    Action.AUTHENTICATOR_ENROL: _self(Scope.PEOPLE, machine=False, fresh=True),
    Action.AUTHENTICATOR_CONFIRM: _self(Scope.PEOPLE, machine=False),
    Action.AUTHENTICATOR_REMOVE: _self(Scope.PEOPLE, machine=False, fresh=True),
    Action.RECOVERY_CODES_NEW: _self(Scope.PEOPLE, machine=False, fresh=True),
    Action.INVITATION_ACCEPT: _self(Scope.PEOPLE, machine=False),
    Action.PASSKEY_ADD: _self(Scope.PEOPLE, machine=False, fresh=True),
    Action.PASSKEY_LIST: _self(Scope.READ, machine=False),
    Action.PASSKEY_RENAME: _self(Scope.PEOPLE, machine=False),
    Action.PASSKEY_REMOVE: _self(Scope.PEOPLE, machine=False, fresh=True),
    Action.IDENTITY_LINK: _self(Scope.PEOPLE, machine=False),
    Action.IDENTITY_LIST: _self(Scope.READ, machine=False),
    Action.IDENTITY_UNLINK: _self(Scope.PEOPLE, machine=False, fresh=True),
    Action.ORGANIZATION_CREATE: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.ORGANIZATION_LIMIT: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.USER_CREATE: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.USER_DISABLE: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.USER_ENABLE: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.USER_SESSIONS: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.USER_SIGN_OUT: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.USER_LIST: Permission(On.PLATFORM, Scope.PEOPLE),
    Action.DATABASE_RESTORE: Permission(On.PLATFORM, Scope.CREDENTIALS),
    Action.DATABASE_RELEASE: Permission(On.PLATFORM, Scope.CREDENTIALS),
    Action.SERVICE_CREATE: Permission(On.PLATFORM, Scope.CATALOG),
    Action.SERVICE_CHANGE: Permission(On.PLATFORM, Scope.CATALOG),
    Action.RESOURCE_SERVER_ADD: Permission(On.PLATFORM, Scope.CATALOG),
    Action.RESOURCE_SERVER_LIST: Permission(On.PLATFORM, Scope.CATALOG),
    Action.RESOURCE_SERVER_REMOVE: Permission(On.PLATFORM, Scope.CATALOG),
    Action.TOKEN_KEY_LIST: Permission(On.PLATFORM, Scope.CATALOG),
    Action.TOKEN_KEY_ROTATE: Permission(On.PLATFORM, Scope.CATALOG),
    Action.TOKEN_KEY_RETIRE: Permission(On.PLATFORM, Scope.CATALOG),
    Action.TOKEN_REVOKE: Permission(On.PLATFORM, Scope.CREDENTIALS),
    Action.AUTHORITY_LIST: Permission(On.PLATFORM, Scope.CATALOG),
    Action.AUTHORITY_MAKE: Permission(On.PLATFORM, Scope.CATALOG),
    Action.AUTHORITY_IMPORT: Permission(On.PLATFORM, Scope.CATALOG),
    Action.AUTHORITY_SIGN: Permission(On.PLATFORM, Scope.CATALOG),
    Action.TRUST_LIST: Permission(On.PLATFORM, Scope.CATALOG),
    Action.TRUST_ADD: Permission(On.PLATFORM, Scope.CATALOG),
    Action.TRUST_CHANGE: Permission(On.PLATFORM, Scope.CATALOG),
    Action.TRUST_DISABLE: Permission(On.PLATFORM, Scope.CATALOG),
    Action.CERTIFICATE_SUBJECT_RELEASE: Permission(On.PLATFORM, Scope.CREDENTIALS),
    Action.ORGANIZATION_VIEW: _organization(Scope.READ, _EVERYBODY),
    Action.ACCOUNT_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.ACCOUNT_CREATE: _organization(Scope.PROJECTS, _ADMIN),
    Action.ACCOUNT_RENAME: _organization(Scope.PROJECTS, _ADMIN),
    Action.ACCOUNT_ARCHIVE: _organization(Scope.PROJECTS, _ADMIN, fresh=True),
    Action.WORKSPACE_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.WORKSPACE_CREATE: _organization(Scope.PROJECTS, _ADMIN),
    Action.WORKSPACE_RENAME: _organization(Scope.PROJECTS, _ADMIN),
    Action.WORKSPACE_MOVE: _organization(Scope.PROJECTS, _ADMIN),
    Action.WORKSPACE_ARCHIVE: _organization(Scope.PROJECTS, _ADMIN, fresh=True),
    Action.ROLE_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.ROLE_CREATE: _organization(Scope.PEOPLE, _ADMIN, machine=False, fresh=True),
    Action.ROLE_EDIT: _organization(Scope.PEOPLE, _ADMIN, machine=False, fresh=True),
    Action.ROLE_REMOVE: _organization(Scope.PEOPLE, _ADMIN, machine=False, fresh=True),
    Action.MEMBER_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.MEMBER_SET: _organization(Scope.PEOPLE, _ADMIN, machine=False, fresh=True),
    Action.MEMBER_REMOVE: _organization(Scope.PEOPLE, _ADMIN, machine=False, fresh=True),
    Action.INVITATION_SEND: _organization(Scope.PEOPLE, _ADMIN, machine=False, fresh=True),
    Action.INVITATION_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.INVITATION_WITHDRAW: _organization(Scope.PEOPLE, _ADMIN, machine=False),
    Action.ORGANIZATION_LIST: _self(Scope.READ),
    Action.SERVICE_LIST: _self(Scope.READ),
    Action.CSR_CHECK: _self(Scope.READ),
    Action.ACCESS_TOKEN_CREATE: _organization(Scope.PEOPLE, _EVERYBODY, machine=False, fresh=True),
    Action.ACCESS_TOKEN_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.ACCESS_TOKEN_REVOKE: _organization(Scope.PEOPLE, _EVERYBODY),
    Action.ACCOUNT_KEY_ADD: _organization(Scope.CREDENTIALS, _MAKERS, machine=False, fresh=True),
    Action.ACCOUNT_KEY_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.ACCOUNT_KEY_REVOKE: _organization(Scope.CREDENTIALS, _EVERYBODY),
    Action.API_CREDENTIAL_LIST: _organization(Scope.READ, _OVERSEERS),
    Action.API_CREDENTIAL_VIEW: _organization(Scope.READ, _OVERSEERS),
    Action.API_CREDENTIAL_CREATE: _organization(Scope.CREDENTIALS, _OVERSEERS),
    Action.API_CREDENTIAL_EDIT: _organization(Scope.CREDENTIALS, _OVERSEERS),
    Action.API_CREDENTIAL_ACTIVATE: _organization(Scope.CREDENTIALS, _OVERSEERS),
    Action.API_CREDENTIAL_DEACTIVATE: _organization(Scope.CREDENTIALS, _OVERSEERS),
    Action.API_CREDENTIAL_DELETE: _organization(Scope.CREDENTIALS, _OVERSEERS, fresh=True),
    Action.API_SECRET_ISSUE: _organization(Scope.CREDENTIALS, _OVERSEERS, fresh=True),
    Action.API_SECRET_DELETE: _organization(Scope.CREDENTIALS, _OVERSEERS, fresh=True),
    Action.PROJECT_CREATE: _organization(Scope.PROJECTS, _MAKERS),
    Action.PROJECT_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.AUDIT_VIEW: _organization(Scope.AUDIT, _OVERSEERS),
    Action.EXPIRY_VIEW: _organization(Scope.READ, _EVERYBODY),
    Action.INBOX_LIST: _self(Scope.READ),
    Action.INBOX_MARK: _self(Scope.PEOPLE),
    Action.CALENDAR_FEED_MAKE: _organization(Scope.CREDENTIALS, _EVERYBODY, machine=False),
    Action.CALENDAR_FEED_LIST: _organization(Scope.READ, _EVERYBODY),
    Action.CALENDAR_FEED_REVOKE: _organization(Scope.CREDENTIALS, _EVERYBODY),
    Action.WEBHOOK_ADD: _organization(Scope.CREDENTIALS, _ADMIN, machine=False, fresh=True),
    Action.WEBHOOK_LIST: _organization(Scope.READ, _OVERSEERS),
    Action.WEBHOOK_REMOVE: _organization(Scope.CREDENTIALS, _ADMIN),
    Action.WEBHOOK_TEST: _organization(Scope.CREDENTIALS, _ADMIN),
    Action.DELIVERY_LIST: _organization(Scope.READ, _OVERSEERS),
    Action.PROJECT_VIEW: _project_read(),
    Action.PROJECT_CHANGE: _project_write(Scope.PROJECTS),
    Action.PROJECT_DELETE: _project_write(Scope.PROJECTS, fresh=True),
    Action.PROJECT_UPGRADE: _project_write(Scope.PROJECTS),
    Action.PROJECT_MEMBER_LIST: _project_read(),
    Action.PROJECT_MEMBER_SET: _project_write(Scope.PEOPLE),
    Action.PROJECT_MEMBER_REMOVE: _project_write(Scope.PEOPLE),
    Action.PROJECT_LEAVE: Permission(On.PROJECT, Scope.PEOPLE, frozenset(), _PROJECT_EVERYBODY),
    Action.ENVIRONMENT_ADD: _project_write(Scope.PROJECTS),
    Action.ENVIRONMENT_SERVICE_ADD: _project_write(Scope.PROJECTS),
    Action.KEY_LIST: _project_read(),
    Action.KEY_VIEW: _project_read(),
    Action.KEY_ADD: _project_write(Scope.CREDENTIALS),
    Action.KEY_ROTATE: _project_write(Scope.CREDENTIALS),
    Action.KEY_RENEW: _project_write(Scope.CREDENTIALS, machine=False),
    Action.KEY_REVOKE: _project_write(Scope.CREDENTIALS, fresh=True),
    Action.CERTIFICATE_LIST: _project_read(),
    Action.CERTIFICATE_VIEW: _project_read(),
    Action.CERTIFICATE_ADD: _project_write(Scope.CREDENTIALS),
    Action.CERTIFICATE_REVOKE: _project_write(Scope.CREDENTIALS, fresh=True),
    Action.CERTIFICATE_ENROL: _by_device(ActorKind.ENROLMENT_SECRET),
    Action.CERTIFICATE_REENROL: _by_device(ActorKind.CERTIFICATE),
    Action.ENROLMENT_SECRET_CREATE: _project_write(Scope.CREDENTIALS),
    Action.ENROLMENT_SECRET_LIST: _project_read(),
    Action.ENROLMENT_SECRET_REVOKE: _project_write(Scope.CREDENTIALS),
    Action.TLS_CLIENT_NAME_REGISTER: _project_write(Scope.CREDENTIALS),
    Action.TLS_CLIENT_NAME_VIEW: _project_read(),
    Action.TLS_CLIENT_NAME_REMOVE: _project_write(Scope.CREDENTIALS),
    Action.SERVICE_KEY_LIST: _project_read(),
    Action.SERVICE_KEY_VIEW: _project_read(),
    Action.SERVICE_KEY_ADD: _project_write(Scope.CREDENTIALS),
    Action.SERVICE_KEY_ACTIVATE: _project_write(Scope.CREDENTIALS),
    Action.SERVICE_KEY_REVOKE: _project_write(Scope.CREDENTIALS, fresh=True),
    Action.REFUSAL_VIEW: _project_read(),
    Action.USAGE_VIEW: _project_read(),
}

_DEVICES = frozenset({ActorKind.ENROLMENT_SECRET, ActorKind.CERTIFICATE})

MACHINE_SCOPES = frozenset(
    permission.scope for permission in PERMISSIONS.values() if permission.machine and permission.on is not On.PLATFORM
)
"""What an account-level key of an admin may do, said in scopes: only operators need the rest."""

# Admins and compliance admins alone change API credentials (product row D1); others may be let see them (settled 3).
_BUILT_IN_ROLES_ONLY = frozenset(
    {Action.API_CREDENTIAL_CREATE, Action.API_CREDENTIAL_EDIT, Action.API_CREDENTIAL_DELETE}
    | {Action.API_CREDENTIAL_ACTIVATE, Action.API_CREDENTIAL_DEACTIVATE}
    | {Action.API_SECRET_ISSUE, Action.API_SECRET_DELETE}
)

_BEYOND = frozenset(
    action
    for action, permission in PERMISSIONS.items()
    if permission.organization_roles and _O.CUSTOM not in permission.organization_roles
)
"""What a role of an organization allows, and not every member may anyway."""

CARRIED = _BEYOND - _BUILT_IN_ROLES_ONLY
"""What custom roles are made of."""

_GRANTED: dict[OrganizationRole | None, frozenset[Action]] = {
    role: frozenset(each for each in _BEYOND if role in PERMISSIONS[each].organization_roles) for role in _O
}


def granted(role: OrganizationRole | None, actions: frozenset[Action] = frozenset()) -> frozenset[Action]:
    """Name what a role of an organization allows beyond what every member may; `actions` are a custom role's."""
    return actions & CARRIED if role is _O.CUSTOM else _GRANTED.get(role, frozenset())


def granted_on_project(role: ProjectRole | None) -> frozenset[Action]:
    """Name what a role on a project allows there that a role of the organization may allow on all of them."""
    return frozenset(each for each in CARRIED if role in PERMISSIONS[each].project_roles)


@dataclass(frozen=True, slots=True)
class Standing:
    """The roles an actor's user holds where the action is done. An operator needs none. `actions` are those of the
    custom role, where it is one."""

    organization_role: OrganizationRole | None = None
    project_role: ProjectRole | None = None
    actions: frozenset[Action] = frozenset()

    @property
    def sees_project(self) -> bool:
        return self.project_role is not None or self.oversees

    @property
    def oversees(self) -> bool:
        """Whether all projects of the organization are seen."""
        return Action.PROJECT_VIEW in self.granted

    @property
    def granted(self) -> frozenset[Action]:
        """What the role in the organization allows beyond what every member may."""
        return granted(self.organization_role, self.actions)

    @property
    def sees_everybody(self) -> bool:
        """Whether tokens and keys of others in the organization are seen: by its admins, and by an operator."""
        return self.organization_role in (None, OrganizationRole.ADMIN)


def check(actor: Actor, action: Action, standing: Standing) -> None:
    """Let the actor do the action, or refuse."""
    check_sight(actor, action, standing)
    if not allowed(actor, action, standing):
        permission = PERMISSIONS[action]
        raise Refusal(_code(permission), _sentence(actor, action, permission))
    if PERMISSIONS[action].fresh and not actor.fresh:
        raise Refusal(Code.PROOF_NEEDED, "Confirm first that it is you: your sign-in is not recent enough for this.")


def check_sight(actor: Actor, action: Action, standing: Standing) -> None:
    """Refuse an outsider without telling that the thing exists."""
    permission = PERMISSIONS[action]
    if permission.device is not None and permission.device is actor.kind:
        return  # it was found by what it holds, together with its project
    if permission.on is On.PROJECT and actor.kind is not ActorKind.OPERATOR and not standing.sees_project:
        raise Refusal(Code.PROJECT_NOT_FOUND, "No such project.", field="projectId")
    if permission.on is On.ORGANIZATION and actor.kind is not ActorKind.OPERATOR and standing.organization_role is None:
        raise Refusal(Code.NOT_FOUND, "No such organization.", field="organizationId")


def allowed(actor: Actor, action: Action, standing: Standing) -> bool:
    permission = PERMISSIONS[action]
    if actor.kind is ActorKind.OPERATOR:
        return True
    if actor.kind in _DEVICES or permission.device is not None:
        return actor.kind is permission.device
    if actor.scopes and permission.scope not in actor.scopes:
        return False
    if actor.kind is ActorKind.ACCOUNT_KEY and not permission.machine:
        return False
    if permission.on is On.SELF or actor.kind is ActorKind.VISITOR:
        return permission.on is On.SELF
    return (
        standing.organization_role in permission.organization_roles
        or standing.project_role in permission.project_roles
        or action in standing.granted
    )


def check_gives(actor: Actor, standing: Standing, given: frozenset[Action]) -> None:
    """Let the actor give away, or take from somebody, what is `given`: nobody gives more than they have."""
    lacking = sorted(given - standing.granted - granted_on_project(standing.project_role))
    if lacking and actor.kind is not ActorKind.OPERATOR:
        raise Refusal(
            Code.FORBIDDEN,
            f"This role allows more than your own: {', '.join(lacking[:_NAMED])}. Ask an Admin.",
            field="role",
        )


def _code(permission: Permission) -> Code:
    return Code.PROJECT_FORBIDDEN if permission.on is On.PROJECT else Code.FORBIDDEN


def _sentence(actor: Actor, action: Action, permission: Permission) -> str:
    if permission.device is not None:
        return f"{action} is what a device asks for itself (EST, RFC 7030)."
    if actor.scopes and permission.scope not in actor.scopes:
        return f"This access token lacks the scope {permission.scope}; {action} needs it. Make a token that has it."
    if actor.kind is ActorKind.ACCOUNT_KEY and not permission.machine:
        return f"{action} needs a person: use a personal access token instead of an account-level API key."
    if permission.on is On.PLATFORM:
        return f"{action} is for the platform's operators: use the credenza command on the server."
    roles = sorted({*permission.organization_roles, *permission.project_roles})
    return f"Your role does not allow {action}; it needs one of: {', '.join(roles)}."
