"""From a template to a response, with the frame around it and the headers that keep a page to itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from credenza.actions import inbox, organizations, permissions
from credenza.domain.access import Action
from credenza.domain.errors import Code, Refusal
from credenza.domain.model import Organization, OrganizationId
from credenza.portal import cookies, dates, languages, static_files
from credenza.portal.labels import Words
from credenza.portal.visit import Visit

THEMES = ("auto", "light", "dark")


def _(text: str) -> str:
    """Mark a text for translation; it is translated when it is shown."""
    return text


_SECTIONS = (
    ("overview", "overview", _("Overview"), "o"),
    ("projects", "projects", _("Projects"), "p"),
    ("api-credentials", "api-credentials", _("API creds"), "c"),
    ("expiry", "expiry", _("Expiry"), "e"),
    ("activity", "activity", _("Activity"), "a"),
    ("members", "members", _("Members"), "m"),
    ("settings", "settings", _("Settings"), "s"),
)
"""The navigation: name, last part of the path, title, and the key that follows `g`."""

_NEEDS = {"api-credentials": Action.API_CREDENTIAL_LIST}
"""What somebody must be allowed to be shown a section at all."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, HX-Request-Type, Accept-Language",
}
_STATUS = {
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.PROJECT_FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.PROJECT_NOT_FOUND: 404,
    Code.SERVICE_NOT_FOUND: 404,
    Code.CREDENTIAL_NOT_FOUND: 404,
    Code.EDITED_MEANWHILE: 409,
    Code.TOO_MANY_ATTEMPTS: 429,
    Code.BUSY: 503,
}
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page of somebody who is signed in. `section` is the place in the navigation."""

    organizations: tuple[Organization, ...]
    organization: Organization | None
    section: str
    sections: tuple[tuple[str, str, str, str], ...]
    unread: int


def render(
    visit: Visit,
    template: str,
    *,
    section: str = "",
    organization_id: OrganizationId | None = None,
    refusal: Refusal | None = None,
    status: int | None = None,
    **context: Any,
) -> Response:
    """Show a template: inside the frame, or alone when htmx asks for a fragment.

    `refusal` is what was wrong with the form that is shown once more. One for want of a proof is shown on no page: it
    leads to the one that takes the proof.
    """
    if refusal is not None and refusal.code is Code.PROOF_NEEDED:
        raise refusal
    frame = _frame(visit, organization_id, section)
    text = (
        _environment(_language(visit))
        .get_template(template)
        .render(
            visit=visit,
            portal=visit.portal,
            now=visit.now,
            frame=frame,
            layout="fragment.html" if visit.is_fragment else "page.html",
            language=_language(visit),
            theme=_theme(visit),
            refusal=refusal,
            problem="" if refusal is None else refusal.message,
            **context,
        )
    )
    return HTMLResponse(text, status_of(refusal) if status is None else status, _HEADERS)


def show_refusal(visit: Visit, refusal: Refusal) -> Response:
    """Show a refusal as a page of its own."""
    return render(visit, "refused.html", refusal=refusal)


def status_of(refusal: Refusal | None) -> int:
    """The status of a page that shows a form: 200 as long as nothing was refused."""
    return 200 if refusal is None else _STATUS.get(refusal.code, _REFUSED)


def said(visit: Visit, refusal: Refusal) -> str:
    """What a refusal says in the reader's language, for scripts."""
    return _words(_language(visit)).said(refusal.message)


def organizations_of(visit: Visit) -> tuple[Organization, ...]:
    return organizations.list_all(visit.portal.platform, visit.actor, now=visit.now)


def _frame(visit: Visit, organization_id: OrganizationId | None, section: str) -> Frame | None:
    if visit.signed_in is None:
        return None
    known = organizations_of(visit)
    chosen = next((each for each in known if each.id == organization_id), known[0] if known else None)
    unread = inbox.count_unread(visit.portal.platform, visit.actor, now=visit.now)
    return Frame(known, chosen, section, _sections(visit, chosen), unread)


def _sections(visit: Visit, chosen: Organization | None) -> tuple[tuple[str, str, str, str], ...]:
    if chosen is None:
        return ()
    may = permissions.in_organization(visit.portal.platform, visit.actor, chosen.id, now=visit.now)
    return tuple(each for each in _SECTIONS if each[0] not in _NEEDS or _NEEDS[each[0]] in may)


def _language(visit: Visit) -> str:
    request = visit.request
    return languages.choose(request.cookies.get(cookies.LANGUAGE, ""), request.headers.get("accept-language", ""))


def _theme(visit: Visit) -> str:
    kept = visit.request.cookies.get(cookies.THEME, "")
    return kept if kept in THEMES else THEMES[0]


def _words(language: str) -> Words:
    return Words(languages.translations(language), languages.sentences(language))


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("credenza.portal", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    translations = languages.translations(language)
    made.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined] # the extension's
    words = _words(language)
    made.globals |= {"static": static_files.url, "languages": languages.NAMES}
    made.filters |= {"ago": words.ago, "left": words.left, "label": words.label, "said": words.said}
    written = dates.dates(language)
    for name in ("moment", "day", "month", "month_name", "weekday", "weekday_short", "decimal", "percent"):
        made.filters[name] = getattr(written, name)
    return made
