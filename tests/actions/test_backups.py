"""Back up and restore: nothing that was revoked comes back, and nothing is half restored (R8, threats 21 and 24)."""

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import delete, update
from tests.actions import proofs
from tests.actions.stage import (
    KEY_ENCRYPTION_KEY,
    OPERATOR,
    PRODUCTION,
    SANDBOX,
    Person,
    Shop,
    Stage,
    know_the_timeline,
    new_platform,
)
from tests.actions.test_service_keys import Counter
from tests.databases import RenewedDatabase, SqlitePlace
from tests.servers import PostgreSQLServer

from credenza.actions import (
    access_tokens,
    accounts,
    backups,
    calendar_feeds,
    first_admin,
    invitations,
    oauth_keys,
    organizations,
    password_resets,
    passwords,
    people,
    project_members,
    projects,
    resource_servers,
    roles,
    sessions,
    sign_in_links,
    token_keys,
    webhooks,
    workspaces,
)
from credenza.actions.backups import Restored
from credenza.actions.projects import ProjectEdit
from credenza.adapters.vault import LocalVault
from credenza.domain.access import Scope
from credenza.domain.custom_roles import CustomRole
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import (
    Actor,
    ActorKind,
    ChangeNumber,
    CredentialKind,
    OrganizationRole,
    ProjectRole,
    Status,
)
from credenza.domain.service_keys import purpose
from credenza.domain.tokens import RevokedToken, hash_jti
from credenza.store import archive, authorities, backup, changes, revoked_tokens, schema
from credenza.store import resource_servers as resource_server_rows
from credenza.store import token_keys as token_key_rows
from credenza.store.archive import Batch, DamagedArchive
from credenza.store.authorities import Authority
from credenza.store.engine import Database, reading, writing

VAULT = LocalVault(KEY_ENCRYPTION_KEY)
SEAL_KEY = VAULT.derive("backup")
NOTHING_ENFORCED = ChangeNumber(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture(scope="session")
def other_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePlace]:
    place = SqlitePlace(tmp_path_factory.mktemp("other"))
    yield place
    place.close()


@pytest.fixture
def other_sqlite(other_place: SqlitePlace, sqlite_template: Path) -> Iterator[Database]:
    yield other_place.put(sqlite_template)
    other_place.close()


@pytest.fixture(scope="session")
def other_renewed(postgresql: PostgreSQLServer, postgresql_template: str) -> Iterator[RenewedDatabase]:
    renewed = RenewedDatabase(postgresql, postgresql_template)
    yield renewed
    renewed.drop()


@pytest.fixture
def other_postgresql(other_renewed: RenewedDatabase) -> Database:
    return other_renewed.renew()


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest) -> Database:
    """A second database, migrated and empty."""
    database: Database = request.getfixturevalue(f"other_{request.param}")
    know_the_timeline(database.records)
    return database


def back_up(stage: Stage, path: Path) -> archive.Manifest:
    return backups.back_up(stage.platform.database, VAULT, path, now=stage.now)


def restore(stage: Stage, path: Path, *, into: Database | None = None, **named: Any) -> Restored:
    arguments = {"enforced": NOTHING_ENFORCED, "overwrite": True, "actor": OPERATOR, "lease": timedelta(0), **named}
    return backups.restore(into or stage.platform.database, VAULT, path, now=stage.now, **arguments)


def number(database: Database) -> ChangeNumber:
    with reading(database.records) as connection:
        return changes.current(connection)


def status(stage: Stage, key_id: str) -> str:
    return next(row.status for row in stage.rows(schema.credentials) if row.id == key_id)


# --- what a backup is -------------------------------------------------------------------------------------------------


def test_a_backup_is_for_its_owner_alone(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)

    assert path.stat().st_mode & 0o777 == 0o600


def signing_authorities(stage: Stage) -> list[Authority]:
    with reading(stage.platform.database.records) as connection:
        return [each for each in authorities.list_all(connection) if each.signs]


def test_a_backup_holds_no_secret_that_is_not_wrapped_or_hashed(shop: Shop, path: Path) -> None:
    stage = shop.stage
    issued = access_tokens.create(
        stage.platform,
        OPERATOR,
        shop.organization.id,
        name="canary",
        scopes=frozenset(Scope),
        days=1,
        owner=shop.owner.user.id,
        now=stage.now,
    )
    private_keys = [stage.platform.issuer_keys.of(each) for each in signing_authorities(stage)] + [
        stage.platform.checkpoint_key
    ]
    canaries = [issued.secret.encode(), KEY_ENCRYPTION_KEY, stage.platform.pepper]
    canaries += [key.private_numbers().private_value.to_bytes(32) for key in private_keys]
    canaries += [key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for key in private_keys]

    back_up(stage, path)

    content = decoded(path)
    assert issued.token.prefix.encode() in content
    assert [canary for canary in canaries if canary in content or canary.hex().encode() in content] == []


