"""The portal's cookies: the session's token, and what a browser prefers. RFC 6265bis, ASVS 3.3."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from credenza.actions import single_sign_on
from credenza.domain.sessions import LIFE
from credenza.portal.portal import Portal

LANGUAGE = "credenza-language"
THEME = "credenza-theme"
_YEAR_S = 365 * 24 * 3600


def read_token(portal: Portal, request: Request) -> str:
    return request.cookies.get(_session_cookie(portal), "")


def keep_token(portal: Portal, response: Response, token: str) -> None:
    """Lax, not Strict: a link in a notice has to arrive signed in; forms are protected by their token."""
    response.set_cookie(
        _session_cookie(portal),
        token,
        max_age=int(LIFE.total_seconds()),
        path="/",
        secure=portal.secure,
        httponly=True,
        samesite="lax",
    )


def drop_token(portal: Portal, response: Response) -> None:
    response.delete_cookie(_session_cookie(portal), path="/", secure=portal.secure, httponly=True, samesite="lax")


def read_departure(portal: Portal, request: Request) -> str:
    """Read what a sign-in at the provider was begun with, sealed."""
    return request.cookies.get(_departure_cookie(portal), "")


def keep_departure(portal: Portal, response: Response, sealed: str) -> None:
    """Lax: the browser comes back from another site."""
    response.set_cookie(
        _departure_cookie(portal),
        sealed,
        max_age=int(single_sign_on.LIFE.total_seconds()),
        path="/",
        secure=portal.secure,
        httponly=True,
        samesite="lax",
    )


def drop_departure(portal: Portal, response: Response) -> None:
    name = _departure_cookie(portal)
    response.delete_cookie(name, path="/", secure=portal.secure, httponly=True, samesite="lax")


def keep_preference(portal: Portal, response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=_YEAR_S, path="/", secure=portal.secure, httponly=True, samesite="lax")


def _session_cookie(portal: Portal) -> str:
    # The prefix makes browsers insist on Secure, Path=/ and no Domain; plain HTTP on localhost cannot have it.
    return "__Host-credenza" if portal.secure else "credenza"


def _departure_cookie(portal: Portal) -> str:
    return "__Host-credenza-sso" if portal.secure else "credenza-sso"
