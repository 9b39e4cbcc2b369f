"""The inbox: what was told, how much of it is unread, and marking it read."""

import re

from tests.portal.house import House


def unread(text: str) -> int:
    found = re.search(r'<b class="count">(\d+)</b>', text)
    return int(found[1]) if found else 0


def test_nothing_to_tell_says_what_would_stand_here(house: House) -> None:
    page = house.visit(house.found()).get("/inbox").text

    assert "Nothing to tell." in page
    assert unread(page) == 0


def test_notices_are_read_one_by_one_and_all_at_once(furnished: House) -> None:
    visit = furnished.visit(furnished.person("Ada"))
    page = visit.get("/inbox").text
    one = re.search(r'action="(/inbox/[^"]+/read)"', page)

    assert one is not None
    assert unread(page) == page.count('<li class="unread">') > 2
    assert visit.post(one[1]).headers["location"] == "/inbox"
    assert unread(visit.get("/inbox").text) == unread(page) - 1
    visit.post("/inbox/read")
    assert unread(visit.get("/help").text) == 0


def test_a_notice_of_somebody_else_stays_unread(furnished: House) -> None:
    admin = furnished.person("Ada")
    mine = re.search(r'action="(/inbox/[^"]+/read)"', furnished.visit(admin).get("/inbox").text)
    assert mine is not None
    before = unread(furnished.visit(admin).get("/inbox").text)

    furnished.visit(furnished.person("Linus")).post(mine[1])

    assert unread(furnished.visit(admin).get("/inbox").text) == before
