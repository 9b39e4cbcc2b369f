"""The catalog: what the platform offers, and where the gate finds it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from credenza.actions import token_keys
from credenza.actions.context import Act, Attempt, Once, Platform, acting, viewing
from credenza.actions.once import claim, settle
from credenza.domain import catalog_rules
from credenza.domain.access import Action
from credenza.domain.catalog import NO_ENTRY, CatalogEntry
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    AuthenticationType,
    CredentialId,
    EnvironmentName,
    OrganizationId,
    Service,
    ServiceEnvironment,
    ServiceId,
    ServiceStatus,
)
from credenza.domain.names import usual_name
from credenza.protocol import payload_rules
from credenza.protocol.errors import Malformed
from credenza.store import changes, services

RESERVED_PREFIXES = ("/oauth", "/sso", "/.well-known")
LONGEST_PREFIX = 200
LONGEST_UPSTREAM = 500
LONGEST_MONTHS = 39
LONGEST_DAYS = 1200
LONGEST_SCOPE = 120
MOST_SCOPES = 50
_PREFIX = re.compile(r"/|(/[A-Za-z0-9._~-]+)+", re.ASCII)
# RFC 6749 3.3: what a scope may be made of; service:scope is ours (contracts 3.1).
_SCOPE_CHARACTERS = r"[\x21\x23-\x39\x3b-\x5b\x5d-\x7e]"
_SCOPE = re.compile(rf"{_SCOPE_CHARACTERS}+(?::{_SCOPE_CHARACTERS}+)+")


@dataclass(frozen=True, slots=True)
class NewService:
    """`silent_on_payloads` are environments of whose payloads nothing is said, not even that they have no rules."""

    name: str
    authentication: AuthenticationType
    description: str
    environments: tuple[ServiceEnvironment, ...]
    scopes: frozenset[str] = frozenset()
    entry: CatalogEntry = NO_ENTRY
    silent_on_payloads: frozenset[EnvironmentName] = frozenset()


def create(platform: Platform, actor: Actor, new: NewService, *, now: datetime, once: Once | None = None) -> Service:
    with acting(platform, Attempt(actor, Action.SERVICE_CREATE, now, once=once)) as act:
        claimed = claim(act, Service)
        if claimed.answer is not None:
            return claimed.answer
        check(new)
        draft = Service(
            ServiceId(0),
            usual_name(new.name),
            new.authentication,
            ServiceStatus.LIVE,
            new.description,
            with_canonical_rules(new.environments),
            new.scopes,
            new.entry,
        )
        service = replace(draft, id=services.insert_service(act.connection, draft, now=now))
        token_keys.sign_answers(platform, act.connection, service.environments, now=now)
        _announce(act, service)
        return settle(act, service)


def change(platform: Platform, actor: Actor, service_id: ServiceId, new: NewService, *, now: datetime) -> Service:
    """Change what a service says of itself. Its authentication type stays: projects depend on it. Permissions that it
    no longer offers are taken from whoever was granted them."""
    with acting(platform, Attempt(actor, Action.SERVICE_CHANGE, now)) as act:
        service = _get(act, service_id)
        check(new)
        check_against(service, new)
        changed = replace(
            service,
            name=usual_name(new.name),
            description=new.description,
            environments=with_canonical_rules(new.environments),
            scopes=new.scopes,
            entry=new.entry,
        )
        lost = services.replace_service(act.connection, service, changed)
        token_keys.sign_answers(platform, act.connection, changed.environments, now=now)
        _announce(act, changed, lost)
        return changed


def set_payload_rules(
    platform: Platform,
    actor: Actor,
    service_id: ServiceId,
    environment: EnvironmentName,
    rules: str | None,
    *,
    now: datetime,
) -> Service:
    """Say what of a service's payloads is encrypted and signed in an environment (JSON); None: nothing is."""
    with acting(platform, Attempt(actor, Action.SERVICE_CHANGE, now)) as act:
        service = _get(act, service_id)
        if service.in_environment(environment) is None:
            raise Refusal(
                Code.PROJECT_CONFIG,
                f"The service {service.name} is not offered in {environment}.",
                field="environment",
            )
        places = tuple(
            replace(each, payload_rules=rules) if each.environment is environment else each
            for each in service.environments
        )
        _check_payload_keys(service.authentication, places)
        changed = replace(service, environments=with_canonical_rules(places))
        services.replace_service(act.connection, service, changed)
        token_keys.sign_answers(platform, act.connection, changed.environments, now=now)
        _announce(act, changed)
        return changed


def retire(platform: Platform, actor: Actor, service_id: ServiceId, *, now: datetime) -> Service:
    """Take a service out of the catalog: nobody adds it any more and the gate stops serving it."""
    with acting(platform, Attempt(actor, Action.SERVICE_CHANGE, now)) as act:
        service = _get(act, service_id)
        retired = replace(service, status=ServiceStatus.RETIRED)
        services.replace_service(act.connection, service, retired)
        _announce(act, retired)
        return retired


def list_live(platform: Platform, actor: Actor, *, now: datetime) -> tuple[Service, ...]:
    with viewing(platform, Attempt(actor, Action.SERVICE_LIST, now)) as act:
        return services.list_live(act.connection)


def announce(act: Act, service: Service, lost: Iterable[tuple[OrganizationId, CredentialId]] = ()) -> None:
    """Tell the gates of a change, and of the credentials that have lost permissions or places by it: a permission may
    come back, and theirs must not."""
    changes.record(act.connection, act.organization_id, changes.ChangeKind.CATALOG, service.id)
    for organization_id, credential_id in lost:
        changes.record(act.connection, organization_id, changes.ChangeKind.CREDENTIAL, credential_id)


