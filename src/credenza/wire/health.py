"""The answer of a server that is up."""

from __future__ import annotations

from typing import Literal

from credenza.wire.shape import AnswerShape


class Health(AnswerShape):
    status: Literal["ok"]
