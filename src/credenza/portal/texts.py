"""Texts that people type into forms, held to the same forms as on the wire."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from credenza.domain.errors import Code, Refusal
from credenza.portal.visit import Visit
from credenza.wire import shape

_NAME: TypeAdapter[str] = TypeAdapter(shape.Name)
_TEXT: TypeAdapter[str] = TypeAdapter(shape.Text)


def read_name(visit: Visit, wrong: Refusal) -> str:
    """Read a name that is required; blanks around it are dropped. Raises `wrong`, which says what it would name."""
    try:
        return _NAME.validate_python(visit.fields.get(wrong.field, "").strip())
    except ValidationError as error:
        raise wrong from error


def read_text(visit: Visit, field: str) -> str:
    """Read a text of one line that may be empty."""
    try:
        return _TEXT.validate_python(visit.fields.get(field, "").strip())
    except ValidationError as error:
        raise Refusal(
            Code.INVALID, "At most 200 characters in one line, none of them invisible.", field=field
        ) from error
