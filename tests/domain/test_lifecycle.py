"""Every rule of the seeds about the life of a credential, under the seed's own words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from tests.clock import NOON
from tests.domain.values import KEY, PROJECT

from credenza.domain import lifecycle
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import add_months
from credenza.domain.lifecycle import RULES, TRANSITIONS, Standing
from credenza.domain.model import (
    AuthenticationType,
    Credential,
    CredentialId,
    CredentialKind,
    EnvironmentName,
    Project,
    ProjectType,
    Service,
    ServiceEnvironment,
    ServiceId,
    ServiceStatus,
    Status,
)

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)

REVOKED = replace(KEY, status=Status.REVOKED, revoked_at=NOON)
INACTIVE = replace(KEY, status=Status.INACTIVE)
EXPIRED = replace(KEY, not_after=NOON - SECOND)
EXPIRING = replace(KEY, not_after=NOON + 90 * DAY)

OAUTH1 = Standing(ProjectType.OAUTH10A, dual=False)
OAUTH2 = Standing(ProjectType.OAUTH2_FAPI, dual=False)
UPGRADED = Standing(ProjectType.OAUTH10A, dual=True)
MTLS = Standing(ProjectType.MTLS, dual=False)

SIGNING_KEY = CredentialKind.SIGNING_KEY


def refusal(call: object, *arguments: object, **named: object) -> Code:
    assert callable(call)
    with pytest.raises(Refusal) as refused:
        call(*arguments, **named)
    assert refused.value.message
    return refused.value.code


# --------------------------------------------------------------------------- adding a key


@pytest.mark.parametrize(
    ("standing", "taken", "slot"),
    [
        pytest.param(OAUTH2, set(), 1, id="the first OAuth 2.0 key"),
        pytest.param(OAUTH2, {1, 2}, 3, id="the third OAuth 2.0 key"),
        pytest.param(OAUTH2, {1, 3}, 2, id="the place of a revoked key is free again"),
        pytest.param(UPGRADED, {1}, 2, id="after the upgrade every key counts as OAuth 2.0"),
        pytest.param(OAUTH1, set(), None, id="OAuth 1.0a keys: no documented cap"),
    ],
)
def test_a_key_is_admitted(standing: Standing, taken: set[int], slot: int | None) -> None:
    assert lifecycle.admit(SIGNING_KEY, replace(standing, taken_slots=frozenset(taken))).slot == slot


@pytest.mark.parametrize(("ended", "must_be_freed"), [(set(), False), ({2}, True), ({3}, False)])
def test_the_place_of_a_key_that_has_ended_is_freed_when_it_comes_next(ended: set[int], must_be_freed: bool) -> None:
    standing = replace(OAUTH2, taken_slots=frozenset({1}), ended_slots=frozenset(ended))

    assert lifecycle.admit(SIGNING_KEY, standing) == lifecycle.Admission(2, must_be_freed=must_be_freed)


@pytest.mark.parametrize(
    ("standing", "taken", "limit"),
    [
        pytest.param(OAUTH2, {1, 2, 3}, 3, id="max 3 OAuth 2.0 keys"),
        pytest.param(UPGRADED, {1, 2, 3}, 3, id="max 3 keys of an upgraded project"),
        pytest.param(OAUTH2, {1}, 1, id="the number is a setting of the platform"),
        pytest.param(OAUTH2, {2, 3}, 2, id="the setting was lowered below what the project has"),
        pytest.param(OAUTH2, set(), 0, id="the setting allows none"),
    ],
)
def test_a_key_above_the_limit_is_refused(standing: Standing, taken: set[int], limit: int) -> None:
    full = replace(standing, taken_slots=frozenset(taken), key_limit=limit)

    assert refusal(lifecycle.admit, SIGNING_KEY, full) is Code.OAUTH2_KEY_LIMIT


def test_the_limit_is_3_unless_the_platform_says_otherwise() -> None:
    assert Standing(ProjectType.OAUTH2_FAPI, dual=False).key_limit == lifecycle.OAUTH2_KEY_LIMIT == 3


@pytest.mark.parametrize(
    ("kind", "project_types"),
    [
        pytest.param(SIGNING_KEY, {"OAUTH10A", "OAUTH2_FAPI"}, id="SIGNING: OAUTH10A, OAUTH2_FAPI"),
        pytest.param(
            CredentialKind.MTLS_CERTIFICATE, {"MTLS", "OAUTH2_FAPI"}, id="MTLS_CERT, MTLS_CSR: MTLS, OAUTH2_FAPI"
        ),
        pytest.param(CredentialKind.RESPONSE_ENCRYPTION, set(ProjectType), id="MASTERCARD_ENCRYPTION: every project"),
        pytest.param(CredentialKind.REQUEST_ENCRYPTION, set(ProjectType), id="CLIENT_ENCRYPTION: every project"),
        pytest.param(
            CredentialKind.REQUEST_SIGNATURE, set(ProjectType), id="CLIENT_SIGNATURE_VERIFICATION: every project"
        ),
        pytest.param(CredentialKind.ACCOUNT_KEY, set(), id="account-level API keys belong to no project"),
        pytest.param(CredentialKind.CLIENT_SECRET, set(), id="API credentials belong to no project"),
    ],
)
def test_a_project_takes_the_credentials_of_its_type(kind: CredentialKind, project_types: set[str]) -> None:
    for project_type in ProjectType:
        standing = Standing(project_type, dual=False)
        if project_type in project_types:
            lifecycle.admit(kind, standing)
        else:
            assert refusal(lifecycle.admit, kind, standing) is Code.KEY_TYPE


def test_only_signing_keys_count_as_oauth_2_0_keys() -> None:
    full = replace(OAUTH2, taken_slots=frozenset({1, 2, 3}))

    assert lifecycle.admit(CredentialKind.MTLS_CERTIFICATE, full).slot is None


@pytest.mark.parametrize(
    ("standing", "algorithm", "admitted"),
    [
        pytest.param(OAUTH1, "RSA-2048", True, id="RSA for OAuth 1.0a"),
        pytest.param(OAUTH1, "EC-P256", False, id="reject EC for an OAUTH10A project"),
        pytest.param(UPGRADED, "EC-P256", False, id="an upgraded project still speaks OAuth 1.0a"),
        pytest.param(OAUTH2, "EC-P256", True, id="EC P-256 (OAuth 2.0 only)"),
        pytest.param(OAUTH2, "RSA-4096", True, id="RSA for OAuth 2.0"),
    ],
)
def test_oauth_1_0a_signs_with_rsa_alone(standing: Standing, algorithm: str, admitted: bool) -> None:
    if admitted:
        lifecycle.admit_key_algorithm(algorithm, standing)
    else:
        assert refusal(lifecycle.admit_key_algorithm, algorithm, standing) is Code.INVALID_CSR


@pytest.mark.parametrize(
    ("project_type", "fitting"),
    [
        pytest.param(ProjectType.OAUTH10A, {"OAUTH10A", "DUAL_OAUTH"}, id="OAUTH10A→OAUTH10A,DUAL_OAUTH"),
        pytest.param(ProjectType.MTLS, {"MTLS"}, id="MTLS→MTLS"),
        pytest.param(ProjectType.OAUTH2_FAPI, {"OAUTH2_FAPI", "DUAL_OAUTH"}, id="OAUTH2_FAPI→OAUTH2_FAPI,DUAL_OAUTH"),
    ],
)
def test_all_services_in_one_project_share_the_same_auth_model(project_type: ProjectType, fitting: set[str]) -> None:
    project = replace(PROJECT, type=project_type)
    for authentication in AuthenticationType:
        if authentication in fitting:
            lifecycle.admit_service(project, authentication)
        else:
            assert refusal(lifecycle.admit_service, project, authentication) is Code.PROJECT_TYPE


def test_an_upgraded_project_takes_services_that_take_both_and_no_others() -> None:
    upgraded = replace(PROJECT, dual=True)

    lifecycle.admit_service(upgraded, AuthenticationType.DUAL_OAUTH)
    for authentication in set(AuthenticationType) - {AuthenticationType.DUAL_OAUTH}:
        assert refusal(lifecycle.admit_service, upgraded, authentication) is Code.PROJECT_TYPE


# --------------------------------------------------------------------------- the upgrade to OAuth 2.0


def upgrade(project: Project = PROJECT, *keys: Credential, takes: str = "DUAL_OAUTH") -> dict[CredentialId, int]:
    service = Service(ServiceId(1), "Cards", AuthenticationType(takes), ServiceStatus.LIVE, "", ())
    return lifecycle.upgrade(project, [service], keys, key_limit=3)


def numbered(number: int, **fields: Any) -> Credential:
    return replace(KEY, id=CredentialId(f"{number:048x}"), alias=f"key {number}", **fields)


def test_the_upgrade_gives_the_keys_that_are_left_their_places() -> None:
    places = upgrade(PROJECT, numbered(1), numbered(2), numbered(3, status=Status.INACTIVE))

    assert {int(key_id, 16): place for key_id, place in places.items()} == {1: 1, 2: 2, 3: 3}


def test_a_project_with_more_keys_than_oauth_2_0_allows_is_told_which() -> None:
    keys = [numbered(number) for number in range(1, 5)]

    with pytest.raises(Refusal) as refused:
        upgrade(PROJECT, *keys)

    assert refused.value.code is Code.OAUTH2_KEY_LIMIT
    assert all(key.alias in refused.value.message and key.id in refused.value.message for key in keys)


def test_of_very_many_keys_the_first_twenty_are_named() -> None:
    with pytest.raises(Refusal, match=r"this one has 23: .*\(SANDBOX, [0-9a-f]{46}14\), and 3 more\. Revoke"):
        upgrade(PROJECT, *map(numbered, range(1, 24)))


@pytest.mark.parametrize("takes", ["OAUTH10A", "OAUTH2_FAPI", "MTLS", "CLIENT_SECRET"])
def test_every_service_of_an_upgraded_project_takes_both(takes: str) -> None:
    assert refusal(upgrade, takes=takes) is Code.PROJECT_CONFIG


@pytest.mark.parametrize("project_type", [ProjectType.OAUTH2_FAPI, ProjectType.MTLS])
def test_only_oauth_1_0a_projects_are_upgraded(project_type: ProjectType) -> None:
    assert refusal(upgrade, replace(PROJECT, type=project_type)) is Code.PROJECT_TYPE


# --------------------------------------------------------------------------- validity


def place(months: int = 13, days: int | None = None) -> ServiceEnvironment:
    return ServiceEnvironment(EnvironmentName.SANDBOX, "/accounts", "http://127.0.0.1:9000", months, days)


@pytest.mark.parametrize(
    ("places", "end"),
    [
        pytest.param([], add_months(NOON, 13), id="13 months"),
        pytest.param([place()], add_months(NOON, 13), id="13 months for a service"),
        pytest.param([place(days=30)], NOON + 30 * DAY, id="some products issue sandbox keys of 30 days"),
        pytest.param([place(), place(months=6)], add_months(NOON, 6), id="the shortest of several services"),
    ],
)
def test_validity(places: list[ServiceEnvironment], end: object) -> None:
    assert lifecycle.shortest(NOON, places) == end


# --------------------------------------------------------------------------- renew, rotate


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(EXPIRING, id="90 days or less to go"),
        pytest.param(replace(KEY, not_after=NOON), id="in its last second"),
    ],
)
def test_renew_is_allowed(key: Credential) -> None:
    lifecycle.renew(key, OAUTH1, now=NOON)


@pytest.mark.parametrize(
    ("key", "standing"),
    [
        pytest.param(EXPIRING, OAUTH2, id="renew only OAuth 1.0a"),
        pytest.param(EXPIRING, UPGRADED, id="no renew after the upgrade"),
        pytest.param(replace(EXPIRING, status=Status.INACTIVE), OAUTH1, id="renew only ACTIVE"),
        pytest.param(replace(EXPIRING, status=Status.REVOKED), OAUTH1, id="a renewal never resurrects a revoked key"),
        pytest.param(EXPIRED, OAUTH1, id="renew only unexpired"),
        pytest.param(replace(EXPIRING, not_after=NOON + 90 * DAY + SECOND), OAUTH1, id="more than 90 days to go"),
        *(
            pytest.param(replace(EXPIRING, kind=kind), OAUTH1, id=f"a {kind} is never renewed")
            for kind in CredentialKind
            if kind is not SIGNING_KEY
        ),
    ],
)
def test_renew_is_refused(key: Credential, standing: Standing) -> None:
    assert refusal(lifecycle.renew, key, standing, now=NOON) is Code.NOT_RENEWABLE


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(KEY, id="rotating creates a new key alongside your existing key"),
        pytest.param(EXPIRED, id="after the key has ended too"),
        pytest.param(INACTIVE, id="of an inactive key"),
    ],
)
def test_rotate_is_allowed(key: Credential) -> None:
    lifecycle.rotate(key, OAUTH1, now=NOON)


@pytest.mark.parametrize(
    ("key", "standing", "code"),
    [
        pytest.param(KEY, OAUTH2, Code.NOT_RENEWABLE, id="for OAuth 2.0 keys, there is no rotate option"),
        pytest.param(KEY, UPGRADED, Code.NOT_RENEWABLE, id="no rotate after the upgrade"),
        pytest.param(REVOKED, OAUTH1, Code.NOT_ACTIVE, id="a revoked key has no successor"),
        pytest.param(
            replace(KEY, kind=CredentialKind.MTLS_CERTIFICATE), MTLS, Code.NOT_RENEWABLE, id="rotation by adding"
        ),
    ],
)
def test_rotate_is_refused(key: Credential, standing: Standing, code: Code) -> None:
    assert refusal(lifecycle.rotate, key, standing, now=NOON) is code


# --------------------------------------------------------------------------- revoke


@pytest.mark.parametrize(
    ("key", "others", "keep_last", "changes"),
    [
        pytest.param(KEY, 1, False, True, id="revoke"),
        pytest.param(KEY, 0, False, True, id="a leaked last key must be revocable"),
        pytest.param(KEY, 1, True, True, id="not the last active key"),
        pytest.param(INACTIVE, 0, True, True, id="an inactive key is not the last active one"),
        pytest.param(EXPIRED, 0, True, True, id="an expired key is not the last active one"),
        pytest.param(REVOKED, 0, True, False, id="a second revocation changes nothing"),
    ],
)
def test_revoke(key: Credential, others: int, keep_last: bool, changes: bool) -> None:
    assert lifecycle.revoke(key, other_active=others, keep_last=keep_last, now=NOON) is changes


def test_revoking_the_last_active_key_is_called_out_before_it_happens() -> None:
    assert refusal(lifecycle.revoke, KEY, other_active=0, keep_last=True, now=NOON) is Code.LAST_ACTIVE_CREDENTIAL


# --------------------------------------------------------------------------- the tables

STATES = {Status.ACTIVE: KEY, Status.INACTIVE: INACTIVE, Status.EXPIRED: EXPIRED, Status.REVOKED: REVOKED}
MAY_BECOME = {
    ("ACTIVE", "INACTIVE"),
    ("ACTIVE", "REVOKED"),
    ("INACTIVE", "ACTIVE"),
    ("INACTIVE", "REVOKED"),
    ("EXPIRED", "REVOKED"),
}


@pytest.mark.parametrize(("status", "to"), [*product(Status, Status)])
def test_what_a_status_may_become(status: Status, to: Status) -> None:
    if (status, to) in MAY_BECOME:
        lifecycle.change(STATES[status], to, now=NOON)
    else:
        assert refusal(lifecycle.change, STATES[status], to, now=NOON) is Code.NOT_ACTIVE


def test_revoked_is_the_end() -> None:
    assert TRANSITIONS[Status.REVOKED] == frozenset()
    assert set(TRANSITIONS) == set(Status)


@pytest.mark.parametrize(
    ("facet", "kinds"),
    [
        pytest.param(
            "one_active",
            {"RESPONSE_ENCRYPTION", "REQUEST_SIGNATURE"},
            id="at most one ACTIVE Encryption Key and one ACTIVE Signature Verification Key",
        ),
        pytest.param("unique_key", {"SIGNING_KEY", "ACCOUNT_KEY"}, id="same public key not registered twice"),
        pytest.param("unique_subject", {"MTLS_CERTIFICATE"}, id="If the DN is not unique, the upload will fail"),
        pytest.param("renewable", {"SIGNING_KEY"}, id="renew is for OAuth keys alone"),
        pytest.param("rotatable", {"SIGNING_KEY"}, id="rotate is for OAuth keys alone"),
        pytest.param("expires", set(CredentialKind) - {"CLIENT_SECRET"}, id="no periodic expiry of client secrets"),
    ],
)
def test_the_kinds_that_a_rule_is_about(facet: str, kinds: set[str]) -> None:
    assert {kind for kind, rule in RULES.items() if getattr(rule, facet)} == kinds
    assert set(RULES) == set(CredentialKind)


# ------------------------------------------------------------------- service credentials

READER = replace(KEY, kind=CredentialKind.RESPONSE_ENCRYPTION, service_id=ServiceId(7))
SIGNER = replace(READER, kind=CredentialKind.REQUEST_SIGNATURE)
OURS = replace(READER, kind=CredentialKind.REQUEST_ENCRYPTION)
ENDED = {"not_after": NOON - SECOND}
ASIDE = {"status": Status.INACTIVE, "inactive_since": NOON - DAY}
GONE = {"status": Status.REVOKED, "revoked_at": NOON}


@pytest.mark.parametrize(
    ("kind", "usable", "status"),
    [
        (CredentialKind.RESPONSE_ENCRYPTION, False, Status.ACTIVE),
        (CredentialKind.RESPONSE_ENCRYPTION, True, Status.INACTIVE),
        (CredentialKind.REQUEST_SIGNATURE, False, Status.ACTIVE),
        (CredentialKind.REQUEST_SIGNATURE, True, Status.INACTIVE),
        (CredentialKind.REQUEST_ENCRYPTION, False, Status.ACTIVE),
        (CredentialKind.REQUEST_ENCRYPTION, True, Status.ACTIVE),
    ],
)
def test_what_a_new_service_credential_starts_as(kind: CredentialKind, usable: bool, status: Status) -> None:
    assert lifecycle.first_status(kind, usable=usable) is status


@pytest.mark.parametrize("key", [READER, SIGNER])
def test_activation_of_an_inactive_key_changes_something_and_of_an_active_one_nothing(key: Credential) -> None:
    assert lifecycle.activate(replace(key, **ASIDE), now=NOON)
    assert not lifecycle.activate(key, now=NOON)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (OURS, Code.KEY_TYPE),
        (replace(READER, **ASIDE, **ENDED), Code.EXPIRED_KEY),
        (replace(READER, **ENDED), Code.EXPIRED_KEY),
        (replace(SIGNER, **GONE), Code.NOT_ACTIVE),
        (replace(SIGNER, **GONE, **ENDED), Code.NOT_ACTIVE),
        (replace(READER, status=Status.INACTIVE), Code.NOT_ACTIVE),
    ],
    ids=["ours", "expired aside", "expired", "revoked", "revoked and expired", "held"],
)
def test_activation_is_refused(key: Credential, code: Code) -> None:
    assert refusal(lifecycle.activate, key, now=NOON) is code


@pytest.mark.parametrize(
    ("key", "others", "changes"),
    [
        (replace(READER, **ASIDE), 1, True),
        (replace(READER, **ASIDE), 0, True),
        (replace(READER, **ENDED), 0, True),
        (OURS, 1, True),
        (replace(OURS, **ENDED), 0, True),
        (replace(OURS, status=Status.INACTIVE), 0, True),
        (replace(SIGNER, **GONE), 0, False),
        (replace(OURS, **GONE), 0, False),
    ],
)
def test_a_service_credential_that_payloads_do_without_is_revoked(key: Credential, others: int, changes: bool) -> None:
    assert lifecycle.revoke_service_key(key, other_active=others, now=NOON) is changes


@pytest.mark.parametrize(
    ("key", "others", "code"),
    [
        (READER, 0, Code.ACTIVE_SERVICE_KEY),
        (READER, 1, Code.ACTIVE_SERVICE_KEY),
        (SIGNER, 0, Code.ACTIVE_SERVICE_KEY),
        (OURS, 0, Code.LAST_SERVICE_KEY),
    ],
)
def test_a_service_credential_that_payloads_need_is_not_revoked(key: Credential, others: int, code: Code) -> None:
    assert refusal(lifecycle.revoke_service_key, key, other_active=others, now=NOON) is code


# ------------------------------------------------------------------- what a refusal says

HELD = replace(READER, status=Status.INACTIVE)
CERTIFICATE = replace(KEY, kind=CredentialKind.MTLS_CERTIFICATE)
CARDS, LOANS = (
    Service(ServiceId(1), name, AuthenticationType.OAUTH10A, ServiceStatus.LIVE, "", ()) for name in ("Cards", "Loans")
)


@pytest.mark.parametrize(
    ("refused_call", "field", "message"),
    [
        pytest.param(
            partial(lifecycle.admit, SIGNING_KEY, MTLS),
            "type",
            "An MTLS project does not use this type of credential; it uses TLS client certificates.",
            id="a kind that the project does not use",
        ),
        pytest.param(
            partial(lifecycle.admit, SIGNING_KEY, replace(OAUTH2, taken_slots=frozenset({1, 2, 3}))),
            "",
            "The project already has 3 OAuth 2.0 keys, both environments together. "
            "Revoke one that is no longer used, then add the new key.",
            id="too many keys",
        ),
        pytest.param(
            partial(lifecycle.admit_key_algorithm, "EC-P256", OAUTH1),
            "csr",
            "OAuth 1.0a needs an RSA key, this one is EC-P256. Make one with: "
            "openssl req -new -newkey rsa:2048 -nodes -keyout key.pem -out request.csr -subj '/CN=my-application'",
            id="a key that OAuth 1.0a cannot sign with",
        ),
        pytest.param(
            partial(lifecycle.admit_service, PROJECT, AuthenticationType.MTLS),
            "serviceId",
            "This project cannot use a service that takes MTLS; it can use DUAL_OAUTH, OAUTH10A.",
            id="a service of another type",
        ),
        pytest.param(
            partial(lifecycle.admit_service, replace(PROJECT, dual=True), AuthenticationType.OAUTH10A),
            "serviceId",
            "This project cannot use a service that takes OAUTH10A; it can use DUAL_OAUTH.",
            id="a service that is behind the project",
        ),
        pytest.param(
            partial(upgrade, replace(PROJECT, type=ProjectType.MTLS)),
            "type",
            "An MTLS project is not upgraded: only OAuth 1.0a projects are.",
            id="an upgrade of another type",
        ),
        pytest.param(
            partial(lifecycle.upgrade, PROJECT, [CARDS, LOANS], (), key_limit=3),
            "services",
            "These services do not take OAuth 2.0 yet: Cards, Loans. "
            "A project is upgraded when all of its services take both.",
            id="an upgrade ahead of the services",
        ),
        pytest.param(
            partial(lifecycle.upgrade, PROJECT, (), (numbered(1), numbered(2)), key_limit=1),
            "",
            "An OAuth 2.0 project has at most 1 keys, both environments together; this one has 2: "
            f"key 1 (SANDBOX, {1:048x}), key 2 (SANDBOX, {2:048x}). "
            "Revoke those that are no longer used, then upgrade.",
            id="an upgrade with too many keys",
        ),
        pytest.param(
            partial(lifecycle.renew, EXPIRING, OAUTH2, now=NOON),
            "",
            "An OAuth 2.0 key is never renewed: add a new key and switch to it.",
            id="a renewal of an OAuth 2.0 key",
        ),
        pytest.param(
            partial(lifecycle.renew, EXPIRED, OAUTH1, now=NOON),
            "",
            "The key is EXPIRED; only an ACTIVE key is renewed. Add a new key.",
            id="a renewal that comes too late",
        ),
        pytest.param(
            partial(lifecycle.renew, replace(KEY, not_after=NOON + 91 * DAY), OAUTH1, now=NOON),
            "",
            f"The key is valid until {NOON + 91 * DAY:%Y-%m-%d %H:%M} UTC; it can be renewed in its last 90 days. "
            "Rotate it if you want a new key today.",
            id="a renewal that comes too early",
        ),
        pytest.param(
            partial(lifecycle.rotate, KEY, OAUTH2, now=NOON),
            "",
            "This project's keys are OAuth 2.0 keys and are not rotated: add a new key and switch.",
            id="a rotation of an OAuth 2.0 key",
        ),
        pytest.param(
            partial(lifecycle.rotate, REVOKED, OAUTH1, now=NOON),
            "",
            "The key is revoked; add a new key instead of rotating it.",
            id="a rotation of a revoked key",
        ),
        *(
            pytest.param(
                partial(change, replace(KEY, kind=kind), OAUTH1, now=NOON),
                "",
                f"This {name} is neither renewed nor rotated: add a new one beside it, switch to that, and revoke this "
                "one when nobody uses it any more.",
                id=f"{change.__name__}: {name}",
            )
            for change, (kind, name) in product(
                (lifecycle.renew, lifecycle.rotate),
                (
                    (CredentialKind.MTLS_CERTIFICATE, "certificate"),
                    (CredentialKind.ACCOUNT_KEY, "account-level key"),
                    (CredentialKind.CLIENT_SECRET, "credential"),
                ),
            )
        ),
        *(
            pytest.param(
                partial(lifecycle.revoke, key, other_active=0, keep_last=True, now=NOON),
                "",
                f"This is the last active {name} here: after the revocation every call of the project with a {name} "
                f"in this environment is refused. Add another {name} first, or repeat the request without the header "
                "Credenza-Keep-Last.",
                id=f"the last {name}",
            )
            for key, name in ((KEY, "key"), (CERTIFICATE, "certificate"))
        ),
        pytest.param(
            partial(lifecycle.activate, OURS, now=NOON),
            "type",
            "Client encryption keys are not activated: each is active from the beginning until it is revoked or "
            "expires, so that clients can go over from one to the next.",
            id="an activation of ours",
        ),
        pytest.param(
            partial(lifecycle.activate, replace(READER, **ENDED), now=NOON),
            "credentialId",
            f"The key expired on {NOON - SECOND:%Y-%m-%d %H:%M} UTC. Add a new one and activate that.",
            id="an activation of an expired key",
        ),
        pytest.param(
            partial(lifecycle.activate, replace(READER, **GONE), now=NOON),
            "credentialId",
            "The key is revoked and stays so. Add a new one and activate that.",
            id="an activation of a revoked key",
        ),
        pytest.param(
            partial(lifecycle.activate, HELD, now=NOON),
            "credentialId",
            "The key is held since the database was restored. An operator of the platform can release it.",
            id="an activation of a key that is held",
        ),
        pytest.param(
            partial(lifecycle.revoke_service_key, READER, other_active=1, now=NOON),
            "credentialId",
            "The key is active. Activate another one first, then revoke this one.",
            id="a revocation of the active key",
        ),
        pytest.param(
            partial(lifecycle.revoke_service_key, OURS, other_active=0, now=NOON),
            "credentialId",
            "This is the last active client encryption key for the service here. Add another one first, have requests "
            "encrypted with that, then revoke this one.",
            id="a revocation of the last key of ours",
        ),
    ],
)
def test_a_refusal_names_its_field_and_the_cure(refused_call: Callable[[], object], field: str, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        refused_call()

    assert (refused.value.field, refused.value.message) == (field, message)
