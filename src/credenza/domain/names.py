"""Names that people give to things: shown in lists, so they can be read and told apart."""

from __future__ import annotations

from credenza.domain.errors import Code, Refusal

LONGEST_NAME = 120


def usual_name(name: str, *, longest: int = LONGEST_NAME) -> str:
    """Bring a name into its usual form, without spaces around it."""
    usual = name.strip()
    if not 1 <= len(usual) <= longest or not usual.isprintable():
        raise Refusal(Code.INVALID, f"Give a name of 1 to {longest} printable characters.", field="name")
    return usual
