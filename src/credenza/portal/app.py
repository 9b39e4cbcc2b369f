"""The portal's route table: every page, who may open it and the function that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute

from credenza.portal import first_admin, front, sign_in, static_files
from credenza.portal.portal import Portal
from credenza.portal.rendering import show_refusal
from credenza.portal.visit import Access, Page, route


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. A row is for people who are signed in unless it says OPEN."""

    method: str
    path: str
    page: Page
    access: Access = Access.SIGNED_IN


PAGES: Sequence[Row] = (
    Row("GET", "/", front.go_home),
    Row("GET", "/sign-in", sign_in.show, Access.OPEN),
    Row("POST", "/sign-out", sign_in.sign_out),
    Row("POST", "/preferences", front.keep_preferences, Access.OPEN),
    Row("GET", "/help", front.show_help),
)


def routes(portal: Portal) -> tuple[BaseRoute, ...]:
    pages = (route(portal, row.method, row.path, row.page, show_refusal, row.access) for row in PAGES)
    first = first_admin.routes(portal.platform, public_url=portal.public_url, clock=portal.clock)
    return (*pages, *first, *static_files.routes())
