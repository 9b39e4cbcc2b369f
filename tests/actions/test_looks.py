"""Looks leave nothing when they are allowed, and one audit row when they are refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.actions.stage import SANDBOX, Shop, request

from credenza.actions import (
    access_tokens,
    account_keys,
    api_credentials,
    audit_log,
    csr_checks,
    oauth_keys,
    organizations,
    people,
    project_members,
    projects,
    projects_in_sight,
    search,
    services,
    traces,
)
from credenza.domain.access import Scope
from credenza.domain.api_credentials import ApiCredentialQuery
from credenza.domain.errors import Code
from credenza.domain.lists import KeyQuery, ProjectQuery
from credenza.domain.model import CredentialId, OrganizationRole, ProjectType

Look = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def looks(shop: Shop) -> dict[str, Look]:
    organization, project = shop.organization.id, shop.project.id
    return {
        "organization.list": (organizations.list_all, (), {}),
        "organization.view": (organizations.get, (organization,), {}),
        "member.list": (people.list_members, (organization,), {}),
        "access_token.list": (access_tokens.list_own, (organization,), {}),
        "account_key.list": (account_keys.list_own, (organization,), {}),
        "audit.view": (audit_log.latest, (organization,), {"limit": 1}),
        "service.list": (services.list_live, (), {}),
        "csr.check": (csr_checks.check, (request(0), ProjectType.OAUTH10A), {}),
        "project.list": (projects_in_sight.list_all, (organization,), {}),
        "project.view": (projects.get, (project,), {}),
        "project.member.list": (project_members.list_all, (project,), {}),
        "key.list": (oauth_keys.list_page, (project,), {"limit": 1}),
        "key.view": (oauth_keys.get, (project, shop.key.id), {}),
        "refusal.view": (traces.refusals, (project,), {"limit": 1}),
        "usage.view": (traces.callers, (project, shop.key.id), {}),
    }


def more_looks(shop: Shop) -> list[tuple[str, Look]]:
    """Other ways to look at the same, for the pages of the portal."""
    organization, project, key = shop.organization.id, shop.project.id, shop.key.id
    return [
        ("project.list", (projects_in_sight.search_page, (organization, ProjectQuery()), {})),
        ("project.list", (search.find, (organization, "billing"), {})),
        ("api_credential.list", (api_credentials.list_page, (organization, ApiCredentialQuery()), {})),
        ("api_credential.list", (api_credentials.list_choices, (organization,), {})),
        ("project.view", (projects_in_sight.in_sight, (project,), {})),
        ("key.list", (oauth_keys.search_page, (project, KeyQuery(SANDBOX)), {})),
        ("key.view", (oauth_keys.get_in_context, (project, key), {})),
        ("usage.view", (traces.uses, (project, (key,)), {})),
        ("audit.view", (audit_log.of_subject, (organization, key), {"limit": 1})),
    ]


def test_a_look_needs_its_scope_and_leaves_a_row_only_when_it_is_refused(shop: Shop) -> None:
    """Asked as a person whose proof is narrowed, so that the list of organizations is asked for as such."""
    admin = shop.stage.member(shop.organization, OrganizationRole.ADMIN)
    person = replace(admin.actor, organization_id=None)
    narrow = replace(person, scopes=frozenset({Scope.CATALOG}))

    for action, (call, arguments, named) in [*looks(shop).items(), *more_looks(shop)]:
        code = Code.PROJECT_FORBIDDEN if shop.project.id in arguments else Code.FORBIDDEN
        shop.stage.refused(action, code, call, narrow, *arguments, **named)
        shop.stage.looked(call, person, *arguments, **named)


def test_who_calls_with_a_key_of_another_project_is_not_told(shop: Shop) -> None:
    for key_id in (Shop(shop.stage).key.id, CredentialId("0" * 48)):
        shop.refused("usage.view", Code.CREDENTIAL_NOT_FOUND, traces.callers, key_id)


def test_a_request_is_checked_rule_by_rule_and_nothing_is_stored(shop: Shop) -> None:
    good = shop.stage.looked(csr_checks.check, shop.owner.actor, request(1), ProjectType.OAUTH10A)
    bad = shop.stage.looked(csr_checks.check, shop.owner.actor, b"", ProjectType.OAUTH10A)

    assert all(check.ok for check in good)
    assert all(check.cure for check in bad if not check.ok)
    assert not all(check.ok for check in bad)
