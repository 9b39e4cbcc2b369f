"""What pages say about the command line and the API is so: the commands parse, the paths are in the route table."""

from __future__ import annotations

import html
import re
import shlex
from typing import Any

import pytest
from fastapi.routing import APIRoute
from tests.actions.stage import PRODUCTION
from tests.portal.house import OPERATOR, House
from tests.portal.shop import Shop

from credenza.actions import accounts, roles, workspaces
from credenza.api import routes
from credenza.cli import commands
from credenza.cli.habits import Habits

PAGES = [
    "{o}/projects/new",
    "{p}/production/request",
    "{p}/settings",
    "{p}/delete",
    "{p}/services/add",
    "{p}/members/set",
    "{p}/members/leave",
    "{p}/members/{bob}/remove",
    "{p}/sandbox/keys/new",
    "{k}",
    "{k}/replace",
    "{k}/rotate",
    "{k}/revoke",
    "{o}/settings/tree",
    "{o}/settings/accounts/{account}/rename",
    "{o}/settings/accounts/{account}/archive",
    "{o}/settings/workspaces/{workspace}/rename",
    "{o}/settings/workspaces/{workspace}/move",
    "{o}/settings/workspaces/{workspace}/archive",
    "{o}/settings/roles",
    "{o}/settings/roles/new",
    "{o}/settings/roles/{role}",
    "{o}/settings/roles/{role}/remove",
]


@pytest.fixture
def shop(house: House) -> Shop:
    return Shop(house)


@pytest.mark.parametrize("page", PAGES)
def test_each_page_says_how_the_same_is_done_elsewhere(shop: Shop, page: str) -> None:
    bob = shop.put_on("Bob")
    path = page.format(o=shop.house.path(), p=shop.path(), k=shop.key_path(), bob=bob.id, **tree_of(shop))

    said = shown(shop.browser().get(path).text)

    assert [line for line in said if "credenza " in line] != []
    assert [line for line in said if is_call(line)] != []
    for line in said:
        if "credenza " in line:
            check_command(line[line.index("credenza ") :])
        if is_call(line):
            check_call(line)


def tree_of(shop: Shop) -> dict[str, str]:
    place, now = (shop.house.platform, OPERATOR, shop.house.organization_id), shop.house.clock.now()
    role = roles.create(*place, name="Viewers", actions=["api_credential.view"], now=now)
    (account,), (workspace,) = accounts.list_all(*place, now=now), workspaces.list_all(*place, now=now)
    return {"account": account.id, "workspace": workspace.id, "role": role.id}


def test_pages_for_the_command_line_name_commands_that_are(shop: Shop) -> None:
    page = shop.browser().get(shop.key_path("/start")).text
    lines = html.unescape(re.search(r'<pre id="use-cli">(.*?)</pre>', page, re.DOTALL)[1])  # type: ignore[index]

    call, curl = lines.replace("\\\n", "").split("\n\n")

    check_command(call)
    check_command(re.search(r"\$\((.*)\)", curl)[1])  # type: ignore[index]
    assert PRODUCTION not in lines


def shown(page: str) -> list[str]:
    """The lines of a page's last part, the same thing elsewhere."""
    part = re.search(r'<details class="same-thing">(.*?)</details>', page, re.DOTALL)
    assert part is not None
    blocks = re.findall(r"<code>(.*?)</code>", part[1], re.DOTALL)
    return [line for block in blocks for line in html.unescape(block).splitlines()]


def is_call(line: str) -> bool:
    return line.startswith(("GET ", "POST ", "PUT ", "DELETE "))


def check_command(line: str) -> None:
    """Let the command line's own parser read it, without running it."""
    command: Any = commands.root()
    context = command.make_context("credenza", shlex.split(line)[1:], obj=Habits())
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


def check_call(line: str) -> None:
    method, url = line.split()
    path = re.sub(r"^https?://[^/]+|\?.*$", "", url)
    patterns = (
        re.sub(r"\{\w+\}", "[^/]+", each.path)
        for each in routes.router().routes
        if isinstance(each, APIRoute) and method in each.methods
    )
    found = any(re.fullmatch(pattern, path) for pattern in patterns)
    assert found, f"{method} {path} is no route of the API"
