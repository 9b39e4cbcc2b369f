"""The two ways in which something from the wire fails: it cannot be read, or it proves nothing.

Neither knows about HTTP: the edges decide which status and which code an answer carries.
"""

from __future__ import annotations


class Malformed(ValueError):  # noqa: N818 - a verdict on the input, not an error of ours
    """The input cannot be read. `field` names the part at fault; the message is for whoever made it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Refused(ValueError):  # noqa: N818 - likewise
    """The input can be read and does not prove what it claims. `reason` is a stable, documented code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
