"""What `crl_fetcher` says when there is no list. Apart from it: who has to know the word alone needs no client."""

from __future__ import annotations


class NotFetched(Exception):  # noqa: N818 - says what happened
    """There is no list. The message is for operators."""
