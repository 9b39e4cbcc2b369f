"""Statements that are compiled once say what they say on both databases."""

from sqlalchemy import bindparam, event, insert, select

from credenza.domain.model import PLATFORM
from credenza.store.changes import ChangeKind
from credenza.store.engine import Database, writing
from credenza.store.prepared import Prepared
from credenza.store.schema import changes


def test_what_never_changes_stands_in_the_text(database: Database) -> None:
    texts: list[str] = []
    event.listen(database.records, "after_cursor_execute", lambda *seen: texts.append(seen[2]))
    added = Prepared(insert(changes), sets=("organization_id", "number", "kind", "subject"))
    found = Prepared(
        select(changes.c.subject).where(
            changes.c.kind.in_(["it's", ChangeKind.CREDENTIAL]),
            changes.c.number == 7,
            changes.c.subject != bindparam("but"),
        )
    )

    with writing(database.records) as connection:
        for number, subject in ((7, "one"), (8, "two")):
            row = {"organization_id": PLATFORM, "number": number, "kind": ChangeKind.CREDENTIAL, "subject": subject}
            added.run(connection, row)
        rows = found.all(connection, {"but": "two"})

    assert [row.subject for row in rows] == ["one"]
    assert f"IN ('it''s', '{ChangeKind.CREDENTIAL}')" in texts[-1]
    assert "= 7" in texts[-1]
