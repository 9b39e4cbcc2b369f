"""Sixteen at once, on both databases: a limit is never passed, a key never taken twice, nothing revoked comes back, and
every attempt stands in a chain that verifies."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.actions import repeatable
from tests.actions.foreign import Foreign
from tests.actions.proofs import PASSWORD, VISITOR, Patient
from tests.actions.stage import PRODUCTION, SANDBOX, Shop, Stage, ec_request, request

from credenza.actions import (
    accounts,
    first_admin,
    oauth_keys,
    people,
    project_members,
    projects,
    roles,
    service_keys,
    workspaces,
)
from credenza.actions import certificates as certificate_actions
from credenza.actions.certificate_admission import NewCertificate, NewRequest
from credenza.actions.context import Once
from credenza.actions.issuing import NewKey
from credenza.actions.service_key_admission import ByRequest, MadeHere
from credenza.domain.errors import Refusal
from credenza.domain.model import (
    Credential,
    CredentialId,
    CredentialKind,
    OrganizationRole,
    ProjectRole,
    ProjectType,
    Status,
    WorkspaceId,
)
from credenza.protocol import csr
from credenza.protocol.public_key import spki_sha256
from credenza.store.schema import certificate_keys, certificate_subjects, certificates, credentials, memberships, users
from credenza.store.schema import project_members as member_rows
from credenza.store.schema import projects as project_rows
from credenza.store.schema import workspaces as workspace_rows

AT_ONCE = 16
BURSTS = 200


def race(*calls: Callable[[], Any]) -> Counter[str]:
    """Start all calls together; count what came of them: done, or the code of the refusal."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> str:
        barrier.wait()
        try:
            call()
        except Refusal as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(len(calls)) as threads:
        return Counter(threads.map(run, calls))


def outcomes(stage: Stage, before: dict[tuple[str, int], Any], action: str) -> Counter[str]:
    return Counter(code or outcome for name, outcome, code in stage.new_traces(before) if name == action)


def adding(shop: Shop, number: int) -> Callable[[], Any]:
    new = NewKey(f"key {number}", ec_request(number))
    return lambda: oauth_keys.add_by_csr(
        shop.stage.platform, shop.owner.actor, shop.project.id, new, SANDBOX, now=shop.stage.now
    )


def revoking(shop: Shop, key_id: CredentialId, *, keep_last: bool = False) -> Callable[[], Any]:
    place = (shop.stage.platform, shop.owner.actor, shop.project.id, key_id)
    return lambda: oauth_keys.revoke(*place, keep_last=keep_last, reason="", now=shop.stage.now)


def renewing(shop: Shop) -> Callable[[], Any]:
    place = (shop.stage.platform, shop.owner.actor, shop.project.id, shop.key.id)
    return lambda: oauth_keys.renew(*place, now=shop.stage.now)


def creating(shop: Shop, **fields: Any) -> Callable[[], Any]:
    new = shop.stage.new_project(**fields)
    return lambda: projects.create(shop.stage.platform, shop.owner.actor, shop.organization.id, new, now=shop.stage.now)


def test_max_3_oauth_2_0_keys_when_16_are_added_at_once(oauth2_shop: Shop, scale: Callable[[int], int]) -> None:
    stage, keys = oauth2_shop.stage, {oauth2_shop.key.id}
    for burst in range(scale(BURSTS)):
        for key_id in keys:
            revoking(oauth2_shop, key_id)()
        before = stage.traces()

        seen = race(*(adding(oauth2_shop, burst * AT_ONCE + number) for number in range(AT_ONCE)))

        active = [row for row in stage.rows(credentials) if row.status == "ACTIVE"]
        keys = {CredentialId(row.id) for row in active}
        assert seen == {"done": 3, "oauth2_key_limit": 13} == outcomes(stage, before, "key.add")
        assert sorted(row.slot for row in active) == [1, 2, 3]


