"""Refused calls: the last one that `credenza call` met is remembered, and a server tells why it refused one."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import typer

from credenza.cli import files, habits, output, remote
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.client import operations
from credenza.client.errors import ApiError
from credenza.wire.refusals import CallRefusal, Step

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Check:
    """A step of the gate, as `output` prints checks."""

    name: str
    ok: bool | None
    detail: str
    cure: str


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def remember(refusal_id: str) -> None:
    """Keep the id for `credenza debug ... --last`; where nothing can be written, the command goes on without."""
    with suppress(CommandFailed, OSError):
        _path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_secret(_path(), refusal_id.encode(), overwrite=True)


def last() -> str:
    if not _path().exists():
        raise CommandFailed("No command has met a refusal yet. Give the id of one.", ExitCode.NOT_FOUND)
    return files.read_text(_path())


def explain(context: typer.Context, refusal_id: str, *, offline: str) -> None:
    """Ask the server why it refused a call, and print that step by step; `offline` is the command that needs none."""
    # It becomes part of a path, with our token in the header.
    if not is_id(refusal_id):
        raise CommandFailed(f"{refusal_id!r} is not the id of a refusal.", ExitCode.USAGE)
    with remote.client(context) as connected:
        try:
            refusal = connected.send(operations.get_refusal(refusal_id))
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise _unknown(refusal_id, offline) from None
    if habits.of(context).output is not Output.TABLE:
        output.show(context, refusal)
        return
    _print(context, refusal)


def _unknown(refusal_id: str, offline: str) -> CommandFailed:
    return CommandFailed(
        f"The server has no refusal {refusal_id} for you. It keeps those of a key or an API credential for an\n"
        "hour, 20 a minute at most, for the people of its project, or who may see the credential; one that named\n"
        "neither is nobody's. Check what was sent here:\n"
        f"  {offline}",
        ExitCode.NOT_FOUND,
    )


def _print(context: typer.Context, refusal: CallRefusal) -> None:
    explanation = refusal.explanation
    facts = {"refusal": refusal.id, "at": refusal.at, "code": refusal.code, "key": refusal.credential_id}
    output.show(context, {**facts, "call": f"{explanation.method} {explanation.target}"})
    print()
    output.show_checks(context, [_as_check(step) for step in explanation.steps])
    if any(step.name == "signature" and step.ok is False for step in explanation.steps):
        for each in explanation.base_strings:
            print(output.printable(f"\n{each.reading}\n{each.text}"))


def _as_check(step: Step) -> _Check:
    if not step.asked:
        return _Check(step.name, None, "not asked for", "")
    sides = (("expected", step.expected), ("received", step.received))
    return _Check(step.name, step.ok, "\n".join(f"{side}  {text}" for side, text in sides if text), step.hint)


def _path() -> Path:
    root = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (root if root.is_absolute() else Path.home() / ".local" / "state") / "credenza" / "last-refusal"
