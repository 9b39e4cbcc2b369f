"""`credenza completion`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # behind --show-completion

app = typer.Typer()


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print what makes a shell complete the commands of credenza.

    bash: credenza completion bash >> ~/.bashrc
    """
    print(get_completion_script(prog_name="credenza", complete_var="_CREDENZA_COMPLETE", shell=shell))
