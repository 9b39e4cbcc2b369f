"""What an operation is: what to send, and how to read the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx
from pydantic import BaseModel

from credenza.wire.credentials import Reach

Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Operation(Generic[Result]):
    """`read` turns the successful answer into its result. `repeatable` operations take an Idempotency-Key."""

    method: str
    path: str
    read: Callable[[httpx.Response], Result]
    body: BaseModel | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    octets: bytes | None = None
    """A body that is no JSON."""

    @property
    def repeatable(self) -> bool:
        return self.method == "POST" and self.octets is None

    @property
    def content(self) -> bytes | None:
        if self.body is None:
            return self.octets
        return self.body.model_dump_json(by_alias=True, exclude_none=True).encode()


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list, and the cursor of the page after them; None at the end."""

    items: tuple[Item, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Reached(Generic[Result]):
    """A changed thing, and how far the gates had got with the change when it was answered."""

    result: Result
    reach: Reach


def query_of(**wanted: str | int | None) -> dict[str, str]:
    return {name: str(value) for name, value in wanted.items() if value is not None}
