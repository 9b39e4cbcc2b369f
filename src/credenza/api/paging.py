"""Lists in pages: bare arrays, the next page in a Link header (RFC 8288), a cursor that is the last item's id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias, TypeVar

from fastapi import Query, Request, Response

from credenza.wire.shape import told

LARGEST_PAGE = 200

Item = TypeVar("Item")

Limit: TypeAlias = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="The most items of one page.")]
LimitIfAny: TypeAlias = Annotated[
    int | None, Query(ge=1, le=LARGEST_PAGE, description="Ask for pages of this size; without it, everything comes.")
]
Cursor: TypeAlias = Annotated[
    str | None,
    Query(
        pattern=told(r"^[0-9a-f-]{1,64}$", "the cursor as it stood in the Link header of the page before"),
        description="Where the page begins: the cursor of the Link header before.",
    ),
]


def page(
    request: Request, response: Response, found: Sequence[Item], limit: int, cursor_of: Callable[[Item], str]
) -> Sequence[Item]:
    """Cut a page from `found`, which holds one item more than `limit` when there is another page, and link to that."""
    shown = found[:limit]
    if len(found) > limit:
        # A relative reference: what a client believes our host to be is its own affair.
        url = request.url.include_query_params(limit=limit, cursor=cursor_of(shown[-1]))
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return shown
