"""The front door: where somebody signed in begins, and what a browser prefers."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from credenza.portal import cookies, languages
from credenza.portal.rendering import THEMES, organizations_of, render
from credenza.portal.visit import Visit, local_path


def go_home(visit: Visit) -> Response:
    """Open the overview of the first organization; whoever has none is told what to do."""
    known = organizations_of(visit)
    if not known:
        return render(visit, "no_organization.html")
    return RedirectResponse(f"/organizations/{known[0].id}/overview", 303)


def keep_preferences(visit: Visit) -> Response:
    response = visit.go(local_path(visit.fields.get("next", "")))
    language, theme = visit.fields.get("language", ""), visit.fields.get("theme", "")
    if language in languages.NAMES:
        cookies.keep_preference(visit.portal, response, cookies.LANGUAGE, language)
    if theme in THEMES:
        cookies.keep_preference(visit.portal, response, cookies.THEME, theme)
    return response


def show_help(visit: Visit) -> Response:
    return render(visit, "help.html")
