"""Who may ask about tokens: added and removed by operators, known by a secret that is shown once."""

from tests.actions.stage import OPERATOR, PRODUCTION, SANDBOX, Shop, Stage

from credenza.actions import resource_servers
from credenza.domain import secret_text
from credenza.domain.errors import Code
from credenza.store import schema

LEDGER = {"environment": SANDBOX, "name": "ledger"}


def test_a_resource_server_gets_a_secret_that_only_its_hash_is_kept_of(stage: Stage) -> None:
    added = stage.done("resource_server.add", resource_servers.add, OPERATOR, **LEDGER)

    (row,) = stage.rows(schema.resource_servers)
    assert secret_text.is_well_formed("czs_sbx_", added.secret)
    assert row.secret_hash == secret_text.keyed_hash(stage.platform.pepper, added.secret)
    assert added.secret.startswith(row.prefix)
    assert added.secret not in repr(added)
    assert stage.looked(resource_servers.list_all, OPERATOR) == (added.server,)


def test_gates_hear_of_a_new_and_of_a_removed_one(stage: Stage) -> None:
    added = stage.done("resource_server.add", resource_servers.add, OPERATOR, **LEDGER)

    stage.done("resource_server.remove", resource_servers.remove, OPERATOR, added.server.id)

    assert [(row.kind, row.subject) for row in stage.rows(schema.changes)] == [("issuer", added.server.id)] * 2
    assert stage.looked(resource_servers.list_all, OPERATOR) == ()


def test_a_name_is_taken_once_in_an_environment_until_it_is_removed(stage: Stage) -> None:
    added = stage.done("resource_server.add", resource_servers.add, OPERATOR, **LEDGER)

    stage.refused("resource_server.add", Code.DUPLICATE_NAME, resource_servers.add, OPERATOR, **LEDGER)
    elsewhere = stage.done("resource_server.add", resource_servers.add, OPERATOR, environment=PRODUCTION, name="ledger")
    stage.done("resource_server.remove", resource_servers.remove, OPERATOR, added.server.id)
    stage.done("resource_server.add", resource_servers.add, OPERATOR, **LEDGER)

    assert elsewhere.secret.startswith("czs_prd_")


def test_a_name_has_to_be_one(stage: Stage) -> None:
    for name in ("", "  ", "a\nb", "x" * 121):
        named = {"environment": SANDBOX, "name": name}
        refusal = stage.refused("resource_server.add", Code.INVALID, resource_servers.add, OPERATOR, **named)
        assert refusal.field == "name"


def test_one_that_is_not_there_or_not_any_more_cannot_be_removed(stage: Stage) -> None:
    added = stage.done("resource_server.add", resource_servers.add, OPERATOR, **LEDGER)
    stage.done("resource_server.remove", resource_servers.remove, OPERATOR, added.server.id)

    for identity in (added.server.id, "nobody"):
        stage.refused("resource_server.remove", Code.NOT_FOUND, resource_servers.remove, OPERATOR, identity)


def test_resource_servers_are_for_operators(shop: Shop) -> None:
    stage, actor = shop.stage, shop.owner.actor

    stage.refused("resource_server.add", Code.FORBIDDEN, resource_servers.add, actor, **LEDGER)
    stage.refused("resource_server.list", Code.FORBIDDEN, resource_servers.list_all, actor)
    stage.refused("resource_server.remove", Code.FORBIDDEN, resource_servers.remove, actor, "nobody")
