"""What `credenza encrypt` and `credenza decrypt` share: the rules of a service, and which half of them is meant."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from credenza.cli import files
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.protocol import payload_rules
from credenza.protocol.payload import Rules
from credenza.protocol.payload_rules import Direction, JweRules

RulesFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--rules", metavar="FILE", help="The service's rules, JSON. Without them: the whole body is a JWE."),
]


class Kind(StrEnum):
    REQUEST = "request"
    RESPONSE = "response"


def read_rules(path: Path | None, kind: Kind) -> tuple[Rules, Direction]:
    """Read what is encrypted in messages of a kind. Raises CommandFailed where nothing is, and Malformed."""
    rules = JweRules() if path is None else payload_rules.parse(files.read(path)).encryption
    direction = None if rules is None else rules.requests if kind is Kind.REQUEST else rules.responses
    if rules is None or direction is None:
        raise CommandFailed(f"By these rules a {kind} is not encrypted.", ExitCode.USAGE)
    return rules, direction


def parse_header(line: str) -> tuple[str, str]:
    """Read a header of the message, as `encrypt` has shown it."""
    name, colon, value = line.partition(":")
    if not (colon and name.strip()):
        raise CommandFailed(f"--header {line!r} is not Name: value.", ExitCode.USAGE)
    return name.strip(), value.strip()
