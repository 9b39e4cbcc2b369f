"""One statement of an action fails, whichever: nothing has changed, and the audit log says that it failed."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError
from tests.actions import repeatable
from tests.actions.repeatable import Request
from tests.actions.stage import Shop, Stage

from credenza.actions import oauth_keys, projects
from credenza.actions.context import Once
from credenza.store.engine import writing

# What every action in two transactions writes.
ISSUANCE = {
    "certificates INSERT",
    "certificates UPDATE",
    "idempotency INSERT",
    "idempotency UPDATE",
    "audit_heads UPDATE",
    "audit_entries INSERT",
}
CREDENTIAL = {"credentials INSERT"}
PROJECT = {"environments INSERT", "project_services INSERT"}
CHANGE = {"change_counter UPDATE", "changes INSERT"}
AUDIT = {"audit_heads UPDATE", "audit_entries INSERT"}

_numbers = count()


def revoke(shop: Shop) -> Callable[[], object]:
    key = shop.add()
    return lambda: oauth_keys.revoke(
        shop.stage.platform, shop.owner.actor, shop.project.id, key.id, keep_last=False, reason="", now=shop.stage.now
    )


def delete_project(shop: Shop) -> Callable[[], object]:
    view = shop.stage.project(shop.owner, shop.organization)
    return lambda: projects.delete(shop.stage.platform, shop.owner.actor, view.project.id, now=shop.stage.now)


def asked(make: Callable[[Shop], Request]) -> Callable[[Shop], Callable[[], object]]:
    def prepare(shop: Shop) -> Callable[[], object]:
        fresh = Shop(shop.stage)
        request = make(fresh)
        return lambda: request.ask(shop.stage.platform, Once(f"key {next(_numbers)}", "a" * 64))

    return prepare


@contextmanager
def failing(engine: Engine, table: str, operation: str) -> Iterator[None]:
    """A trigger that fails every such statement, until the block ends."""
    if engine.dialect.name == "sqlite":
        begin = [f"CREATE TRIGGER fault BEFORE {operation} ON {table} BEGIN SELECT RAISE(ABORT, 'fault'); END"]
        end = ["DROP TRIGGER fault"]
    else:
        begin = [
            "CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fault'; END $$",
            f"CREATE TRIGGER fault BEFORE {operation} ON {table} FOR EACH ROW EXECUTE FUNCTION fault()",
        ]
        end = [f"DROP TRIGGER fault ON {table}"]
    _run(engine, begin)
    try:
        yield
    finally:
        _run(engine, end)


@contextmanager
def noticing(engine: Engine) -> Iterator[set[str]]:
    """What is written in the block: table and operation."""
    noticed: set[str] = set()

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        found = re.match(r"(INSERT) INTO (\w+)|(UPDATE) (\w+)|(DELETE) FROM (\w+)", statement)
        if found and (cursor.rowcount or "RETURNING" in statement):
            operation, table = filter(None, found.groups())
            noticed.add(f"{table} {operation}")

    event.listen(engine, "after_cursor_execute", note)
    yield noticed
    event.remove(engine, "after_cursor_execute", note)


def _run(engine: Engine, statements: list[str]) -> None:
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    ("prepare", "action", "written"),
    [
        pytest.param(
            asked(repeatable.project_create),
            "project.create",
            ISSUANCE | CREDENTIAL | PROJECT | {"projects INSERT"},
            id="project.create",
        ),
        pytest.param(
            asked(repeatable.environment_add), "environment.add", ISSUANCE | CREDENTIAL | PROJECT, id="environment.add"
        ),
        pytest.param(asked(repeatable.key_add), "key.add", ISSUANCE | CREDENTIAL, id="key.add"),
        pytest.param(
            asked(repeatable.key_renew), "key.renew", ISSUANCE | CHANGE | {"credentials UPDATE"}, id="key.renew"
        ),
        pytest.param(asked(repeatable.account_key_add), "account_key.add", ISSUANCE | CREDENTIAL, id="account_key.add"),
        pytest.param(
            asked(repeatable.access_token_create),
            "access_token.create",
            AUDIT | {"access_tokens INSERT", "idempotency INSERT", "idempotency UPDATE"},
            id="access_token.create",
        ),
        pytest.param(revoke, "key.revoke", AUDIT | CHANGE | {"credentials UPDATE"}, id="key.revoke"),
        pytest.param(
            delete_project,
            "project.delete",
            AUDIT | CHANGE | {"credentials UPDATE", "projects UPDATE"},
            id="project.delete",
        ),
    ],
)
def test_a_failing_statement_undoes_the_action(
    shop: Shop, prepare: Callable[[Shop], Callable[[], object]], action: str, written: set[str]
) -> None:
    engine = shop.stage.platform.database.records
    ask = prepare(shop)
    with noticing(engine) as noticed:
        ask()
    ask = prepare(shop)
    for each in sorted(written):
        table, operation = each.split()
        with failing(engine, table, operation):
            see_failure(
                shop.stage, ask, action, traceless=table.startswith("audit_"), stuck=each == "certificates UPDATE"
            )
    before = shop.stage.traces()
    ask()

    assert noticed == written
    assert shop.stage.new_traces(before) == [(action, "done", "")]


def see_failure(stage: Stage, ask: Callable[[], object], action: str, *, traceless: bool, stuck: bool) -> None:
    """Ask and see that nothing has changed. `traceless`: the audit log itself cannot be written. `stuck`: the serial
    cannot even be given up, and stays reserved as after a crash."""
    facts, before = stage.facts(), stage.traces()
    with pytest.raises(DBAPIError, match="fault"):
        ask()
    after = stage.facts()
    attempts = after.pop("certificates") - facts.pop("certificates")
    assert {(row.state, row.der) for row in attempts} <= {("RESERVED" if stuck else "ABANDONED", None)}
    open_keys = after.pop("idempotency") - facts.pop("idempotency")
    assert [row.sealed_answer for row in open_keys] == [None] * stuck
    assert after == facts
    assert stage.new_traces(before) == ([] if traceless else [(action, "failed", "failed")])
