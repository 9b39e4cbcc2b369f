"""The one place that prints data: tables for people, JSON, YAML and env lines for programs, all on stdout.

Names are those of the API (camelCase); times are written with their zone. Notes for people go to stderr.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any, Protocol, TypeAlias

import typer
import yaml
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from credenza.cli import habits
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"

_MARKS = {True: "✓ ok", False: "✗ failed", None: "- not checked"}
_PROPER_NAMES = {"ca": "CA", "id": "ID", "openssl": "OpenSSL", "sha256": "SHA-256", "url": "URL"}
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WIDER_THAN_ANY_LINE = 100_000


class CheckOutcome(Protocol):
    """What `protocol.csr.Check` and the steps of `credenza debug` have in common. `ok` is None for what was skipped."""

    @property
    def name(self) -> str: ...
    @property
    def ok(self) -> bool | None: ...
    @property
    def detail(self) -> str: ...
    @property
    def cure(self) -> str: ...


def show_but(context: typer.Context, record: BaseModel, *left_out: str) -> None:
    """Print a model. What is left out is too long for a table; other formats have it."""
    table = habits.of(context).output is Output.TABLE
    show(context, record.model_dump(by_alias=True, exclude=set(left_out)) if table else record)


def show(context: typer.Context, record: object) -> None:
    """Print one record: a frozen dataclass, a model of `wire`, or a mapping with camelCase names."""
    named = fields(record)
    match habits.of(context).output:
        case Output.TABLE:
            _print_table([[_label(name), _cell(value)] for name, value in named.items()], headings=())
        case Output.ENV:
            for line in env_lines(named):
                print(line)
        case output:
            _print_document(named, output)


def show_list(context: typer.Context, records: Iterable[object], *, columns: Sequence[str]) -> None:
    """Print records: in a table only the columns, else every field. An empty list is an empty document."""
    rows = [fields(record) for record in records]
    match habits.of(context).output:
        case Output.TABLE:
            cells = [[_cell(row.get(column)) for column in columns] for row in rows]
            _print_table(cells, headings=[_label(column).upper() for column in columns])
        case Output.ENV:
            raise CommandFailed("A list does not fit into env lines. Take -o json or -o yaml.", ExitCode.USAGE)
        case output:
            _print_document(list(rows), output)


def show_checks(context: typer.Context, checks: Sequence[CheckOutcome]) -> None:
    """Print what was checked and how it came out: the same words everywhere, and the cure under what failed."""
    if habits.of(context).output is not Output.TABLE:
        show_list(context, checks, columns=())
        return
    _print_table([[_MARKS[check.ok], check.name.replace("_", " "), _verdict(check)] for check in checks], headings=())


def _verdict(check: CheckOutcome) -> str:
    return printable(f"{check.detail}\n{check.cure}".strip() if not check.ok else check.detail)


def show_secret(context: typer.Context, name: str, secret: str) -> None:
    """Print a secret alone on a line, or as env line. Before a terminal shows it, the caller has asked."""
    print(_env_line(name, secret) if habits.of(context).output is Output.ENV else secret)


def note(context: typer.Context, text: str) -> None:
    """Tell the person something on stderr, unless --quiet."""
    if not habits.of(context).quiet:
        print(printable(text), file=sys.stderr)


def printable(text: str) -> str:
    """Replace what could steer a terminal: an alias or a server's answer may hold escape sequences."""
    return "".join("\ufffd" if _steers(character) else character for character in text)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"} and character not in "\n\t"


def plain(value: object) -> Plain:
    """Turn a value into what JSON knows."""
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | float() | str():
            return value
        case PurePath():
            return str(value)
        case datetime():
            return value.isoformat(timespec="seconds").replace("+00:00", "Z")
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in (value if isinstance(value, list | tuple) else sorted(value))]
    return fields(value)


def fields(record: object) -> dict[str, Plain]:
    """Name the fields of a record as the API does."""
    if isinstance(record, BaseModel):
        return {name: plain(value) for name, value in record.model_dump(mode="json", by_alias=True).items()}
    if isinstance(record, Mapping):
        return {str(name): plain(value) for name, value in record.items()}
    assert dataclasses.is_dataclass(record)
    return {_camel_case(field.name): plain(getattr(record, field.name)) for field in dataclasses.fields(record)}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _label(name: str) -> str:
    words = [_PROPER_NAMES.get(word, word) for word in _WORD_START.sub(" ", name).lower().split()]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _cell(value: Plain) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return "\n".join(_cell(item) for item in value) or "-"
        case dict():
            return "\n".join(f"{_label(name)}: {_cell(item)}" for name, item in value.items()) or "-"
    return printable(str(value))


def _print_table(rows: Sequence[Sequence[str]], *, headings: Sequence[str]) -> None:
    # A table that is piped is read by a program: nothing is cut and nothing wrapped.
    console = Console(
        highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else _WIDER_THAN_ANY_LINE
    )
    table = Table(box=None, show_header=bool(headings), pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings or [""] * max((len(row) for row in rows), default=0):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


def _print_document(document: Any, output: Output) -> None:
    if output is Output.YAML:
        print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="")
    else:
        print(_escaped(json.dumps(document, indent=2, ensure_ascii=False)))


def _escaped(text: str) -> str:
    """JSON leaves alone what its grammar allows, terminal controls of ISO 6429 for one."""
    return "".join(json.dumps(character)[1:-1] if _steers(character) else character for character in text)


def env_lines(named: Mapping[str, Plain]) -> Iterable[str]:
    """Spell a record as lines that a shell reads."""
    for name, value in named.items():
        if isinstance(value, list | dict):
            yield _env_line(name, json.dumps(value, ensure_ascii=False))
        elif value is not None:
            yield _env_line(name, str(value).lower() if isinstance(value, bool) else str(value))


def _env_line(name: str, value: str) -> str:
    return f"CREDENZA_{_WORD_START.sub('_', name).upper()}={shlex.quote(value)}"