def decoded(path: Path) -> bytes:
    """The archive, and behind it every base64 in it decoded."""
    values = [value for rows in contents(path).values() for row in rows for value in row.values()]
    return path.read_bytes() + b"\n".join(value for value in values if isinstance(value, bytes))


def test_a_backup_of_a_server_at_work_is_one_moment_of_it(shop: Shop, path: Path) -> None:
    stage, stop = shop.stage, threading.Event()

    def work() -> None:
        edit = ProjectEdit(ambiguous_readings=True)
        while not stop.is_set():
            projects.change(stage.platform, shop.owner.actor, shop.project.id, edit, now=stage.now)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        taken = [path.with_name(f"backup-{turn}") for turn in range(5)]
        manifests = [back_up(stage, each) for each in taken]
    finally:
        stop.set()
        worker.join()

    assert manifests[-1].origin.change_number > manifests[0].origin.change_number
    for each in taken:
        rows = contents(each)
        edits = [row for row in rows["audit_entries"] if row["action"] == "project.change"]
        assert len(edits) == len([row for row in rows["changes"] if row["kind"] == "project"])
        assert len(rows["changes"]) == rows["change_counter"][0]["number"]


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    with archive.opened(path, key=SEAL_KEY) as opened:
        for batch in opened.batches():
            found.setdefault(batch.table, []).extend(backup.values(batch))
    return found


# --- a database that knows what was withdrawn since -------------------------------------------------------------------


def test_a_key_revoked_after_the_backup_stays_revoked(shop: Shop, path: Path) -> None:
    kept = shop.add()
    back_up(shop.stage, path)
    shop.revoke(shop.key)

    restored = restore(shop.stage, path)

    assert restored.held is None
    assert (status(shop.stage, shop.key.id), status(shop.stage, kept.id)) == ("REVOKED", "ACTIVE")
    assert shop.look(shop.key).revoked_reason == "no longer used"


