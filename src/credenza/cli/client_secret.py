"""Where a new client secret goes: to a file for its owner alone, or to a program. A screen shows it only when asked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from credenza.cli import files, habits, output
from credenza.cli.failure import CommandFailed, ExitCode
from credenza.cli.habits import Output
from credenza.wire.api_credentials import ApiCredential, IssuedApiCredential

File = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Write the secret there, mode 0600; -o env writes both as env lines."),
]
ShowSecret = Annotated[bool, typer.Option("--show-secret", help="Show the secret on this screen.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]


@dataclass(frozen=True, slots=True)
class Destination:
    """Made and checked before any secret is."""

    file: Path | None
    shown: bool
    overwrite: bool

    def check(self, context: typer.Context) -> None:
        if self.file is not None:
            files.check_writable(self.file, overwrite=self.overwrite)
        elif sys.stdout.isatty() and not self.shown:
            raise CommandFailed(
                "The secret is shown once, and would stay on this screen. Give --file FILE, or pass it on with -o env; "
                "--show-secret shows it here.",
                ExitCode.USAGE,
            )
        elif habits.of(context).output is Output.TABLE and not self.shown:
            raise CommandFailed("Where does the secret go? Give --file FILE, -o env or -o json.", ExitCode.USAGE)

    def deliver(self, context: typer.Context, issued: IssuedApiCredential) -> None:
        if self.file is None:
            output.show(context, _pair(issued) if habits.of(context).output is Output.ENV else issued)
            return
        files.write_secret(self.file, self._content(context, issued).encode(), overwrite=self.overwrite)
        output.note(context, f"Wrote the client secret to {self.file}. It is not shown again.")
        if habits.of(context).output is not Output.ENV:
            output.show(context, ApiCredential.model_validate(issued.model_dump()))

    def _content(self, context: typer.Context, issued: IssuedApiCredential) -> str:
        if habits.of(context).output is Output.ENV:
            return "".join(f"{line}\n" for line in output.env_lines(_pair(issued)))
        return f"{issued.client_secret}\n"


def _pair(issued: IssuedApiCredential) -> dict[str, str]:
    return {"clientId": issued.client_id, "clientSecret": issued.client_secret}