def test_the_quota_of_projects(stage: Stage) -> None:
    shop = Shop(stage, project_limit=3)
    before = stage.traces()
    service = stage.service().id
    creates = [
        creating(shop, credential=NewKey("key", request(number + 1)), service_id=service) for number in range(AT_ONCE)
    ]

    seen = race(*creates)

    assert seen == {"done": 2, "project_limit": 14} == outcomes(stage, before, "project.create")
    assert sorted(row.slot for row in stage.rows(project_rows)) == [1, 2, 3]


def test_one_name_for_sixteen_projects(shop: Shop) -> None:
    before = shop.stage.traces()
    service = shop.stage.service().id
    creates = [
        creating(shop, name="Billing", credential=NewKey("key", request(number + 1)), service_id=service)
        for number in range(AT_ONCE)
    ]

    seen = race(*creates)

    assert seen == {"done": 1, "duplicate_project_name": 15} == outcomes(shop.stage, before, "project.create")


def test_one_public_key_in_sixteen_projects(stage: Stage) -> None:
    """Of different organizations, so that no lock is shared: the constraint alone decides."""
    shops = [Shop(stage, ProjectType.OAUTH2_FAPI) for _ in range(8)]
    before = stage.traces()

    seen = race(*(adding(shop, 0) for shop in shops for _ in range(2)))

    assert seen == {"done": 1, "duplicate_key": 15} == outcomes(stage, before, "key.add")
    assert Counter(row.state for row in stage.rows(certificates)) == {
        "ISSUED": 9,
        **({"ABANDONED": abandoned} if (abandoned := len(stage.rows(certificates)) - 9) else {}),
    }


def test_one_subject_for_sixteen_certificates(stage: Stage, scale: Callable[[int], int]) -> None:
    """Of different organizations and keys: one has it, and every other attempt is told that it is taken."""
    shops = [Shop(stage, ProjectType.MTLS) for _ in range(4)]
    for burst in range(scale(BURSTS)):
        before = stage.traces()

        seen = race(*(requesting(shop, f"client-{burst}") for shop in shops * 4))

        assert seen == {"done": 1, "duplicate_subject": 15} == outcomes(stage, before, "certificate.add")
    taken = [row.credential_id for row in stage.rows(certificate_subjects)]
    assert set(taken) == {row.id for row in stage.rows(credentials)}
    assert {row.state for row in stage.rows(certificates)} <= {"ISSUED", "ABANDONED"}


def test_one_certificate_brought_to_sixteen_projects(stage: Stage) -> None:
    foreign = Foreign(stage)
    foreign.trust()
    new, shops = foreign.new("client"), [Shop(stage, ProjectType.MTLS) for _ in range(8)]

    seen = race(*(bringing(shop, new) for shop in shops * 2))

    assert seen["done"] == 1
    assert seen["done"] + seen["duplicate_subject"] + seen["duplicate_key"] == AT_ONCE


def test_one_key_certified_for_one_project(stage: Stage) -> None:
    key, shops = ec.generate_private_key(ec.SECP256R1()), [Shop(stage, ProjectType.MTLS) for _ in range(8)]

    race(*(requesting(shop, f"client-{number}", key) for number, shop in enumerate(shops * 2)))

    (owner,) = [
        row.project_id for row in stage.rows(certificate_keys) if row.spki_sha256 == spki_sha256(key.public_key())
    ]
    held = [row.project_id for row in stage.rows(credentials) if row.spki_sha256 == spki_sha256(key.public_key())]
    assert set(held) == {owner}


def requesting(shop: Shop, common_name: str, key: ec.EllipticCurvePrivateKey | None = None) -> Callable[[], Any]:
    request = csr.build(key or ec.generate_private_key(ec.SECP256R1()), common_name=common_name)
    place = (shop.stage.platform, shop.owner.actor, shop.project.id)
    return lambda: certificate_actions.add_by_csr(*place, NewRequest("x", request), None, now=shop.stage.now)


def bringing(shop: Shop, new: NewCertificate) -> Callable[[], Any]:
    place = (shop.stage.platform, shop.owner.actor, shop.project.id)
    return lambda: certificate_actions.add_issued_elsewhere(*place, new, None, now=shop.stage.now)


