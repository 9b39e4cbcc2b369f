"""Which plane a process serves."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    ALL = "all"
    MANAGE = "manage"
    GATE = "gate"
