"""Seed 001 end to end: add, rotate, nearly expire and renew, expire, revoke, on both databases."""

from datetime import timedelta

import pytest
from cryptography import x509
from tests.actions.stage import SANDBOX, Shop, Stage

from credenza.actions import audit_log, oauth_keys, people, projects
from credenza.domain import expiry
from credenza.domain.audit import Wanted
from credenza.domain.errors import Code, Refusal
from credenza.domain.expiry import add_months
from credenza.domain.model import Credential, OrganizationRole, ProjectType, Status

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def listed(shop: Shop, **named: object) -> list[Credential]:
    return list(shop.looked(oauth_keys.list_page, limit=10, **named))


def test_the_life_of_an_oauth_1_0a_key(stage: Stage) -> None:
    shop = Shop(stage)
    old, started = shop.key, stage.now

    # Valid 13 months, and known by client id and key id.
    assert old.not_after == add_months(started, 13) - SECOND
    assert old.consumer_key == f"{shop.project.environments[0].client_id}!{old.id}"

    # Rotate: a new key beside the old one, both valid under the same client id; then the old one is revoked.
    stage.clock.set(old.not_after - 40 * DAY)
    assert listed(shop, expiring=True) == [old]
    new = shop.done("key.rotate", oauth_keys.rotate, old.id, stage.new_key("next"))
    assert {key.id for key in listed(shop, status=Status.ACTIVE)} == {old.id, new.id}
    assert (new.predecessor_id, new.client_id) == (old.id, old.client_id)
    shop.done("key.revoke", oauth_keys.revoke, old.id, keep_last=True, reason="rotated")
    assert listed(shop, status=Status.ACTIVE) == [new]

    # Renew: the same key, a longer certificate, in its last 90 days alone.
    shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, new.id)
    stage.clock.set(new.not_after - 90 * DAY)
    renewed = shop.done("key.renew", oauth_keys.renew, new.id)
    assert (renewed.id, renewed.public_key_der) == (new.id, new.public_key_der)
    assert renewed.not_after == add_months(stage.now, 13) - SECOND
    assert not expiry.is_expiring(renewed.not_after, now=stage.now)

    # Expire: it ends by itself, and can only be rotated or revoked then.
    stage.clock.set(renewed.not_after + SECOND)
    assert listed(shop, status=Status.EXPIRED) == [renewed]
    assert listed(shop, status=Status.ACTIVE) == []
    shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, renewed.id)
    last = shop.done("key.rotate", oauth_keys.rotate, renewed.id, stage.new_key("last"))

    # Revoke: called out when it is the last one, and possible all the same.
    shop.refused("key.revoke", Code.LAST_ACTIVE_CREDENTIAL, oauth_keys.revoke, last.id, keep_last=True, reason="leaked")
    shop.done("key.revoke", oauth_keys.revoke, last.id, keep_last=False, reason="leaked")
    shop.done("key.revoke", oauth_keys.revoke, renewed.id, keep_last=False, reason="over")
    assert {key.status for key in listed(shop)} == {Status.REVOKED}

    # Every certificate that was ever signed is on record, and so is every step.
    serials = {x509.load_der_x509_certificate(key.certificate_der).serial_number for key in listed(shop)}
    issued = {int(row.serial_hex, 16) for row in stage.dump()["certificates"]}
    assert serials < issued
    assert len(issued) == 4
    entries = stage.looked(
        audit_log.latest,
        stage.member(shop.organization).actor,
        shop.organization.id,
        Wanted(project_id=shop.project.id),
        limit=99,
    )
    assert [(entry.record.action, entry.record.outcome) for entry in reversed(entries)] == [
        ("key.rotate", "done"),
        ("key.revoke", "done"),
        ("key.renew", "refused"),
        ("key.renew", "done"),
        ("key.renew", "refused"),
        ("key.rotate", "done"),
        ("key.revoke", "refused"),
        ("key.revoke", "done"),
        ("key.revoke", "done"),
    ]


def test_the_life_of_oauth_2_0_keys(stage: Stage) -> None:
    shop = Shop(stage, ProjectType.OAUTH2_FAPI)
    old = shop.key

    # No rotate option: add, switch, revoke; at most three at any time.
    shop.refused("key.rotate", Code.NOT_RENEWABLE, oauth_keys.rotate, old.id, stage.new_key())
    second, _third = shop.add(), shop.add()
    shop.refused("key.add", Code.OAUTH2_KEY_LIMIT, oauth_keys.add_by_csr, stage.new_key(), SANDBOX)
    shop.revoke(old)
    fourth = shop.add()
    assert fourth.slot == 1

    # Never renewed; what has ended by itself gives its place back.
    stage.clock.set(second.not_after)
    shop.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, second.id)
    stage.clock.advance(SECOND)
    shop.add()
    assert len(listed(shop, status=Status.ACTIVE)) == 1


def test_the_owner_leaves_and_the_keys_go_on_until_the_project_is_deleted(stage: Stage) -> None:
    shop = Shop(stage)
    admin = stage.member(shop.organization, OrganizationRole.ADMIN)
    people.remove_member(stage.platform, admin.actor, shop.organization.id, shop.owner.user.id, now=stage.now)

    with pytest.raises(Refusal, match="No such project"):
        projects.get(stage.platform, shop.owner.actor, shop.project.id, now=stage.now)
    (key,) = stage.looked(projects.get, admin.actor, shop.project.id).credentials
    assert key.status is Status.ACTIVE
    stage.done("project.delete", projects.delete, admin.actor, shop.project.id)
    assert {row.status for row in stage.dump()["credentials"]} == {"REVOKED"}