def _announce(act: Act, service: Service, lost: Iterable[tuple[OrganizationId, CredentialId]] = ()) -> None:
    announce(act, service, lost)
    act.note(service.id, service.name)


def _get(act: Act, service_id: ServiceId) -> Service:
    service = services.find(act.connection, service_id, lock=True)
    if service is None:
        raise Refusal(Code.SERVICE_NOT_FOUND, f"No service {service_id}.", field="serviceId")
    return service


def check(new: NewService) -> None:
    """Refuse what no gate could serve."""
    if len({each.environment for each in new.environments}) != len(new.environments):
        raise Refusal(Code.INVALID, "Each environment may be named once.", field="environments")
    _check_scopes(new)
    for each in new.environments:
        _check_prefix(each.path_prefix)
        _check_upstream(each.upstream)
        _check_validity(each)
    _check_entry(new)
    _check_payload_keys(new.authentication, new.environments)


def check_against(service: Service, new: NewService) -> None:
    """Refuse what would break those who use the service as it is."""
    _check_authentication(service, new)
    _check_payload_rules_named(service, new)


def _check_authentication(service: Service, new: NewService) -> None:
    if new.authentication is not service.authentication:
        raise Refusal(
            Code.PROJECT_TYPE,
            f"{service.name} takes {service.authentication} and projects depend on it. Create another service.",
            field="authentication",
        )


def _check_payload_rules_named(service: Service, new: NewService) -> None:
    """A change replaces all of a service; that what protects its payloads goes has to be said."""
    for name in sorted(new.silent_on_payloads):
        place = service.in_environment(name)
        if place is not None and place.payload_rules is not None:
            raise Refusal(
                Code.INVALID,
                f"The service has payload rules in {name}. Send them as payloadRules to keep them, or "
                "payloadRules: null to let payloads travel unprotected.",
                field="payloadRules",
            )


def _check_payload_keys(authentication: AuthenticationType, places: Iterable[ServiceEnvironment]) -> None:
    if authentication is AuthenticationType.CLIENT_SECRET and any(each.payload_rules is not None for each in places):
        raise Refusal(
            Code.INVALID,
            "Keys for payloads belong to projects, and whoever calls with a client secret has none. Leave payloadRules "
            "out, or offer the API as a service that takes OAUTH10A, DUAL_OAUTH, OAUTH2_FAPI or MTLS.",
            field="payloadRules",
        )


def _check_entry(new: NewService) -> None:
    if new.authentication is AuthenticationType.CLIENT_SECRET:
        catalog_rules.check(new.entry)
    elif new.entry != NO_ENTRY:
        raise Refusal(
            Code.INVALID,
            f"Permissions, scope and routes are for services that take client secrets; this one takes "
            f"{new.authentication}.",
            field="catalogEntry",
        )


def with_canonical_rules(places: tuple[ServiceEnvironment, ...]) -> tuple[ServiceEnvironment, ...]:
    """Check what is said of payloads, and write it with every property."""
    return tuple(replace(each, payload_rules=_canonical(each.payload_rules)) for each in places)


def _canonical(rules: str | None) -> str | None:
    if rules is None:
        return None
    try:
        return payload_rules.write(payload_rules.parse(rules))
    except Malformed as error:
        raise Refusal(Code.INVALID, str(error), field=_rules_field(error)) from error


def _rules_field(error: Malformed) -> str:
    return "payloadRules" if error.field == "rules" else f"payloadRules.{error.field}"


def _check_scopes(new: NewService) -> None:
    if len(new.scopes) > MOST_SCOPES:
        raise Refusal(Code.INVALID, f"A service has at most {MOST_SCOPES} scopes.", field="scopes")
    for scope in sorted(new.scopes):
        if len(scope) > LONGEST_SCOPE or _SCOPE.fullmatch(scope) is None:
            raise Refusal(
                Code.INVALID,
                f"{scope[:LONGEST_SCOPE]!r} is not service:scope, such as payments:read: at most {LONGEST_SCOPE} "
                "printable ASCII characters without blank, quotation mark and backslash.",
                field="scopes",
            )


def _check_prefix(prefix: str) -> None:
    if len(prefix) > LONGEST_PREFIX:
        raise Refusal(Code.INVALID, f"A path prefix has {LONGEST_PREFIX} characters at most.", field="pathPrefix")
    if _PREFIX.fullmatch(prefix) is None or "/." in prefix.replace("/.well-known", ""):
        raise Refusal(
            Code.INVALID,
            f"{prefix!r} is not a path prefix: segments of letters, digits and - _ ~ . after a slash, none at the end.",
            field="pathPrefix",
        )
    if any(prefix == taken or prefix.startswith(taken + "/") for taken in RESERVED_PREFIXES):
        raise Refusal(Code.INVALID, f"{', '.join(RESERVED_PREFIXES)} belong to the gate itself.", field="pathPrefix")


def _check_upstream(upstream: str) -> None:
    if len(upstream) > LONGEST_UPSTREAM or not _is_origin(upstream):
        raise Refusal(
            Code.INVALID, "An upstream is an http or https origin, such as http://127.0.0.1:9000", field="upstream"
        )


def _is_origin(upstream: str) -> bool:
    try:
        parts = urlsplit(upstream)
        reachable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return reachable and parts.scheme in ("http", "https") and not (parts.query or parts.fragment or "@" in upstream)


def _check_validity(where: ServiceEnvironment) -> None:
    if not 1 <= where.validity_months <= LONGEST_MONTHS:
        raise Refusal(Code.INVALID, f"Validity lies between 1 and {LONGEST_MONTHS} months.", field="validityMonths")
    if where.validity_days is not None and not 1 <= where.validity_days <= LONGEST_DAYS:
        raise Refusal(Code.INVALID, f"Validity lies between 1 and {LONGEST_DAYS} days.", field="validityDays")