def test_a_renewal_never_resurrects_a_key_that_is_revoked_meanwhile(stage: Stage, scale: Callable[[int], int]) -> None:
    for _ in range(scale(BURSTS)):
        shop = Shop(stage)
        stage.clock.set(shop.key.not_after - timedelta(days=30))

        race(*[renewing(shop), revoking(shop, shop.key.id)] * (AT_ONCE // 2))

        found = shop.look(shop.key)
        assert (found.status, found.revoked_at) == (Status.REVOKED, stage.now)
        stage.clock.set(shop.key.not_before)


def test_the_guard_of_the_last_key_leaves_one(shop: Shop) -> None:
    keys = [shop.key, shop.add(), shop.add(), shop.add()]

    seen = race(*(revoking(shop, key.id, keep_last=True) for key in keys * 4))

    assert [row.status for row in shop.stage.rows(credentials)].count("ACTIVE") == 1
    assert seen["last_active_credential"] >= 1


def test_the_other_environment_is_added_once(shop: Shop) -> None:
    def adding_environment(number: int) -> Callable[[], Any]:
        new = projects.NewEnvironment(PRODUCTION, shop.stage.new_key())
        place = (shop.stage.platform, shop.owner.actor, shop.project.id)
        return lambda: projects.add_environment(*place, new, now=shop.stage.now)

    seen = race(*map(adding_environment, range(AT_ONCE)))

    assert seen == {"done": 1, "duplicate_environment": 15}


def test_max_10_admins_per_project_the_owner_is_one(shop: Shop) -> None:
    members = [shop.stage.member(shop.organization, OrganizationRole.USER) for _ in range(AT_ONCE)]
    before = shop.stage.traces()

    def promoting(email: str) -> Callable[[], Any]:
        place = (shop.stage.platform, shop.owner.actor, shop.project.id)
        return lambda: project_members.set_role(*place, email=email, role=ProjectRole.ADMIN, now=shop.stage.now)

    seen = race(*(promoting(member.user.email) for member in members))

    assert seen == {"done": 9, "member_limit": 7} == outcomes(shop.stage, before, "project.member.set")
    assert len(shop.stage.rows(member_rows)) == 9


def test_two_admins_who_demote_each_other_leave_one(stage: Stage) -> None:
    organization = stage.organization()
    one, other = stage.member(organization), stage.member(organization)

    def demoting(admin: Any, email: str) -> Callable[[], Any]:
        named = {"email": email, "role": OrganizationRole.USER, "now": stage.now}
        return lambda: people.set_member(stage.platform, admin.actor, organization.id, **named)

    race(demoting(one, other.user.email), demoting(other, one.user.email))

    assert [row.role for row in stage.rows(memberships)].count("admin") == 1


def test_of_many_accounts_of_one_name_one_is_made(shop: Shop) -> None:
    admin, before = shop.stage.member(shop.organization), shop.stage.traces()
    place = (shop.stage.platform, admin.actor, shop.organization.id)

    seen = race(*[lambda: accounts.create(*place, name="Europe", now=shop.stage.now)] * AT_ONCE)

    assert seen == {"done": 1, "duplicate_name": 15} == outcomes(shop.stage, before, "account.create")


def test_of_many_workspaces_that_come_into_one_account_under_one_name_one_does(shop: Shop) -> None:
    admin, now = shop.stage.member(shop.organization), shop.stage.now
    place = (shop.stage.platform, admin.actor, shop.organization.id)
    homes = [accounts.create(*place, name=f"Account {number}", now=now) for number in range(AT_ONCE)]
    goal, *others = homes
    away = [workspaces.create(*place, account_id=each.id, name="Web", now=now) for each in others]

    def moving(workspace_id: WorkspaceId) -> Callable[[], Any]:
        return lambda: workspaces.move(*place, workspace_id, to=goal.id, now=now)

    seen = race(
        lambda: workspaces.create(*place, account_id=goal.id, name="Web", now=now), *(moving(each.id) for each in away)
    )

    assert seen == {"done": 1, "duplicate_name": 15}
    assert [row.account_id for row in shop.stage.rows(workspace_rows)].count(goal.id) == 1


def test_no_workspace_outlives_its_account(shop: Shop) -> None:
    admin, now = shop.stage.member(shop.organization), shop.stage.now
    place = (shop.stage.platform, admin.actor, shop.organization.id)
    account = accounts.create(*place, name="Europe", now=now)

    def adding_workspace(number: int) -> Callable[[], Any]:
        return lambda: workspaces.create(*place, account_id=account.id, name=f"Web {number}", now=now)

    race(lambda: accounts.archive(*place, account.id, now=now), *map(adding_workspace, range(AT_ONCE - 1)))

    assert all(row.archived_at for row in shop.stage.rows(workspace_rows) if row.account_id == account.id)


def test_nobody_holds_a_role_that_is_removed_meanwhile(shop: Shop) -> None:
    admin, now = shop.stage.member(shop.organization), shop.stage.now
    place = (shop.stage.platform, admin.actor, shop.organization.id)
    role = roles.create(*place, name="Viewers", actions=["api_credential.view"], now=now)
    guests = [shop.stage.member(shop.organization, OrganizationRole.READ_ONLY) for _ in range(AT_ONCE - 1)]

    def giving(email: str) -> Callable[[], Any]:
        held = {"role": OrganizationRole.CUSTOM, "custom_role_id": role.id}
        return lambda: people.set_member(*place, email=email, **held, now=now)

    race(lambda: roles.remove(*place, role.id, now=now), *(giving(each.user.email) for each in guests))

    held = any(row.custom_role_id == role.id for row in shop.stage.rows(memberships))
    removed = roles.list_all(*place, now=now) == ()
    assert held is not removed


@pytest.mark.parametrize("kind", [CredentialKind.RESPONSE_ENCRYPTION, CredentialKind.REQUEST_SIGNATURE])
def test_of_many_service_keys_that_are_activated_one_is_active(
    shop: Shop, kind: CredentialKind, scale: Callable[[int], int]
) -> None:
    stage = shop.stage
    service_id = shop.project.environments[0].services[0].service_id
    place = (stage.platform, shop.owner.actor, shop.project.id, service_id)
    keys = [
        service_keys.add(*place, ByRequest(kind, f"key {number}", request(number)), None, now=stage.now)
        for number in range(4)
    ]

    def activating(key: Credential) -> Callable[[], Any]:
        return lambda: service_keys.activate(*place, key.id, now=stage.now)

    def giving_up(key: Credential) -> Callable[[], Any]:
        return lambda: service_keys.revoke(*place, key.id, reason="", now=stage.now)

    for _ in range(scale(BURSTS)):
        stage.clock.advance(timedelta(seconds=1))
        before = stage.traces()

        seen = race(*map(activating, keys * 4))

        assert seen == {"done": AT_ONCE} == outcomes(stage, before, "service_key.activate")
        assert active_keys(stage, kind) == 1
    race(*map(giving_up, keys), *map(activating, keys * 2))
    assert active_keys(stage, kind) == 1


def test_many_first_service_keys_and_one_is_active(shop: Shop) -> None:
    stage, kind = shop.stage, CredentialKind.REQUEST_SIGNATURE
    place = (stage.platform, shop.owner.actor, shop.project.id, shop.project.environments[0].services[0].service_id)

    def adding_one(number: int) -> Callable[[], Any]:
        new = ByRequest(kind, f"key {number}", ec_request(number))
        return lambda: service_keys.add(*place, new, None, now=stage.now)

    seen = race(*map(adding_one, range(AT_ONCE)))

    assert seen == {"done": AT_ONCE}
    assert active_keys(stage, kind) == 1


def test_the_last_client_encryption_key_stays_however_many_are_revoked(shop: Shop) -> None:
    stage = shop.stage
    place = (stage.platform, shop.owner.actor, shop.project.id, shop.project.environments[0].services[0].service_id)
    keys = [service_keys.add(*place, MadeHere(f"key {number}"), None, now=stage.now) for number in range(4)]

    def giving_up(key: Credential) -> Callable[[], Any]:
        return lambda: service_keys.revoke(*place, key.id, reason="", now=stage.now)

    race(*map(giving_up, keys * 4))

    assert active_keys(stage, CredentialKind.REQUEST_ENCRYPTION) == 1


def active_keys(stage: Stage, kind: CredentialKind) -> int:
    return sum(row.kind == kind and row.status == "ACTIVE" for row in stage.rows(credentials))


def test_no_key_outlives_its_project(shop: Shop) -> None:
    def deleting() -> None:
        projects.delete(shop.stage.platform, shop.owner.actor, shop.project.id, now=shop.stage.now)

    race(deleting, *(adding_rsa(shop) for _ in range(AT_ONCE - 1)))

    assert {row.status for row in shop.stage.rows(credentials)} == {"REVOKED"}
    assert not [row for row in shop.stage.rows(certificates) if row.state == "RESERVED"]


def adding_rsa(shop: Shop) -> Callable[[], Any]:
    place = (shop.stage.platform, shop.owner.actor, shop.project.id, shop.stage.new_key())
    return lambda: oauth_keys.add_by_csr(*place, SANDBOX, now=shop.stage.now)


@pytest.mark.parametrize("make", repeatable.REPEATABLE, ids=lambda make: make.__name__)
def test_one_idempotency_key_has_one_effect(shop: Shop, make: Callable[[Shop], repeatable.Request]) -> None:
    asked = make(shop)
    once = Once("race", "a" * 64)
    before = shop.stage.traces()

    seen = race(*[lambda: asked.ask(shop.stage.platform, once)] * AT_ONCE)

    assert set(seen) <= {"done", "idempotency_in_progress"}
    assert outcomes(shop.stage, before, asked.action)["done"] == 1
    left = shop.stage.dump()
    assert asked.ask(shop.stage.platform, once) == asked.ask(shop.stage.platform, once)
    assert shop.stage.dump() == left


def test_the_first_admin_is_one_though_every_restart_made_a_link(stage: Stage) -> None:
    links = [first_admin.make_link(stage.platform, now=stage.now) or "" for _ in range(AT_ONCE)]

    def accepting(number: int) -> Callable[[], Any]:
        named = {"email": f"ann{number}@example.org", "name": "Ann", "organization": f"Acme {number}"}
        proof = {"password": PASSWORD, "visitor": VISITOR}
        return lambda: first_admin.accept(stage.platform, links[number], **named, **proof, now=stage.now)

    stage.platform = stage.with_passwords(Patient())
    seen = race(*map(accepting, range(AT_ONCE)))

    assert seen == {"done": 1, "unauthenticated": 15}
    assert len(stage.rows(users)) == 1


def test_whatever_sixteen_do_at_random_the_rules_hold(oauth2_shop: Shop, scale: Callable[[int], int]) -> None:
    """Adds, revocations and listings of many keys; the rules are looked at after every round (security.md R4)."""
    stage, chance = oauth2_shop.stage, random.Random(4)
    for turn in range(scale(BURSTS)):
        known = [CredentialId(row.id) for row in stage.rows(credentials)]
        calls = [
            revoking(oauth2_shop, chance.choice(known), keep_last=chance.random() < 0.5)
            if chance.random() < 0.4
            else adding(oauth2_shop, turn * AT_ONCE + number)
            for number in range(AT_ONCE)
        ]
        before = stage.traces()

        seen = race(*calls)

        slots = [row.slot for row in stage.rows(credentials) if row.status == "ACTIVE"]
        assert len(slots) == len(set(slots)) <= 3
        assert outcomes(stage, before, "key.add") + outcomes(stage, before, "key.revoke") == seen
        assert {row.state for row in stage.rows(certificates)} <= {"ISSUED", "ABANDONED"}
        assert {row.spki_sha256 for row in stage.rows(credentials) if row.status == "REVOKED"}.isdisjoint(
            row.spki_sha256 for row in stage.rows(credentials) if row.status == "ACTIVE"
        )
