"""Why a private key that is kept in a token cannot be used. Apart, so that nobody needs a PKCS#11 library to say so."""

from __future__ import annotations


class KeyAway(Exception):  # noqa: N818 - says what is wrong
    """The token is not there, its PIN is wrong, or it has no such key."""
