"""The portal's route table: every page, who may open it and the function that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute

from credenza.portal import api_keys, first_admin, front, sessions, sign_in, static_files, tokens
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


_O = "/organizations/{organization_id}"
PAGES: Sequence[Row] = (
    Row("GET", "/", front.go_home),
    Row("GET", "/sign-in", sign_in.show, Access.OPEN),
    Row("POST", "/sign-out", sign_in.sign_out),
    Row("POST", "/preferences", front.keep_preferences, Access.OPEN),
    Row("GET", "/help", front.show_help),
    Row("GET", "/account/sessions", sessions.show_list),
    Row("POST", "/account/sessions/end-others", sessions.end_others),
    Row("POST", "/account/sessions/{session_id}/end", sessions.end),
    Row("GET", f"{_O}/tokens", tokens.show_list),
    Row("GET", f"{_O}/tokens/new", tokens.ask_new),
    Row("POST", f"{_O}/tokens", tokens.create),
    Row("GET", f"{_O}/tokens/{{token_id}}/revoke", tokens.ask_revoke),
    Row("POST", f"{_O}/tokens/{{token_id}}/revoke", tokens.revoke),
    Row("GET", f"{_O}/api-keys", api_keys.show_list),
    Row("GET", f"{_O}/api-keys/new", api_keys.ask_new),
    Row("POST", f"{_O}/api-keys", api_keys.add),
    Row("GET", f"{_O}/api-keys/{{key_id}}/revoke", api_keys.ask_revoke),
    Row("POST", f"{_O}/api-keys/{{key_id}}/revoke", api_keys.revoke),
)


def routes(portal: Portal) -> tuple[BaseRoute, ...]:
    pages = (route(portal, row.method, row.path, row.page, show_refusal, row.access) for row in PAGES)
    first = first_admin.routes(portal.platform, public_url=portal.public_url, clock=portal.clock)
    return (*pages, *first, *static_files.routes())
