"""The audit log as its readers get it: newest first, exported whole with a signed checkpoint, verified offline."""

import csv
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import delete, select, update
from tests.actions.stage import OPERATOR, Shop
from tests.clock import NOON

from credenza.actions import audit_files, audit_log, oauth_keys, projects
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
    of_project = shop.stage.looked(*latest, audit.Wanted(project_id=shop.project.id), limit=99)
    assert [each.record.action for each in of_project] == ["key.add"]
    assert other.project.id in {each.record.subject for each in page + following}


@pytest.mark.parametrize(
    ("wanted", "actions"),
    [
        (audit.Wanted(action="key.add"), ["key.add"]),
        (audit.Wanted(outcome=audit.Outcome.REFUSED), ["key.renew"]),
        (audit.Wanted(since=NOON + timedelta(hours=1)), ["key.renew"]),
        (audit.Wanted(since=NOON, until=NOON + timedelta(hours=1), action="key.renew"), []),
        (audit.Wanted(user_id="nobody"), []),
    ],
)
def test_entries_are_narrowed_by_what_is_wanted(shop: Shop, wanted: audit.Wanted, actions: list[str]) -> None:
    key = shop.add()
    shop.stage.clock.advance(timedelta(hours=1))
    shop.stage.refused("key.renew", Code.NOT_RENEWABLE, oauth_keys.renew, shop.owner.actor, shop.project.id, key.id)

    found = shop.stage.looked(audit_log.latest, OPERATOR, shop.organization.id, wanted, limit=99)

    assert [each.record.action for each in found] == actions


def test_the_people_whom_entries_name_are_found(shop: Shop) -> None:
    shop.add()
    entries = shop.stage.looked(audit_log.latest, OPERATOR, shop.organization.id, limit=99)

    found = shop.stage.looked(audit_log.actors, OPERATOR, shop.organization.id, entries)

    assert found == (shop.owner.user,)


def test_the_chain_is_checked_and_its_head_signed(shop: Shop) -> None:
    shop.add()

    verdict, signed = shop.stage.looked(audit_log.check, OPERATOR, shop.organization.id)

    assert (verdict.flaw, verdict.entries) == (None, signed.checkpoint.sequence)
    assert audit_log.is_genuine(signed)


def test_an_altered_entry_is_named_by_the_check(shop: Shop) -> None:
    shop.add()
    stage, chain = shop.stage, shop.organization.id
    change = update(audit_entries).where(audit_entries.c.organization_id == chain, audit_entries.c.sequence == 2)
    with writing(stage.platform.database.records) as connection:
        before = connection.execute(select(audit_entries.c.detail).where(*change._where_criteria)).scalar_one()
        connection.execute(change.values(detail="altered"))
    verdict, _ = stage.looked(audit_log.check, OPERATOR, chain)
    with writing(stage.platform.database.records) as connection:
        connection.execute(change.values(detail=before))

    assert verdict.flaw == audit.Flaw(chain, 2, "was altered")


def test_a_table_for_a_spreadsheet_runs_nothing(shop: Shop) -> None:
    shop.add()
    entries, checkpoint = exported(shop)
    hostile = replace(entries[-1], record=replace(entries[-1].record, detail='=HYPERLINK("http://evil")'))

    rows = list(csv.DictReader(b"".join(audit_files.table([*entries[:-1], hostile])).decode().splitlines()))
    lines = b"".join(audit_files.json_lines(entries, checkpoint)).splitlines()

    assert [row["sequence"] for row in rows] == [str(each.sequence) for each in entries]
    assert rows[-1]["detail"] == '\'=HYPERLINK("http://evil")'
    assert (len(lines), json.loads(lines[-1])["sequence"]) == (len(entries) + 1, len(entries))


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
