"""Hashes of passwords: argon2id with 46 MiB, one pass, one lane (ASVS 5.0 appendix C, the least memory for one pass).

A hash takes some 50 ms of one core and its 46 MiB, so few run at once and few more wait: a flood of sign-ins is told
to come back, and takes neither the memory nor the threads of everybody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

from credenza.domain.errors import Code, Refusal

MEMORY_KIB: Final = 46 * 1024
_AT_ONCE: Final = 2
_WAITING: Final = 16
_NOBODYS: Final = "nobody has this password"


class Argon2Passwords:
    """Every instance has its own bounds: a process makes one. Raises Refusal(BUSY) when too many wait."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, at_once: int = _AT_ONCE) -> None:
        self._hasher = PasswordHasher(time_cost=1, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._running = BoundedSemaphore(at_once)
        self._admitted = BoundedSemaphore(at_once + _WAITING)

    def hash(self, secret: str) -> str:
        with self._turn():
            return self._hasher.hash(secret)

    def matches(self, hashed: str | None, secret: str) -> bool:
        """Whether the hash is of this secret. None is nobody's: it takes as long and never matches."""
        with self._turn():
            try:
                self._hasher.verify(hashed or self._nobodys, secret)
            except VerifyMismatchError:
                return False
        return hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Whether it was made with other parameters than these."""
        return self._hasher.check_needs_rehash(hashed)

    def is_common(self, password: str) -> bool:
        """Whether a password, in lower case, is among the 30,000 that leaked most often."""
        return password in self._common

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(_NOBODYS)

    @cached_property
    def _common(self) -> frozenset[str]:
        # Loaded when a password is chosen: most commands of an operator never need it.
        return frozenset(import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS["passwords"])

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise Refusal(Code.BUSY, "Many people are signing in at this moment. Try again in a few seconds.")
        try:
            with self._running:
                yield
        finally:
            self._admitted.release()
