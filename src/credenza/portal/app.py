"""The portal's route table: every page, who may open it and the function that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute

from credenza.portal import (
    account,
    api_keys,
    first_admin,
    front,
    invitations,
    members,
    passkeys,
    password_resets,
    sessions,
    sign_in,
    single_sign_on,
    static_files,
    tokens,
)
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
    Row("POST", "/sign-in", sign_in.sign_in, Access.OPEN),
    Row("POST", "/sign-in/code", sign_in.check_code, Access.OPEN),
    Row("GET", "/sign-in/link", sign_in.show_link, Access.OPEN),
    Row("POST", "/sign-in/link", sign_in.accept_link, Access.OPEN),
    Row("GET", "/sign-in/passkey/options", passkeys.ask_anybody, Access.OPEN),
    Row("POST", "/sign-in/passkey", passkeys.sign_in, Access.OPEN),
    Row("GET", "/sign-in/sso", single_sign_on.leave, Access.OPEN),
    Row("GET", "/sign-in/sso/callback", single_sign_on.arrive, Access.OPEN),
    Row("GET", "/confirm", sign_in.ask_proof),
    Row("POST", "/confirm", sign_in.take_proof),
    Row("GET", "/confirm/passkey/options", passkeys.ask_own),
    Row("POST", "/confirm/passkey", passkeys.confirm),
    Row("POST", "/sign-out", sign_in.sign_out),
    Row("GET", first_admin.PATH, first_admin.show, Access.OPEN),
    Row("POST", first_admin.PATH, first_admin.accept, Access.OPEN),
    Row("GET", "/invitation", invitations.show, Access.OPEN),
    Row("POST", "/invitation", invitations.accept, Access.OPEN),
    Row("POST", "/invitation/join", invitations.join),
    Row("GET", "/forgotten", password_resets.ask, Access.OPEN),
    Row("POST", "/forgotten", password_resets.send, Access.OPEN),
    Row("GET", "/password-reset", password_resets.show, Access.OPEN),
    Row("POST", "/password-reset", password_resets.accept, Access.OPEN),
    Row("POST", "/preferences", front.keep_preferences, Access.OPEN),
    Row("GET", "/help", front.show_help),
    Row("GET", "/account", account.show),
    Row("POST", "/account/password", account.set_password),
    Row("POST", "/account/authenticator", account.enrol),
    Row("POST", "/account/authenticator/confirm", account.confirm),
    Row("POST", "/account/authenticator/remove", account.remove_authenticator),
    Row("POST", "/account/recovery-codes", account.new_recovery_codes),
    Row("GET", "/account/passkeys/options", passkeys.ask_new),
    Row("POST", "/account/passkeys", passkeys.register),
    Row("POST", "/account/passkeys/{passkey_id}/remove", passkeys.remove),
    Row("GET", "/account/sessions", sessions.show_list),
    Row("POST", "/account/sessions/end-others", sessions.end_others),
    Row("POST", "/account/sessions/{session_id}/end", sessions.end),
    Row("GET", f"{_O}/members", members.show_list),
    Row("POST", f"{_O}/invitations", members.invite),
    Row("POST", f"{_O}/invitations/{{invitation_id}}/withdraw", members.withdraw),
    Row("POST", f"{_O}/members/{{user_id}}", members.change_role),
    Row("GET", f"{_O}/members/{{user_id}}/remove", members.ask_remove),
    Row("POST", f"{_O}/members/{{user_id}}/remove", members.remove),
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
    return (*pages, *static_files.routes())
