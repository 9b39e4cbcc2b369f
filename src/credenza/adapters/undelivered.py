"""Why something could not be delivered, in the three cases that a sender tells apart."""

from __future__ import annotations


class Undelivered(Exception):  # noqa: N818 - says what happened
    """It was not taken this time; another attempt may do. `permanent`: no attempt ever will."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class Away(Undelivered):
    """The receiver is not there at all: nothing else for it would be taken either."""


class Gone(Undelivered):
    """The receiver says that it is no more (410), and asks for nothing further."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, permanent=True)