def test_a_deleted_project_stays_deleted_with_its_keys(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    projects.delete(shop.stage.platform, shop.owner.actor, shop.project.id, now=shop.stage.now)

    restore(shop.stage, path)

    shop.refused("project.view", Code.PROJECT_NOT_FOUND, projects.get, chain=shop.organization.id)
    assert status(shop.stage, shop.key.id) == "REVOKED"


def test_a_disabled_user_and_a_revoked_token_stay_out(shop: Shop, path: Path) -> None:
    stage, people_of = shop.stage, shop.organization
    admin, leaver = stage.member(people_of), stage.member(people_of)
    issued = [token(stage, shop, each.user.id) for each in (admin, leaver)]
    back_up(stage, path)
    access_tokens.revoke(stage.platform, OPERATOR, people_of.id, issued[0].token.id, now=stage.now)
    people.disable_user(stage.platform, OPERATOR, leaver.user.email, now=stage.now)

    restore(stage, path)

    for each in issued:
        with pytest.raises(Refusal) as refusal:
            access_tokens.authenticate(stage.platform, each.secret, address="", now=stage.now)
        assert refusal.value.code is Code.UNAUTHENTICATED


def token(stage: Stage, shop: Shop, owner: Any) -> access_tokens.IssuedToken:
    return access_tokens.create(
        stage.platform,
        OPERATOR,
        shop.organization.id,
        name="ci",
        scopes=frozenset({Scope.READ}),
        days=9,
        owner=owner,
        now=stage.now,
    )


def test_rights_that_were_taken_away_or_lowered_are_not_given_back(shop: Shop, path: Path) -> None:
    stage = shop.stage
    lowered, removed = stage.member(shop.organization), stage.member(shop.organization)
    for each in (lowered, removed):
        shop.done("project.member.set", project_members.set_role, email=each.user.email, role=ProjectRole.ADMIN)
    back_up(stage, path)
    shop.done("project.member.set", project_members.set_role, email=lowered.user.email, role=ProjectRole.READ_ONLY)
    shop.done("project.member.remove", project_members.remove, removed.user.id)
    stage.member(shop.organization)  # an organization keeps an admin
    people.set_member(
        stage.platform,
        OPERATOR,
        shop.organization.id,
        email=lowered.user.email,
        role=OrganizationRole.READ_ONLY,
        now=stage.now,
    )
    people.remove_member(stage.platform, OPERATOR, shop.organization.id, removed.user.id, now=stage.now)

    restore(stage, path)

    on_project = {row.user_id: row.role for row in stage.rows(schema.project_members)}
    in_organization = {row.user_id: row.role for row in stage.rows(schema.memberships)}
    assert on_project == {lowered.user.id: "read_only"}
    assert in_organization == {shop.owner.user.id: "user", lowered.user.id: "read_only"}


def test_a_custom_role_allows_no_more_than_it_did_last(shop: Shop, path: Path) -> None:
    """Its name may have gone to another role meanwhile, and that one to a member."""
    stage, admin = shop.stage, shop.stage.member(shop.organization)
    place, looking, both = (admin.actor, shop.organization.id), ["audit.view"], ["audit.view", "webhook.add"]
    wide = stage.done("role.create", roles.create, *place, name="Lookers", actions=both)
    holder, other = stage.member(shop.organization), stage.member(shop.organization)
    give_role(stage, shop, holder, wide)
    back_up(stage, path)
    stage.done("role.edit", roles.edit, *place, wide.id, name="Watchers", actions=looking)
    newer = stage.done("role.create", roles.create, *place, name="Lookers", actions=looking)
    give_role(stage, shop, other, newer)

    restore(stage, path)

    found = {each.id: (each.name, each.actions) for each in stage.looked(roles.list_all, *place)}
    assert found == {wide.id: ("Watchers", {"audit.view"}), newer.id: ("Lookers", {"audit.view"})}
    held = {row.user_id: row.custom_role_id for row in stage.rows(schema.memberships)}
    assert (held[holder.user.id], held[other.user.id]) == (wide.id, newer.id)


def test_archived_accounts_and_workspaces_stay_archived(shop: Shop, path: Path) -> None:
    stage, admin = shop.stage, shop.stage.member(shop.organization)
    place = (admin.actor, shop.organization.id)
    kept = stage.done("account.create", accounts.create, *place, name="Kept")
    gone = stage.done("account.create", accounts.create, *place, name="Gone")
    inside = stage.done("workspace.create", workspaces.create, *place, account_id=kept.id, name="Inside")
    back_up(stage, path)
    stage.done("workspace.archive", workspaces.archive, *place, inside.id)
    stage.done("account.archive", accounts.archive, *place, gone.id)

    restore(stage, path)

    assert kept.id in {each.id for each in stage.looked(accounts.list_all, *place)}
    assert gone.id not in {each.id for each in stage.looked(accounts.list_all, *place)}
    assert inside.id not in {each.id for each in stage.looked(workspaces.list_all, *place)}


def test_a_workspace_that_was_moved_away_does_not_come_back_under_its_old_account(shop: Shop, path: Path) -> None:
    """Whoever was given the old account would reach into it again."""
    stage, admin = shop.stage, shop.stage.member(shop.organization)
    place = (admin.actor, shop.organization.id)
    old = stage.done("account.create", accounts.create, *place, name="Old")
    moved = stage.done("workspace.create", workspaces.create, *place, account_id=old.id, name="Web")
    stays = stage.done("workspace.create", workspaces.create, *place, account_id=old.id, name="Apps")
    back_up(stage, path)
    newer = stage.done("account.create", accounts.create, *place, name="Newer")
    stage.done("account.create", accounts.create, *place, name="Empty")
    stage.done("workspace.move", workspaces.move, *place, moved.id, to=newer.id)
    since = stage.done("workspace.create", workspaces.create, *place, account_id=old.id, name="Web")

    restore(stage, path)

    found = {each.id: each.account_id for each in stage.looked(workspaces.list_all, *place)}
    assert (found[moved.id], found[stays.id]) == (newer.id, old.id)
    assert since.id not in found, "what was made since the backup is not in it"
    assert "Empty" not in {each.name for each in stage.looked(accounts.list_all, *place)}


def test_accounts_that_have_changed_names_keep_apart(shop: Shop, path: Path) -> None:
    """The account that a workspace was moved to may have the name that another one had in the backup."""
    stage, admin = shop.stage, shop.stage.member(shop.organization)
    place = (admin.actor, shop.organization.id)
    old = stage.done("account.create", accounts.create, *place, name="Shop")
    inside = stage.done("workspace.create", workspaces.create, *place, account_id=old.id, name="Web")
    back_up(stage, path)
    stage.done("account.rename", accounts.rename, *place, old.id, name="Old shop")
    newer = stage.done("account.create", accounts.create, *place, name="Shop")
    stage.done("workspace.move", workspaces.move, *place, inside.id, to=newer.id)

    restore(stage, path)

    names = {each.id: each.name for each in stage.looked(accounts.list_all, *place)}
    assert (names[old.id], names[newer.id]) == ("Old shop", "Shop")
    assert {each.id: each.account_id for each in stage.looked(workspaces.list_all, *place)}[inside.id] == newer.id


def give_role(stage: Stage, shop: Shop, person: Person, role: CustomRole) -> None:
    named = {"email": person.user.email, "role": OrganizationRole.CUSTOM, "custom_role_id": role.id}
    people.set_member(stage.platform, OPERATOR, shop.organization.id, **named, now=stage.now)  # type: ignore[arg-type]


def test_a_removed_webhook_and_a_revoked_calendar_feed_stay_away(shop: Shop, path: Path) -> None:
    stage, organization_id = shop.stage, shop.organization.id
    admin = stage.member(shop.organization)
    browser = Actor(ActorKind.SESSION, "tests", admin.user.id, organization_id)
    webhook = webhooks.add(
        stage.platform, browser, organization_id, url="https://hooks.example.com/a", description="", now=stage.now
    ).webhook
    feed = calendar_feeds.make(stage.platform, browser, organization_id, now=stage.now)
    back_up(stage, path)
    webhooks.remove(stage.platform, browser, organization_id, webhook.id, now=stage.now)
    calendar_feeds.revoke(stage.platform, browser, organization_id, feed.feed.id, now=stage.now)

    restore(stage, path)

    assert [row.removed_at for row in stage.rows(schema.webhooks)] == [stage.now]
    assert [row.revoked_at for row in stage.rows(schema.calendar_feeds)] == [stage.now]


def test_a_service_key_that_was_replaced_since_is_not_active_again(shop: Shop, path: Path) -> None:
    """Nobody knows better than the project which key its payloads need now: it activates one."""
    counter = Counter(shop)
    first = counter.add(CredentialKind.RESPONSE_ENCRYPTION)
    second = counter.add(CredentialKind.RESPONSE_ENCRYPTION)
    lost, ours = counter.add(CredentialKind.REQUEST_ENCRYPTION), counter.add(CredentialKind.REQUEST_ENCRYPTION)
    back_up(shop.stage, path)
    counter.activate(second)
    counter.revoke(lost)
    counter.add(CredentialKind.REQUEST_SIGNATURE)

    assert restore(shop.stage, path).held is None

    kept = [counter.look(each) for each in (first, second, lost, ours)]
    assert [each.status for each in kept] == ["INACTIVE", "INACTIVE", "REVOKED", "ACTIVE"]
    assert None not in (kept[0].inactive_since, kept[1].inactive_since)
    assert counter.activate(first).status is Status.ACTIVE
    assert {row.credential_id for row in shop.stage.rows(schema.service_private_keys)} == {lost.id, ours.id}


def test_private_keys_of_services_must_open_with_the_key_encryption_key(shop: Shop, path: Path) -> None:
    made = Counter(shop).add(CredentialKind.REQUEST_ENCRYPTION)
    wrapped = LocalVault(bytes(32)).wrap(purpose(made.id), b"secret")
    with writing(shop.stage.platform.database.records) as connection:
        connection.execute(update(schema.service_private_keys).values(wrapped_private_key=wrapped))
    back_up(shop.stage, path)
    before = shop.stage.dump()

    with pytest.raises(DamagedArchive, match=f"does not open the private key of service credential {made.id}"):
        restore(shop.stage, path)
    assert shop.stage.dump() == before


def test_a_reading_that_was_turned_off_stays_off(shop: Shop, path: Path) -> None:
    shop.done("project.change", projects.change, ProjectEdit(ambiguous_readings=True))
    back_up(shop.stage, path)
    shop.done("project.change", projects.change, ProjectEdit(ambiguous_readings=False))

    restore(shop.stage, path)

    assert shop.looked(projects.get).project.ambiguous_readings is False


def test_what_was_changed_otherwise_is_as_it_was(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    before = shop.stage.facts()
    shop.done("project.change", projects.change, ProjectEdit(name="Mistaken"))
    added = shop.add()

    restore(shop.stage, path)

    after = shop.stage.facts()
    history = {"change_counter", "changes", "certificates", "timelines"}
    assert {name for name in before if before[name] != after[name]} <= history
    assert added.id not in {row.id for row in shop.stage.rows(schema.credentials)}


def test_a_key_that_the_backup_never_knew_and_that_was_revoked_is_not_accepted_again(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    leaked = shop.stage.new_key()
    shop.revoke(shop.done("key.add", oauth_keys.add_by_csr, leaked, SANDBOX))

    restore(shop.stage, path)

    shop.refused("key.add", Code.DUPLICATE_KEY, oauth_keys.add_by_csr, leaked, SANDBOX)


def test_the_audit_log_loses_nothing_by_a_restore(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    shop.revoke(shop.key)
    before = shop.stage.traces()

    restored = restore(shop.stage, path)

    after = shop.stage.traces()
    assert after.items() >= before.items()
    (new,) = [row for place, row in after.items() if place not in before]
    assert (new.action, new.outcome, new.subject) == ("database.restore", "done", restored.manifest.sha256)
    assert shop.stage.flaws() == []


def test_the_change_sequence_goes_on_with_a_hole_so_that_gates_forget(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    shop.revoke(shop.key)
    before = number(shop.stage.platform.database)

    restored = restore(shop.stage, path)

    with reading(shop.stage.platform.database.records) as connection:
        news = changes.since(connection, before)
    assert [each.number for each in news] == [restored.number] == [before + 2]


def test_the_same_backup_restores_twice(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    shop.revoke(shop.key)

    assert [restore(shop.stage, path).held for _ in range(2)] == [None, None]
    assert status(shop.stage, shop.key.id) == "REVOKED"


# --- a database that does not know ------------------------------------------------------------------------------------


def test_a_restore_into_an_empty_database_lets_nobody_in(shop: Shop, path: Path, other: Database) -> None:
    expected = shop.stage.dump()
    back_up(shop.stage, path)
    shop.revoke(shop.key)

    restored = restore(shop.stage, path, into=other, overwrite=False)

    found = Stage(new_platform(other, now=shop.stage.now), shop.stage.clock)
    assert restored.held == 1
    assert status(found, shop.key.id) == "INACTIVE"
    assert {row.revoked_at for row in found.rows(schema.access_tokens)} == {shop.stage.now}
    assert found.flaws() == []
    brought_back = found.dump()
    changed = {"credentials", "access_tokens", "audit_heads", "audit_entries", "change_counter", "changes", "timelines"}
    changed |= {"token_keys"}
    assert {name for name in expected if expected[name] != brought_back[name]} <= changed
    assert brought_back["audit_entries"] > expected["audit_entries"]


def test_numbers_leap_ahead_of_whatever_other_machines_may_have_enforced(
    shop: Shop, path: Path, other: Database
) -> None:
    manifest = back_up(shop.stage, path)

    restored = restore(shop.stage, path, into=other)

    assert restored.number == number(other) > manifest.origin.change_number + 1_000_000


def test_a_database_older_than_what_was_enforced_knows_nothing(shop: Shop, path: Path) -> None:
    """A copied-back file must not vouch for itself."""
    back_up(shop.stage, path)
    behind = ChangeNumber(number(shop.stage.platform.database) + 1)

    restored = restore(shop.stage, path, enforced=behind)

    assert restored.held == 1
    assert restored.number > behind


def test_another_branch_of_history_knows_only_its_own_revocations(shop: Shop, path: Path, tmp_path: Path) -> None:
    second = shop.add()
    back_up(shop.stage, path)
    shop.done("project.change", projects.change, ProjectEdit(name="Later"))
    later = tmp_path / "later"
    back_up(shop.stage, later)
    restore(shop.stage, path, enforced=ChangeNumber(10**6))  # this database is from now on another branch
    backups.release(shop.stage.platform, OPERATOR, None, now=shop.stage.now)
    shop.owner = replaced_token(shop)
    shop.revoke(second)

    restored = restore(shop.stage, later)

    assert restored.held == 1
    assert (status(shop.stage, shop.key.id), status(shop.stage, second.id)) == ("INACTIVE", "REVOKED")


def replaced_token(shop: Shop) -> Any:
    return shop.owner._replace(actor=shop.stage.token(shop.owner.user, shop.organization))


def test_a_database_with_a_broken_audit_log_knows_nothing(shop: Shop, path: Path) -> None:
    shop.add()
    back_up(shop.stage, path)
    shop.revoke(shop.key)
    with writing(shop.stage.platform.database.records) as connection:
        connection.execute(
            update(schema.audit_entries).where(schema.audit_entries.c.action == "key.revoke").values(detail="nothing")
        )

    restored = restore(shop.stage, path)

    assert restored.held == 1
    assert status(shop.stage, shop.key.id) == "REVOKED"  # what it does know still counts


def test_a_used_one_time_link_is_not_good_again(stage: Stage, path: Path) -> None:
    link = first_admin.make_link(stage.platform, now=stage.now)
    assert link is not None
    back_up(stage, path)

    restore(stage, path)

    with pytest.raises(Refusal):
        first_admin.accept(
            stage.platform,
            link,
            email="a@example.org",
            name="A",
            password=proofs.PASSWORD,
            organization="A",
            visitor=proofs.VISITOR,
            now=stage.now,
        )


def test_what_people_hold_is_not_good_again(shop: Shop, path: Path) -> None:
    """Sessions, links, recovery codes and open invitations may have been used or ended since the backup."""
    stage, user = shop.stage, proofs.new_user(shop.stage)
    begun = proofs.signed_in(stage, user)
    device = proofs.Device(stage, proofs.actor_of(stage, begun))
    link = sign_in_links.make(stage.platform, OPERATOR, user.email, now=stage.now)
    invited = invitations.invite(
        stage.platform,
        OPERATOR,
        shop.organization.id,
        email="eve@example.org",
        role=OrganizationRole.USER,
        now=stage.now,
    )
    back_up(stage, path)

    restore(stage, path)

    assert sessions.find(stage.platform, begun.token, now=stage.now) is None
    with pytest.raises(Refusal):
        sign_in_links.accept(stage.platform, link, proofs.VISITOR, now=stage.now)
    with pytest.raises(Refusal):
        invitations.look(stage.platform, invited.token, now=stage.now)
    half = passwords.sign_in(stage.platform, user.email, proofs.PASSWORD, proofs.VISITOR, now=stage.now)
    assert isinstance(half, passwords.SecondFactor)
    with pytest.raises(Refusal):
        passwords.finish(stage.platform, half.token, device.recovery.codes[0], proofs.VISITOR, now=stage.now)
    assert stage.rows(schema.outbox) == []


def test_an_earlier_password_is_not_good_again(shop: Shop, path: Path) -> None:
    stage, user = shop.stage, proofs.new_user(shop.stage)
    back_up(stage, path)
    token = password_resets.make(stage.platform, OPERATOR, user.email, now=stage.now)
    password_resets.accept(stage.platform, token, proofs.OTHER_PASSWORD, proofs.VISITOR, now=stage.now)

    restore(stage, path)

    with pytest.raises(Refusal):
        proofs.signed_in(stage, user)
    proofs.signed_in(stage, user, password=proofs.OTHER_PASSWORD)


def test_a_database_that_is_in_use_is_not_overwritten_unasked(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    before = shop.stage.dump()

    with pytest.raises(Refusal, match="--replace"):
        restore(shop.stage, path, overwrite=False)

    assert shop.stage.dump() == before


# --- quarantine -------------------------------------------------------------------------------------------------------


def test_an_operator_releases_named_credentials_and_then_the_rest(shop: Shop, path: Path, other: Database) -> None:
    second, dead = shop.add(), shop.add()
    shop.revoke(dead)
    back_up(shop.stage, path)
    restore(shop.stage, path, into=other)
    found = Stage(new_platform(other, now=shop.stage.now), shop.stage.clock)
    before = number(other)

    named = backups.release(found.platform, OPERATOR, [second.id], now=found.now)

    assert [each.id for each in named.credentials] == [second.id]
    assert (status(found, second.id), status(found, shop.key.id)) == ("ACTIVE", "INACTIVE")
    assert number(other) > before
    rest = backups.release(found.platform, OPERATOR, None, now=found.now)
    assert [each.id for each in rest.credentials] == [shop.key.id]
    assert [status(found, each.id) for each in (shop.key, second, dead)] == ["ACTIVE", "ACTIVE", "REVOKED"]
    assert backups.list_held(found.platform, OPERATOR, now=found.now) == ()


def test_every_release_stands_in_the_log_of_its_organization(shop: Shop, path: Path, other: Database) -> None:
    back_up(shop.stage, path)
    restore(shop.stage, path, into=other)
    found = Stage(new_platform(other, now=shop.stage.now), shop.stage.clock)

    backups.release(found.platform, OPERATOR, None, now=found.now)

    released = [row for row in found.traces().values() if row.action == "database.release" and row.subject != "all"]
    assert [(row.organization_id, row.project_id, row.subject) for row in released] == [
        (shop.organization.id, shop.project.id, shop.key.id)
    ]
    assert found.flaws() == []


def test_what_is_not_in_quarantine_cannot_be_released(shop: Shop) -> None:
    shop.revoke(shop.key)

    with pytest.raises(Refusal, match="Not in quarantine"):
        backups.release(shop.stage.platform, OPERATOR, [shop.key.id], now=shop.stage.now)

    assert shop.look(shop.key).status is Status.REVOKED


# --- damaged archives -------------------------------------------------------------------------------------------------


def resealed(path: Path, change: Callable[[list[Batch]], list[Batch]], key: bytes = SEAL_KEY, **origin: Any) -> None:
    """Change an archive as somebody would who has its key."""
    with archive.opened(path, key=SEAL_KEY) as found:
        batches = change(list(found.batches()))
        manifest = found.manifest
    archive.write(path, replace(manifest.origin, **origin), batches, key=key)


def without_last_row(table: str) -> Callable[[list[Batch]], list[Batch]]:
    return lambda batches: [replace(each, rows=each.rows[:-1]) if each.table == table else each for each in batches]


def with_cell(table: str, column: str, value: Any) -> Callable[[list[Batch]], list[Batch]]:
    def change(batch: Batch) -> Batch:
        if batch.table != table:
            return batch
        place = batch.columns.index(column)
        first, *rest = batch.rows
        return replace(batch, rows=((*first[:place], value, *first[place + 1 :]), *rest))

    return lambda batches: list(map(change, batches))


def edited(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def line_removed(path: Path, start: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if not line.startswith(start)))


def bit_flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def manifest_changed(path: Path) -> None:
    *lines, last = path.read_bytes().splitlines(keepends=True)
    end = json.loads(last)
    end["manifest"]["origin"]["change_number"] += 1
    path.write_bytes(b"".join(lines) + json.dumps(end, separators=(",", ":")).encode() + b"\n")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: os.truncate(path, path.stat().st_size * 2 // 3),
    "last byte missing": lambda path: os.truncate(path, path.stat().st_size - 1),
    "one bit flipped": bit_flipped,
    "another kind of file": lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(4096)),
    "text appended": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "manifest missing": lambda path: line_removed(path, b'{"manifest":'),
    "manifest changed": manifest_changed,
    "table missing": lambda path: line_removed(path, b'{"table":"users"'),
    "table missing, sealed": lambda path: resealed(path, lambda all_of: [x for x in all_of if x.table != "users"]),
    "row removed": lambda path: edited(path, b'"rows":[[', b'"rows":[],"x":[['),
    "audit entry changed": lambda path: edited(path, b'"key.add"', b'"key.bad"'),
    "audit entry changed, sealed": lambda path: resealed(path, with_cell("audit_entries", "detail", "nothing")),
    "audit entry removed, sealed": lambda path: resealed(path, without_last_row("audit_entries")),
    "audit log removed, sealed": lambda path: resealed(path, no_audit),
    "parent row removed, sealed": lambda path: resealed(path, without_last_row("organizations")),
    "row twice, sealed": lambda path: resealed(path, lambda all_of: [*all_of, *(x for x in all_of if x.rows)]),
    "cell of another type, sealed": lambda path: resealed(path, with_cell("users", "created_at", "yesterday")),
    "time out of range, sealed": lambda path: resealed(path, with_cell("users", "created_at", 2**62)),
    "newer release": lambda path: resealed(path, list, revision="9999", release="99.0"),
    "newer format": lambda path: edited(path, b'"format":1', b'"format":2'),
    "wrong key-encryption key": lambda path: resealed(path, list, key=LocalVault(bytes(32)).derive("backup")),
    "secrets under another key, sealed": lambda path: resealed(path, other_secrets),
}


def no_audit(batches: list[Batch]) -> list[Batch]:
    return [replace(each, rows=()) if each.table == "audit_entries" else each for each in batches]


def other_secrets(batches: list[Batch]) -> list[Batch]:
    wrapped = base64.b64encode(LocalVault(bytes(32)).wrap("checkpoint key", b"secret")).decode()
    return with_cell("wrapped_secrets", "wrapped", wrapped)(batches)


def test_a_damaged_archive_is_refused_and_changes_nothing(shop: Shop, path: Path) -> None:
    shop.add()
    back_up(shop.stage, path)
    sound, before = path.read_bytes(), shop.stage.dump()

    unnoticed = [name for name in DAMAGES if not refused_after(name, shop.stage, path, sound)]

    assert unnoticed == []
    assert shop.stage.dump() == before
    path.write_bytes(sound)
    assert restore(shop.stage, path).held is None


def refused_after(damage: str, stage: Stage, path: Path, sound: bytes) -> bool:
    path.write_bytes(sound)
    DAMAGES[damage](path)
    try:
        restore(stage, path)
    except DamagedArchive:
        return True
    return False


def test_any_flipped_bit_is_found(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    sound = path.read_bytes()
    with archive.opened(path, key=SEAL_KEY) as found:
        assert found.manifest.rows["credentials"] == 1

    for place in range(0, len(sound), max(1, len(sound) // 400)):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1 << place % 8]) + sound[place + 1 :])
        with pytest.raises(DamagedArchive), archive.opened(path, key=SEAL_KEY):
            pass


def test_a_restore_that_fails_at_its_end_changes_nothing(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    resealed(path, with_cell("credentials", "project_id", "00000000-0000-4000-8000-000000000000"))
    before = shop.stage.dump()

    with pytest.raises(DamagedArchive, match="contradict"):
        restore(shop.stage, path)

    assert shop.stage.dump() == before


def test_a_backup_that_fails_leaves_the_one_before(shop: Shop, path: Path) -> None:
    back_up(shop.stage, path)
    before = path.read_bytes()

    def broken() -> Iterator[Batch]:
        raise OSError(28, "No space left on device")
        yield

    with archive.opened(path, key=SEAL_KEY) as found, pytest.raises(OSError, match="space"):
        archive.write(path, found.manifest.origin, broken(), key=SEAL_KEY)

    assert path.read_bytes() == before
    assert list(path.parent.glob(".backup*")) == []


def test_an_organization_made_after_the_backup_leaves_its_log_behind(stage: Stage, path: Path) -> None:
    stage.organization()
    back_up(stage, path)
    gone = stage.organization()

    restore(stage, path)

    assert gone.id not in {row.organization_id for row in stage.rows(schema.organizations)}
    organizations.create(stage.platform, OPERATOR, name=gone.name, now=stage.now)
    assert stage.flaws() == []


def test_a_database_without_one_of_the_backups_audit_chains_does_not_go_on_from_it(stage: Stage, path: Path) -> None:
    stage.organization()
    back_up(stage, path)
    with writing(stage.platform.database.records) as connection:
        for table in (schema.audit_entries, schema.audit_heads):
            connection.execute(delete(table))

    assert restore(stage, path).held == 0


def test_what_the_token_server_took_back_stays_back(shop: Shop, path: Path) -> None:
    stage = shop.stage
    token = RevokedToken(hash_jti("a"), SANDBOX, shop.organization.id, stage.now + timedelta(minutes=15))
    server = resource_servers.add(stage.platform, OPERATOR, environment=SANDBOX, name="ledger", now=stage.now).server
    first = stage.rows(schema.token_keys)[0].kid
    back_up(stage, path)
    token_keys.retire(stage.platform, OPERATOR, first, reason="leaked", now=stage.now)
    resource_servers.remove(stage.platform, OPERATOR, server.id, now=stage.now)
    with writing(stage.platform.database.records) as connection:
        revoked_tokens.revoke(connection, token, now=stage.now)

    restore(stage, path)

    assert [row.kid for row in stage.rows(schema.token_keys) if row.retired_at is not None] == [first]
    assert [row.removed_at for row in stage.rows(schema.resource_servers)] == [stage.now]
    assert [row.jti_hash for row in stage.rows(schema.revoked_tokens)] == [token.jti_hash]


def test_where_nobody_knows_what_was_taken_back_no_token_key_and_no_resource_server_is_good(
    shop: Shop, path: Path, other: Database
) -> None:
    stage = shop.stage
    resource_servers.add(stage.platform, OPERATOR, environment=SANDBOX, name="ledger", now=stage.now)
    back_up(stage, path)

    restore(stage, path, into=other)

    with reading(other.records) as connection:
        assert resource_server_rows.list_present(connection) == ()
        assert {key.retired_at for key in token_key_rows.list_all(connection)} == {stage.now}
    new_platform(other, now=stage.now)
    with reading(other.records) as connection:
        usable = [key for key in token_key_rows.list_all(connection) if key.retired_at is None]
    assert {key.environment for key in usable if key.published(stage.now)} == {SANDBOX, PRODUCTION}
