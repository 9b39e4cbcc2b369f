"""Imports of a process that is all ours."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """Import without looking for garbage meanwhile, and never look through what was imported: it lasts as long as the
    process. Else collections take a seventh of a start, and the last of them longer than the rest of the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
