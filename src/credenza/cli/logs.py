"""Logging: one JSON line per event on stderr (readable lines on a terminal), with everything secret taken out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_SECRET_NAMES = re.compile(
    r"authorization|token|secret|password|private|pepper|cookie|signature|key_encryption", re.IGNORECASE
)
_SECRET_VALUES = re.compile(
    r"cz[ps]_[0-9A-Za-z_]{8,}|oauth_signature=\"[^\"]*\"|-----BEGIN[^-]*PRIVATE KEY-----.*?(?:-----END|$)",
    re.DOTALL,
)
_GONE = "[redacted]"


def configure(level: str) -> None:
    renderer: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module: what they have to say is for debugging.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Take out values under a secret's name, and secrets in any text."""
    return {name: _GONE if _SECRET_NAMES.search(name) else _without_secrets(value) for name, value in event.items()}


def _without_secrets(value: object) -> object:
    return _SECRET_VALUES.sub(_GONE, value) if isinstance(value, str) else value
