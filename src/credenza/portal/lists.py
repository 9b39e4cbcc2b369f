"""What a list's address says of filter, order and place, and the addresses that change one of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from credenza.portal.visit import Visit

PAGE = 50

Choice = TypeVar("Choice", bound=StrEnum)


def chosen(visit: Visit, name: str, default: Choice) -> Choice:
    """Read one of a few words from the address; anything else counts as the default."""
    asked = visit.query(name)
    kind = type(default)
    return kind(asked) if asked in set(kind) else default


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a list as it is shown. What is at its default is left out."""

    path: str
    filters: dict[str, str]
    order: str

    @property
    def query(self) -> str:
        return urlencode({name: value for name, value in self._shown().items() if value})

    def going_on_after(self, identity: str) -> str:
        return self._with(after=identity)

    def ordered_by(self, name: str) -> str:
        """Where the head of a column leads: sort by it, or turn its order round."""
        return self._with(order=f"-{name}" if self.order == name else name)

    def sorted_as(self, name: str) -> str:
        """What `aria-sort` says of a column."""
        if self.order.removeprefix("-") != name:
            return "none"
        return "descending" if self.order.startswith("-") else "ascending"

    def _shown(self) -> dict[str, str]:
        return {**self.filters, "order": self.order}

    def _with(self, **changed: str) -> str:
        return f"{self.path}?{urlencode({name: value for name, value in (self._shown() | changed).items() if value})}"
