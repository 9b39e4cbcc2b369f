"""What the management plane's start leaves on record before anything is served, without what serves it."""

from __future__ import annotations

from credenza.actions import first_admin
from credenza.cli import local, single_sign_on
from credenza.portal import first_admin as first_admin_page
from credenza.settings import Settings
from credenza.store.engine import Database


def prepare(settings: Settings, database: Database) -> str | None:
    """Make what the platform is made with at its first start; the first admin's link while there is nobody yet."""
    single_sign_on.check_installed(settings)
    platform = local.prepare(settings, database)
    token = first_admin.make_link(platform, now=local.now())
    return None if token is None else f"{settings.manage_origin}{first_admin_page.PATH}?token={token}"
