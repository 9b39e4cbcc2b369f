"""The portal's route table: every page, who may open it and the function that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute

from credenza.portal import (
    account,
    activity,
    api_keys,
    certificate_changes,
    certificate_files,
    certificate_start,
    certificates,
    csr_checks,
    devices,
    environments,
    expiry,
    first_admin,
    front,
    inbox,
    invitations,
    key_changes,
    key_files,
    key_start,
    keys,
    live,
    members,
    overview,
    passkeys,
    password_resets,
    project_members,
    project_services,
    projects,
    searching,
    sessions,
    settings,
    sign_in,
    single_sign_on,
    static_files,
    tokens,
    upgrades,
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
_P = "/projects/{project_id}"
_E = f"{_P}/{{environment}}"
_K = f"{_P}/keys/{{key_id}}"
_C = f"{_P}/certificates/{{certificate_id}}"
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
    Row("GET", "/confirm/sso", single_sign_on.leave_to_confirm),
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
    Row("POST", "/account/passkeys/{passkey_id}/rename", passkeys.rename),
    Row("POST", "/account/passkeys/{passkey_id}/remove", passkeys.remove),
    Row("POST", "/account/identities/unlink", account.unlink_identity),
    Row("GET", "/account/sessions", sessions.show_list),
    Row("POST", "/account/sessions/end-others", sessions.end_others),
    Row("POST", "/account/sessions/{session_id}/end", sessions.end),
    Row("GET", f"{_O}/overview", overview.show),
    Row("GET", "/refusals/{refusal_id}", overview.show_refusal),
    Row("GET", f"{_O}/expiry", expiry.show_list),
    Row("GET", f"{_O}/expiry/calendar", expiry.show_month),
    Row("POST", f"{_O}/expiry/feeds", expiry.make_feed),
    Row("POST", f"{_O}/expiry/feeds/{{feed_id}}/revoke", expiry.revoke_feed),
    Row("GET", f"{_O}/activity", activity.show),
    Row("GET", f"{_O}/activity/check", activity.check),
    Row("GET", f"{_O}/activity/export.jsonl", activity.export_lines),
    Row("GET", f"{_O}/activity/export.csv", activity.export_table),
    Row("GET", f"{_O}/activity/checkpoint.json", activity.export_checkpoint),
    Row("GET", "/inbox", inbox.show),
    Row("POST", "/inbox/read", inbox.mark_all_read),
    Row("POST", "/inbox/{notice_id}/read", inbox.mark_read),
    Row("GET", f"{_O}/settings", settings.show_services),
    Row("GET", f"{_O}/settings/authorities", settings.show_authorities),
    Row("GET", f"{_O}/settings/policies", settings.show_policies),
    Row("GET", f"{_O}/settings/notices", settings.show_notices),
    Row("GET", f"{_O}/settings/notices/{{delivery_id}}", settings.show_delivery),
    Row("POST", f"{_O}/settings/webhooks", settings.add_webhook),
    Row("GET", f"{_O}/settings/webhooks/{{webhook_id}}/remove", settings.ask_remove_webhook),
    Row("POST", f"{_O}/settings/webhooks/{{webhook_id}}/remove", settings.remove_webhook),
    Row("POST", f"{_O}/settings/webhooks/{{webhook_id}}/test", settings.test_webhook),
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
    Row("GET", f"{_O}/search", searching.show),
    Row("GET", f"{_O}/projects", projects.show_list),
    Row("GET", f"{_O}/projects/new", projects.ask_new),
    Row("POST", f"{_O}/projects", projects.create),
    Row("POST", "/csr-checks", csr_checks.check),
    Row("GET", _P, projects.go),
    Row("GET", f"{_P}/services", project_services.show),
    Row("GET", f"{_P}/services/add", project_services.ask_add),
    Row("POST", f"{_P}/services", project_services.add),
    Row("GET", f"{_P}/members", project_members.show),
    Row("GET", f"{_P}/members/set", project_members.ask_set),
    Row("POST", f"{_P}/members", project_members.set_role),
    Row("GET", f"{_P}/members/leave", project_members.ask_leave),
    Row("POST", f"{_P}/members/leave", project_members.leave),
    Row("GET", f"{_P}/members/{{user_id}}/remove", project_members.ask_remove),
    Row("POST", f"{_P}/members/{{user_id}}/remove", project_members.remove),
    Row("GET", f"{_P}/upgrade", upgrades.ask),
    Row("POST", f"{_P}/upgrade", upgrades.upgrade),
    Row("GET", f"{_P}/oauth2", upgrades.show_use),
    Row("GET", f"{_P}/settings", projects.show_settings),
    Row("POST", f"{_P}/settings", projects.change),
    Row("GET", f"{_P}/delete", projects.ask_delete),
    Row("POST", f"{_P}/delete", projects.delete),
    Row("GET", _K, keys.show),
    Row("GET", f"{_K}/start", key_start.show),
    Row("GET", f"{_K}/files/{{name}}", key_files.send),
    Row("GET", f"{_K}/replace", key_changes.ask_replace),
    Row("GET", f"{_K}/rotate", key_changes.ask_rotate),
    Row("POST", f"{_K}/rotate", key_changes.rotate),
    Row("GET", f"{_K}/switch", key_changes.ask_switch),
    Row("POST", f"{_K}/switch", key_changes.switch),
    Row("POST", f"{_K}/renew", key_changes.renew),
    Row("GET", f"{_K}/revoke", key_changes.ask_revoke),
    Row("POST", f"{_K}/revoke", key_changes.revoke),
    Row("GET", _C, certificates.show),
    Row("GET", f"{_C}/start", certificate_start.show),
    Row("GET", f"{_C}/files/{{name}}", certificate_files.send),
    Row("GET", f"{_C}/replace", certificate_changes.ask_replace),
    Row("POST", f"{_C}/replace", certificate_changes.replace),
    Row("GET", f"{_C}/revoke", certificate_changes.ask_revoke),
    Row("POST", f"{_C}/revoke", certificate_changes.revoke),
    Row("GET", _E, environments.show),
    Row("GET", f"{_E}/keys/new", key_changes.ask_add),
    Row("POST", f"{_E}/keys", key_changes.add),
    Row("GET", f"{_E}/certificates", certificates.show_environment),
    Row("GET", f"{_E}/certificates/new", certificate_changes.ask_add),
    Row("POST", f"{_E}/certificates", certificate_changes.add),
    Row("GET", f"{_E}/devices", devices.show),
    Row("POST", f"{_E}/devices", devices.create),
    Row("POST", f"{_E}/devices/{{secret_id}}/revoke", devices.revoke),
    Row("GET", f"{_E}/request", projects.ask_environment),
    Row("POST", f"{_E}/request", projects.add_environment),
)

STREAMS: Sequence[tuple[str, Page]] = (
    (f"{_O}/overview/pace", overview.show_pace),
    (f"{_K}/live", keys.part),
    (f"{_K}/start/live", key_start.part),
    (f"{_C}/live", certificates.part),
    (f"{_C}/start/live", certificate_start.part),
    (f"{_E}/live", keys.environment_part),
    (f"{_E}/certificates/live", certificates.environment_part),
)
"""Parts of pages that live, for people who are signed in."""


def routes(portal: Portal) -> tuple[BaseRoute, ...]:
    pages = (route(portal, row.method, row.path, row.page, show_refusal, row.access) for row in PAGES)
    streams = (live.route(portal, path, part) for path, part in STREAMS)
    return (*pages, *streams, *static_files.routes())
