"""The audit log at a page: narrowed, paged, taken away, checked; and closed to those who do not oversee."""

import csv
import json
import re

import pytest
from sqlalchemy import update
from tests.portal.house import House

from credenza.domain.model import OrganizationRole
from credenza.portal import activity
from credenza.store.engine import writing
from credenza.store.schema import audit_entries

_TREE = [*["workspace.create"] * 3, "account.create", "workspace.rename", "account.rename"]
"""How the demo's organization grew its accounts and workspaces, newest first."""


def actions(text: str) -> list[str]:
    return re.findall(r'<td class="mono">([a-z_.]+)</td>', text)


def test_entries_stand_newest_first_with_who_and_what(furnished: House) -> None:
    page = furnished.visit(furnished.person("Ada")).get(furnished.path("/activity")).text

    assert actions(page)[:2] == ["account_key.add", "access_token.create"]
    assert "laptop stolen" in page
    assert "an operator" in page
    assert ">Ada</option>" not in page
    assert "Ada · ada@" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=key.revoke", ["key.revoke"]),
        ("action=key.revoke&outcome=refused", []),
        ("since=2025-01-31&until=2025-01-31", ["account_key.add", "access_token.create"]),
        ("until=2023-12-01", ["member.set"] * 4 + _TREE),
        ("actor=nobody", []),
        ("outcome=nonsense&action=key.rotate", ["key.rotate"]),
    ],
)
def test_entries_are_narrowed(furnished: House, query: str, found: list[str]) -> None:
    page = furnished.visit(furnished.person("Ada")).get(furnished.path(f"/activity?{query}"))

    assert actions(page.text) == found


def test_a_day_that_is_none_is_refused(house: House) -> None:
    assert house.visit(house.found()).get(house.path("/activity?since=yesterday")).status_code == 400


def test_pages_follow_each_other(furnished: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "_PAGE", 5)
    visit = furnished.visit(furnished.person("Ada"))
    first = visit.get(furnished.path("/activity?until=2025-02-01")).text
    older = re.search(r'rel="next" href="([^"]+)"', first)

    assert older is not None
    second = visit.get(older[1].replace("&amp;", "&")).text
    assert len(actions(first)) == len(actions(second)) == 5
    assert "until=2025-02-01" in older[1]
    assert "The newest" in second


def test_the_chain_is_checked_and_its_checkpoint_taken_away(furnished: House) -> None:
    visit = furnished.visit(furnished.person("Ada"))

    checked = visit.get(furnished.path("/activity/check")).text
    checkpoint = visit.get(furnished.path("/activity/checkpoint.json"))

    head = json.loads(checkpoint.text)
    assert f"Yes: all {head['sequence']} entries, unbroken" in checked
    assert head["hash"] in checked
    assert checkpoint.headers["content-disposition"].startswith("attachment")
    assert head["signature"]


def test_an_altered_entry_is_named(furnished: House) -> None:
    visit = furnished.visit(furnished.person("Ada"))
    one = (audit_entries.c.organization_id == furnished.organization_id) & (audit_entries.c.sequence == 3)
    with writing(furnished.platform.database.records) as connection:
        connection.execute(update(audit_entries).where(one).values(detail="never happened"))

    page = visit.get(furnished.path("/activity/check")).text

    assert "No. Entry 3 is the first that is wrong." in page
    assert 'role="alert"' in page


def test_it_is_exported_as_lines_and_as_a_table(furnished: House) -> None:
    visit = furnished.visit(furnished.person("Ada"))

    lines = visit.get(furnished.path("/activity/export.jsonl")).text.splitlines()
    table = list(csv.DictReader(visit.get(furnished.path("/activity/export.csv")).text.splitlines()))

    assert len(lines) == len(table) + 1
    assert json.loads(lines[-1])["sequence"] == len(table)
    assert [json.loads(line)["action"] for line in lines[:-1]] == [row["action"] for row in table]


@pytest.mark.parametrize("role", [OrganizationRole.USER, OrganizationRole.READ_ONLY])
def test_others_are_told_who_reads_it_and_leave_no_trace(house: House, role: OrganizationRole) -> None:
    admin = house.found()
    member = house.join("Grace", role)
    house.visit(admin)
    before = actions(house.visit(admin).get(house.path("/activity")).text)

    page = house.visit(member).get(house.path("/activity"))

    assert page.status_code == 403
    assert "Admins and Compliance Admins read it" in page.text
    assert actions(house.visit(admin).get(house.path("/activity")).text) == before
    for name in ("check", "export.csv", "export.jsonl", "checkpoint.json"):
        assert house.visit(member).get(house.path(f"/activity/{name}")).status_code == 403
