"""The outcome of one check of an installation, as `output.show_checks` prints it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """`ok` is None for what could not be checked. `detail` says what was found, `cure` what to do about it."""

    name: str
    ok: bool | None
    detail: str
    cure: str = ""
