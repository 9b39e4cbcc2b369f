"""The audit log as its readers get it: newest first, exported whole with a signed checkpoint, verified offline."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import delete, update
from tests.actions.stage import OPERATOR, Shop

from credenza.actions import audit_log, projects
from credenza.actions.audit_log import SignedCheckpoint
from credenza.domain import audit
from credenza.domain.errors import Code
from credenza.domain.model import PLATFORM, OrganizationRole
from credenza.store.engine import writing
from credenza.store.schema import audit_entries


def exported(shop: Shop) -> tuple[list[audit.Entry], SignedCheckpoint]:
    named = {"now": shop.stage.now}
    with audit_log.export(shop.stage.platform, OPERATOR, shop.organization.id, **named) as (entries, checkpoint):
        return list(entries), checkpoint


def test_an_entry_says_who_did_what_to_which_and_from_where(shop: Shop) -> None:
    key = shop.add()
    (entry,) = shop.stage.looked(audit_log.latest, OPERATOR, shop.organization.id, limit=1)

    assert entry.record == audit.Record(
        at=shop.stage.now,
        actor_kind="access_token",
        actor_id=shop.owner.actor.id,
        user_id=shop.owner.user.id,
        address="192.0.2.7",
        action="key.add",
        outcome=audit.Outcome.DONE,
        code="",
        project_id=shop.project.id,
        subject=key.id,
        detail="SANDBOX billing",
    )


def test_entries_are_read_newest_first_by_page_and_by_project(shop: Shop) -> None:
    latest = (audit_log.latest, OPERATOR, shop.organization.id)
    other = shop.stage.project(shop.owner, shop.organization)
    shop.add()
    page = shop.stage.looked(*latest, limit=2)
    following = shop.stage.looked(*latest, before=page[-1].sequence, limit=99)

    assert [each.sequence for each in page + following] == list(range(page[0].sequence, 0, -1))
    of_project = shop.stage.looked(*latest, project_id=shop.project.id, limit=99)
    assert [each.record.action for each in of_project] == ["key.add"]
    assert other.project.id in {each.record.subject for each in page + following}


@pytest.mark.parametrize("role", [OrganizationRole.USER, OrganizationRole.READ_ONLY])
def test_only_overseers_read_it(shop: Shop, role: OrganizationRole) -> None:
    overseer = shop.stage.member(shop.organization, OrganizationRole.COMPLIANCE_ADMIN)
    other = shop.stage.member(shop.organization, role)

    shop.stage.looked(audit_log.latest, overseer.actor, shop.organization.id, limit=1)
    shop.stage.refused("audit.view", Code.FORBIDDEN, audit_log.latest, other.actor, shop.organization.id, limit=1)


def test_an_attempt_of_a_stranger_stands_in_the_stranger_s_log(shop: Shop) -> None:
    stranger = Shop(shop.stage)

    shop.stage.refused(
        "project.delete",
        Code.PROJECT_NOT_FOUND,
        projects.delete,
        stranger.owner.actor,
        shop.project.id,
        chain=stranger.organization.id,
    )


def test_an_export_verifies_offline_with_its_checkpoint(shop: Shop) -> None:
    shop.add()
    entries, signed = exported(shop)

    assert audit_log.is_genuine(signed)
    assert signed.checkpoint == audit.Checkpoint(shop.organization.id, entries[-1].sequence, entries[-1].hash)
    assert audit.verify(shop.organization.id, entries, [signed.checkpoint]) is None


def test_a_checkpoint_that_was_tampered_with_is_not_genuine(shop: Shop) -> None:
    _, signed = exported(shop)
    other_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()

    for forged in (
        replace(signed, checkpoint=replace(signed.checkpoint, sequence=signed.checkpoint.sequence - 1)),
        replace(signed, checkpoint=replace(signed.checkpoint, chain=PLATFORM)),
        replace(signed, at=signed.at + timedelta(seconds=1)),
        replace(signed, signature="AAAA"),
        replace(signed, signature="not base64!"),
        *(
            replace(signed, public_key_pem=key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
            for key in (other_key, rsa_key)
        ),
    ):
        assert not audit_log.is_genuine(forged)


def test_an_empty_chain_has_a_checkpoint_that_verifies_later_too(shop: Shop) -> None:
    empty = shop.stage.organization()
    with audit_log.export(shop.stage.platform, OPERATOR, empty.id, now=shop.stage.now) as (entries, signed):
        assert list(entries) == []

    assert audit_log.is_genuine(signed)
    assert audit.verify(empty.id, [], [signed.checkpoint]) is None


def test_the_database_s_own_look_finds_an_edit_and_a_cut_off_tail(shop: Shop) -> None:
    shop.add()
    database = shop.stage.platform.database
    of_chain = audit_entries.c.organization_id == shop.organization.id
    last = max(row.sequence for row in shop.stage.rows(audit_entries) if row.organization_id == shop.organization.id)
    for spoil in (
        update(audit_entries).where(of_chain, audit_entries.c.sequence == 2).values(detail="nothing"),
        delete(audit_entries).where(of_chain, audit_entries.c.sequence == last),
    ):
        with database.records.connect() as connection, connection.begin() as transaction:
            connection.execute(spoil)
            verdicts = {each.chain: each.flaw for each in audit_log.verdicts(connection)}
            transaction.rollback()

        assert verdicts[shop.organization.id] is not None
        assert verdicts[PLATFORM] is None
    with writing(database.records) as connection:
        assert [each.flaw for each in audit_log.verdicts(connection)] == [None, None]
