"""OAuth keys of a project: product rows B5 to B9, A1 to A3."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.actions.stage import (
    OPERATOR,
    PRODUCTION,
    SANDBOX,
    Shop,
    Stage,
    ec_request,
    issuing_authority,
    request,
    rsa_key,
)

from credenza.actions import oauth_keys, project_members, projects
from credenza.actions.issuing import NewKey
from credenza.actions.projects import NewEnvironment
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import add_months
from credenza.domain.model import (
    Credential,
    CredentialId,
    EnvironmentName,
    OrganizationRole,
    ProjectId,
    ProjectRole,
    Status,
)
from credenza.store.schema import certificates, changes

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


# ------------------------------------------------------------------------------------------------------------ add


def test_a_key_is_added_by_csr(shop: Shop) -> None:
    added = shop.add()

    assert shop.look(added) == added
    assert (added.status, added.alias, added.environment) == (Status.ACTIVE, "billing", SANDBOX)
    assert added.client_id == shop.project.environments[0].client_id == shop.key.client_id
    assert (len(added.id), added.id[32:]) == (48, "0" * 16)
    assert added.owner_id == shop.owner.user.id
    assert added.slot is None


def test_the_certificate_is_of_the_key_and_valid_13_months(shop: Shop) -> None:
    added = shop.add()
    certificate = x509.load_der_x509_certificate(added.certificate_der)
    issuer = issuing_authority(shop.stage.platform, SANDBOX)

    certificate.verify_directly_issued_by(issuer)
    public = rsa_key(1).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert added.public_key_der == public
    assert certificate.subject.rfc4514_string() == "CN=application 1,O=Acme"
    assert added.not_after == add_months(shop.stage.now, 13) - SECOND == certificate.not_valid_after_utc


def test_its_serial_and_bytes_are_on_record(shop: Shop) -> None:
    added = shop.add()
    certificate = x509.load_der_x509_certificate(added.certificate_der)

    (row,) = [each for each in shop.stage.rows(certificates) if each.credential_id == added.id]
    assert (row.serial_hex, row.state, row.der) == (f"{certificate.serial_number:x}", "ISSUED", added.certificate_der)


def test_an_addition_takes_no_change_number(shop: Shop) -> None:
    before = shop.stage.rows(changes)

    shop.add()

    assert shop.stage.rows(changes) == before


def test_a_second_environment_has_to_be_named(shop: Shop) -> None:
    shop.add_production()

    refusal = shop.refused("key.add", Code.INVALID, oauth_keys.add_by_csr, shop.stage.new_key(), None)

    assert refusal.field == "environment"
    assert shop.add(PRODUCTION).environment is PRODUCTION


def test_a_key_for_an_environment_that_the_project_lacks_is_refused(shop: Shop) -> None:
    new = shop.stage.new_key()

    shop.refused("key.add", Code.PROJECT_STATUS, oauth_keys.add_by_csr, new, PRODUCTION)


@pytest.mark.parametrize(
    ("csr", "code"),
    [
        pytest.param(b"", Code.INVALID_CSR, id="blank CSR"),
        pytest.param(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", Code.INVALID_CSR, id="damaged CSR"),
        pytest.param(ec_request(0), Code.INVALID_CSR, id="reject EC for an OAUTH10A project"),
        pytest.param(request(0), Code.DUPLICATE_KEY, id="same public key not registered twice"),
    ],
)
def test_a_request_is_refused(shop: Shop, csr: bytes, code: Code) -> None:
    refusal = shop.refused("key.add", code, oauth_keys.add_by_csr, NewKey("x", csr), None)

    assert refusal.field == "csr"


def test_a_known_weak_key_is_refused(shop: Shop) -> None:
    class KnowsAll:
        def check(self, spki_der: bytes) -> str | None:
            return "sharedprimes"

    shop.stage.platform = replace(shop.stage.platform, weak_keys=KnowsAll())

    refusal = shop.refused("key.add", Code.INVALID_CSR, oauth_keys.add_by_csr, shop.stage.new_key(), None)

    assert "sharedprimes" in refusal.message


def test_the_key_of_a_revoked_credential_is_refused_too_and_in_another_organization_in_the_same_words(
    shop: Shop, stage: Stage
) -> None:
    shop.revoke(shop.key)
    other = Shop(stage)
    again = NewKey("again", request(0))

    own = stage.refused(
        "key.add", Code.DUPLICATE_KEY, oauth_keys.add_by_csr, shop.owner.actor, shop.project.id, again, None
    )
    foreign = stage.refused(
        "key.add", Code.DUPLICATE_KEY, oauth_keys.add_by_csr, other.owner.actor, other.project.id, again, None
    )

    assert own.message == foreign.message


def test_an_oauth_2_0_project_takes_ec_keys(oauth2_shop: Shop) -> None:
    new = NewKey("billing", ec_request(0))

    added = oauth2_shop.done("key.add", oauth_keys.add_by_csr, new, None)

    assert (added.key_algorithm, added.slot) == ("EC-P256", 2)


def test_max_3_oauth_2_0_keys_both_environments_together(oauth2_shop: Shop) -> None:
    other = NewEnvironment(PRODUCTION, oauth2_shop.stage.new_key())
    oauth2_shop.done("environment.add", projects.add_environment, other)
    third = oauth2_shop.add(PRODUCTION)
    fourth = oauth2_shop.stage.new_key()

    for environment in (SANDBOX, PRODUCTION):
        oauth2_shop.refused("key.add", Code.OAUTH2_KEY_LIMIT, oauth_keys.add_by_csr, fourth, environment)
    oauth2_shop.revoke(third)

    assert oauth2_shop.add(SANDBOX).slot == 3


def test_the_place_of_an_expired_oauth_2_0_key_is_free(oauth2_shop: Shop) -> None:
    oauth2_shop.add()
    oauth2_shop.add()
    oauth2_shop.stage.clock.set(oauth2_shop.key.not_after + SECOND)

    assert oauth2_shop.add().slot in (1, 2, 3)


def test_the_limit_is_a_setting_of_the_platform(oauth2_shop: Shop) -> None:
    oauth2_shop.stage.with_policy(oauth2_key_limit=1)

    oauth2_shop.refused("key.add", Code.OAUTH2_KEY_LIMIT, oauth_keys.add_by_csr, oauth2_shop.stage.new_key(), None)


def test_a_certificate_never_outlives_its_issuer(shop: Shop) -> None:
    issuer = issuing_authority(shop.stage.platform, SANDBOX)
    shop.stage.clock.set(issuer.not_valid_after_utc - 30 * DAY)

    assert shop.add().not_after == issuer.not_valid_after_utc


# --------------------------------------------------------------------------------------------------------- rotate


def test_rotating_creates_a_new_key_alongside_the_existing_key(shop: Shop) -> None:
    successor = shop.done("key.rotate", oauth_keys.rotate, shop.key.id, shop.stage.new_key("next"))

    assert (successor.predecessor_id, successor.client_id) == (shop.key.id, shop.key.client_id)
    assert successor.id != shop.key.id
    assert shop.look(shop.key) == shop.key
    assert shop.look(successor).status is Status.ACTIVE


def test_a_revoked_key_is_not_rotated(shop: Shop) -> None:
    shop.revoke(shop.key)

    shop.refused("key.rotate", Code.NOT_ACTIVE, oauth_keys.rotate, shop.key.id, shop.stage.new_key())


def test_for_oauth_2_0_keys_there_is_no_rotate_option(oauth2_shop: Shop) -> None:
    oauth2_shop.refused(
        "key.rotate", Code.NOT_RENEWABLE, oauth_keys.rotate, oauth2_shop.key.id, oauth2_shop.stage.new_key()
    )


# ---------------------------------------------------------------------------------------------------------- renew


def test_renew_gives_the_same_key_a_longer_certificate(shop: Shop) -> None:
    shop.stage.clock.set(shop.key.not_after - 90 * DAY)

    renewed = shop.done("key.renew", oauth_keys.renew, shop.key.id)

    certificate = x509.load_der_x509_certificate(renewed.certificate_der)
    assert (renewed.id, renewed.public_key_der) == (shop.key.id, shop.key.public_key_der)
    assert renewed.not_after == add_months(shop.stage.now, 13) - SECOND == certificate.not_valid_after_utc
    assert certificate.subject == x509.load_der_x509_certificate(shop.key.certificate_der).subject
    assert shop.look(shop.key) == renewed


def test_a_renewal_is_announced_to_the_gates(shop: Shop) -> None:
    shop.stage.clock.set(shop.key.not_after - 90 * DAY)
    before = len(shop.stage.rows(changes))

    shop.done("key.renew", oauth_keys.renew, shop.key.id)

    assert [(row.kind, row.subject) for row in shop.stage.rows(changes)[before:]] == [("credential", shop.key.id)]


@pytest.mark.parametrize(
    "to_go", [pytest.param(90 * DAY + SECOND, id="more than 90 days to go"), pytest.param(-SECOND, id="expired")]
)
def test_renew_is_refused_out_of_time(shop: Shop, to_go: timedelta) -> None:
    shop.stage.clock.set(shop.key.not_after - to_go)

    shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, shop.key.id)


def test_renew_only_oauth_1_0a(oauth2_shop: Shop) -> None:
    oauth2_shop.stage.clock.set(oauth2_shop.key.not_after - DAY)

    oauth2_shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, oauth2_shop.key.id)


def test_a_renewal_never_resurrects_a_revoked_key(shop: Shop) -> None:
    """Revoked between the two transactions of the renewal, which is the narrowest place there is."""
    shop.stage.clock.set(shop.key.not_after - DAY)
    platform = shop.stage.platform

    def revoke_now(failpoint: str) -> None:
        if failpoint == "before_signature":
            oauth_keys.revoke(
                platform, shop.owner.actor, shop.project.id, shop.key.id, keep_last=False, reason="", now=shop.stage.now
            )

    with pytest.raises(Refusal, match="REVOKED"):
        oauth_keys.renew(
            replace(platform, failpoint=revoke_now), shop.owner.actor, shop.project.id, shop.key.id, now=shop.stage.now
        )

    assert shop.look(shop.key).status is Status.REVOKED
    assert sorted(row.state for row in shop.stage.rows(certificates)) == ["ABANDONED", "ISSUED"]


# --------------------------------------------------------------------------------------------------------- revoke


def test_a_revoked_key_is_revoked_and_the_gates_are_told(shop: Shop) -> None:
    before = len(shop.stage.rows(changes))

    revoked = shop.revoke(shop.key)

    assert revoked.credential == shop.look(shop.key)
    assert (revoked.credential.status, revoked.credential.revoked_at) == (Status.REVOKED, shop.stage.now)
    assert revoked.credential.revoked_reason == "no longer used"
    assert revoked.reach.gates == 0
    assert [(row.kind, row.subject) for row in shop.stage.rows(changes)[before:]] == [("credential", shop.key.id)]


def test_a_second_revocation_changes_nothing(shop: Shop) -> None:
    first = shop.revoke(shop.key)
    shop.stage.clock.advance(DAY)
    before = shop.stage.facts()

    second = shop.revoke(shop.key)

    assert second.credential == first.credential
    assert shop.stage.facts() == before


def test_revoking_the_last_active_key_is_called_out_before_it_happens(shop: Shop) -> None:
    shop.refused("key.revoke", Code.LAST_ACTIVE_CREDENTIAL, oauth_keys.revoke, shop.key.id, keep_last=True, reason="")
    shop.add()
    shop.done("key.revoke", oauth_keys.revoke, shop.key.id, keep_last=True, reason="")


def test_a_key_of_the_other_environment_does_not_count_as_another_active_key(shop: Shop) -> None:
    shop.add_production()

    shop.refused("key.revoke", Code.LAST_ACTIVE_CREDENTIAL, oauth_keys.revoke, shop.key.id, keep_last=True, reason="")


# ------------------------------------------------------------------------------------------------------ list, get


def test_keys_are_listed_a_page_at_a_time(shop: Shop) -> None:
    every = sorted([shop.key.id, *(shop.add().id for _ in range(4))])
    page = shop.looked(oauth_keys.list_page, limit=3)
    rest = shop.looked(oauth_keys.list_page, after=page[-1].id, limit=3)

    assert [key.id for key in page + rest] == every


def test_keys_are_filtered(shop: Shop) -> None:
    sandbox, revoked = shop.key, shop.add()
    shop.revoke(revoked)
    shop.stage.clock.advance(30 * DAY)
    production = shop.add_production()

    def listed(**named: object) -> set[CredentialId]:
        return {key.id for key in shop.looked(oauth_keys.list_page, limit=9, **named)}

    assert listed(environment=SANDBOX) == {sandbox.id, revoked.id}
    assert listed(status=Status.ACTIVE) == {sandbox.id, production.id}
    assert listed(status=Status.REVOKED) == {revoked.id}
    assert listed(expiring=True) == set()
    shop.stage.clock.set(sandbox.not_after - 90 * DAY)
    assert listed(expiring=True) == {sandbox.id}
    shop.stage.clock.set(sandbox.not_after + SECOND)
    assert listed(status=Status.EXPIRED) == {sandbox.id}
    assert listed(status=Status.ACTIVE) == {production.id}


# ----------------------------------------------------------------------------------------------- add, and replace


def add_after(shop: Shop, predecessor_id: CredentialId, environment: EnvironmentName = SANDBOX) -> Credential:
    new = shop.stage.new_key("next")
    return shop.done("key.add", oauth_keys.add_by_csr, new, environment, predecessor_id=predecessor_id)


def test_an_added_key_names_the_key_that_it_replaces(oauth2_shop: Shop) -> None:
    old = oauth2_shop.key

    added = add_after(oauth2_shop, old.id)

    assert (added.predecessor_id, added.client_id) == (old.id, old.client_id)
    assert oauth2_shop.looked(oauth_keys.get_in_context, old.id).successors == (added,)
    assert oauth2_shop.look(old) == old


def test_an_oauth_1_0a_key_may_be_added_in_place_of_another_too(shop: Shop) -> None:
    assert add_after(shop, shop.key.id).predecessor_id == shop.key.id


def test_an_expired_key_is_replaced_and_a_revoked_one_is_not(oauth2_shop: Shop) -> None:
    old, revoked = oauth2_shop.key, oauth2_shop.add()
    oauth2_shop.revoke(revoked)
    oauth2_shop.stage.clock.set(old.not_after + SECOND)

    assert add_after(oauth2_shop, old.id).predecessor_id == old.id
    refusal = oauth2_shop.refused(
        "key.add",
        Code.NOT_ACTIVE,
        oauth_keys.add_by_csr,
        oauth2_shop.stage.new_key(),
        SANDBOX,
        predecessor_id=revoked.id,
    )
    assert refusal.field == "predecessorId"


def test_a_key_replaces_one_of_its_own_project_and_environment_alone_in_the_same_words(
    oauth2_shop: Shop, stage: Stage
) -> None:
    production = oauth2_shop.add_production()
    others = (Shop(stage, oauth2_shop.project.type).key.id, CredentialId("0" * 48), production.id)

    refusals = [
        oauth2_shop.refused(
            "key.add",
            Code.CREDENTIAL_NOT_FOUND,
            oauth_keys.add_by_csr,
            stage.new_key(),
            SANDBOX,
            predecessor_id=other,
        )
        for other in others
    ]

    assert len({(each.message, each.field) for each in refusals}) == 1


# ------------------------------------------------------------------------------------------------- who may, and where


@pytest.mark.parametrize(
    ("action", "call", "rest"),
    [
        ("key.add", oauth_keys.add_by_csr, lambda shop: (shop.stage.new_key(), None)),
        ("key.rotate", oauth_keys.rotate, lambda shop: (shop.key.id, shop.stage.new_key())),
        ("key.renew", oauth_keys.renew, lambda shop: (shop.key.id,)),
        ("key.revoke", oauth_keys.revoke, lambda shop: (shop.key.id,)),
        ("key.view", oauth_keys.get, lambda shop: (shop.key.id,)),
        ("key.list", oauth_keys.list_page, lambda shop: ()),
    ],
)
def test_strangers_and_readers_are_refused(shop: Shop, action: str, call: object, rest: object) -> None:
    assert callable(rest)
    named = {"key.revoke": {"keep_last": False, "reason": ""}, "key.list": {"limit": 9}}.get(action, {})
    elsewhere = shop.stage.organization()
    stranger = shop.stage.member(elsewhere)
    reader = shop.stage.member(shop.organization, OrganizationRole.USER)
    project_members.set_role(
        shop.stage.platform,
        shop.owner.actor,
        shop.project.id,
        email=reader.user.email,
        role=ProjectRole.READ_ONLY,
        now=shop.stage.now,
    )

    arguments = (shop.project.id, *rest(shop))
    shop.stage.refused(action, Code.PROJECT_NOT_FOUND, call, stranger.actor, *arguments, chain=elsewhere.id, **named)
    if action in ("key.view", "key.list"):
        shop.stage.looked(call, reader.actor, *arguments, **named)
    else:
        shop.stage.refused(
            action, Code.PROJECT_FORBIDDEN, call, reader.actor, *arguments, chain=shop.organization.id, **named
        )


@pytest.mark.parametrize("owner_of", ["another project", "nothing"])
def test_a_key_of_another_project_is_not_found(shop: Shop, stage: Stage, owner_of: str) -> None:
    key_id = Shop(stage).key.id if owner_of == "another project" else CredentialId("0" * 48)
    place = (shop.owner.actor, shop.project.id, key_id)

    stage.refused("key.view", Code.CREDENTIAL_NOT_FOUND, oauth_keys.get, *place)
    stage.refused("key.renew", Code.CREDENTIAL_NOT_FOUND, oauth_keys.renew, *place)
    stage.refused("key.rotate", Code.CREDENTIAL_NOT_FOUND, oauth_keys.rotate, *place, stage.new_key())
    stage.refused("key.revoke", Code.CREDENTIAL_NOT_FOUND, oauth_keys.revoke, *place, keep_last=False, reason="")


def test_an_operator_is_told_that_a_project_does_not_exist(stage: Stage) -> None:
    stage.refused("key.list", Code.PROJECT_NOT_FOUND, oauth_keys.list_page, OPERATOR, ProjectId("x"), limit=1)


def test_the_end_of_the_issuing_authority_is_not_the_request_s_fault(shop: Shop, logs: list[Any]) -> None:
    end = issuing_authority(shop.stage.platform, SANDBOX).not_valid_after_utc
    shop.stage.clock.set(end - timedelta(days=1))
    assert shop.add().not_after == end

    shop.stage.clock.set(end)
    refusal = shop.refused("key.add", Code.ISSUER_ENDED, oauth_keys.add_by_csr, shop.stage.new_key(), SANDBOX)

    assert f"ended on {end:%Y-%m-%d}" in refusal.message
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["issuing.authority_ended"]
