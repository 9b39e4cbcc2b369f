"""Every link of the portal leads somewhere, and what pages say of command line and API is true.

A walk over all pages that an admin reaches by links, from the overview on.
"""

import re
import shlex
from collections.abc import Iterator
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
import typer
from starlette.routing import Match
from tests.clock import Clock
from tests.portal.house import House
from typer.core import TyperGroup

from credenza.api import routes
from credenza.cli import commands as commands_of_cli
from credenza.cli.habits import Habits
from credenza.store import migrate
from credenza.store.engine import open_database

_LINK = re.compile(r'<a [^>]*href="([^"#]+)[^"]*"(?![^>]*\sdownload)')
_IDENTITY = re.compile(r"[0-9a-f]{48}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BLOCK = re.compile(r"<pre[^>]*>(.*?)</pre>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_CALL = re.compile(r"^(GET|POST|PUT|PATCH|DELETE) (?:https?://[^/]+)?(/[^\s?]*)", re.MULTILINE)
_ELSEWHERE = ("/static/", "/pki/")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Status and text of every page, by its path; one page for each kind of thing."""
    folder = tmp_path_factory.mktemp("house")
    database = open_database(f"sqlite:///{folder}/credenza.db")
    migrate.upgrade(database)
    house = House(database, Clock())
    visit = house.visit(house.furnish(folder / "partner"))
    found: dict[str, tuple[int, str]] = {}
    kinds, waiting = set(), ["/", house.path("/overview")]
    while waiting:
        path = waiting.pop(0)
        kind = _IDENTITY.sub("ID", urlsplit(path).path)
        if kind in kinds or path.startswith(_ELSEWHERE):
            continue
        kinds.add(kind)
        page = visit.get(path)
        found[path] = (page.status_code, page.text)
        waiting += (urljoin(path, unescape(link)) for link in _LINK.findall(page.text))
    database.close()
    return found


def commands(text: str) -> Iterator[list[str]]:
    for block in _BLOCK.findall(text):
        for line in unescape(_TAG.sub("", block)).replace("\\\n", " ").splitlines():
            if line.startswith("credenza ") and "…" not in line:
                words = shlex.split(line, comments=True)
                ends = [at for at, word in enumerate(words) if word in ("|", ">", "<", "&&")]
                yield words[1 : ends[0] if ends else None]


def calls(text: str) -> Iterator[tuple[str, str]]:
    for block in _BLOCK.findall(text.partition('class="same-thing"')[2]):
        yield from _CALL.findall(unescape(_TAG.sub("", block)))


def test_every_link_leads_to_a_page(pages: dict[str, tuple[int, str]]) -> None:
    assert len(pages) > 25
    assert {path: status for path, (status, _) in pages.items() if status not in (200, 303)} == {}


def test_every_command_is_one_that_the_command_line_takes(pages: dict[str, tuple[int, str]]) -> None:
    shown = {tuple(each): path for path, (_, text) in pages.items() for each in commands(text)}

    assert len(shown) > 15
    assert [problem for each, path in shown.items() if (problem := _problem(each, path))] == []


@pytest.mark.parametrize("words", [["no-such"], ["audit", "verify", "file"], ["expiry", "list", "--no-such"], ["key"]])
def test_a_command_that_is_none_is_found(words: list[str]) -> None:
    assert _problem(tuple(words), "/")


def test_every_call_is_one_that_the_api_has(pages: dict[str, tuple[int, str]]) -> None:
    table = routes.router().routes
    wrong = [
        (page, method, path)
        for page, (_, text) in pages.items()
        for method, path in calls(text)
        if not any(each.matches({"type": "http", "method": method, "path": path})[0] is Match.FULL for each in table)
    ]

    assert wrong == []


def _problem(words: tuple[str, ...], page: str) -> str:
    """Read a command as far as running it, and say what is wrong with it."""
    command, rest, name, parent = commands_of_cli.root(), list(words), "credenza", None
    try:
        while True:
            parent = command.make_context(name, rest, parent=parent, obj=Habits())
            command = parent.command  # what stood there was only its name
            if not isinstance(command, TyperGroup):
                return ""
            name, command, rest = command.resolve_command(parent, [*parent._protected_args, *parent.args])
    except typer.TyperException as error:
        return f"{page}: credenza {shlex.join(words)}: {error.format_message()}"
